#include "ringmail/codec/encoded_word.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "ringmail/base/check.h"
#include "ringmail/codec/ascii.h"
#include "ringmail/codec/base64.h"
#include "ringmail/codec/hex.h"
#include "ringmail/codec/utf8.h"

namespace ringmail::codec {
namespace {

constexpr std::string_view kDigits = "0123456789ABCDEF";
constexpr size_t kAround = 7;  // "=?", "?", the encoding, "?", "?="

// token of RFC 2047 §2: no blank, no control, none of especials.
bool IsToken(char octet) {
  constexpr std::string_view kEspecials = "()<>@,;:\"/[]?.=\\";
  return octet > ' ' && octet < 127 && kEspecials.find(octet) == std::string_view::npos;
}

bool IsText(char octet, EncodedWordRule rule) {
  if (rule == EncodedWordRule::kAnyBlank && (octet == ' ' || octet == '\t')) return true;
  // §2: encoded-text has no "?"; those who send blanks send it too.
  return octet > ' ' && octet < 127 && (octet != '?' || rule == EncodedWordRule::kAnyBlank);
}

// Whether Q writes the octet as it is (RFC 2047 §4.2, §5).
bool IsLiteral(char octet, EncodedWordPlace place) {
  if (octet <= ' ' || octet >= 127) return false;
  const bool letter = (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') ||
                      (octet >= '0' && octet <= '9');
  if (letter) return true;
  if (place == EncodedWordPlace::kPhrase) {
    return std::string_view("!*+-/").find(octet) != std::string_view::npos;
  }
  if (octet == '=' || octet == '?' || octet == '_') return false;
  if (place == EncodedWordPlace::kText) return true;
  return octet != '(' && octet != ')' && octet != '\\' && octet != '"';
}

size_t QBytes(std::string_view octets, EncodedWordPlace place) {
  size_t bytes = 0;
  for (const char octet : octets) bytes += octet == ' ' || IsLiteral(octet, place) ? 1 : 3;
  return bytes;
}

char* QEncode(std::string_view octets, EncodedWordPlace place, char* out) {
  for (const char octet : octets) {
    if (octet == ' ') {
      *out++ = '_';
    } else if (IsLiteral(octet, place)) {
      *out++ = octet;
    } else {
      const auto value = static_cast<uint8_t>(octet);
      *out++ = '=';
      *out++ = kDigits[value >> 4];
      *out++ = kDigits[value & 15];
    }
  }
  return out;
}

DecodedWord DecodeQ(std::string_view text, char* out) {
  DecodedWord word;
  for (size_t at = 0; at < text.size(); ++at) {
    const char octet = text[at];
    if (octet == '=') {
      const uint8_t high = at + 1 < text.size() ? HexDigitValue(text[at + 1]) : 16;
      const uint8_t low = at + 2 < text.size() ? HexDigitValue(text[at + 2]) : 16;
      if (high != 16 && low != 16) {
        if (text[at + 1] >= 'a' || text[at + 2] >= 'a') word.departures |= kWordLowerHex;
        out[word.bytes++] = static_cast<char>(high << 4 | low);
        at += 2;
        continue;
      }
      word.departures |= kWordInvalidEscape;
    } else if (octet <= ' ' || octet >= 127 || octet == '?') {
      word.departures |= kWordForeign;
    }
    // §4.2 (2): "_" is SP whatever the charset has at 0x20.
    out[word.bytes++] = octet == '_' ? ' ' : octet;
  }
  return word;
}

DecodedWord DecodeB(std::string_view text, char* out) {
  Base64Decoder decoder(Base64Form::kFlat);
  DecodedWord word{.bytes = decoder.Feed(text, out)};
  decoder.Finish();
  const unsigned departures = decoder.departures();
  if ((departures & kBase64Foreign) != 0) word.departures |= kWordForeign;
  if ((departures & kBase64Unpadded) != 0) word.departures |= kWordUnpadded;
  constexpr unsigned kNamed = kBase64Foreign | kBase64Unpadded;
  if ((departures & ~kNamed) != 0) word.departures |= kWordOtherDeparture;
  return word;
}

}  // namespace

std::optional<EncodedWord> ReadEncodedWord(std::string_view text, EncodedWordRule rule) {
  if (!text.starts_with("=?")) return std::nullopt;
  size_t at = 2;
  while (at < text.size() && IsToken(text[at])) ++at;
  EncodedWord word;
  word.charset = text.substr(2, at - 2);
  // RFC 2231 §5: charset ["*" language]
  if (const size_t star = word.charset.find('*'); star != std::string_view::npos) {
    word.language = word.charset.substr(star + 1);
    word.charset = word.charset.substr(0, star);
  }
  const std::string_view rest = text.substr(at);
  if (word.charset.empty() || rest.size() < 5 || rest[0] != '?' || rest[2] != '?') {
    return std::nullopt;
  }
  const char encoding = AsciiLower(rest[1]);
  if (encoding != 'q' && encoding != 'b') return std::nullopt;
  word.encoding = encoding == 'q' ? EncodedWordEncoding::kQ : EncodedWordEncoding::kB;
  size_t end = 3;
  while (end < rest.size() && IsText(rest[end], rule) && !rest.substr(end).starts_with("?=")) ++end;
  if (!rest.substr(end).starts_with("?=")) return std::nullopt;
  word.text = rest.substr(3, end - 3);
  word.bytes = at + end + 2;
  if (rule == EncodedWordRule::kStrict && (word.bytes > kEncodedWordBytesMax || word.text.empty()))
    return std::nullopt;
  return word;
}

DecodedWord DecodeWord(EncodedWordEncoding encoding, std::string_view text, char* out) {
  return encoding == EncodedWordEncoding::kQ ? DecodeQ(text, out) : DecodeB(text, out);
}

EncodedWordEncoding ShorterEncoding(std::string_view octets, EncodedWordPlace place) {
  return QBytes(octets, place) <= (octets.size() + 2) / 3 * 4 ? EncodedWordEncoding::kQ
                                                              : EncodedWordEncoding::kB;
}

EncodeStep EncodeWord(std::string_view octets, const EncodedWordOptions& options, size_t room,
                      char* out) {
  CHECK(!options.charset.empty());
  CHECK_LE(options.charset.size(), size_t{40});
  const size_t around = options.charset.size() + kAround;
  const size_t bytes_max = std::min(room, kEncodedWordBytesMax);
  if (bytes_max <= around) return {};
  const bool utf8 = AsciiEqualNoCase(options.charset, "UTF-8");
  const bool q = options.encoding == EncodedWordEncoding::kQ;
  size_t take = 0, text_bytes = 0;
  while (take < octets.size()) {
    const std::string_view rest = octets.substr(take);
    const size_t character = utf8 ? std::max<size_t>(Utf8CharacterBytes(rest), 1) : 1;
    const size_t bytes = q ? text_bytes + QBytes(rest.substr(0, character), options.place)
                           : (take + character + 2) / 3 * 4;
    if (bytes > bytes_max - around) break;
    take += character;
    text_bytes = bytes;
  }
  if (take == 0) return {};
  char* to = out;
  to = std::copy_n("=?", 2, to);
  to = std::copy_n(options.charset.data(), options.charset.size(), to);
  to = std::copy_n(q ? "?Q?" : "?B?", 3, to);
  if (q) {
    to = QEncode(octets.substr(0, take), options.place, to);
  } else {
    Base64Encoder encoder(Base64Form::kFlat);
    // The room of a Feed is larger than what is left of 75 octets.
    std::array<char, Base64EncodedBytesMax(kEncodedWordBytesMax, Base64Form::kFlat)> text;
    size_t written = encoder.Feed(octets.substr(0, take), text.data());
    written += encoder.Finish(text.data() + written);
    CHECK_EQ(written, text_bytes);
    to = std::copy_n(text.data(), written, to);
  }
  to = std::copy_n("?=", 2, to);
  return {take, static_cast<size_t>(to - out)};
}

}  // namespace ringmail::codec
