// UTF-8 by the grammar of RFC 3629 §4: code points, then how each is written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringmail::codec {

inline std::string ReferenceUtf8(uint32_t point) {
  std::string text;
  if (point < 0x80) {
    text += static_cast<char>(point);
  } else if (point < 0x800) {
    text += static_cast<char>(0xC0 | point >> 6);
    text += static_cast<char>(0x80 | (point & 63));
  } else if (point < 0x10000) {
    text += static_cast<char>(0xE0 | point >> 12);
    text += static_cast<char>(0x80 | (point >> 6 & 63));
    text += static_cast<char>(0x80 | (point & 63));
  } else {
    text += static_cast<char>(0xF0 | point >> 18);
    text += static_cast<char>(0x80 | (point >> 12 & 63));
    text += static_cast<char>(0x80 | (point >> 6 & 63));
    text += static_cast<char>(0x80 | (point & 63));
  }
  return text;
}

// The octets of the first character, 0 where there is none: decoded by its length, and valid where
// writing the point again gives the same octets.
inline size_t ReferenceUtf8CharacterBytes(std::string_view text) {
  if (text.empty()) return 0;
  const auto first = static_cast<uint8_t>(text[0]);
  const size_t bytes = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (text.size() < bytes) return 0;
  uint32_t point = bytes == 1 ? first : first & (0x7Fu >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    point = point << 6 | (static_cast<uint8_t>(text[i]) & 63u);
  }
  if (point >= 0x110000 || (point >= 0xD800 && point < 0xE000)) return 0;
  return ReferenceUtf8(point) == text.substr(0, bytes) ? bytes : 0;
}

inline size_t ReferenceUtf8ValidPrefix(std::string_view text) {
  size_t at = 0;
  while (const size_t bytes = ReferenceUtf8CharacterBytes(text.substr(at))) at += bytes;
  return at;
}

// Whether some octets behind `text` make it valid.
inline bool ReferenceUtf8CanGoOn(std::string_view text) {
  const std::string rest(text.substr(ReferenceUtf8ValidPrefix(text)));
  if (rest.empty()) return true;
  if (rest.size() > 3) return false;
  for (const char second : {'\x80', '\x90', '\xA0'}) {
    const std::string full = rest + std::string(rest.size() == 1 ? 1 : 0, second) + "\x80\x80";
    if (ReferenceUtf8CharacterBytes(full) > rest.size()) return true;
  }
  return false;
}

}  // namespace ringmail::codec
