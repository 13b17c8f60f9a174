// Modified UTF-7: a name is taken where the definition takes it, as what the definition makes of
// it, and written as it was; UTF-8 is written as a name that is read back.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ringmail/codec/utf7.h"
#include "ringmail/codec/utf8.h"
#include "support/codec/utf7_reference.h"

namespace {

using ringmail::codec::Utf7Verdict;

void Require(bool condition) {
  if (!condition) std::abort();
}

std::string Encode(std::string_view utf8, Utf7Verdict verdict) {
  std::string out(ringmail::codec::Utf7EncodedBytesMax(utf8.size()), '\0');
  const auto result = ringmail::codec::Utf7Encode(utf8, out.data());
  Require(result.verdict == verdict && result.bytes <= out.size());
  return out.substr(0, result.bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view name(reinterpret_cast<const char*>(data), size);
  std::string out(ringmail::codec::Utf7DecodedBytesMax(size), '\0');
  const auto result = ringmail::codec::Utf7Decode(name, out.data());
  Require(result.bytes <= out.size() && result.at <= size);
  const auto want = ringmail::codec::ReferenceUtf7Decode(name);
  Require((result.verdict == Utf7Verdict::kOk) == want.has_value());
  if (want) {
    Require(out.substr(0, result.bytes) == *want);
    Require(Encode(*want, Utf7Verdict::kOk) == name);
  }
  const bool valid = ringmail::codec::Utf8Valid(name);
  const std::string encoded = Encode(name, valid ? Utf7Verdict::kOk : Utf7Verdict::kNotUtf8);
  if (valid) {
    const auto back = ringmail::codec::ReferenceUtf7Decode(encoded);
    Require(back && *back == name);
  }
  return 0;
}
