// Encoded words and percent encoding: a word that is read lies within the text and says no more
// than it has room for; any octets in words of any size decode to themselves, each word within 75
// octets; likewise by percent.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ringmail/codec/encoded_word.h"
#include "ringmail/codec/percent.h"

namespace {

using ringmail::codec::EncodedWordEncoding;
using ringmail::codec::EncodedWordPlace;
using ringmail::codec::EncodedWordRule;

void Require(bool condition) {
  if (!condition) std::abort();
}

std::string Decode(EncodedWordEncoding encoding, std::string_view text) {
  std::string out(text.size() + 3, '\0');
  const auto word = ringmail::codec::DecodeWord(encoding, text, out.data());
  Require(word.bytes <= out.size());
  return out.substr(0, word.bytes);
}

void Read(std::string_view text) {
  const auto strict = ringmail::codec::ReadEncodedWord(text, EncodedWordRule::kStrict);
  const auto word = ringmail::codec::ReadEncodedWord(text, EncodedWordRule::kAnyBlank);
  if (strict) Require(word && strict->bytes == word->bytes && strict->bytes <= 75);
  if (!word) return;
  Require(word->bytes <= text.size());
  Require(text.substr(0, word->bytes).ends_with("?="));
  Require(!word->charset.empty());
  Decode(word->encoding, word->text);
}

void Write(std::string_view octets, const ringmail::codec::EncodedWordOptions& options,
           size_t room) {
  std::string all;
  for (std::string_view rest = octets; !rest.empty();) {
    char out[ringmail::codec::kEncodedWordBytesMax];
    const auto step = ringmail::codec::EncodeWord(rest, options, room, out);
    Require(step.consumed != 0 && step.written <= room);
    const auto word =
        ringmail::codec::ReadEncodedWord({out, step.written}, EncodedWordRule::kStrict);
    Require(word && word->bytes == step.written);
    all += Decode(word->encoding, word->text);
    rest.remove_prefix(step.consumed);
  }
  Require(all == octets);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (size_t at = text.find("=?"); at != std::string_view::npos; at = text.find("=?", at + 1)) {
    Read(text.substr(at));
  }
  const size_t room = 24 + data[0] % 52;
  const std::string_view octets = text.substr(0, 300);
  for (const auto encoding : {EncodedWordEncoding::kQ, EncodedWordEncoding::kB}) {
    for (const auto place :
         {EncodedWordPlace::kText, EncodedWordPlace::kComment, EncodedWordPlace::kPhrase}) {
      Write(octets, {"UTF-8", encoding, place}, room);
      Write(octets, {"x", encoding, place}, room);
    }
  }
  std::string percent(3 * octets.size(), '\0');
  percent.resize(ringmail::codec::PercentEncode(octets, percent.data()));
  const auto decoded = ringmail::codec::PercentDecode(percent, percent.data());
  Require(decoded.departures == 0 && percent.substr(0, decoded.bytes) == octets);
  std::string in_place(text);
  Require(ringmail::codec::PercentDecode(in_place, in_place.data()).bytes <= text.size());
  return 0;
}
