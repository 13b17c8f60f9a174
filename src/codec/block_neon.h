// block_x86.h's blocks with the instructions that every aarch64 CPU has.
#pragma once

#if defined(__aarch64__)

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace ringmail::codec {

class BlockNeon {
 public:
  __attribute__((always_inline)) static BlockNeon Load(const char* at) {
    const auto* octets = reinterpret_cast<const uint8_t*>(at);
    BlockNeon block;
    for (size_t i = 0; i < 4; ++i) block.part_[i] = vld1q_u8(octets + 16 * i);
    return block;
  }
  __attribute__((always_inline)) void Store(char* at) const {
    auto* octets = reinterpret_cast<uint8_t*>(at);
    for (size_t i = 0; i < 4; ++i) vst1q_u8(octets + 16 * i, part_[i]);
  }
  __attribute__((always_inline)) static BlockNeon Fill(char octet) {
    BlockNeon block;
    for (size_t i = 0; i < 4; ++i) block.part_[i] = vdupq_n_u8(static_cast<uint8_t>(octet));
    return block;
  }
  __attribute__((always_inline)) BlockNeon Min(const BlockNeon& other) const {
    BlockNeon block;
    for (size_t i = 0; i < 4; ++i) block.part_[i] = vminq_u8(part_[i], other.part_[i]);
    return block;
  }
  __attribute__((always_inline)) BlockNeon Or(const BlockNeon& other) const {
    BlockNeon block;
    for (size_t i = 0; i < 4; ++i) block.part_[i] = vorrq_u8(part_[i], other.part_[i]);
    return block;
  }
  __attribute__((always_inline)) uint64_t Equal(char octet) const {
    const uint8x16_t same = vdupq_n_u8(static_cast<uint8_t>(octet));
    return Bits(vceqq_u8(part_[0], same), vceqq_u8(part_[1], same), vceqq_u8(part_[2], same),
                vceqq_u8(part_[3], same));
  }
  // Which octets, unsigned, are `least` or more.
  __attribute__((always_inline)) uint64_t AtLeast(uint8_t least) const {
    const uint8x16_t bound = vdupq_n_u8(least);
    return Bits(vcgeq_u8(part_[0], bound), vcgeq_u8(part_[1], bound), vcgeq_u8(part_[2], bound),
                vcgeq_u8(part_[3], bound));
  }
  // Which octets are neither printable US-ASCII nor SP.
  __attribute__((always_inline)) uint64_t Unprintable() const {
    return AtLeast(127) | ~AtLeast(32);
  }
  __attribute__((always_inline)) uint64_t High() const { return AtLeast(0x80); }

 private:
  // NEON has no movemask: each lane keeps its own bit, and pairs are added until 64 bits are left.
  __attribute__((always_inline)) static uint64_t Bits(uint8x16_t a, uint8x16_t b, uint8x16_t c,
                                                      uint8x16_t d) {
    const uint8x16_t bit = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t low = vpaddq_u8(vandq_u8(a, bit), vandq_u8(b, bit));
    const uint8x16_t high = vpaddq_u8(vandq_u8(c, bit), vandq_u8(d, bit));
    const uint8x16_t all = vpaddq_u8(low, high);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(all, all)), 0);
  }
  uint8x16_t part_[4];
};

}  // namespace ringmail::codec

#endif
