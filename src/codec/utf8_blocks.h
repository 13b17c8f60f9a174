// UTF-8 by pairs of octets (Keiser and Lemire, "Validating UTF-8 in less than one instruction per
// byte", 2021): what is wrong with two octets that follow each other shows in three tables of 16,
// one bit for each kind of fault; which octets must be the third or fourth of a character, in the
// two before. For any kind of vector (vector_x86.h, vector_neon.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ringmail::codec::utf8 {

// Each bit that all three tables have for a pair is a fault, but for kTwoTails, which is one only
// where no third or fourth octet is due.
inline constexpr uint8_t kTooShort = 1;    // a lead, and no continuation behind it
inline constexpr uint8_t kTooLong = 2;     // ASCII, and a continuation behind it
inline constexpr uint8_t kOverlong3 = 4;   // E0 80…9F
inline constexpr uint8_t kTooLarge = 8;    // F4 90…BF, F5…FF 90…BF
inline constexpr uint8_t kSurrogate = 16;  // ED A0…BF
inline constexpr uint8_t kOverlong2 = 32;  // C0, C1
inline constexpr uint8_t kOverlong4 = 64;  // F0 80…8F, and F5…FF 80…8F
inline constexpr uint8_t kTwoTails = 128;  // two continuations
inline constexpr uint8_t kAnyLow = kTooShort | kTooLong | kTwoTails;

inline constexpr uint8_t kLeadF = kTooShort | kTooLarge | kOverlong4;
inline constexpr uint8_t kOver = kAnyLow | kTooLarge | kOverlong4;
inline constexpr uint8_t kTail = kTooLong | kOverlong2 | kTwoTails;

// By the high half of the first octet, its low half, the high half of the second.
alignas(16) inline constexpr std::array<uint8_t, 16> kFirstHigh = {
    kTooLong,
    kTooLong,
    kTooLong,
    kTooLong,
    kTooLong,
    kTooLong,
    kTooLong,
    kTooLong,
    kTwoTails,
    kTwoTails,
    kTwoTails,
    kTwoTails,
    kTooShort | kOverlong2,
    kTooShort,
    kTooShort | kOverlong3 | kSurrogate,
    kLeadF};
alignas(16) inline constexpr std::array<uint8_t, 16> kFirstLow = {
    kAnyLow | kOverlong2 | kOverlong3 | kOverlong4,
    kAnyLow | kOverlong2,
    kAnyLow,
    kAnyLow,
    kAnyLow | kTooLarge,
    kOver,
    kOver,
    kOver,
    kOver,
    kOver,
    kOver,
    kOver,
    kOver,
    kOver | kSurrogate,
    kOver,
    kOver};
alignas(16) inline constexpr std::array<uint8_t, 16> kSecondHigh = {kTooShort,
                                                                    kTooShort,
                                                                    kTooShort,
                                                                    kTooShort,
                                                                    kTooShort,
                                                                    kTooShort,
                                                                    kTooShort,
                                                                    kTooShort,
                                                                    kTail | kOverlong3 | kOverlong4,
                                                                    kTail | kOverlong3 | kTooLarge,
                                                                    kTail | kSurrogate | kTooLarge,
                                                                    kTail | kSurrogate | kTooLarge,
                                                                    kTooShort,
                                                                    kTooShort,
                                                                    kTooShort,
                                                                    kTooShort};

// The octets before the end of `text` that begin a character which goes on behind it.
inline size_t CutOctets(std::string_view text) {
  for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto octet = static_cast<uint8_t>(text[text.size() - back]);
    if ((octet & 0xC0) == 0x80) continue;
    const size_t bytes = octet >= 0xF0 ? 4 : octet >= 0xE0 ? 3 : octet >= 0xC0 ? 2 : 1;
    return bytes > back ? back : 0;
  }
  return 0;
}

// The tables in registers.
template <class Vector>
struct Tables {
  Vector first_high, first_low, second_high;
};

template <class Vector>
__attribute__((always_inline)) inline bool BlockValid(const char* at,
                                                      const Tables<Vector>& tables) {
  Vector faults = Vector::Zero();
  for (size_t i = 0; i < 64; i += Vector::kBytes) {
    const Vector octet = Vector::Load(at + i), before1 = Vector::Load(at + i - 1),
                 before2 = Vector::Load(at + i - 2), before3 = Vector::Load(at + i - 3);
    const Vector pairs = tables.first_high.LookUp(before1.HighHalf())
                             .And(tables.first_low.LookUp(before1.LowHalf()))
                             .And(tables.second_high.LookUp(octet.HighHalf()));
    // From E0 two octets before, or F0 three before, on: the high bit is set.
    const Vector due = before2.SubtractSaturated(0xE0 - 0x80)
                           .Or(before3.SubtractSaturated(0xF0 - 0x80))
                           .And(Vector::Fill(0x80));
    faults = faults.Or(due.Xor(pairs));
  }
  return faults.IsZero();
}

// How many octets at the start of `text` are surely ASCII, by 256 and by 64.
template <class Vector>
__attribute__((always_inline)) inline size_t AsciiPrefix(std::string_view text) {
  size_t at = 0;
  while (text.size() - at >= 256 && Vector::Ascii256(text.data() + at)) at += 256;
  while (text.size() - at >= 64 && Vector::Ascii64(text.data() + at)) at += 64;
  return at;
}

// How many octets at the start of `text`, whole characters, are valid: up to less than 64 before
// its end or before the first fault.
template <class Vector>
__attribute__((always_inline)) inline size_t ValidPrefix(std::string_view text) {
  constexpr size_t kBefore = 4;
  // So many octets must lie before a block, and be whole characters.
  if (text.size() < kBefore + 64) return 0;
  size_t at = kBefore;
  uint32_t first;
  std::memcpy(&first, text.data(), sizeof(first));
  if ((first & 0x80808080) != 0) {
    // A block that begins with ASCII put before the text's own start.
    char start[kBefore + 64 + 64];
    std::memset(start, ' ', kBefore);
    std::memcpy(start + kBefore, text.data(), 64);
    const Tables<Vector> tables = {Vector::Table(kFirstHigh.data()),
                                   Vector::Table(kFirstLow.data()),
                                   Vector::Table(kSecondHigh.data())};
    if (!BlockValid<Vector>(start + kBefore, tables)) return 0;
    at = 64;
  }
  const Tables<Vector> tables = {Vector::Table(kFirstHigh.data()), Vector::Table(kFirstLow.data()),
                                 Vector::Table(kSecondHigh.data())};
  while (text.size() - at >= 64) {
    const char* const block = text.data() + at;
    // What comes before is asked for only where the block is ASCII, which is foreseen in most text.
    if (Vector::Ascii64(block)) {
      uint32_t before;
      std::memcpy(&before, block - kBefore, sizeof(before));
      if ((before & 0x80808080) == 0) {
        at += 64;
        while (text.size() - at >= 256 && Vector::Ascii256(text.data() + at)) at += 256;
        continue;
      }
    }
    if (!BlockValid<Vector>(block, tables)) break;
    at += 64;
  }
  return at - CutOctets(text.substr(0, at));
}

}  // namespace ringmail::codec::utf8
