// Encoded words: RFC 2047, with the language of RFC 2231 §5. Octets only; what the charset makes of
// them is for its decoder.
//
// Promise: nothing is allocated; views lie within what was read. Shard: pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ringmail::codec {

enum class EncodedWordEncoding : uint8_t { kQ, kB };

inline constexpr size_t kEncodedWordBytesMax = 75;  // RFC 2047 §2, delimiters included

struct EncodedWord {
  std::string_view charset, language;  // language is empty where none is given
  EncodedWordEncoding encoding = EncodedWordEncoding::kQ;
  std::string_view text;  // still encoded
  size_t bytes = 0;       // from "=?" to "?="
};

// Where encoded words stand decides what the text of one may hold (RFC 2047 §5). It never holds a
// blank or a control. `kAnyBlank` is for those who send "=?utf-8?Q?two words?=" (seen from many web
// mailers): printable octets and SP and HT, and more than 75 octets.
enum class EncodedWordRule : uint8_t { kStrict, kAnyBlank };

// The encoded word that `text` starts with.
std::optional<EncodedWord> ReadEncodedWord(std::string_view text, EncodedWordRule rule);

// How the text of a word differed; all is decoded as far as it can be.
inline constexpr uint8_t kWordLowerHex = 1;         // Q: "=e4"; RFC 2047 §4.2 (1) says upper case
inline constexpr uint8_t kWordInvalidEscape = 2;    // Q: '=' without two digits, kept
inline constexpr uint8_t kWordForeign = 4;          // B: outside of the alphabet, skipped; Q: kept
inline constexpr uint8_t kWordUnpadded = 8;         // B: the end without all its '='
inline constexpr uint8_t kWordOtherDeparture = 16;  // B: every other one of base64.h
struct DecodedWord {
  size_t bytes = 0;
  uint8_t departures = 0;
};
// REQUIRES: room for text.size() + 3, apart from it.
DecodedWord DecodeWord(EncodedWordEncoding encoding, std::string_view text, char* out);

// Which octets may stand for themselves in Q (RFC 2047 §5).
enum class EncodedWordPlace : uint8_t {
  kText,     // (1) an unstructured field
  kComment,  // (2) without '(', ')' and '\\'
  kPhrase,   // (3) before an address: letters, digits, "!*+-/" only
};

struct EncodedWordOptions {
  // "UTF-8" keeps characters whole (§5: each word is to be decoded by itself); with every other
  // name each octet is taken for a character. REQUIRES: no more than 40 octets.
  std::string_view charset;
  EncodedWordEncoding encoding;
  EncodedWordPlace place;
};
// The encoding that makes the fewer octets of `octets`; Q where they are equal.
EncodedWordEncoding ShorterEncoding(std::string_view octets, EncodedWordPlace place);

struct EncodeStep {
  size_t consumed = 0, written = 0;
};
// One encoded word of no more than min(room, 75) octets, from as many characters at the start of
// `octets` as fit. Nothing is consumed where not even one does. What is no UTF-8 goes octet by
// octet. Words that follow each other are to be separated by a blank, which decoders drop (§6.2).
// REQUIRES: room for 75 octets.
EncodeStep EncodeWord(std::string_view octets, const EncodedWordOptions& options, size_t room,
                      char* out);

}  // namespace ringmail::codec
