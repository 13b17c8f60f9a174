// quoted-printable with AVX-512 VBMI2. Decoding: all escapes of a block at once, their digits
// looked up and what they leave compressed away. Encoding: 21 octets become 63 with or without
// their escapes, where there are many; else as with any other block.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "codec/block_x86.h"
#include "codec/kernels.h"
#include "ringmail/codec/quoted_printable.h"

#if defined(__x86_64__)

#pragma clang attribute push(__attribute__((target(RINGMAIL_TARGET_AVX512))), apply_to = function)

#include "codec/quoted_printable_blocks.h"

namespace ringmail::codec {
namespace quoted_printable {
namespace {

// From how many octets of a block that need an escape on it goes 21 octets at a time.
constexpr int kDense = 7;
constexpr size_t kChunk = 21;

// The value of each digit; bit 7 for what is none, bit 6 for a lower-case one.
struct DigitTable {
  alignas(64) std::array<uint8_t, 128> of;
};
consteval DigitTable MakeDigitTable() {
  DigitTable table{};
  table.of.fill(0x80);
  for (size_t i = 0; i < 128; ++i) {
    const bool lower = i >= 'a';
    if (kDigits.of[i] != 16) table.of[i] = static_cast<uint8_t>(kDigits.of[i] | (lower ? 64 : 0));
  }
  return table;
}
constexpr DigitTable kDigitTable = MakeDigitTable();

// Lane i of a chunk belongs to octet i / 3, as its place i % 3.
struct ChunkTable {
  alignas(64) std::array<uint8_t, 64> octet{};
  uint64_t first = 0, low = 0;  // the first place, the last one
};
consteval ChunkTable MakeChunkTable() {
  ChunkTable table;
  for (size_t i = 0; i < 64; ++i) {
    table.octet[i] = static_cast<uint8_t>(i / 3);
    if (i % 3 == 0) table.first |= uint64_t{1} << i;
    if (i % 3 == 2) table.low |= uint64_t{1} << i;
  }
  return table;
}
constexpr ChunkTable kChunkTable = MakeChunkTable();

// Literals and escapes between two line ends of a block. `last`: CRLF follows.
RINGMAIL_INLINE char* Dense(const char* from, size_t octets, uint64_t escape, bool last,
                            size_t& column, char* out) {
  const __m512i order = _mm512_load_si512(kChunkTable.octet.data());
  const __m512i digits = _mm512_broadcast_i32x4(_mm_setr_epi8(
      '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'));
  const __m512i nibble = _mm512_set1_epi8(15);
  for (size_t at = 0; at < octets; at += kChunk) {
    const size_t take = std::min(octets - at, kChunk);
    const __m512i octet = _mm512_permutexvar_epi8(order, _mm512_loadu_si512(from + at));
    const uint64_t escaped =
        _mm512_movepi8_mask(_mm512_permutexvar_epi8(order, _mm512_movm_epi8(escape >> at)));
    const __m512i high = _mm512_and_si512(_mm512_srli_epi16(octet, 4), nibble);
    const __m512i digit = _mm512_shuffle_epi8(
        digits, _mm512_mask_mov_epi8(high, kChunkTable.low, _mm512_and_si512(octet, nibble)));
    __m512i text = _mm512_mask_mov_epi8(octet, escaped, digit);
    text = _mm512_mask_mov_epi8(text, escaped & kChunkTable.first, _mm512_set1_epi8('='));
    const uint64_t keep = (escaped | kChunkTable.first) & ~uint64_t{0} >> (64 - 3 * take);
    const __m512i line = _mm512_maskz_compress_epi8(keep, text);
    const auto bytes = static_cast<size_t>(std::popcount(keep));
    _mm512_storeu_si512(out, line);
    const size_t line_max = last && at + take == octets ? kLineMax : kLineMax - 1;
    if (column + bytes <= line_max) [[likely]] {
      out += bytes;
      column += bytes;
      continue;
    }
    // Split before the first octet that is not wholly within the 75.
    const size_t room = kLineMax - 1 - std::min(column, kLineMax - 1);
    const uint64_t starts = _pext_u64(kChunkTable.first, keep);
    const uint64_t within = starts & ~uint64_t{0} >> (63 - room);
    const size_t fit = 63 - static_cast<size_t>(std::countl_zero(within));
    out = SoftBreak(out + fit);
    const __m512i rest = _mm512_maskz_compress_epi8(~uint64_t{0} << fit, line);
    _mm512_storeu_si512(out, rest);
    column = bytes - fit;
    out += column;
  }
  return out;
}

RINGMAIL_INLINE size_t EncodeDenseBlock(const char* from, const EncodeMarks& marks, size_t& column,
                                        char*& out) {
  size_t at = 0;
  for (uint64_t ends = marks.line_end; ends != 0; ends &= ends - 1) {
    const auto end = static_cast<size_t>(std::countr_zero(ends));
    if (end != at) out = Dense(from + at, end - at, marks.escape >> at, true, column, out);
    std::memcpy(out, "\r\n", 2);
    out += 2;
    column = 0;
    at = end + 2;
  }
  if (at < kBlock) {
    out =
        Dense(from + at, kBlock - at, marks.escape >> at, marks.line_last >> 63 != 0, column, out);
    at = kBlock;
  }
  return at;
}

}  // namespace
}  // namespace quoted_printable

KernelSpan QuotedPrintableDecodeAvx512(std::string_view in, char* out,
                                       QuotedPrintableScan& result) {
  using quoted_printable::kBlock;
  using quoted_printable::kDigitTable;
  KernelSpan span;
  // Apart from what `out` may point to, as far as the compiler knows.
  QuotedPrintableScan scan = result;
  quoted_printable::DecodeFinds finds;
  __m512i met = _mm512_setzero_si512();
  const __m512i low_digits = _mm512_load_si512(kDigitTable.of.data());
  const __m512i high_digits = _mm512_load_si512(kDigitTable.of.data() + 64);
  while (in.size() - span.read >= kBlock + 2) {
    const char* const from = in.data() + span.read;
    const BlockAvx512 block = BlockAvx512::Load(from);
    const quoted_printable::DecodeMarks marks =
        quoted_printable::ReadMarks(block, from, scan.after_cr);
    if (marks.octets == 0) [[unlikely]]
      break;
    // Whether a block has an escape is not to be foretold, so all go the same way.
    const __m512i first = _mm512_loadu_si512(from + 1), second = _mm512_loadu_si512(from + 2);
    const __m512i high = _mm512_permutex2var_epi8(low_digits, first, high_digits);
    const __m512i low = _mm512_permutex2var_epi8(low_digits, second, high_digits);
    const uint64_t bad = _mm512_movepi8_mask(
        _mm512_or_si512(_mm512_or_si512(first, second), _mm512_or_si512(high, low)));
    const uint64_t octets = marks.escape & ~bad;
    const uint64_t breaks = marks.escape & marks.cr >> 1 & marks.lf >> 2;
    if ((octets | breaks) != marks.escape) [[unlikely]]
      break;
    const uint64_t digits = octets << 1 | octets << 2;
    met = _mm512_or_si512(met, _mm512_maskz_mov_epi8(octets, _mm512_or_si512(high, low)));
    // The lower half of each octet from `low`.
    const __m512i value =
        _mm512_ternarylogic_epi32(_mm512_set1_epi8(15), low, _mm512_slli_epi16(high, 4), 0xCA);
    const uint64_t keep =
        ~(digits | breaks | breaks << 1 | breaks << 2) & ~uint64_t{0} >> (kBlock - marks.octets);
    _mm512_storeu_si512(
        out + span.written,
        _mm512_maskz_compress_epi8(keep, _mm512_mask_mov_epi8(block.all(), octets, value)));
    const auto written = static_cast<size_t>(std::popcount(keep));
    Carry64(marks, scan, finds);
    span.read += marks.octets;
    span.written += written;
  }
  finds.lower_hex = _mm512_test_epi8_mask(met, _mm512_set1_epi8(64));
  Note(finds, scan);
  result = scan;
  return span;
}

KernelSpan QuotedPrintableEncodeAvx512(std::string_view in, bool text, uint8_t& column, char* out) {
  using quoted_printable::kBlock;
  KernelSpan span;
  char* to = out;
  size_t now = column;
  while (in.size() - span.read >= 2 * kBlock + 2) {
    const char* const from = in.data() + span.read;
    const quoted_printable::EncodeMarks marks =
        quoted_printable::ReadEncodeMarks(BlockAvx512::Load(from), from, text);
    span.read += std::popcount(marks.escape) < quoted_printable::kDense
                     ? quoted_printable::EncodeBlock(from, marks, now, to)
                     : quoted_printable::EncodeDenseBlock(from, marks, now, to);
  }
  column = static_cast<uint8_t>(now);
  span.written = static_cast<size_t>(to - out);
  return span;
}

}  // namespace ringmail::codec

#pragma clang attribute pop

#endif
