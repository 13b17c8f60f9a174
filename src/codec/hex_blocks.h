// Hexadecimal by vectors of octets, for any kind of vector (vector_x86.h, vector_neon.h). To be
// included where functions are compiled for the vector's instructions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "codec/kernels.h"

namespace ringmail::codec::hex {

alignas(16) inline constexpr std::array<uint8_t, 16> kLowerDigits = {
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};
alignas(16) inline constexpr std::array<uint8_t, 16> kUpperDigits = {
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'};

// The value of a digit is its lower half, and 9 more for a letter. What octets with the same lower
// half are digits shows in a bit for each of the upper halves 3, 4 and 6.
alignas(16) inline constexpr std::array<uint8_t, 16> kClassesOfLow = {1, 7, 7, 7, 7, 7, 7, 1,
                                                                      1, 1, 0, 0, 0, 0, 0, 0};
alignas(16) inline constexpr std::array<uint8_t, 16> kClassOfHigh = {0, 0, 0, 1, 2, 0, 4, 0,
                                                                     0, 0, 0, 0, 0, 0, 0, 0};
alignas(16) inline constexpr std::array<uint8_t, 16> kAddOfHigh = {0, 0, 0, 0, 9, 0, 9, 0,
                                                                   0, 0, 0, 0, 0, 0, 0, 0};

// Reads as far as its vectors go.
template <class Vector>
__attribute__((always_inline)) inline KernelSpan Encode(std::string_view octets, bool upper,
                                                        char* out) {
  const Vector digits = Vector::Table((upper ? kUpperDigits : kLowerDigits).data());
  KernelSpan span;
  constexpr size_t kIn = Vector::kBytes / 2;
  for (; octets.size() - span.read >= kIn; span.read += kIn, span.written += Vector::kBytes) {
    digits.LookUp(Vector::Halves(octets.data() + span.read)).Store(out + span.written);
  }
  return span;
}

// Reads as far as its vectors go, or to a vector with an octet that is no digit.
template <class Vector>
__attribute__((always_inline)) inline KernelSpan Decode(std::string_view text, char* out) {
  const Vector classes_of_low = Vector::Table(kClassesOfLow.data()),
               class_of_high = Vector::Table(kClassOfHigh.data()),
               add_of_high = Vector::Table(kAddOfHigh.data());
  KernelSpan span;
  constexpr size_t kIn = Vector::kBytes;
  for (; text.size() - span.read >= kIn; span.read += kIn, span.written += kIn / 2) {
    const Vector octets = Vector::Load(text.data() + span.read);
    const Vector low = octets.LowHalf(), high = octets.HighHalf();
    if (classes_of_low.LookUp(low).And(class_of_high.LookUp(high)).HasZero()) break;
    low.Add(add_of_high.LookUp(high)).StoreJoined(out + span.written);
  }
  return span;
}

}  // namespace ringmail::codec::hex
