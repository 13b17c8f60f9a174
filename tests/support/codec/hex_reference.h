// Hexadecimal by the table of RFC 4648 §8.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ringmail/codec/hex.h"

namespace ringmail::codec {

inline std::string ReferenceHexEncode(std::string_view octets, HexCase hex_case) {
  const char* const digits = hex_case == HexCase::kLower ? "0123456789abcdef" : "0123456789ABCDEF";
  std::string text;
  for (const char octet : octets) {
    text += digits[static_cast<uint8_t>(octet) / 16];
    text += digits[static_cast<uint8_t>(octet) % 16];
  }
  return text;
}

inline std::optional<std::string> ReferenceHexDecode(std::string_view text) {
  constexpr std::string_view kLower = "0123456789abcdef", kUpper = "0123456789ABCDEF";
  if (text.size() % 2 != 0) return std::nullopt;
  std::string octets;
  size_t value = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    const size_t digit = std::min(kLower.find(text[at]), kUpper.find(text[at]));
    if (digit == std::string_view::npos) return std::nullopt;
    value = value * 16 + digit;
    if (at % 2 == 1) {
      octets += static_cast<char>(value);
      value = 0;
    }
  }
  return octets;
}

}  // namespace ringmail::codec
