// The modified UTF-7 of IMAP's mailbox names: RFC 3501 §5.1.3.
//
// Promise: one name has one form: what a verdict of kOk decodes encodes to itself again. Nothing is
//   allocated. Shard: pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringmail::codec {

enum class Utf7Verdict : uint8_t {
  kOk,
  kRawOctet,      // an octet that is not printable US-ASCII
  kUnterminated,  // '&' without its '-'
  kForeign,       // an octet that is not in the modified base64 alphabet, '/' among them
  kBits,          // left-over bits that are not zero, or a whole sextet too many
  kSurrogate,     // half of a pair alone
  kPrintable,     // printable US-ASCII that is encoded ("MUST NOT" be)
  kSplit,         // an encoded run right after another, which were one ("superfluous shift")
  kNotUtf8,       // encoding only
};

struct Utf7Result {
  Utf7Verdict verdict = Utf7Verdict::kOk;
  size_t bytes = 0;  // written; with another verdict than kOk of no use
  size_t at = 0;     // with another verdict, the octet of the input that it is about
};

// REQUIRES: room for Utf7DecodedBytesMax, apart from the input.
Utf7Result Utf7Decode(std::string_view name, char* out);
constexpr size_t Utf7DecodedBytesMax(size_t n) { return n + n / 2 + 4; }
// REQUIRES: room for Utf7EncodedBytesMax, apart from the input.
Utf7Result Utf7Encode(std::string_view utf8, char* out);
constexpr size_t Utf7EncodedBytesMax(size_t n) { return 5 * n + 4; }

}  // namespace ringmail::codec
