#include "ringmail/codec/crc32c.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

#include "codec/kernels.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#endif

namespace ringmail::codec {
namespace {

static_assert(std::endian::native == std::endian::little, "the kernels read words in place");

// The Castagnoli polynomial 0x1EDC6F41, bits reflected.
constexpr uint32_t kPolynomial = 0x82F63B78;

using ByteTable = std::array<uint32_t, 256>;

constexpr std::array<ByteTable, 8> MakeSliceTables() {
  std::array<ByteTable, 8> tables{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ kPolynomial : crc >> 1;
    tables[0][i] = crc;
  }
  for (size_t t = 1; t < 8; ++t) {
    for (size_t i = 0; i < 256; ++i) {
      const uint32_t before = tables[t - 1][i];
      tables[t][i] = before >> 8 ^ tables[0][before & 255];
    }
  }
  return tables;
}

constinit const std::array<ByteTable, 8> kSlice = MakeSliceTables();

uint64_t LoadWord(const char* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

uint32_t ByByte(uint32_t crc, const char* at, const char* end) {
  for (; at != end; ++at) crc = crc >> 8 ^ kSlice[0][(crc ^ static_cast<uint8_t>(*at)) & 255];
  return crc;
}

#if defined(__x86_64__)

// Advancing a checksum over n zero octets is linear over GF(2): a 32 × 32 matrix, kept as four
// tables of one octet each.
using ShiftTable = std::array<ByteTable, 4>;
using Matrix = std::array<uint32_t, 32>;

constexpr uint32_t Times(const Matrix& matrix, uint32_t vector) {
  uint32_t sum = 0;
  for (size_t i = 0; vector != 0; ++i, vector >>= 1) {
    if ((vector & 1) != 0) sum ^= matrix[i];
  }
  return sum;
}

// `zero_bytes` is a power of two.
constexpr ShiftTable MakeShiftTable(size_t zero_bytes) {
  Matrix matrix{};
  matrix[0] = kPolynomial;  // one zero bit
  for (size_t i = 1; i < 32; ++i) matrix[i] = uint32_t{1} << (i - 1);
  for (size_t bits = 1; bits < zero_bytes * 8; bits *= 2) {
    Matrix square{};
    for (size_t i = 0; i < 32; ++i) square[i] = Times(matrix, matrix[i]);
    matrix = square;
  }
  ShiftTable table{};
  for (size_t t = 0; t < 4; ++t) {
    for (uint32_t i = 0; i < 256; ++i) table[t][i] = Times(matrix, i << (8 * t));
  }
  return table;
}

// One crc32 instruction takes 3 cycles and one may start in each: three lanes fill the pipe.
constexpr size_t kLongLane = 4096;
constexpr size_t kShortLane = 256;
constinit const ShiftTable kLongShift = MakeShiftTable(kLongLane);
constinit const ShiftTable kShortShift = MakeShiftTable(kShortLane);

uint32_t Shift(const ShiftTable& table, uint32_t crc) {
  return table[0][crc & 255] ^ table[1][crc >> 8 & 255] ^ table[2][crc >> 16 & 255] ^
         table[3][crc >> 24];
}

template <size_t kLane>
__attribute__((target("sse4.2"))) const char* ThreeLanes(const ShiftTable& shift, const char* at,
                                                         const char* end, uint64_t& crc) {
  while (static_cast<size_t>(end - at) >= 3 * kLane) {
    uint64_t lane1 = 0, lane2 = 0;
    for (const char* stop = at + kLane; at != stop; at += 8) {
      crc = _mm_crc32_u64(crc, LoadWord(at));
      lane1 = _mm_crc32_u64(lane1, LoadWord(at + kLane));
      lane2 = _mm_crc32_u64(lane2, LoadWord(at + 2 * kLane));
    }
    crc = Shift(shift, static_cast<uint32_t>(crc)) ^ lane1;
    crc = Shift(shift, static_cast<uint32_t>(crc)) ^ lane2;
    at += 2 * kLane;
  }
  return at;
}

__attribute__((target("sse4.2"))) uint32_t Sse42(uint32_t start, std::string_view bytes) {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  uint64_t crc = ~start;
  at = ThreeLanes<kLongLane>(kLongShift, at, end, crc);
  at = ThreeLanes<kShortLane>(kShortShift, at, end, crc);
  for (; end - at >= 8; at += 8) crc = _mm_crc32_u64(crc, LoadWord(at));
  auto narrow = static_cast<uint32_t>(crc);
  for (; at != end; ++at) narrow = _mm_crc32_u8(narrow, static_cast<uint8_t>(*at));
  return ~narrow;
}

#elif defined(__aarch64__)

// The CRC extension, which every CPU from ARMv8.1 on has and those before may lack. Linux from 4.11
// on lets a program read which it is (Documentation/arch/arm64/cpu-feature-registers.rst).
bool HasCrcExtension() {
#if defined(__ARM_FEATURE_CRC32)
  return true;
#elif defined(__linux__)
  uint64_t features;
  asm("mrs %0, ID_AA64ISAR0_EL1" : "=r"(features));
  return (features >> 16 & 15) != 0;
#else
  return false;
#endif
}

__attribute__((target("crc"))) uint32_t WithCrcExtension(uint32_t crc, std::string_view bytes) {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  crc = ~crc;
  for (; end - at >= 8; at += 8) crc = __crc32cd(crc, LoadWord(at));
  for (; at != end; ++at) crc = __crc32cb(crc, static_cast<uint8_t>(*at));
  return ~crc;
}

#endif

}  // namespace

uint32_t Crc32cPortable(uint32_t crc, std::string_view bytes) {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  crc = ~crc;
  for (; end - at >= 8; at += 8) {
    const uint64_t word = LoadWord(at) ^ crc;
    crc = kSlice[7][word & 255] ^ kSlice[6][word >> 8 & 255] ^ kSlice[5][word >> 16 & 255] ^
          kSlice[4][word >> 24 & 255] ^ kSlice[3][word >> 32 & 255] ^ kSlice[2][word >> 40 & 255] ^
          kSlice[1][word >> 48 & 255] ^ kSlice[0][word >> 56];
  }
  return ~ByByte(crc, at, end);
}

#if defined(__aarch64__)
uint32_t Crc32cNeon(uint32_t crc, std::string_view bytes) {
  static const bool has = HasCrcExtension();
  return has ? WithCrcExtension(crc, bytes) : Crc32cPortable(crc, bytes);
}
#endif
#if defined(__x86_64__)
uint32_t Crc32cSse42(uint32_t crc, std::string_view bytes) { return Sse42(crc, bytes); }
#endif

uint32_t Crc32c(uint32_t crc, std::string_view bytes) { return ActiveKernels().crc32c(crc, bytes); }

}  // namespace ringmail::codec
