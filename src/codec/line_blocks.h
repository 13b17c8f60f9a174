// Lines and dots by masks of 64 octets and carries from block to block instead of a state machine
// (the method of simdjson), for any kind of block (block_x86.h, block_neon.h). To be included where
// functions are compiled for the block's instructions.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "codec/kernels.h"
#include "ringmail/codec/data_scan.h"

namespace ringmail::codec::lines {

#define RINGMAIL_INLINE __attribute__((always_inline)) inline

inline constexpr size_t kBlock = 64;

RINGMAIL_INLINE size_t First(uint64_t mask) { return static_cast<size_t>(std::countr_zero(mask)); }
RINGMAIL_INLINE size_t AfterLast(uint64_t mask) {
  return kBlock - static_cast<size_t>(std::countl_zero(mask));
}

// The DATA scanner.

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

RINGMAIL_INLINE Carry Begin(const LineState& state) {
  return {.cr = state.after_cr,
          .line_start = state.line_start,
          .line_begin = -static_cast<int64_t>(state.line_octets) - (state.after_cr ? 1 : 0)};
}

RINGMAIL_INLINE void End(const Carry& carry, size_t consumed, bool nul, bool high,
                         LineState& state) {
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
RINGMAIL_INLINE bool ReadBlock(const Marks& marks, size_t at, Carry& carry) {
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
    const int64_t line = base + static_cast<int64_t>(First(line_ends)) - 1 - carry.line_begin;
    carry.line_max = std::max(carry.line_max, line);
  }
  const int64_t begin = base + static_cast<int64_t>(AfterLast(line_ends));
  carry.line_begin = line_ends != 0 ? begin : carry.line_begin;
  return true;
}

template <class Block>
RINGMAIL_INLINE size_t ReadLines(std::string_view input, LineState& state) {
  Carry carry = Begin(state);
  Block least = Block::Fill('\xFF'), all = Block::Fill('\0');
  size_t at = 0;
  for (; input.size() - at >= kBlock; at += kBlock) {
    const Block block = Block::Load(input.data() + at);
    const Marks marks = {block.Equal('\r'), block.Equal('\n'), block.Equal('.')};
    if (!ReadBlock(marks, at, carry)) break;
    least = least.Min(block);
    all = all.Or(block);
  }
  End(carry, at, least.Equal('\0') != 0, all.High() != 0, state);
  return at;
}

// The line scanner.

// The longest of the lines that lie within a block. `ends`: their LF.
RINGMAIL_INLINE uint64_t LongestWithin(uint64_t ends) {
  uint64_t longest = 0;
  size_t begin = First(ends) + 1;
  for (ends &= ends - 1; ends != 0; ends &= ends - 1) {
    longest = std::max<uint64_t>(longest, First(ends) - 1 - begin);
    begin = First(ends) + 1;
  }
  return longest;
}

template <class Block>
RINGMAIL_INLINE size_t TallyLines(std::string_view input, LineTally& tally) {
  uint64_t carry = tally.after_cr ? 1 : 0, bare = 0, bare_lf = 0, line_ends = 0, high = 0;
  auto line_begin = -static_cast<int64_t>(tally.line_bytes + carry);
  auto longest = static_cast<int64_t>(tally.line_bytes_max);
  Block least = Block::Fill('\xFF');
  size_t at = 0;
  for (; input.size() - at >= kBlock; at += kBlock) {
    const Block block = Block::Load(input.data() + at);
    const uint64_t cr = block.Equal('\r'), lf = block.Equal('\n');
    const uint64_t after_cr = cr << 1 | carry;
    const uint64_t ends = lf & after_cr;
    carry = cr >> 63;
    bare |= after_cr & ~lf;
    bare_lf |= lf & ~after_cr;
    least = least.Min(block);
    high += static_cast<uint64_t>(std::popcount(block.High()));
    line_ends += static_cast<uint64_t>(std::popcount(ends));
    // Without an end here, less than what the line has by now, which does no harm.
    const auto base = static_cast<int64_t>(at);
    longest = std::max(longest, base + static_cast<int64_t>(First(ends)) - 1 - line_begin);
    // A line between two LF of one block is of 61 octets at most.
    if (longest < 62) [[unlikely]] {
      longest = std::max(longest, static_cast<int64_t>(LongestWithin(ends)));
    }
    const int64_t begin = base + static_cast<int64_t>(AfterLast(ends));
    line_begin = ends != 0 ? begin : line_begin;
  }
  if (at == 0) return 0;
  tally.lines += line_ends;
  tally.high_octets += high;
  tally.line_bytes_max = static_cast<uint64_t>(longest);
  tally.after_cr = carry != 0;
  tally.line_bytes = static_cast<uint64_t>(static_cast<int64_t>(at) - line_begin) - carry;
  const unsigned flags = tally.flags | (bare != 0 ? kDataBareCr : 0u) |
                         (bare_lf != 0 ? kDataBareLf : 0u) |
                         (least.Equal('\0') != 0 ? kDataNul : 0u);
  tally.flags = static_cast<uint8_t>(flags);
  return at;
}

// Dots.

struct Starts {
  uint64_t lines;  // bit i: octet i begins a line
  uint64_t cr, line_start;
};

RINGMAIL_INLINE Starts StartsOf(uint64_t cr, uint64_t lf, const LineStart& start) {
  const uint64_t ends = lf & (cr << 1 | uint64_t{start.after_cr});
  return {ends << 1 | uint64_t{start.line_start}, cr >> 63, ends >> 63};
}

RINGMAIL_INLINE void Carry64(const Starts& starts, LineStart& start) {
  start.after_cr = starts.cr != 0;
  start.line_start = starts.line_start != 0;
}

RINGMAIL_INLINE void Copy64(const char* from, char* to) {
  char block[kBlock];
  std::memcpy(block, from, kBlock);
  std::memcpy(to, block, kBlock);
}

template <class Block>
RINGMAIL_INLINE KernelSpan StuffDots(std::string_view in, char* out, LineStart& start) {
  KernelSpan span;
  for (; in.size() - span.read >= kBlock; span.read += kBlock) {
    const char* const from = in.data() + span.read;
    const Block block = Block::Load(from);
    const Starts starts = StartsOf(block.Equal('\r'), block.Equal('\n'), start);
    uint64_t hits = starts.lines & block.Equal('.');
    // What follows a dot is copied 64 octets wide.
    if (hits != 0 && in.size() - span.read < 2 * kBlock) break;
    block.Store(out + span.written);
    for (; hits != 0; hits &= hits - 1) {
      const size_t lane = First(hits);
      ++span.written;
      Copy64(from + lane, out + span.written + lane);
    }
    span.written += kBlock;
    Carry64(starts, start);
  }
  return span;
}

// A block without its dots, written no wider than it is.
inline void UnstuffWithin(const char* block, uint64_t hits, char* to) {
  size_t begin = 0;
  for (; hits != 0; hits &= hits - 1) {
    const size_t lane = First(hits);
    std::memcpy(to, block + begin, lane - begin);
    to += lane - begin;
    begin = lane + 1;
  }
  std::memcpy(to, block + begin, kBlock - begin);
}

// Stops before a block where a dot may end the body, or where what follows a dot is not known.
template <class Block>
RINGMAIL_INLINE KernelSpan UnstuffDots(std::string_view in, char* out, LineStart& start) {
  KernelSpan span;
  for (; in.size() - span.read >= kBlock; span.read += kBlock) {
    const char* from = in.data() + span.read;
    char* const to = out + span.written;
    const Block block = Block::Load(from);
    const uint64_t cr = block.Equal('\r');
    const Starts starts = StartsOf(cr, block.Equal('\n'), start);
    uint64_t hits = starts.lines & block.Equal('.');
    if (hits != 0) [[unlikely]] {
      if (((hits << 1 & cr) | hits >> 63) != 0 || in.size() - span.read < 2 * kBlock) break;
      // In place, what is copied 64 octets wide would fall on what is still to be copied.
      char copy[kBlock];
      if (reinterpret_cast<uintptr_t>(from) - reinterpret_cast<uintptr_t>(to) < 2 * kBlock) {
        block.Store(copy);
        UnstuffWithin(copy, hits, to);
      } else {
        block.Store(to);
        size_t removed = 0;
        for (uint64_t left = hits; left != 0; left &= left - 1) {
          const size_t lane = First(left);
          Copy64(from + lane + 1, to + lane - removed);
          ++removed;
        }
      }
      span.written += kBlock - static_cast<size_t>(std::popcount(hits));
    } else {
      block.Store(to);
      span.written += kBlock;
    }
    Carry64(starts, start);
  }
  return span;
}

}  // namespace ringmail::codec::lines
