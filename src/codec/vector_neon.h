// vector_x86.h's vectors with the instructions that every aarch64 CPU has.
#pragma once

#if defined(__aarch64__)

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace ringmail::codec {

class VectorNeon {
 public:
  static constexpr size_t kBytes = 16;
#define RINGMAIL_VECTOR __attribute__((always_inline)) inline
  RINGMAIL_VECTOR static VectorNeon Load(const char* at) {
    return {vld1q_u8(reinterpret_cast<const uint8_t*>(at))};
  }
  RINGMAIL_VECTOR static VectorNeon Table(const uint8_t* table) { return {vld1q_u8(table)}; }
  RINGMAIL_VECTOR static VectorNeon Zero() { return {vdupq_n_u8(0)}; }
  RINGMAIL_VECTOR static VectorNeon Fill(uint8_t octet) { return {vdupq_n_u8(octet)}; }
  RINGMAIL_VECTOR VectorNeon LookUp(VectorNeon index) const {
    return {vqtbl1q_u8(all_, index.all_)};
  }
  RINGMAIL_VECTOR VectorNeon HighHalf() const { return {vshrq_n_u8(all_, 4)}; }
  RINGMAIL_VECTOR VectorNeon LowHalf() const { return {vandq_u8(all_, vdupq_n_u8(15))}; }
  RINGMAIL_VECTOR VectorNeon SubtractSaturated(uint8_t octet) const {
    return {vqsubq_u8(all_, vdupq_n_u8(octet))};
  }
  RINGMAIL_VECTOR VectorNeon And(VectorNeon o) const { return {vandq_u8(all_, o.all_)}; }
  RINGMAIL_VECTOR VectorNeon Or(VectorNeon o) const { return {vorrq_u8(all_, o.all_)}; }
  RINGMAIL_VECTOR VectorNeon Xor(VectorNeon o) const { return {veorq_u8(all_, o.all_)}; }
  RINGMAIL_VECTOR bool IsZero() const { return vmaxvq_u8(all_) == 0; }
  RINGMAIL_VECTOR static bool Ascii64(const char* at) { return Ascii(at, 64); }
  RINGMAIL_VECTOR static bool Ascii256(const char* at) { return Ascii(at, 256); }
  RINGMAIL_VECTOR static bool Ascii(const char* at, size_t bytes) {
    uint8x16_t any = vdupq_n_u8(0);
    for (size_t i = 0; i < bytes; i += kBytes) any = vorrq_u8(any, Load(at + i).all_);
    return vmaxvq_u8(any) < 0x80;
  }
  RINGMAIL_VECTOR void Store(char* at) const { vst1q_u8(reinterpret_cast<uint8_t*>(at), all_); }
  RINGMAIL_VECTOR VectorNeon Add(VectorNeon o) const { return {vaddq_u8(all_, o.all_)}; }
  RINGMAIL_VECTOR bool HasZero() const { return vminvq_u8(all_) == 0; }
  RINGMAIL_VECTOR static VectorNeon Halves(const char* at) {
    const uint8x8_t octets = vld1_u8(reinterpret_cast<const uint8_t*>(at));
    const uint8x8_t high = vshr_n_u8(octets, 4), low = vand_u8(octets, vdup_n_u8(15));
    return {vcombine_u8(vzip1_u8(high, low), vzip2_u8(high, low))};
  }
  RINGMAIL_VECTOR void StoreJoined(char* at) const {
    const uint8x16_t joined = vorrq_u8(vshlq_n_u8(vuzp1q_u8(all_, all_), 4), vuzp2q_u8(all_, all_));
    vst1_u8(reinterpret_cast<uint8_t*>(at), vget_low_u8(joined));
  }
#undef RINGMAIL_VECTOR

  uint8x16_t all_;
};

}  // namespace ringmail::codec

#endif
