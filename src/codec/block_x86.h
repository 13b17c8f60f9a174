// 64 octets in registers, and masks of them: bit i belongs to octet i. One type for each set of
// instructions, so that a kernel that only needs masks is written once. To be included by a file
// that compiles the functions using it for that set.
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace ringmail::codec {

#define RINGMAIL_TARGET_SSE42 "sse4.2,ssse3,popcnt"
#define RINGMAIL_TARGET_AVX2 "avx2,bmi,bmi2,lzcnt,popcnt"
#define RINGMAIL_TARGET_AVX512 \
  "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,avx2,bmi,bmi2,lzcnt,popcnt"
#define RINGMAIL_BLOCK(target_name) __attribute__((target(target_name), always_inline)) inline

class BlockSse42 {
 public:
  RINGMAIL_BLOCK(RINGMAIL_TARGET_SSE42) static BlockSse42 Load(const char* at) {
    BlockSse42 block;
    for (size_t i = 0; i < 4; ++i) {
      block.part_[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + 16 * i));
    }
    return block;
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_SSE42) void Store(char* at) const {
    for (size_t i = 0; i < 4; ++i) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(at + 16 * i), part_[i]);
    }
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_SSE42) static BlockSse42 Fill(char octet) {
    BlockSse42 block;
    for (size_t i = 0; i < 4; ++i) block.part_[i] = _mm_set1_epi8(octet);
    return block;
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_SSE42) BlockSse42 Min(const BlockSse42& other) const {
    BlockSse42 block;
    for (size_t i = 0; i < 4; ++i) block.part_[i] = _mm_min_epu8(part_[i], other.part_[i]);
    return block;
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_SSE42) BlockSse42 Or(const BlockSse42& other) const {
    BlockSse42 block;
    for (size_t i = 0; i < 4; ++i) block.part_[i] = _mm_or_si128(part_[i], other.part_[i]);
    return block;
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_SSE42) uint64_t Equal(char octet) const {
    const __m128i same = _mm_set1_epi8(octet);
    uint64_t mask = 0;
    for (size_t i = 0; i < 4; ++i) mask |= Bits(_mm_cmpeq_epi8(part_[i], same)) << (16 * i);
    return mask;
  }
  // Which octets, unsigned, are `least` or more.
  RINGMAIL_BLOCK(RINGMAIL_TARGET_SSE42) uint64_t AtLeast(uint8_t least) const {
    const __m128i bound = _mm_set1_epi8(static_cast<char>(least));
    uint64_t mask = 0;
    for (size_t i = 0; i < 4; ++i) {
      mask |= Bits(_mm_cmpeq_epi8(_mm_max_epu8(part_[i], bound), part_[i])) << (16 * i);
    }
    return mask;
  }
  // Which octets are neither printable US-ASCII nor SP: one more than they is, signed, under 33.
  RINGMAIL_BLOCK(RINGMAIL_TARGET_SSE42) uint64_t Unprintable() const {
    const __m128i bound = _mm_set1_epi8(33), one = _mm_set1_epi8(1);
    uint64_t mask = 0;
    for (size_t i = 0; i < 4; ++i) {
      mask |= Bits(_mm_cmpgt_epi8(bound, _mm_add_epi8(part_[i], one))) << (16 * i);
    }
    return mask;
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_SSE42) uint64_t High() const {
    uint64_t mask = 0;
    for (size_t i = 0; i < 4; ++i) mask |= Bits(part_[i]) << (16 * i);
    return mask;
  }

 private:
  RINGMAIL_BLOCK(RINGMAIL_TARGET_SSE42) static uint64_t Bits(__m128i lanes) {
    return static_cast<uint32_t>(_mm_movemask_epi8(lanes));
  }
  __m128i part_[4];
};

class BlockAvx2 {
 public:
  RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX2) static BlockAvx2 Load(const char* at) {
    BlockAvx2 block;
    block.low_ = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
    block.high_ = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 32));
    return block;
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX2) void Store(char* at) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), low_);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(at + 32), high_);
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX2) static BlockAvx2 Fill(char octet) {
    BlockAvx2 block;
    block.low_ = block.high_ = _mm256_set1_epi8(octet);
    return block;
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX2) BlockAvx2 Min(const BlockAvx2& other) const {
    BlockAvx2 block;
    block.low_ = _mm256_min_epu8(low_, other.low_);
    block.high_ = _mm256_min_epu8(high_, other.high_);
    return block;
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX2) BlockAvx2 Or(const BlockAvx2& other) const {
    BlockAvx2 block;
    block.low_ = _mm256_or_si256(low_, other.low_);
    block.high_ = _mm256_or_si256(high_, other.high_);
    return block;
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX2) uint64_t Equal(char octet) const {
    const __m256i same = _mm256_set1_epi8(octet);
    return Bits(_mm256_cmpeq_epi8(low_, same), _mm256_cmpeq_epi8(high_, same));
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX2) uint64_t AtLeast(uint8_t least) const {
    const __m256i bound = _mm256_set1_epi8(static_cast<char>(least));
    return Bits(_mm256_cmpeq_epi8(_mm256_max_epu8(low_, bound), low_),
                _mm256_cmpeq_epi8(_mm256_max_epu8(high_, bound), high_));
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX2) uint64_t Unprintable() const {
    const __m256i bound = _mm256_set1_epi8(33), one = _mm256_set1_epi8(1);
    return Bits(_mm256_cmpgt_epi8(bound, _mm256_add_epi8(low_, one)),
                _mm256_cmpgt_epi8(bound, _mm256_add_epi8(high_, one)));
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX2) uint64_t High() const { return Bits(low_, high_); }

 private:
  RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX2) static uint64_t Bits(__m256i low, __m256i high) {
    const auto a = static_cast<uint32_t>(_mm256_movemask_epi8(low));
    const auto b = static_cast<uint32_t>(_mm256_movemask_epi8(high));
    return uint64_t{b} << 32 | a;
  }
  __m256i low_, high_;
};

class BlockAvx512 {
 public:
  RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX512) static BlockAvx512 Load(const char* at) {
    BlockAvx512 block;
    block.all_ = _mm512_loadu_si512(at);
    return block;
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX512) void Store(char* at) const {
    _mm512_storeu_si512(at, all_);
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX512) static BlockAvx512 Fill(char octet) {
    BlockAvx512 block;
    block.all_ = _mm512_set1_epi8(octet);
    return block;
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX512) BlockAvx512 Min(const BlockAvx512& other) const {
    BlockAvx512 block;
    block.all_ = _mm512_min_epu8(all_, other.all_);
    return block;
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX512) BlockAvx512 Or(const BlockAvx512& other) const {
    BlockAvx512 block;
    block.all_ = _mm512_or_si512(all_, other.all_);
    return block;
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX512) uint64_t Equal(char octet) const {
    return _mm512_cmpeq_epi8_mask(all_, _mm512_set1_epi8(octet));
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX512) uint64_t AtLeast(uint8_t least) const {
    return _mm512_cmpge_epu8_mask(all_, _mm512_set1_epi8(static_cast<char>(least)));
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX512) uint64_t Unprintable() const {
    return _mm512_cmplt_epi8_mask(_mm512_add_epi8(all_, _mm512_set1_epi8(1)), _mm512_set1_epi8(33));
  }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX512) uint64_t High() const { return _mm512_movepi8_mask(all_); }
  RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX512) __m512i all() const { return all_; }

 private:
  __m512i all_;
};

}  // namespace ringmail::codec

#endif
