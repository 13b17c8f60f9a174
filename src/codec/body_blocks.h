// The kernel of body_scan.h by masks of 64 octets, for any kind of block (block_x86.h,
// block_neon.h). To be included where functions are compiled for the block's instructions.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "codec/kernels.h"
#include "ringmail/codec/body_scan.h"

namespace ringmail::codec::body {

// Reads `text`, all of it or up to what FeedUntilDashes looks for.
size_t ScanPortable(std::string_view text, bool until_dashes, BodyState& state);
size_t ScanSse42(std::string_view text, bool until_dashes, BodyState& state);
size_t ScanAvx2(std::string_view text, bool until_dashes, BodyState& state);
size_t ScanAvx512(std::string_view text, bool until_dashes, BodyState& state);
size_t ScanNeon(std::string_view text, bool until_dashes, BodyState& state);

#define RINGMAIL_BODY_INLINE __attribute__((always_inline)) inline

inline constexpr size_t kBlock = 64;
// From this size on it pays to begin with what comes before an aligned block.
inline constexpr size_t kAlignFrom = 1024;

// What is carried from block to block, in registers.
template <class Block>
struct Carry {
  uint64_t cr;         // bit 0: the octet before this block was CR
  int64_t line_begin;  // where the current line began, counted from the start of the text
  uint64_t lines = 0, bare_cr = 0, bare_lf = 0;
  bool long_line = false;
  Block least = Block::Fill('\xFF'), all = Block::Fill('\0');
};

// Reads the first `octets` of the block whose CR and LF are given and which begins at `at`.
template <class Block>
RINGMAIL_BODY_INLINE void ReadLineEnds(uint64_t cr, uint64_t lf, size_t octets, size_t at,
                                       Carry<Block>& carry) {
  const uint64_t within = ~uint64_t{0} >> (kBlock - octets);
  const uint64_t after_cr = (cr << 1 | carry.cr) & within;
  carry.cr = cr >> (octets - 1);
  const uint64_t alone = lf ^ after_cr;
  if (alone != 0) [[unlikely]] {
    carry.bare_lf |= alone & lf;
    carry.bare_cr |= alone & after_cr;
  }
  carry.lines += static_cast<uint64_t>(std::popcount(lf));
  // Only the first line that ends here can be long, the others lie within the block.
  const auto base = static_cast<int64_t>(at);
  const auto end = base + static_cast<int64_t>(octets);
  if (end - carry.line_begin > int64_t{kTextLineBytesMax}) [[unlikely]] {
    const int64_t last = lf != 0 ? base + std::countr_zero(lf) : end;
    const bool cr_before = lf != 0 ? (after_cr & lf & (0 - lf)) != 0 : carry.cr != 0;
    const int64_t line = last - carry.line_begin - (cr_before ? 1 : 0);
    carry.long_line |= line > int64_t{kTextLineBytesMax};
  }
  const int64_t begin = base + static_cast<int64_t>(kBlock) - std::countl_zero(lf);
  carry.line_begin = lf != 0 ? begin : carry.line_begin;
}

// Octets from `at` up to `end`, a block at most; those before `at` were read by the same call.
template <class Block>
RINGMAIL_BODY_INLINE void ReadSome(std::string_view text, size_t at, size_t end,
                                   Carry<Block>& carry) {
  if (at == end) return;
  const size_t octets = end - at;
  if (end >= kBlock) {  // the last block of them, whose first part is not looked at again
    const Block block = Block::Load(text.data() + end - kBlock);
    carry.least = carry.least.Min(block);
    carry.all = carry.all.Or(block);
    const size_t skip = kBlock - octets;
    ReadLineEnds(block.Equal('\r') >> skip, block.Equal('\n') >> skip, octets, at, carry);
    return;
  }
  char copy[kBlock];
  Block::Fill('x').Store(copy);
  std::memcpy(copy, text.data() + at, octets);
  const Block block = Block::Load(copy);
  carry.least = carry.least.Min(block);
  carry.all = carry.all.Or(block);
  ReadLineEnds(block.Equal('\r'), block.Equal('\n'), octets, at, carry);
}

// The first LF of `lf` that "--" follows, as a place in `text`; npos where there is none.
RINGMAIL_BODY_INLINE size_t DashLine(std::string_view text, size_t at, uint64_t lf) {
  for (; lf != 0; lf &= lf - 1) {
    const size_t place = at + static_cast<size_t>(std::countr_zero(lf));
    if (text.size() - place > 2 && text[place + 1] == '-' && text[place + 2] == '-') return place;
  }
  return std::string_view::npos;
}

// Everything before the line end whose LF is at `lf`, of which `at` octets were read.
template <class Block>
RINGMAIL_BODY_INLINE void StopBefore(std::string_view text, size_t lf, size_t at,
                                     Carry<Block>& carry) {
  const bool cr_here = lf > at && text[lf - 1] == '\r';
  ReadSome(text, at, lf - (cr_here ? 1 : 0), carry);
  if (lf != at) return;
  // The CR of the line end may be what was read last, here or of an earlier piece.
  if (lf == 0 && carry.cr != 0) ++carry.line_begin;
  carry.cr = 0;
}

template <class Block>
RINGMAIL_BODY_INLINE size_t ScanBlocks(std::string_view text, bool until_dashes, BodyState& state) {
  Carry<Block> carry{
      .cr = state.after_cr,
      .line_begin = -static_cast<int64_t>(state.line_octets) - (state.after_cr ? 1 : 0)};
  size_t at = 0, read = text.size(), found = std::string_view::npos;
  if (text.size() >= kAlignFrom) {
    const size_t before = kBlock + (0 - reinterpret_cast<uintptr_t>(text.data())) % kBlock;
    if (until_dashes) found = text.substr(0, before + 2).find("\n--");
    if (found >= kBlock) {
      ReadSome(text, 0, kBlock, carry);
      at = kBlock;
    }
    if (found == std::string_view::npos) {
      ReadSome(text, at, before, carry);
      at = before;
    }
  }
  for (; found == std::string_view::npos && text.size() - at > kBlock; at += kBlock) {
    const char* const from = text.data() + at;
    const Block block = Block::Load(from);
    const uint64_t lf = block.Equal('\n');
    if (until_dashes) {
      const uint64_t dashes = lf & Block::Load(from + 1).Equal('-');
      if (dashes != 0) [[unlikely]] {
        found = DashLine(text, at, dashes);
        if (found != std::string_view::npos) break;
      }
    }
    carry.least = carry.least.Min(block);
    carry.all = carry.all.Or(block);
    ReadLineEnds(block.Equal('\r'), lf, kBlock, at, carry);
  }
  if (found == std::string_view::npos) {
    if (until_dashes) found = text.find("\n--", at);
    if (found == std::string_view::npos) ReadSome(text, at, text.size(), carry);
  }
  if (found != std::string_view::npos) {
    StopBefore(text, found, at, carry);
    read = found > 0 && text[found - 1] == '\r' ? found - 1 : found;
  }
  state.lines += carry.lines;
  state.after_cr = carry.cr != 0;
  state.line_octets =
      static_cast<uint64_t>(static_cast<int64_t>(read) - carry.line_begin) - carry.cr;
  const unsigned flags =
      state.flags | (carry.bare_cr != 0 ? kDataBareCr : 0u) |
      (carry.bare_lf != 0 ? kDataBareLf : 0u) | (carry.long_line ? kDataLineTooLong : 0u) |
      (carry.least.Equal('\0') != 0 ? kDataNul : 0u) | (carry.all.High() != 0 ? kData8Bit : 0u);
  state.flags = static_cast<uint8_t>(flags);
  return found;
}

}  // namespace ringmail::codec::body
