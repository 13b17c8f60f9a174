// The SIMD kernels of the DATA scanner: four bit masks per 64 octets, and carries from block to
// block instead of a state machine (the method of simdjson). Each function names its instructions;
// the file is built for the baseline CPU.
#include "codec/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>

#include "ringmail/codec/data_scan.h"

namespace ringmail::codec {
namespace {

constexpr size_t kBlock = 64;

// The marks of one block; bit i belongs to octet i.
struct Marks {
  uint64_t cr, lf, dot;
};

// What is carried from block to block, in registers.
struct Carry {
  uint64_t cr;          // bit 0: the octet before this block was CR
  uint64_t line_start;  // bit 0: the octets before this block were CRLF
  uint64_t bare_cr = 0, bare_lf = 0;
  int64_t line_begin;  // where the current line began, counted from the start of the input
  int64_t line_max = 0;
};

Carry Begin(const LineState& state) {
  return {.cr = state.after_cr,
          .line_start = state.line_start,
          .line_begin = -static_cast<int64_t>(state.line_octets) - (state.after_cr ? 1 : 0)};
}

void End(const Carry& carry, size_t consumed, bool nul, bool high, LineState& state) {
  if (consumed == 0) return;
  const auto octets =
      static_cast<int64_t>(consumed) - carry.line_begin - static_cast<int64_t>(carry.cr);
  state.line_start = carry.line_start != 0;
  state.after_cr = carry.cr != 0;
  state.line_octets = static_cast<uint32_t>(std::min<int64_t>(octets, kTextLineBytesMax + 1));
  unsigned flags = state.flags;
  if (carry.bare_cr != 0) flags |= kDataBareCr;
  if (carry.bare_lf != 0) flags |= kDataBareLf;
  if (nul) flags |= kDataNul;
  if (high) flags |= kData8Bit;
  if (std::max(carry.line_max, octets) > int64_t{kTextLineBytesMax}) flags |= kDataLineTooLong;
  state.flags = static_cast<uint8_t>(flags);
}

// False, and nothing changes, where the block has a dot that starts a line.
__attribute__((target("bmi,bmi2,lzcnt"), always_inline)) inline bool ReadBlock(const Marks& marks,
                                                                               size_t at,
                                                                               Carry& carry) {
  const uint64_t after_cr = marks.cr << 1 | carry.cr;
  const uint64_t line_ends = marks.lf & after_cr;
  const uint64_t line_starts = line_ends << 1 | carry.line_start;
  if ((marks.dot & line_starts) != 0) [[unlikely]]
    return false;
  carry.cr = marks.cr >> 63;
  carry.line_start = line_ends >> 63;
  const uint64_t alone = marks.lf ^ after_cr;
  if (alone != 0) [[unlikely]] {
    carry.bare_lf |= alone & marks.lf;
    carry.bare_cr |= alone & after_cr;
  }
  // Only the first line that ends here can be long, the others lie within the block. Without an end
  // here the count is one less than the line has, for its last octet may be the CR of its end.
  const auto base = static_cast<int64_t>(at);
  if (base + static_cast<int64_t>(kBlock) - carry.line_begin > int64_t{kTextLineBytesMax})
      [[unlikely]] {
    const int64_t line = base + static_cast<int64_t>(_tzcnt_u64(line_ends)) - 1 - carry.line_begin;
    carry.line_max = std::max(carry.line_max, line);
  }
  const int64_t begin = base + static_cast<int64_t>(kBlock - _lzcnt_u64(line_ends));
  carry.line_begin = line_ends != 0 ? begin : carry.line_begin;
  return true;
}

__attribute__((target("avx2"), always_inline)) inline uint64_t Equal(__m256i low, __m256i high,
                                                                     __m256i octet) {
  const auto a = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, octet)));
  const auto b = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, octet)));
  return uint64_t{b} << 32 | a;
}

}  // namespace

__attribute__((target("avx2,bmi,bmi2,lzcnt"))) size_t ReadLinesAvx2(std::string_view input,
                                                                    LineState& state) {
  Carry carry = Begin(state);
  const __m256i cr = _mm256_set1_epi8('\r'), lf = _mm256_set1_epi8('\n'),
                dot = _mm256_set1_epi8('.');
  __m256i least = _mm256_set1_epi8(-1), all = _mm256_setzero_si256();
  size_t at = 0;
  for (; input.size() - at >= kBlock; at += kBlock) {
    const auto* block = reinterpret_cast<const __m256i*>(input.data() + at);
    const __m256i low = _mm256_loadu_si256(block), high = _mm256_loadu_si256(block + 1);
    const Marks marks = {Equal(low, high, cr), Equal(low, high, lf), Equal(low, high, dot)};
    if (!ReadBlock(marks, at, carry)) break;
    least = _mm256_min_epu8(least, _mm256_min_epu8(low, high));
    all = _mm256_or_si256(all, _mm256_or_si256(low, high));
  }
  const __m256i zero = _mm256_cmpeq_epi8(least, _mm256_setzero_si256());
  End(carry, at, _mm256_movemask_epi8(zero) != 0, _mm256_movemask_epi8(all) != 0, state);
  return at;
}

__attribute__((target("avx512f,avx512bw,avx512vl,avx2,bmi,bmi2,lzcnt"))) size_t ReadLinesAvx512(
    std::string_view input, LineState& state) {
  Carry carry = Begin(state);
  const __m512i cr = _mm512_set1_epi8('\r'), lf = _mm512_set1_epi8('\n'),
                dot = _mm512_set1_epi8('.');
  __m512i least = _mm512_set1_epi8(-1), all = _mm512_setzero_si512();
  size_t at = 0;
  for (; input.size() - at >= kBlock; at += kBlock) {
    const __m512i block = _mm512_loadu_si512(input.data() + at);
    const Marks marks = {_mm512_cmpeq_epi8_mask(block, cr), _mm512_cmpeq_epi8_mask(block, lf),
                         _mm512_cmpeq_epi8_mask(block, dot)};
    if (!ReadBlock(marks, at, carry)) break;
    least = _mm512_min_epu8(least, block);
    all = _mm512_or_si512(all, block);
  }
  const bool nul = _mm512_cmpeq_epi8_mask(least, _mm512_setzero_si512()) != 0;
  End(carry, at, nul, _mm512_movepi8_mask(all) != 0, state);
  return at;
}

__attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt"))) size_t CountLinesAvx2(std::string_view input,
                                                                            LineState& state,
                                                                            uint64_t& lines) {
  Carry carry = Begin(state);
  const __m256i cr = _mm256_set1_epi8('\r'), lf = _mm256_set1_epi8('\n');
  __m256i least = _mm256_set1_epi8(-1), all = _mm256_setzero_si256();
  size_t at = 0;
  for (; input.size() - at >= kBlock; at += kBlock) {
    const auto* block = reinterpret_cast<const __m256i*>(input.data() + at);
    const __m256i low = _mm256_loadu_si256(block), high = _mm256_loadu_si256(block + 1);
    const Marks marks = {Equal(low, high, cr), Equal(low, high, lf), 0};
    lines += static_cast<uint64_t>(_mm_popcnt_u64(marks.lf & (marks.cr << 1 | carry.cr)));
    ReadBlock(marks, at, carry);
    least = _mm256_min_epu8(least, _mm256_min_epu8(low, high));
    all = _mm256_or_si256(all, _mm256_or_si256(low, high));
  }
  const __m256i zero = _mm256_cmpeq_epi8(least, _mm256_setzero_si256());
  End(carry, at, _mm256_movemask_epi8(zero) != 0, _mm256_movemask_epi8(all) != 0, state);
  return at;
}

__attribute__((target("avx512f,avx512bw,avx512vl,avx2,bmi,bmi2,lzcnt,popcnt"))) size_t
CountLinesAvx512(std::string_view input, LineState& state, uint64_t& lines) {
  Carry carry = Begin(state);
  const __m512i cr = _mm512_set1_epi8('\r'), lf = _mm512_set1_epi8('\n');
  __m512i least = _mm512_set1_epi8(-1), all = _mm512_setzero_si512();
  size_t at = 0;
  for (; input.size() - at >= kBlock; at += kBlock) {
    const __m512i block = _mm512_loadu_si512(input.data() + at);
    const Marks marks = {_mm512_cmpeq_epi8_mask(block, cr), _mm512_cmpeq_epi8_mask(block, lf), 0};
    lines += static_cast<uint64_t>(_mm_popcnt_u64(marks.lf & (marks.cr << 1 | carry.cr)));
    ReadBlock(marks, at, carry);
    least = _mm512_min_epu8(least, block);
    all = _mm512_or_si512(all, block);
  }
  const bool nul = _mm512_cmpeq_epi8_mask(least, _mm512_setzero_si512()) != 0;
  End(carry, at, nul, _mm512_movepi8_mask(all) != 0, state);
  return at;
}

}  // namespace ringmail::codec

#endif
