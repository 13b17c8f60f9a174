// quoted-printable: every kernel, however the text is cut, decodes what the definition decodes and
// names the same departures; what is encoded, as text and as octets, is what the definition writes
// and decodes to itself. The first two octets are the cut.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ringmail/codec/kernel.h"
#include "ringmail/codec/quoted_printable.h"
#include "support/codec/quoted_printable_reference.h"

namespace {

using ringmail::codec::QuotedPrintableInput;
using ringmail::codec::ReferenceQuotedPrintable;

ReferenceQuotedPrintable Decode(std::string_view text, size_t cut) {
  ringmail::codec::QuotedPrintableDecoder decoder;
  ReferenceQuotedPrintable result;
  for (const std::string_view piece : {text.substr(0, cut), text.substr(cut)}) {
    std::string out(ringmail::codec::QuotedPrintableDecodedBytesMax(piece.size()), '\0');
    result.octets += out.substr(0, decoder.Feed(piece, out.data()));
  }
  std::string out(ringmail::codec::QuotedPrintableDecodedBytesMax(0), '\0');
  result.octets += out.substr(0, decoder.Finish(out.data()));
  result.departures = decoder.departures();
  return result;
}

std::string Encode(std::string_view octets, QuotedPrintableInput input, size_t cut) {
  ringmail::codec::QuotedPrintableEncoder encoder(input);
  std::string all;
  for (const std::string_view piece : {octets.substr(0, cut), octets.substr(cut)}) {
    std::string out(ringmail::codec::QuotedPrintableEncodedBytesMax(piece.size()), '\0');
    all += out.substr(0, encoder.Feed(piece, out.data()));
  }
  std::string out(ringmail::codec::QuotedPrintableEncodedBytesMax(0), '\0');
  return all + out.substr(0, encoder.Finish(out.data()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t cut = (size_t{data[0]} << 8 | data[1]) % (text.size() + 1);
  const ReferenceQuotedPrintable want = ringmail::codec::ReferenceQuotedPrintableDecode(text);
  for (const ringmail::codec::Kernel kernel : ringmail::codec::kKernels) {
    if (!ringmail::codec::ForceKernel(kernel)) continue;
    const ReferenceQuotedPrintable got = Decode(text, cut);
    if (got.octets != want.octets || got.departures != want.departures) std::abort();
    for (const auto input : {QuotedPrintableInput::kText, QuotedPrintableInput::kBinary}) {
      const std::string encoded = Encode(text, input, cut);
      if (encoded != ringmail::codec::ReferenceQuotedPrintableEncode(text, input)) std::abort();
      const ReferenceQuotedPrintable back = Decode(encoded, cut);
      if (back.octets != text || back.departures != 0) std::abort();
    }
  }
  return 0;
}
