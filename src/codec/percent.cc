#include "ringmail/codec/percent.h"

#include <algorithm>
#include <array>

#include "ringmail/codec/hex.h"
#include "ringmail/codec/utf8.h"

namespace ringmail::codec {
namespace {

constexpr std::string_view kDigits = "0123456789ABCDEF";

// attribute-char (RFC 2231 §7): no SPACE, CTLs, "*", "'", "%", tspecials (RFC 2045 §5.1).
struct Attributes {
  std::array<bool, 256> is{};
};
consteval Attributes MakeAttributes() {
  Attributes attributes;
  for (size_t octet = 33; octet < 127; ++octet) attributes.is[octet] = true;
  for (const char octet : std::string_view("*'%()<>@,;:\\\"/[]?=")) {
    attributes.is[static_cast<uint8_t>(octet)] = false;
  }
  return attributes;
}
constexpr Attributes kAttributes = MakeAttributes();

bool IsAttribute(char octet) { return kAttributes.is[static_cast<uint8_t>(octet)]; }

}  // namespace

std::optional<ExtendedValue> SplitExtendedValue(std::string_view value) {
  const size_t first = value.find('\'');
  if (first == std::string_view::npos) return std::nullopt;
  const size_t second = value.find('\'', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  return ExtendedValue{value.substr(0, first), value.substr(first + 1, second - first - 1),
                       value.substr(second + 1)};
}

PercentDecoded PercentDecode(std::string_view text, char* out) {
  PercentDecoded decoded;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%') {
      const uint8_t high = at + 1 < text.size() ? HexDigitValue(text[at + 1]) : 16;
      const uint8_t low = at + 2 < text.size() ? HexDigitValue(text[at + 2]) : 16;
      if (high != 16 && low != 16) {
        if (text[at + 1] >= 'a' || text[at + 2] >= 'a') decoded.departures |= kPercentLowerHex;
        out[decoded.bytes++] = static_cast<char>(high << 4 | low);
        at += 2;
        continue;
      }
      decoded.departures |= kPercentInvalidEscape;
    } else if (!IsAttribute(text[at])) {
      decoded.departures |= kPercentForeign;
    }
    out[decoded.bytes++] = text[at];
  }
  return decoded;
}

size_t PercentEncodedBytes(std::string_view octets) {
  size_t bytes = 0;
  for (const char octet : octets) bytes += IsAttribute(octet) ? 1 : 3;
  return bytes;
}

size_t PercentEncode(std::string_view octets, char* out) {
  char* const begin = out;
  for (const char octet : octets) {
    if (IsAttribute(octet)) {
      *out++ = octet;
    } else {
      const auto value = static_cast<uint8_t>(octet);
      *out++ = '%';
      *out++ = kDigits[value >> 4];
      *out++ = kDigits[value & 15];
    }
  }
  return static_cast<size_t>(out - begin);
}

EncodeStep PercentEncodeSome(std::string_view utf8, size_t room, char* out) {
  EncodeStep step;
  while (step.consumed < utf8.size()) {
    const std::string_view rest = utf8.substr(step.consumed);
    const std::string_view character =
        rest.substr(0, std::max<size_t>(Utf8CharacterBytes(rest), 1));
    if (step.written + PercentEncodedBytes(character) > room) break;
    step.written += PercentEncode(character, out + step.written);
    step.consumed += character.size();
  }
  return step;
}

}  // namespace ringmail::codec
