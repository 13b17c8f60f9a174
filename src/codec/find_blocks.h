// A search without regard to case: the first and the last octet of what is sought filter the
// places, 64 at a time, for any kind of block (block_x86.h, block_neon.h). To be included where
// functions are compiled for the block's instructions.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "codec/kernels.h"
#include "ringmail/codec/ascii.h"

namespace ringmail::codec::find {

constexpr char Upper(char octet) {
  return octet >= 'a' && octet <= 'z' ? static_cast<char>(octet - 0x20) : octet;
}

// REQUIRES: needle is not empty. Returns where it was found, or from where on the caller has to
// look.
template <class Block>
__attribute__((always_inline)) inline FindStep FindNoCase(std::string_view text,
                                                          std::string_view needle) {
  const char first = AsciiLower(needle.front()), last = AsciiLower(needle.back());
  const char first_upper = Upper(first), last_upper = Upper(last);
  const size_t span = needle.size() - 1;
  size_t at = 0;
  for (; text.size() - at >= 64 + span; at += 64) {
    const Block begin = Block::Load(text.data() + at), end = Block::Load(text.data() + at + span);
    uint64_t hits =
        (begin.Equal(first) | begin.Equal(first_upper)) & (end.Equal(last) | end.Equal(last_upper));
    for (; hits != 0; hits &= hits - 1) {
      const size_t place = at + static_cast<size_t>(std::countr_zero(hits));
      if (AsciiEqualNoCase(text.substr(place, needle.size()), needle)) return {place, true};
    }
  }
  return {at, false};
}

}  // namespace ringmail::codec::find
