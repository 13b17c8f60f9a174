// Names of transfer encodings: a name is known in any case and in no other spelling, and a known
// one is written so that it is read again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ringmail/codec/transfer_encoding.h"
#include "support/codec/ascii_reference.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ringmail::codec::TransferEncoding;
  const std::string_view name(reinterpret_cast<const char*>(data), size);
  const TransferEncoding encoding = ringmail::codec::ParseTransferEncoding(name);
  const std::string lower = ringmail::codec::ReferenceLower(name);
  Require(ringmail::codec::ParseTransferEncoding(lower) == encoding);
  const bool known = lower == "7bit" || lower == "8bit" || lower == "binary" ||
                     lower == "quoted-printable" || lower == "base64" || lower == "x-uuencode" ||
                     lower == "uuencode" || lower == "x-uue" || lower == "uue" || lower == "x-uu";
  Require((encoding != TransferEncoding::kUnknown) == known);
  const std::string_view written = ringmail::codec::TransferEncodingName(encoding);
  Require(ringmail::codec::ParseTransferEncoding(written) == encoding);
  // RFC 2045 §6.4.
  const bool identity = lower == "7bit" || lower == "8bit" || lower == "binary";
  Require(ringmail::codec::IsIdentityEncoding(encoding) == identity);
  Require(ringmail::codec::AllowedForComposite(encoding) == identity);
  return 0;
}
