// Encoded words by the grammar of RFC 2047 §2 and its two encodings, §4.1 and §4.2.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "ringmail/codec/encoded_word.h"
#include "support/codec/base64_reference.h"
#include "support/codec/utf8_reference.h"

namespace ringmail::codec {

inline bool ReferenceToken(std::string_view text) {
  static constexpr std::string_view kEspecials = "()<>@,;:\"/[]?.=\\";
  return std::all_of(text.begin(), text.end(), [](char octet) {
    return octet > 32 && octet < 127 && kEspecials.find(octet) == std::string_view::npos;
  });
}

// Every end is tried, the nearest first: encoded-word = "=?" charset "?" encoding "?" encoded-text
// "?=".
inline std::optional<EncodedWord> ReferenceReadEncodedWord(std::string_view text,
                                                           EncodedWordRule rule) {
  const bool strict = rule == EncodedWordRule::kStrict;
  const size_t mark = text.find('?', 2);
  if (!text.starts_with("=?") || mark == std::string_view::npos || mark + 3 > text.size() ||
      text[mark + 2] != '?')
    return std::nullopt;
  const std::string_view name = text.substr(2, mark - 2);
  const size_t star = std::min(name.find('*'), name.size());
  EncodedWord word;
  word.charset = name.substr(0, star);
  word.language = name.substr(std::min(star + 1, name.size()));
  if (word.charset.empty() || !ReferenceToken(name)) return std::nullopt;
  switch (text[mark + 1]) {
    case 'q':
    case 'Q':
      word.encoding = EncodedWordEncoding::kQ;
      break;
    case 'b':
    case 'B':
      word.encoding = EncodedWordEncoding::kB;
      break;
    default:
      return std::nullopt;
  }
  const size_t end = text.find("?=", mark + 3);
  if (end == std::string_view::npos) return std::nullopt;
  word.text = text.substr(mark + 3, end - mark - 3);
  word.bytes = end + 2;
  const bool legal = std::all_of(word.text.begin(), word.text.end(), [&](char octet) {
    if (octet > 32 && octet < 127) return octet != '?' || !strict;
    return !strict && (octet == ' ' || octet == '\t');
  });
  if (!legal || (strict && (word.bytes > 75 || word.text.empty()))) return std::nullopt;
  return word;
}

struct ReferenceWord {
  std::string octets;
  unsigned departures = 0;
};

inline ReferenceWord ReferenceDecodeWord(EncodedWordEncoding encoding, std::string_view text) {
  ReferenceWord word;
  if (encoding == EncodedWordEncoding::kB) {
    ReferenceBase64 base64 = ReferenceBase64Decode(text, Base64Form::kFlat);
    word.octets = base64.octets;
    if ((base64.departures & kBase64Foreign) != 0) word.departures |= kWordForeign;
    if ((base64.departures & kBase64Unpadded) != 0) word.departures |= kWordUnpadded;
    if ((base64.departures & ~unsigned{kBase64Foreign | kBase64Unpadded}) != 0) {
      word.departures |= kWordOtherDeparture;
    }
    return word;
  }
  constexpr std::string_view kDigits = "0123456789ABCDEF0123456789abcdef";
  while (!text.empty()) {
    const size_t high = text.size() > 2 ? kDigits.find(text[1]) : std::string_view::npos;
    const size_t low = text.size() > 2 ? kDigits.find(text[2]) : std::string_view::npos;
    if (text[0] == '=' && high != std::string_view::npos && low != std::string_view::npos) {
      word.octets += static_cast<char>(high % 16 * 16 + low % 16);
      if (high >= 16 || low >= 16) word.departures |= kWordLowerHex;
      text.remove_prefix(3);
      continue;
    }
    if (text[0] == '=') {
      word.departures |= kWordInvalidEscape;
    } else if (text[0] <= 32 || text[0] >= 127 || text[0] == '?') {
      word.departures |= kWordForeign;
    }
    word.octets += text[0] == '_' ? ' ' : text[0];
    text.remove_prefix(1);
  }
  return word;
}

// What may stand for itself in a Q word, octet by octet, as RFC 2047 §4.2 and §5 say it; '=' and
// '_' have a meaning of their own.
inline bool ReferenceQMayStand(char octet, EncodedWordPlace place) {
  constexpr std::string_view kAlways =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  if (kAlways.find(octet) != std::string_view::npos) return true;
  if (octet <= 32 || octet >= 127 || octet == '=' || octet == '_' || octet == '?') return false;
  switch (place) {
    case EncodedWordPlace::kText:
      return true;
    case EncodedWordPlace::kComment:
      return octet != '(' && octet != ')' && octet != '"' && octet != '\\';
    case EncodedWordPlace::kPhrase:
      return std::string_view("!*+-/").find(octet) != std::string_view::npos;
  }
  return false;
}

inline std::string ReferenceWordText(std::string_view octets, EncodedWordEncoding encoding,
                                     EncodedWordPlace place) {
  if (encoding == EncodedWordEncoding::kB) return ReferenceBase64Encode(octets, Base64Form::kFlat);
  std::string text;
  for (const char octet : octets) {
    const auto value = static_cast<uint8_t>(octet);
    if (octet == ' ') {
      text += '_';
    } else if (ReferenceQMayStand(octet, place)) {
      text += octet;
    } else {
      text += {'=', "0123456789ABCDEF"[value / 16], "0123456789ABCDEF"[value % 16]};
    }
  }
  return text;
}

// The longest word of whole characters that fits; `consumed` says of how many octets, 0 for none.
inline std::string ReferenceEncodeWord(std::string_view octets, const EncodedWordOptions& options,
                                       size_t room, size_t& consumed) {
  std::string best;
  consumed = 0;
  const bool utf8 = options.charset == "UTF-8" || options.charset == "utf-8";
  size_t at = 0;
  while (at < octets.size()) {
    at += utf8 ? std::max<size_t>(ReferenceUtf8CharacterBytes(octets.substr(at)), 1) : 1;
    const std::string word =
        "=?" + std::string(options.charset) +
        (options.encoding == EncodedWordEncoding::kQ ? "?Q?" : "?B?") +
        ReferenceWordText(octets.substr(0, at), options.encoding, options.place) + "?=";
    if (word.size() > std::min<size_t>(room, 75)) break;
    best = word;
    consumed = at;
  }
  return best;
}

}  // namespace ringmail::codec
