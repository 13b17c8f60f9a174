// base64: every kernel, however the text is cut, decodes what the definition decodes and names the
// same departures; what is encoded decodes to itself. The first octets choose form and cut.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ringmail/codec/base64.h"
#include "ringmail/codec/kernel.h"
#include "support/codec/base64_reference.h"

namespace {

using ringmail::codec::Base64Form;
using ringmail::codec::Kernel;

ringmail::codec::ReferenceBase64 Decode(std::string_view text, Base64Form form, size_t cut) {
  ringmail::codec::Base64Decoder decoder(form);
  ringmail::codec::ReferenceBase64 result;
  for (const std::string_view piece : {text.substr(0, cut), text.substr(cut)}) {
    std::string out(ringmail::codec::Base64DecodedBytesMax(piece.size()), '\0');
    result.octets += out.substr(0, decoder.Feed(piece, out.data()));
  }
  decoder.Finish();
  result.departures = decoder.departures();
  return result;
}

std::string Encode(std::string_view octets, Base64Form form, size_t cut) {
  ringmail::codec::Base64Encoder encoder(form);
  std::string all;
  for (const std::string_view piece : {octets.substr(0, cut), octets.substr(cut)}) {
    std::string out(ringmail::codec::Base64EncodedBytesMax(piece.size(), form), '\0');
    all += out.substr(0, encoder.Feed(piece, out.data()));
  }
  std::string out(ringmail::codec::Base64EncodedBytesMax(0, form), '\0');
  return all + out.substr(0, encoder.Finish(out.data()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto form = static_cast<Base64Form>(data[0] % 3);
  const std::string_view text = input.substr(3);
  const size_t cut = (size_t{data[1]} << 8 | data[2]) % (text.size() + 1);
  const auto want = ringmail::codec::ReferenceBase64Decode(text, form);
  const std::string encoded = ringmail::codec::ReferenceBase64Encode(text, form);
  for (const Kernel kernel : ringmail::codec::kKernels) {
    if (!ringmail::codec::ForceKernel(kernel)) continue;
    const auto got = Decode(text, form, cut);
    if (got.octets != want.octets || got.departures != want.departures) std::abort();
    if (Encode(text, form, cut) != encoded) std::abort();
    const auto back = Decode(encoded, form, cut);
    if (back.octets != text || back.departures != 0) std::abort();
  }
  return 0;
}
