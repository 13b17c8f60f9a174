// Case: every kernel finds, compares and lowers what the definition does. The first two octets say
// where the piece that is searched for begins, the third its length.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ringmail/codec/ascii.h"
#include "ringmail/codec/kernel.h"
#include "support/codec/ascii_reference.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 3, size - 3);
  const size_t from = (size_t{data[0]} << 8 | data[1]) % (text.size() + 1);
  const std::string_view needle = text.substr(from, data[2] % 80);
  // Its case turned: found all the same.
  std::string turned(needle);
  for (char& octet : turned) octet = static_cast<char>(octet == 'a' ? 'A' : octet);
  const size_t first = ringmail::codec::ReferenceFindNoCase(text, needle, 0);
  const size_t half = ringmail::codec::ReferenceFindNoCase(text, needle, from / 2);
  const size_t after = ringmail::codec::ReferenceFindNoCase(text, needle, from + 1);
  const std::string lower = ringmail::codec::ReferenceLower(text);
  for (const ringmail::codec::Kernel kernel : ringmail::codec::kKernels) {
    if (!ringmail::codec::ForceKernel(kernel)) continue;
    Require(ringmail::codec::AsciiFindNoCase(text, needle, 0) == first);
    Require(ringmail::codec::AsciiFindNoCase(text, turned, 0) == first);
    Require(ringmail::codec::AsciiFindNoCase(text, needle, from / 2) == half);
    Require(ringmail::codec::AsciiFindNoCase(text, needle, from + 1) == after);
    std::string in_place(text);
    ringmail::codec::AsciiLowerCopy(in_place, in_place.data());
    Require(in_place == lower);
    Require(ringmail::codec::AsciiEqualNoCase(text, lower));
    Require(ringmail::codec::AsciiStartsWithNoCase(text, lower.substr(0, from)));
  }
  return 0;
}
