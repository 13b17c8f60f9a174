// quoted-printable by masks of 64 octets, for any kind of block (block_x86.h, block_neon.h): runs
// of literals are copied whole, 64 octets wide, and each escape is gone through by itself. To be
// included where functions are compiled for the block's instructions.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "codec/kernels.h"
#include "ringmail/codec/quoted_printable.h"

namespace ringmail::codec::quoted_printable {

#define RINGMAIL_INLINE __attribute__((always_inline)) inline

inline constexpr size_t kBlock = 64, kLineMax = 76;

inline void CopyBlock(const char* from, char* to) __attribute__((always_inline));
inline void CopyBlock(const char* from, char* to) {
  char block[kBlock];
  std::memcpy(block, from, kBlock);
  std::memcpy(to, block, kBlock);
}

// "=XX" of each octet, with room behind it for one store of four octets.
struct Escapes {
  std::array<std::array<char, 4>, 256> of{};
};
consteval Escapes MakeEscapes() {
  constexpr char kDigits[] = "0123456789ABCDEF";
  Escapes escapes;
  for (size_t i = 0; i < 256; ++i) escapes.of[i] = {'=', kDigits[i >> 4], kDigits[i & 15], 0};
  return escapes;
}
inline constexpr Escapes kEscapes = MakeEscapes();

// The value of each hexadecimal digit, 16 for all else.
struct Digits {
  std::array<uint8_t, 256> of{};
};
consteval Digits MakeDigits() {
  Digits digits;
  digits.of.fill(16);
  for (uint8_t i = 0; i < 10; ++i) digits.of[size_t{'0'} + i] = i;
  for (uint8_t i = 0; i < 6; ++i) {
    digits.of[size_t{'A'} + i] = digits.of[size_t{'a'} + i] = static_cast<uint8_t>(10 + i);
  }
  return digits;
}
inline constexpr Digits kDigits = MakeDigits();

// One block of text to decode.
struct DecodeMarks {
  uint64_t escape = 0;  // '='
  uint64_t cr = 0, lf = 0;
  uint64_t alone = 0, raw = 0;  // CR and LF without the other; controls and octets over 126
  size_t octets = 0;            // how many of the block may be read; 0: the octets go one by one
};

// What was met in the blocks read.
struct DecodeFinds {
  uint64_t alone = 0, raw = 0, lower_hex = 0;
};

RINGMAIL_INLINE void Carry64(const DecodeMarks& marks, QuotedPrintableScan& scan,
                             DecodeFinds& finds) {
  finds.alone |= marks.alone;
  finds.raw |= marks.raw;
  scan.after_cr = (marks.cr >> (marks.octets - 1) & 1) != 0;
}

RINGMAIL_INLINE void Note(const DecodeFinds& finds, QuotedPrintableScan& scan) {
  const unsigned departures = scan.departures |
                              (finds.alone != 0 ? kQuotedPrintableBareLineEnd : 0u) |
                              (finds.raw != 0 ? kQuotedPrintableRawOctet : 0u) |
                              (finds.lower_hex != 0 ? kQuotedPrintableLowerHex : 0u);
  scan.departures = static_cast<uint8_t>(departures);
}

// What the line ends, blanks and raw octets of a block mean. Not read: a run of blanks that goes on
// behind it, for the line may end behind that, and an escape that the block's end cuts. Both are
// rare, so that the place of the next block is known before this one is.
// REQUIRES: two octets can be read behind the block.
template <class Block>
RINGMAIL_INLINE DecodeMarks ReadMarks(const Block& block, const char* from, bool after_cr) {
  DecodeMarks marks{.escape = block.Equal('='), .cr = block.Equal('\r')};
  const uint64_t lf = block.Equal('\n'), tab = block.Equal('\t');
  const uint64_t blank = block.Equal(' ') | tab;
  marks.lf = lf;
  size_t octets = kBlock;
  uint64_t read = ~uint64_t{0};
  // One branch for all, which is seldom taken: each by itself is not to be foreseen.
  const uint64_t goes_on = blank >> 63 & uint64_t{static_cast<uint8_t>(from[kBlock]) <= ' '};
  if ((goes_on | marks.escape >> 62) != 0) [[unlikely]] {
    if (goes_on != 0) octets = kBlock - static_cast<size_t>(std::countl_zero(~blank));
    const uint64_t cut = marks.escape & uint64_t{3} << 62;
    if (cut != 0) octets = std::min(octets, static_cast<size_t>(std::countr_zero(cut)));
    if (octets == 0 || blank == ~uint64_t{0}) return marks;
    read >>= kBlock - octets;
  }
  if ((blank & (marks.cr | lf) >> 1 & read) != 0) [[unlikely]]
    return marks;
  marks.alone = (lf ^ (marks.cr << 1 | uint64_t{after_cr})) & read;
  marks.raw = block.Unprintable() & ~(marks.cr | lf | tab) & read;
  marks.octets = octets;
  marks.escape &= read;
  return marks;
}

template <class Block>
RINGMAIL_INLINE KernelSpan Decode(std::string_view in, char* out, QuotedPrintableScan& result) {
  KernelSpan span;
  // Apart from what `out` may point to, as far as the compiler knows.
  QuotedPrintableScan scan = result;
  DecodeFinds finds;
  // The copy behind an escape in a block reads up to the end of the next one.
  while (in.size() - span.read >= 2 * kBlock) {
    const char* const from = in.data() + span.read;
    char* const to = out + span.written;
    const Block block = Block::Load(from);
    const DecodeMarks marks = ReadMarks(block, from, scan.after_cr);
    if (marks.octets == 0) break;
    uint64_t lower_hex = 0;
    block.Store(to);
    size_t removed = 0;
    uint64_t escape = marks.escape;
    for (; escape != 0; escape &= escape - 1) {
      const auto at = static_cast<size_t>(std::countr_zero(escape));
      const char first = from[at + 1], second = from[at + 2];
      const unsigned high = kDigits.of[static_cast<uint8_t>(first)];
      const unsigned low = kDigits.of[static_cast<uint8_t>(second)];
      char* const place = to + (at - removed);
      if (((high | low) & 16) == 0) [[likely]] {
        lower_hex |= static_cast<uint64_t>(first >= 'a' || second >= 'a');
        *place = static_cast<char>(high << 4 | low);
        CopyBlock(from + at + 3, place + 1);
        removed += 2;
      } else if (first == '\r' && second == '\n') {
        CopyBlock(from + at + 3, place);
        removed += 3;
      } else {
        break;
      }
    }
    if (escape != 0) break;
    Carry64(marks, scan, finds);
    finds.lower_hex |= lower_hex;
    span.read += marks.octets;
    span.written += marks.octets - removed;
  }
  Note(finds, scan);
  result = scan;
  return span;
}

// One block to encode.
struct EncodeMarks {
  uint64_t escape = 0;     // what is written as "=XX"
  uint64_t line_end = 0;   // where CRLF begins
  uint64_t line_last = 0;  // octets before a CRLF
};

// REQUIRES: two octets can be read behind the block.
template <class Block>
RINGMAIL_INLINE EncodeMarks ReadEncodeMarks(const Block& block, const char* from, bool text) {
  const uint64_t tab = block.Equal('\t'), blank = block.Equal(' ') | tab;
  const uint64_t plain = (~block.Unprintable() & ~block.Equal('=')) | tab;
  if (!text) return {.escape = ~plain};
  const bool next_lf = from[kBlock] == '\n';
  const bool next_end = from[kBlock] == '\r' && from[kBlock + 1] == '\n';
  const uint64_t lf = block.Equal('\n');
  EncodeMarks marks;
  marks.line_end = block.Equal('\r') & (lf >> 1 | uint64_t{next_lf} << 63);
  marks.line_last = marks.line_end >> 1 | uint64_t{next_end} << 63;
  marks.escape = ~(plain | marks.line_end | marks.line_end << 1) | (blank & marks.line_last);
  return marks;
}

RINGMAIL_INLINE char* SoftBreak(char* out) {
  std::memcpy(out, "=\r\n", 3);
  return out + 3;
}

// Octets of one block that stand for themselves. `last`: CRLF follows.
RINGMAIL_INLINE char* Literals(const char* from, size_t octets, bool last, size_t& column,
                               char* out) {
  // Once at most, for a block is shorter than a line.
  if (column + octets > kLineMax - 1 && !(last && column + octets == kLineMax)) {
    const size_t fit = kLineMax - 1 - column;
    CopyBlock(from, out);
    from += fit;
    octets -= fit;
    out = SoftBreak(out + fit);
    column = 0;
  }
  CopyBlock(from, out);
  column += octets;
  return out + octets;
}

// More of them could make a line too long that lies within a block.
inline constexpr int kFewEscapes = 6;

// Whether a block's lines need no soft break. Lines that begin here have no more than 62 octets and
// six escapes, which is 74; so only the first line, begun before, can be too long.
RINGMAIL_INLINE bool NeedsNoBreak(const EncodeMarks& marks, size_t column) {
  const auto octets = static_cast<size_t>(std::countr_zero(marks.line_end));
  const uint64_t first_line = marks.line_end ^ (marks.line_end - 1);
  const auto escapes = static_cast<size_t>(std::popcount(marks.escape & first_line));
  const bool ends = (marks.line_end | marks.line_last >> 63) != 0;
  return column + octets + 2 * escapes <= kLineMax - 1 + (ends ? 1 : 0) &&
         std::popcount(marks.escape) <= kFewEscapes;
}

// Line ends are literals where nothing has to be broken, and all that follows an escape is copied
// again behind it. REQUIRES: NeedsNoBreak.
RINGMAIL_INLINE size_t EncodeWithoutBreak(const char* from, const EncodeMarks& marks,
                                          size_t& column, char*& out) {
  CopyBlock(from, out);
  char* to = out;
  for (uint64_t escape = marks.escape; escape != 0; escape &= escape - 1) {
    const auto at = static_cast<size_t>(std::countr_zero(escape));
    std::memcpy(to + at, kEscapes.of[static_cast<uint8_t>(from[at])].data(), 4);
    CopyBlock(from + at + 1, to + at + 3);
    to += 2;
  }
  out = to + kBlock;
  const auto cr = static_cast<size_t>(63 - std::countl_zero(marks.line_end | 1));
  const auto behind = static_cast<size_t>(std::popcount(marks.escape >> cr));
  const auto escapes = static_cast<size_t>(std::popcount(marks.escape));
  // The LF of a CRLF that begins at the last octet. Rare, and a branch, so that the place of the
  // next block is known before this one is.
  if (marks.line_end >> 63 != 0) [[unlikely]] {
    *out++ = '\n';
    column = 0;
    return kBlock + 1;
  }
  column = marks.line_end != 0 ? kBlock - (cr + 2) + 2 * behind : column + kBlock + 2 * escapes;
  return kBlock;
}

// Escapes and line ends of a block one after another, with the literals between them. Returns how
// many octets were read: one more than the block has where a CRLF begins at its last.
RINGMAIL_INLINE size_t EncodeBlock(const char* from, const EncodeMarks& marks, size_t& column,
                                   char*& out) {
  if (NeedsNoBreak(marks, column)) return EncodeWithoutBreak(from, marks, column, out);
  size_t at = 0;
  for (uint64_t events = marks.escape | marks.line_end; events != 0; events &= events - 1) {
    const auto event = static_cast<size_t>(std::countr_zero(events));
    const bool end = (marks.line_end >> event & 1) != 0;
    if (event != at) out = Literals(from + at, event - at, end, column, out);
    if (end) {
      std::memcpy(out, "\r\n", 2);
      out += 2;
      column = 0;
      at = event + 2;
      continue;
    }
    const size_t line_max = (marks.line_last >> event & 1) != 0 ? kLineMax : kLineMax - 1;
    if (column + 3 > line_max) {
      out = SoftBreak(out);
      column = 0;
    }
    std::memcpy(out, kEscapes.of[static_cast<uint8_t>(from[event])].data(), 4);
    out += 3;
    column += 3;
    at = event + 1;
  }
  if (at < kBlock) {
    out = Literals(from + at, kBlock - at, marks.line_last >> 63 != 0, column, out);
    at = kBlock;
  }
  return at;
}

template <class Block>
RINGMAIL_INLINE KernelSpan Encode(std::string_view in, bool text, uint8_t& column, char* out) {
  KernelSpan span;
  char* to = out;
  size_t now = column;
  // A copy of literals reads up to the end of the next block.
  while (in.size() - span.read >= 2 * kBlock + 2) {
    const char* const from = in.data() + span.read;
    span.read += EncodeBlock(from, ReadEncodeMarks(Block::Load(from), from, text), now, to);
  }
  column = static_cast<uint8_t>(now);
  span.written = static_cast<size_t>(to - out);
  return span;
}

}  // namespace ringmail::codec::quoted_printable
