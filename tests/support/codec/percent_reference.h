// Percent encoding by the grammar of RFC 2231 §7, octet by octet.
#pragma once

#include <string>
#include <string_view>

#include "ringmail/codec/percent.h"

namespace ringmail::codec {

// attribute-char := <any (ASCII) CHAR except SPACE, CTLs, "*", "'", "%", or tspecials>; tspecials
// are those of RFC 2045 §5.1.
inline bool ReferenceAttributeChar(char octet) {
  return octet > 32 && octet < 127 &&
         std::string_view("*'%()<>@,;:\\\"/[]?=").find(octet) == std::string_view::npos;
}

inline std::string ReferencePercentEncode(std::string_view octets) {
  std::string text;
  for (const char octet : octets) {
    if (ReferenceAttributeChar(octet)) {
      text += octet;
      continue;
    }
    const auto value = static_cast<uint8_t>(octet);
    text += {'%', "0123456789ABCDEF"[value / 16], "0123456789ABCDEF"[value % 16]};
  }
  return text;
}

struct ReferencePercent {
  std::string octets;
  unsigned departures = 0;
};

inline ReferencePercent ReferencePercentDecode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF0123456789abcdef";
  ReferencePercent result;
  while (!text.empty()) {
    const size_t high = text.size() > 2 ? kDigits.find(text[1]) : std::string_view::npos;
    const size_t low = text.size() > 2 ? kDigits.find(text[2]) : std::string_view::npos;
    if (text[0] == '%' && high != std::string_view::npos && low != std::string_view::npos) {
      result.octets += static_cast<char>(high % 16 * 16 + low % 16);
      if (high >= 16 || low >= 16) result.departures |= kPercentLowerHex;
      text.remove_prefix(3);
      continue;
    }
    if (text[0] == '%') {
      result.departures |= kPercentInvalidEscape;
    } else if (!ReferenceAttributeChar(text[0])) {
      result.departures |= kPercentForeign;
    }
    result.octets += text[0];
    text.remove_prefix(1);
  }
  return result;
}

}  // namespace ringmail::codec
