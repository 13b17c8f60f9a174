// Percent encoding: what the grammar of RFC 2231 decodes is decoded, also in place, with the same
// departures; what is encoded, at once and in continuations, is what the grammar writes and decodes
// to itself. The first octet is the room of a continuation.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ringmail/codec/percent.h"
#include "support/codec/percent_reference.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void HoldDecoder(std::string_view text) {
  const ringmail::codec::ReferencePercent want = ringmail::codec::ReferencePercentDecode(text);
  std::string in_place(text);
  const auto decoded = ringmail::codec::PercentDecode(in_place, in_place.data());
  Require(in_place.substr(0, decoded.bytes) == want.octets);
  Require(decoded.departures == want.departures);
  const auto value = ringmail::codec::SplitExtendedValue(text);
  if (!value) return;
  const std::string whole = std::string(value->charset) + "'" + std::string(value->language) + "'" +
                            std::string(value->text);
  Require(whole == text);
  Require((std::string(value->charset) + std::string(value->language)).find('\'') ==
          std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  HoldDecoder(text);
  const std::string want = ringmail::codec::ReferencePercentEncode(text);
  std::string out(3 * text.size(), '\0');
  Require(ringmail::codec::PercentEncode(text, out.data()) == want.size());
  Require(out.substr(0, want.size()) == want);
  Require(ringmail::codec::PercentEncodedBytes(text) == want.size());
  Require(ringmail::codec::ReferencePercentDecode(want).octets == text);
  HoldDecoder(want);
  // A character is of twelve octets at most.
  const size_t room = 12 + data[0] % 70;
  std::string all;
  for (std::string_view rest = text; !rest.empty();) {
    std::string piece(room, '\0');
    const auto step = ringmail::codec::PercentEncodeSome(rest, room, piece.data());
    Require(step.consumed != 0 && step.written <= room);
    all += piece.substr(0, step.written);
    rest.remove_prefix(step.consumed);
  }
  Require(all == want);
  return 0;
}
