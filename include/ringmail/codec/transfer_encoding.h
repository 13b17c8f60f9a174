// The names of transfer encodings: RFC 2045 §6.1, and what unknown ones mean.
//
// Shard: pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace ringmail::codec {

enum class TransferEncoding : uint8_t {
  k7Bit,
  k8Bit,
  kBinary,
  kQuotedPrintable,
  kBase64,
  kUuencode,  // no standard name: x-uuencode, x-uue, uuencode, x-uu
  // RFC 2045 §6.4: "any entity with an unrecognized Content-Transfer-Encoding must be treated as if
  // it has a Content-Type of application/octet-stream, regardless of what the Content-Type header
  // field actually says"; its octets are left as they are.
  kUnknown,
};

// In any case (§6.1), without blanks or comments around. An empty name is kUnknown: where the field
// is absent, 7bit is the caller's (§6.1).
TransferEncoding ParseTransferEncoding(std::string_view name);
// "7bit" and so on; "x-uuencode" for kUuencode and "x-unknown" for kUnknown.
std::string_view TransferEncodingName(TransferEncoding encoding);
// Whether the octets are the content itself (§6.2: an identity encoding).
bool IsIdentityEncoding(TransferEncoding encoding);
// Whether a composite type may have it (§6.4: only 7bit, 8bit and binary).
bool AllowedForComposite(TransferEncoding encoding);

}  // namespace ringmail::codec
