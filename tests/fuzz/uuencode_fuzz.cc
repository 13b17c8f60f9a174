// uuencode: however the text is cut and small the room, what the definition decodes is decoded,
// with the same departures, name and mode; what is encoded is what the definition writes and
// decodes to itself. The first two octets are the cut.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ringmail/codec/uuencode.h"
#include "support/codec/uuencode_reference.h"

namespace {

using ringmail::codec::ReferenceUu;
using ringmail::codec::UuForm;

void Require(bool condition) {
  if (!condition) std::abort();
}

void HoldDecoder(std::string_view text, size_t cut) {
  ringmail::codec::UuDecoder decoder;
  std::string all;
  char out[ringmail::codec::kUuLineBytesMax];
  for (std::string_view piece : {text.substr(0, cut), text.substr(cut)}) {
    while (!piece.empty()) {
      const auto step = decoder.Feed(piece, out);
      Require(step.consumed != 0 && step.written <= sizeof(out));
      all.append(out, step.written);
      piece.remove_prefix(step.consumed);
    }
  }
  all.append(out, decoder.Finish(out));
  const ReferenceUu want = ringmail::codec::ReferenceUuDecode(text);
  Require(all == want.octets && decoder.departures() == want.departures);
  Require(decoder.mode() == want.mode && decoder.file_name() == want.file_name);
  Require(decoder.begun() == want.begun && decoder.ended() == want.ended);
}

std::string Encode(std::string_view octets, UuForm form, size_t cut) {
  ringmail::codec::UuEncoder encoder(form, 0640, "fuzz.bin");
  std::string all;
  for (const std::string_view piece : {octets.substr(0, cut), octets.substr(cut)}) {
    std::string out(ringmail::codec::UuEncodedBytesMax(piece.size()), '\0');
    all += out.substr(0, encoder.Feed(piece, out.data()));
  }
  std::string out(ringmail::codec::UuEncodedBytesMax(0), '\0');
  return all + out.substr(0, encoder.Finish(out.data()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t cut = (size_t{data[0]} << 8 | data[1]) % (text.size() + 1);
  HoldDecoder(text, cut);
  const std::string_view octets = text.substr(0, 1000);
  for (const UuForm form : {UuForm::kHistorical, UuForm::kBase64}) {
    const std::string encoded = Encode(octets, form, std::min(cut, octets.size()));
    Require(encoded == ringmail::codec::ReferenceUuEncode(octets, form, "640", "fuzz.bin"));
    const ReferenceUu back = ringmail::codec::ReferenceUuDecode(encoded);
    Require(back.octets == octets && back.departures == 0);
    HoldDecoder(encoded, cut % (encoded.size() + 1));
  }
  return 0;
}
