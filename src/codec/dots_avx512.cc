// Dots with AVX-512: what follows a dot is written again one octet further, or compressed without
// it.
#include <algorithm>
#include <bit>
#include <cstring>

#include "codec/block_x86.h"
#include "codec/kernels.h"
#include "ringmail/codec/data_scan.h"

#if defined(__x86_64__)

#pragma clang attribute push(__attribute__((target(RINGMAIL_TARGET_AVX512))), apply_to = function)

#include "codec/line_blocks.h"

namespace ringmail::codec {

using lines::kBlock;

KernelSpan StuffDotsAvx512(std::string_view in, char* out, LineStart& start) {
  const __m512i cr = _mm512_set1_epi8('\r'), lf = _mm512_set1_epi8('\n'),
                dot = _mm512_set1_epi8('.');
  KernelSpan span;
  for (; in.size() - span.read >= kBlock; span.read += kBlock) {
    const __m512i block = _mm512_loadu_si512(in.data() + span.read);
    const lines::Starts starts = lines::StartsOf(_mm512_cmpeq_epi8_mask(block, cr),
                                                 _mm512_cmpeq_epi8_mask(block, lf), start);
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
    lines::Carry64(starts, start);
  }
  return span;
}

// Stops before a block where a dot may end the body, or where what follows a dot is not known.
KernelSpan UnstuffDotsAvx512(std::string_view in, char* out, LineStart& start) {
  const __m512i cr = _mm512_set1_epi8('\r'), lf = _mm512_set1_epi8('\n'),
                dot = _mm512_set1_epi8('.');
  KernelSpan span;
  for (; in.size() - span.read >= kBlock; span.read += kBlock) {
    const __m512i block = _mm512_loadu_si512(in.data() + span.read);
    const uint64_t crs = _mm512_cmpeq_epi8_mask(block, cr);
    const lines::Starts starts = lines::StartsOf(crs, _mm512_cmpeq_epi8_mask(block, lf), start);
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
    lines::Carry64(starts, start);
  }
  return span;
}

}  // namespace ringmail::codec

#pragma clang attribute pop

#endif
