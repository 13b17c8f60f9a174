// Lines that begin with "--", and LF counted, 64 octets at a time for any kind of block
// (block_x86.h, block_neon.h). To be included where functions are compiled for the block's
// instructions.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "codec/kernels.h"

namespace ringmail::codec::dash {

// The three octets are compared at three offsets of one block, so that a block is decided by three
// loads whatever its lines are.
template <class Block>
__attribute__((always_inline)) inline FindStep FindDashLine(std::string_view text) {
  size_t at = 0;
  for (; text.size() - at >= 64 + 2; at += 64) {
    const char* const from = text.data() + at;
    const uint64_t hits = Block::Load(from).Equal('\n') & Block::Load(from + 1).Equal('-') &
                          Block::Load(from + 2).Equal('-');
    if (hits != 0) [[unlikely]]
      return {at + static_cast<size_t>(std::countr_zero(hits)), true};
  }
  return {at, false};
}

template <class Block>
__attribute__((always_inline)) inline size_t CountLf(std::string_view text, size_t& read) {
  size_t count = 0;
  for (; text.size() - read >= 64; read += 64) {
    count += static_cast<size_t>(std::popcount(Block::Load(text.data() + read).Equal('\n')));
  }
  return count;
}

}  // namespace ringmail::codec::dash
