#include "ringmail/codec/hex.h"

#include <array>

#include "codec/kernels.h"

namespace ringmail::codec {
namespace {

struct Values {
  std::array<uint8_t, 256> of{};
};
consteval Values MakeValues() {
  Values values;
  values.of.fill(16);
  for (size_t i = 0; i < 10; ++i) values.of['0' + i] = static_cast<uint8_t>(i);
  for (size_t i = 0; i < 6; ++i) {
    values.of['a' + i] = values.of['A' + i] = static_cast<uint8_t>(10 + i);
  }
  return values;
}
constexpr Values kValues = MakeValues();

}  // namespace

uint8_t HexDigitValue(char digit) { return kValues.of[static_cast<uint8_t>(digit)]; }

KernelSpan HexEncodeNone(std::string_view, bool, char*) { return {}; }
KernelSpan HexDecodeNone(std::string_view, char*) { return {}; }

size_t HexEncode(std::string_view octets, HexCase hex_case, char* out) {
  const bool upper = hex_case == HexCase::kUpper;
  const KernelSpan span = ActiveKernels().hex_encode(octets, upper, out);
  const std::string_view digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  out += span.written;
  for (const char octet : octets.substr(span.read)) {
    const auto value = static_cast<uint8_t>(octet);
    *out++ = digits[value >> 4];
    *out++ = digits[value & 15];
  }
  return 2 * octets.size();
}

std::optional<size_t> HexDecode(std::string_view text, char* out) {
  if (text.size() % 2 != 0) return std::nullopt;
  for (size_t at = ActiveKernels().hex_decode(text, out).read; at < text.size(); at += 2) {
    const unsigned high = HexDigitValue(text[at]), low = HexDigitValue(text[at + 1]);
    if (((high | low) & 16) != 0) return std::nullopt;
    out[at / 2] = static_cast<char>(high << 4 | low);
  }
  return text.size() / 2;
}

}  // namespace ringmail::codec
