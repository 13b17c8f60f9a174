// Encoded words: what the grammar of RFC 2047 reads and decodes is read and decoded, with the same
// departures; any octets in words of any size are what the definition writes, each within 75
// octets, and decode to themselves.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "ringmail/codec/encoded_word.h"
#include "support/codec/encoded_word_reference.h"

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
  const auto want = ringmail::codec::ReferenceDecodeWord(encoding, text);
  Require(word.bytes <= out.size() && word.departures == want.departures);
  Require(out.substr(0, word.bytes) == want.octets);
  return out.substr(0, word.bytes);
}

void Hold(const std::optional<ringmail::codec::EncodedWord>& got,
          const std::optional<ringmail::codec::EncodedWord>& want) {
  Require(got.has_value() == want.has_value());
  if (!want) return;
  Require(got->charset == want->charset && got->language == want->language);
  Require(got->encoding == want->encoding && got->text == want->text && got->bytes == want->bytes);
}

void Read(std::string_view text) {
  const auto strict = ringmail::codec::ReadEncodedWord(text, EncodedWordRule::kStrict);
  const auto word = ringmail::codec::ReadEncodedWord(text, EncodedWordRule::kAnyBlank);
  Hold(strict, ringmail::codec::ReferenceReadEncodedWord(text, EncodedWordRule::kStrict));
  Hold(word, ringmail::codec::ReferenceReadEncodedWord(text, EncodedWordRule::kAnyBlank));
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
    size_t consumed = 0;
    const std::string want = ringmail::codec::ReferenceEncodeWord(rest, options, room, consumed);
    Require(step.consumed == consumed && std::string_view(out, step.written) == want);
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
  return 0;
}
