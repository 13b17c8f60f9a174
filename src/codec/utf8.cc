#include "ringmail/codec/utf8.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "codec/kernels.h"

namespace ringmail::codec {
namespace {

// How many octets of `text` from `at` on are surely ASCII, eight at a time.
size_t AsciiWords(std::string_view text, size_t at) {
  size_t end = at;
  // Blocks without a branch within, which a compiler makes vectors of.
  while (text.size() - end >= 64) {
    uint64_t any = 0;
    for (size_t i = 0; i < 64; i += 8) {
      uint64_t word;
      std::memcpy(&word, text.data() + end + i, sizeof(word));
      any |= word;
    }
    if ((any & 0x8080808080808080) != 0) break;
    end += 64;
  }
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
  size_t at = ActiveKernels().ascii_prefix(text);
  at += AsciiWords(text, at);
  while (at < text.size() && static_cast<uint8_t>(text[at]) < 0x80) ++at;
  return at == text.size();
}

size_t Utf8CharacterBytes(std::string_view text) {
  if (text.empty()) return 0;
  const auto octet = static_cast<uint8_t>(text[0]);
  if (octet < 0x80) return 1;
  const Lead lead = LeadOf(octet);
  if (lead.tail == 0 || text.size() - 1 < lead.tail) return 0;
  const auto second = static_cast<uint8_t>(text[1]);
  if (second < lead.second_min || second > lead.second_max) return 0;
  for (size_t i = 2; i <= lead.tail; ++i) {
    if ((static_cast<uint8_t>(text[i]) & 0xC0) != 0x80) return 0;
  }
  return lead.tail + 1;
}

size_t Utf8PrefixPortable(std::string_view) { return 0; }
size_t AsciiPrefixNone(std::string_view) { return 0; }

size_t Utf8ValidPrefix(std::string_view text) {
  size_t at = ActiveKernels().utf8_prefix(text);
  while (true) {
    at += AsciiWords(text, at);
    const size_t bytes = Utf8CharacterBytes(text.substr(at));
    if (bytes == 0) return at;
    at += bytes;
  }
}

bool Utf8Valid(std::string_view text) { return Utf8ValidPrefix(text) == text.size(); }

void Utf8Validator::Feed(std::string_view piece) {
  while (valid_ && held_ != 0 && !piece.empty()) {
    character_[held_++] = piece.front();
    piece.remove_prefix(1);
    Judge();
  }
  if (!valid_ || piece.empty()) return;
  const size_t whole = Utf8ValidPrefix(piece);
  const std::string_view rest = piece.substr(whole);
  if (rest.empty()) return;
  valid_ = rest.size() < sizeof(character_);
  if (!valid_) return;
  rest.copy(character_, rest.size());
  held_ = static_cast<uint8_t>(rest.size());
  Judge();
}

// Whether what is held is a character, the start of one, or neither.
void Utf8Validator::Judge() {
  if (Utf8CharacterBytes({character_, held_}) == held_) {
    held_ = 0;
    return;
  }
  const Lead lead = LeadOf(static_cast<uint8_t>(character_[0]));
  valid_ = held_ <= lead.tail;
  if (held_ > 1) {
    const auto second = static_cast<uint8_t>(character_[1]);
    valid_ = valid_ && second >= lead.second_min && second <= lead.second_max;
  }
  if (held_ > 2) valid_ = valid_ && (static_cast<uint8_t>(character_[2]) & 0xC0) == 0x80;
}

}  // namespace ringmail::codec
