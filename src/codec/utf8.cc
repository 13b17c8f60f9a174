#include "ringmail/codec/utf8.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ringmail::codec {
namespace {

// How many octets of `text` from `at` on are surely ASCII, eight at a time.
size_t AsciiWords(std::string_view text, size_t at) {
  size_t end = at;
  while (text.size() - end >= 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + end, sizeof(word));
    if ((word & 0x8080808080808080) != 0) break;
    end += 8;
  }
  return end - at;
}

// The octets after the first, and the range of the second (RFC 3629 §4, the table of UTF8-2, UTF8-3
// and UTF8-4).
struct Lead {
  size_t tail = 0;
  uint8_t second_min = 0x80, second_max = 0xBF;
};

Lead LeadOf(uint8_t octet) {
  if (octet >= 0xC2 && octet <= 0xDF) return {1};
  if (octet == 0xE0) return {2, 0xA0, 0xBF};
  if (octet == 0xED) return {2, 0x80, 0x9F};
  if (octet >= 0xE1 && octet <= 0xEF) return {2};
  if (octet == 0xF0) return {3, 0x90, 0xBF};
  if (octet == 0xF4) return {3, 0x80, 0x8F};
  if (octet >= 0xF1 && octet <= 0xF3) return {3};
  return {0};
}

}  // namespace

bool IsAscii(std::string_view text) {
  size_t at = AsciiWords(text, 0);
  while (at < text.size() && static_cast<uint8_t>(text[at]) < 0x80) ++at;
  return at == text.size();
}

bool Utf8Valid(std::string_view text) {
  size_t at = 0;
  while (true) {
    at += AsciiWords(text, at);
    if (at == text.size()) return true;
    const auto octet = static_cast<uint8_t>(text[at]);
    ++at;
    if (octet < 0x80) continue;
    const Lead lead = LeadOf(octet);
    if (lead.tail == 0 || text.size() - at < lead.tail) return false;
    const auto second = static_cast<uint8_t>(text[at]);
    if (second < lead.second_min || second > lead.second_max) return false;
    for (size_t i = 1; i < lead.tail; ++i) {
      if ((static_cast<uint8_t>(text[at + i]) & 0xC0) != 0x80) return false;
    }
    at += lead.tail;
  }
}

}  // namespace ringmail::codec
