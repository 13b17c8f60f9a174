// Dots and lines by bit masks, 64 octets at a time: where CR, LF and dots stand, and what is
// carried from one block to the next.
#include "codec/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

namespace ringmail::codec {
namespace {

#define RINGMAIL_AVX2 __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt")))
#define RINGMAIL_AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi2,avx2,bmi,bmi2,lzcnt,popcnt")))

constexpr size_t kBlock = 64;

struct Starts {
  uint64_t lines;  // bit i: octet i begins a line
  uint64_t cr, line_start;
};

RINGMAIL_AVX2 __attribute__((always_inline)) inline uint64_t Equal(__m256i low, __m256i high,
                                                                   char octet) {
  const __m256i same = _mm256_set1_epi8(octet);
  const auto a = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, same)));
  const auto b = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, same)));
  return uint64_t{b} << 32 | a;
}

inline Starts StartsOf(uint64_t cr, uint64_t lf, const LineStart& start) {
  const uint64_t ends = lf & (cr << 1 | uint64_t{start.after_cr});
  return {ends << 1 | uint64_t{start.line_start}, cr >> 63, ends >> 63};
}

inline void Carry(const Starts& starts, LineStart& start) {
  start.after_cr = starts.cr != 0;
  start.line_start = starts.line_start != 0;
}

}  // namespace

// Both stop before a block that has a dot at a line's start; the caller goes through it.
RINGMAIL_AVX2 KernelSpan DotsAvx2(std::string_view in, char* out, LineStart& start) {
  size_t at = 0;
  for (; in.size() - at >= kBlock; at += kBlock) {
    const auto* block = reinterpret_cast<const __m256i*>(in.data() + at);
    const __m256i low = _mm256_loadu_si256(block), high = _mm256_loadu_si256(block + 1);
    const Starts starts = StartsOf(Equal(low, high, '\r'), Equal(low, high, '\n'), start);
    if ((starts.lines & Equal(low, high, '.')) != 0) break;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + at), low);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + at + 32), high);
    Carry(starts, start);
  }
  return {at, at};
}

RINGMAIL_AVX512 KernelSpan StuffDotsAvx512(std::string_view in, char* out, LineStart& start) {
  const __m512i cr = _mm512_set1_epi8('\r'), lf = _mm512_set1_epi8('\n'),
                dot = _mm512_set1_epi8('.');
  KernelSpan span;
  for (; in.size() - span.read >= kBlock; span.read += kBlock) {
    const __m512i block = _mm512_loadu_si512(in.data() + span.read);
    const Starts starts =
        StartsOf(_mm512_cmpeq_epi8_mask(block, cr), _mm512_cmpeq_epi8_mask(block, lf), start);
    uint64_t hits = starts.lines & _mm512_cmpeq_epi8_mask(block, dot);
    _mm512_storeu_si512(out + span.written, block);
    // All that follows a hit is written again one octet further, the dot with it.
    while (hits != 0) {
      const auto lane = static_cast<size_t>(__builtin_ctzll(hits));
      ++span.written;
      _mm512_mask_storeu_epi8(out + span.written, ~uint64_t{0} << lane, block);
      hits &= hits - 1;
    }
    span.written += kBlock;
    Carry(starts, start);
  }
  return span;
}

// Stops before a block where a dot may end the body, or where what follows a dot is not known.
RINGMAIL_AVX512 KernelSpan UnstuffDotsAvx512(std::string_view in, char* out, LineStart& start) {
  const __m512i cr = _mm512_set1_epi8('\r'), lf = _mm512_set1_epi8('\n'),
                dot = _mm512_set1_epi8('.');
  KernelSpan span;
  for (; in.size() - span.read >= kBlock; span.read += kBlock) {
    const __m512i block = _mm512_loadu_si512(in.data() + span.read);
    const uint64_t crs = _mm512_cmpeq_epi8_mask(block, cr);
    const Starts starts = StartsOf(crs, _mm512_cmpeq_epi8_mask(block, lf), start);
    const uint64_t hits = starts.lines & _mm512_cmpeq_epi8_mask(block, dot);
    if (hits == 0) [[likely]] {
      _mm512_storeu_si512(out + span.written, block);
      span.written += kBlock;
    } else {
      if (((hits << 1 & crs) | hits >> 63) != 0) break;
      const __m512i rest = _mm512_maskz_compress_epi8(~hits, block);
      const size_t count = kBlock - static_cast<size_t>(_mm_popcnt_u64(hits));
      _mm512_mask_storeu_epi8(out + span.written, ~uint64_t{0} >> (kBlock - count), rest);
      span.written += count;
    }
    Carry(starts, start);
  }
  return span;
}

}  // namespace ringmail::codec

#endif
