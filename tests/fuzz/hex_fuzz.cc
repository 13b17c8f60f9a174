// Hexadecimal: every kernel encodes as the table does, what is encoded decodes to itself, also in
// place, and text is taken where the definition takes it.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ringmail/codec/hex.h"
#include "ringmail/codec/kernel.h"
#include "support/codec/hex_reference.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void HoldDecoder(std::string_view text) {
  const auto want = ringmail::codec::ReferenceHexDecode(text);
  std::string out(text.size() / 2, '\0'), in_place(text);
  const auto written = ringmail::codec::HexDecode(text, out.data());
  Require(written.has_value() == want.has_value());
  Require(ringmail::codec::HexDecode(in_place, in_place.data()) == written);
  if (want) Require(out == *want && in_place.substr(0, *written) == *want);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const ringmail::codec::Kernel kernel : ringmail::codec::kKernels) {
    if (!ringmail::codec::ForceKernel(kernel)) continue;
    HoldDecoder(text);
    for (const auto hex_case :
         {ringmail::codec::HexCase::kLower, ringmail::codec::HexCase::kUpper}) {
      std::string encoded(2 * size, '\0');
      Require(ringmail::codec::HexEncode(text, hex_case, encoded.data()) == encoded.size());
      Require(encoded == ringmail::codec::ReferenceHexEncode(text, hex_case));
      HoldDecoder(encoded);
      // One octet that may be no digit, somewhere.
      if (size < 2) continue;
      encoded[data[0] % encoded.size()] = static_cast<char>(data[1]);
      HoldDecoder(encoded);
    }
  }
  return 0;
}
