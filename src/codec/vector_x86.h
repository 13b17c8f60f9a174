// Vectors of octets for the kernels that look them up in tables, one type for each set of
// instructions. To be included by a file that compiles the functions using it for that set.
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "codec/block_x86.h"

namespace ringmail::codec {

class VectorSse42 {
 public:
  static constexpr size_t kBytes = 16;
#define RINGMAIL_VECTOR RINGMAIL_BLOCK(RINGMAIL_TARGET_SSE42)
  RINGMAIL_VECTOR static VectorSse42 Load(const char* at) {
    return {_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))};
  }
  RINGMAIL_VECTOR static VectorSse42 Table(const uint8_t* table) {
    return {_mm_load_si128(reinterpret_cast<const __m128i*>(table))};
  }
  RINGMAIL_VECTOR static VectorSse42 Zero() { return {_mm_setzero_si128()}; }
  RINGMAIL_VECTOR static VectorSse42 Fill(uint8_t octet) {
    return {_mm_set1_epi8(static_cast<char>(octet))};
  }
  RINGMAIL_VECTOR VectorSse42 LookUp(VectorSse42 index) const {
    return {_mm_shuffle_epi8(all_, index.all_)};
  }
  RINGMAIL_VECTOR VectorSse42 HighHalf() const {
    return {_mm_and_si128(_mm_srli_epi16(all_, 4), _mm_set1_epi8(15))};
  }
  RINGMAIL_VECTOR VectorSse42 LowHalf() const { return {_mm_and_si128(all_, _mm_set1_epi8(15))}; }
  RINGMAIL_VECTOR VectorSse42 SubtractSaturated(uint8_t octet) const {
    return {_mm_subs_epu8(all_, _mm_set1_epi8(static_cast<char>(octet)))};
  }
  RINGMAIL_VECTOR VectorSse42 And(VectorSse42 o) const { return {_mm_and_si128(all_, o.all_)}; }
  RINGMAIL_VECTOR VectorSse42 Or(VectorSse42 o) const { return {_mm_or_si128(all_, o.all_)}; }
  RINGMAIL_VECTOR VectorSse42 Xor(VectorSse42 o) const { return {_mm_xor_si128(all_, o.all_)}; }
  RINGMAIL_VECTOR bool IsZero() const { return _mm_testz_si128(all_, all_) != 0; }
  RINGMAIL_VECTOR static bool Ascii64(const char* at) { return Ascii(at, 64); }
  RINGMAIL_VECTOR static bool Ascii256(const char* at) { return Ascii(at, 256); }
  RINGMAIL_VECTOR static bool Ascii(const char* at, size_t bytes) {
    __m128i any = _mm_setzero_si128();
    for (size_t i = 0; i < bytes; i += kBytes) any = _mm_or_si128(any, Load(at + i).all_);
    return _mm_movemask_epi8(any) == 0;
  }
  RINGMAIL_VECTOR void Store(char* at) const {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(at), all_);
  }
  RINGMAIL_VECTOR VectorSse42 Add(VectorSse42 o) const { return {_mm_add_epi8(all_, o.all_)}; }
  RINGMAIL_VECTOR bool HasZero() const {
    return _mm_movemask_epi8(_mm_cmpeq_epi8(all_, _mm_setzero_si128())) != 0;
  }
  // The halves of kBytes / 2 octets, the upper one of each first.
  RINGMAIL_VECTOR static VectorSse42 Halves(const char* at) {
    const __m128i wide = _mm_cvtepu8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at)));
    return {_mm_and_si128(_mm_or_si128(_mm_slli_epi16(wide, 8), _mm_srli_epi16(wide, 4)),
                          _mm_set1_epi8(15))};
  }
  // kBytes / 2 octets of as many pairs of halves.
  RINGMAIL_VECTOR void StoreJoined(char* at) const {
    const __m128i pairs = _mm_maddubs_epi16(all_, _mm_set1_epi16(0x0110));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(at), _mm_packus_epi16(pairs, pairs));
  }
#undef RINGMAIL_VECTOR

  __m128i all_;
};

class VectorAvx2 {
 public:
  static constexpr size_t kBytes = 32;
#define RINGMAIL_VECTOR RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX2)
  RINGMAIL_VECTOR static VectorAvx2 Load(const char* at) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at))};
  }
  RINGMAIL_VECTOR static VectorAvx2 Table(const uint8_t* table) {
    return {_mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(table)))};
  }
  RINGMAIL_VECTOR static VectorAvx2 Zero() { return {_mm256_setzero_si256()}; }
  RINGMAIL_VECTOR static VectorAvx2 Fill(uint8_t octet) {
    return {_mm256_set1_epi8(static_cast<char>(octet))};
  }
  RINGMAIL_VECTOR VectorAvx2 LookUp(VectorAvx2 index) const {
    return {_mm256_shuffle_epi8(all_, index.all_)};
  }
  RINGMAIL_VECTOR VectorAvx2 HighHalf() const {
    return {_mm256_and_si256(_mm256_srli_epi16(all_, 4), _mm256_set1_epi8(15))};
  }
  RINGMAIL_VECTOR VectorAvx2 LowHalf() const {
    return {_mm256_and_si256(all_, _mm256_set1_epi8(15))};
  }
  RINGMAIL_VECTOR VectorAvx2 SubtractSaturated(uint8_t octet) const {
    return {_mm256_subs_epu8(all_, _mm256_set1_epi8(static_cast<char>(octet)))};
  }
  RINGMAIL_VECTOR VectorAvx2 And(VectorAvx2 o) const { return {_mm256_and_si256(all_, o.all_)}; }
  RINGMAIL_VECTOR VectorAvx2 Or(VectorAvx2 o) const { return {_mm256_or_si256(all_, o.all_)}; }
  RINGMAIL_VECTOR VectorAvx2 Xor(VectorAvx2 o) const { return {_mm256_xor_si256(all_, o.all_)}; }
  RINGMAIL_VECTOR bool IsZero() const { return _mm256_testz_si256(all_, all_) != 0; }
  RINGMAIL_VECTOR static bool Ascii64(const char* at) { return Ascii(at, 64); }
  RINGMAIL_VECTOR static bool Ascii256(const char* at) { return Ascii(at, 256); }
  RINGMAIL_VECTOR static bool Ascii(const char* at, size_t bytes) {
    __m256i any = _mm256_setzero_si256();
    for (size_t i = 0; i < bytes; i += kBytes) any = _mm256_or_si256(any, Load(at + i).all_);
    return _mm256_movemask_epi8(any) == 0;
  }
  RINGMAIL_VECTOR void Store(char* at) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), all_);
  }
  RINGMAIL_VECTOR VectorAvx2 Add(VectorAvx2 o) const { return {_mm256_add_epi8(all_, o.all_)}; }
  RINGMAIL_VECTOR bool HasZero() const {
    return _mm256_movemask_epi8(_mm256_cmpeq_epi8(all_, _mm256_setzero_si256())) != 0;
  }
  RINGMAIL_VECTOR static VectorAvx2 Halves(const char* at) {
    const __m256i wide =
        _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
    return {
        _mm256_and_si256(_mm256_or_si256(_mm256_slli_epi16(wide, 8), _mm256_srli_epi16(wide, 4)),
                         _mm256_set1_epi8(15))};
  }
  RINGMAIL_VECTOR void StoreJoined(char* at) const {
    const __m256i pairs = _mm256_maddubs_epi16(all_, _mm256_set1_epi16(0x0110));
    const __m256i joined =
        _mm256_permute4x64_epi64(_mm256_packus_epi16(pairs, pairs), _MM_SHUFFLE(3, 1, 2, 0));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(at), _mm256_castsi256_si128(joined));
  }
#undef RINGMAIL_VECTOR

  __m256i all_;
};

class VectorAvx512 {
 public:
  static constexpr size_t kBytes = 64;
#define RINGMAIL_VECTOR RINGMAIL_BLOCK(RINGMAIL_TARGET_AVX512)
  RINGMAIL_VECTOR static VectorAvx512 Load(const char* at) { return {_mm512_loadu_si512(at)}; }
  RINGMAIL_VECTOR static VectorAvx512 Table(const uint8_t* table) {
    return {_mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(table)))};
  }
  RINGMAIL_VECTOR static VectorAvx512 Zero() { return {_mm512_setzero_si512()}; }
  RINGMAIL_VECTOR static VectorAvx512 Fill(uint8_t octet) {
    return {_mm512_set1_epi8(static_cast<char>(octet))};
  }
  RINGMAIL_VECTOR VectorAvx512 LookUp(VectorAvx512 index) const {
    return {_mm512_shuffle_epi8(all_, index.all_)};
  }
  RINGMAIL_VECTOR VectorAvx512 HighHalf() const {
    return {_mm512_and_si512(_mm512_srli_epi16(all_, 4), _mm512_set1_epi8(15))};
  }
  RINGMAIL_VECTOR VectorAvx512 LowHalf() const {
    return {_mm512_and_si512(all_, _mm512_set1_epi8(15))};
  }
  RINGMAIL_VECTOR VectorAvx512 SubtractSaturated(uint8_t octet) const {
    return {_mm512_subs_epu8(all_, _mm512_set1_epi8(static_cast<char>(octet)))};
  }
  RINGMAIL_VECTOR VectorAvx512 And(VectorAvx512 o) const {
    return {_mm512_and_si512(all_, o.all_)};
  }
  RINGMAIL_VECTOR VectorAvx512 Or(VectorAvx512 o) const { return {_mm512_or_si512(all_, o.all_)}; }
  RINGMAIL_VECTOR VectorAvx512 Xor(VectorAvx512 o) const {
    return {_mm512_xor_si512(all_, o.all_)};
  }
  RINGMAIL_VECTOR bool IsZero() const { return _mm512_test_epi8_mask(all_, all_) == 0; }
  RINGMAIL_VECTOR static bool Ascii64(const char* at) { return Ascii(at, 64); }
  RINGMAIL_VECTOR static bool Ascii256(const char* at) { return Ascii(at, 256); }
  RINGMAIL_VECTOR static bool Ascii(const char* at, size_t bytes) {
    __m512i any = _mm512_setzero_si512();
    for (size_t i = 0; i < bytes; i += kBytes) any = _mm512_or_si512(any, Load(at + i).all_);
    return _mm512_movepi8_mask(any) == 0;
  }
  RINGMAIL_VECTOR void Store(char* at) const { _mm512_storeu_si512(at, all_); }
  RINGMAIL_VECTOR VectorAvx512 Add(VectorAvx512 o) const { return {_mm512_add_epi8(all_, o.all_)}; }
  RINGMAIL_VECTOR bool HasZero() const { return _mm512_testn_epi8_mask(all_, all_) != 0; }
  RINGMAIL_VECTOR static VectorAvx512 Halves(const char* at) {
    const __m512i wide =
        _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
    return {
        _mm512_and_si512(_mm512_or_si512(_mm512_slli_epi16(wide, 8), _mm512_srli_epi16(wide, 4)),
                         _mm512_set1_epi8(15))};
  }
  RINGMAIL_VECTOR void StoreJoined(char* at) const {
    const __m512i pairs = _mm512_maddubs_epi16(all_, _mm512_set1_epi16(0x0110));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), _mm512_cvtepi16_epi8(pairs));
  }
#undef RINGMAIL_VECTOR

  __m512i all_;
};

}  // namespace ringmail::codec

#endif
