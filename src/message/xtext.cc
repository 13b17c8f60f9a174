#include "ringmail/message/xtext.h"

#include <cstdint>

#include "ringmail/base/check.h"
#include "ringmail/codec/utf8.h"

namespace ringmail::message {
namespace {

constexpr char kHexDigits[] = "0123456789ABCDEF";

// Upper case only: RFC 3461 §4 hexchar, RFC 6533 §3 HEXPOINT.
int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsXchar(char c) { return c >= '!' && c <= '~' && c != '+' && c != '='; }
bool IsQchar(char c) { return IsXchar(c) && c != '\\'; }

void AppendUtf8(uint32_t point, std::string& out) {
  if (point < 0x80) {
    out += static_cast<char>(point);
    return;
  }
  const int tail = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  constexpr uint32_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
  out += static_cast<char>(kLead[tail] | point >> (6 * tail));
  for (int i = tail - 1; i >= 0; --i) out += static_cast<char>(0x80 | (point >> (6 * i) & 63));
}

// The code point at `at`, which moves behind it. REQUIRES: valid UTF-8.
uint32_t ReadUtf8(std::string_view text, size_t& at) {
  const auto first = static_cast<uint8_t>(text[at++]);
  if (first < 0x80) return first;
  const int tail = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
  uint32_t point = first & (0x3Fu >> tail);
  for (int i = 0; i < tail; ++i) point = point << 6 | (static_cast<uint8_t>(text[at++]) & 63);
  return point;
}

// RFC 6533 §3 EmbeddedUnicodeChar at `at`, which moves behind it. False where it is none.
bool ReadEmbedded(std::string_view text, size_t& at, uint32_t& point) {
  if (text.substr(at, 3) != "\\x{") return false;
  const size_t digits = at + 3;
  const size_t close = text.find('}', digits);
  // HEXPOINT: two to six digits and no leading zero.
  if (close == std::string_view::npos || close - digits < 2 || close - digits > 6) return false;
  if (text[digits] == '0') return false;
  point = 0;
  for (size_t i = digits; i < close; ++i) {
    const int value = HexValue(text[i]);
    if (value < 0) return false;
    point = point << 4 | static_cast<uint32_t>(value);
  }
  if (point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return false;
  at = close + 1;
  return true;
}

}  // namespace

std::string EncodeXtext(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (IsXchar(c)) {
      out += c;
      continue;
    }
    const auto octet = static_cast<uint8_t>(c);
    out += '+';
    out += kHexDigits[octet >> 4];
    out += kHexDigits[octet & 15];
  }
  return out;
}

std::optional<std::string> DecodeXtext(std::string_view xtext) {
  std::string out;
  for (size_t at = 0; at < xtext.size(); ++at) {
    if (IsXchar(xtext[at])) {
      out += xtext[at];
      continue;
    }
    if (xtext[at] != '+' || xtext.size() - at < 3) return std::nullopt;
    const int high = HexValue(xtext[at + 1]), low = HexValue(xtext[at + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
    at += 2;
  }
  return out;
}

std::string EncodeUtf8Address(std::string_view address) {
  CHECK(codec::Utf8Valid(address));
  std::string out;
  for (size_t at = 0; at < address.size();) {
    if (IsQchar(address[at])) {
      out += address[at++];
      continue;
    }
    const uint32_t point = ReadUtf8(address, at);
    out += "\\x{";
    bool started = false;
    for (int shift = 20; shift >= 0; shift -= 4) {
      const uint32_t digit = point >> shift & 15;
      started = started || digit != 0 || shift <= 4;
      if (started) out += kHexDigits[digit];
    }
    out += '}';
  }
  return out;
}

std::optional<std::string> DecodeUtf8Address(std::string_view text) {
  if (!codec::Utf8Valid(text)) return std::nullopt;
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (IsQchar(text[at]) || static_cast<uint8_t>(text[at]) >= 0x80) {
      out += text[at++];
      continue;
    }
    uint32_t point = 0;
    if (!ReadEmbedded(text, at, point)) return std::nullopt;
    AppendUtf8(point, out);
  }
  return out;
}

}  // namespace ringmail::message
