// base64 with NEON, whose loads and stores deal octets out to three and four vectors: 48 octets are
// 64 of text. The rest of a line of 76, 9 octets, goes the portable way.
#include "codec/kernels.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#include <array>
#include <cstring>

namespace ringmail::codec {
namespace {

constexpr size_t kLineIn = 57, kLineText = 76, kLineOut = 78, kIn = 48, kText = 64;
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// The value of each of the first 128 octets with bit 6 set; 0 for those outside of the alphabet.
consteval std::array<uint8_t, 128> MakeValues(std::string_view alphabet) {
  std::array<uint8_t, 128> values{};
  for (uint8_t i = 0; i < 64; ++i) values[static_cast<uint8_t>(alphabet[i])] = 64 | i;
  return values;
}
constexpr std::array<uint8_t, 128> kValues = MakeValues(kAlphabet);
constexpr std::array<uint8_t, 128> kUrlValues = MakeValues(kUrlAlphabet);

uint8x16x4_t Table(const uint8_t* octets) {
  return {{vld1q_u8(octets), vld1q_u8(octets + 16), vld1q_u8(octets + 32), vld1q_u8(octets + 48)}};
}

void Encode48(const char* from, const uint8x16x4_t& alphabet, char* to) {
  const uint8x16x3_t in = vld3q_u8(reinterpret_cast<const uint8_t*>(from));
  const uint8x16_t low = vdupq_n_u8(63);
  const uint8x16_t sextets[4] = {
      vshrq_n_u8(in.val[0], 2),
      vandq_u8(vorrq_u8(vshlq_n_u8(in.val[0], 4), vshrq_n_u8(in.val[1], 4)), low),
      vandq_u8(vorrq_u8(vshlq_n_u8(in.val[1], 2), vshrq_n_u8(in.val[2], 6)), low),
      vandq_u8(in.val[2], low)};
  uint8x16x4_t text;
  for (size_t i = 0; i < 4; ++i) text.val[i] = vqtbl4q_u8(alphabet, sextets[i]);
  vst4q_u8(reinterpret_cast<uint8_t*>(to), text);
}

// False, and nothing is written, where an octet is not of the alphabet.
bool Decode64(const char* from, const uint8x16x4_t& low, const uint8x16x4_t& high, char* to) {
  const uint8x16x4_t in = vld4q_u8(reinterpret_cast<const uint8_t*>(from));
  const uint8x16_t half = vdupq_n_u8(64), bits = vdupq_n_u8(63);
  uint8x16_t all = half, sextets[4];
  for (size_t i = 0; i < 4; ++i) {
    // An index beyond a table makes 0.
    const uint8x16_t value =
        vorrq_u8(vqtbl4q_u8(low, in.val[i]), vqtbl4q_u8(high, vsubq_u8(in.val[i], half)));
    all = vandq_u8(all, value);
    sextets[i] = vandq_u8(value, bits);
  }
  if (vminvq_u8(all) == 0) return false;
  uint8x16x3_t out;
  out.val[0] = vorrq_u8(vshlq_n_u8(sextets[0], 2), vshrq_n_u8(sextets[1], 4));
  out.val[1] = vorrq_u8(vshlq_n_u8(sextets[1], 4), vshrq_n_u8(sextets[2], 2));
  out.val[2] = vorrq_u8(vshlq_n_u8(sextets[2], 6), sextets[3]);
  vst3q_u8(reinterpret_cast<uint8_t*>(to), out);
  return true;
}

KernelSpan EncodeFlat(std::string_view in, std::string_view letters, char* out) {
  const uint8x16x4_t alphabet = Table(reinterpret_cast<const uint8_t*>(letters.data()));
  KernelSpan span;
  for (; in.size() - span.read >= kIn; span.read += kIn, span.written += kText) {
    Encode48(in.data() + span.read, alphabet, out + span.written);
  }
  return span;
}

KernelSpan DecodeFlat(std::string_view in, const std::array<uint8_t, 128>& values, char* out) {
  const uint8x16x4_t low = Table(values.data()), high = Table(values.data() + 64);
  KernelSpan span;
  for (; in.size() - span.read >= kText; span.read += kText, span.written += kIn) {
    if (!Decode64(in.data() + span.read, low, high, out + span.written)) break;
  }
  return span;
}

}  // namespace

KernelSpan Base64EncodeNeon(std::string_view in, char* out) {
  return EncodeFlat(in, kAlphabet, out);
}
KernelSpan Base64UrlEncodeNeon(std::string_view in, char* out) {
  return EncodeFlat(in, kUrlAlphabet, out);
}

KernelSpan Base64EncodeLinesNeon(std::string_view in, char* out) {
  const uint8x16x4_t alphabet = Table(reinterpret_cast<const uint8_t*>(kAlphabet.data()));
  KernelSpan span;
  for (; in.size() - span.read >= kLineIn; span.read += kLineIn, span.written += kLineOut) {
    char* const to = out + span.written;
    Encode48(in.data() + span.read, alphabet, to);
    Base64EncodePortable(in.substr(span.read + kIn, kLineIn - kIn), to + kText);
    std::memcpy(to + kLineText, "\r\n", 2);
  }
  return span;
}

KernelSpan Base64DecodeNeon(std::string_view in, char* out) { return DecodeFlat(in, kValues, out); }
KernelSpan Base64UrlDecodeNeon(std::string_view in, char* out) {
  return DecodeFlat(in, kUrlValues, out);
}

KernelSpan Base64DecodeLinesNeon(std::string_view in, char* out) {
  const uint8x16x4_t low = Table(kValues.data()), high = Table(kValues.data() + 64);
  KernelSpan span;
  while (in.size() - span.read >= kLineOut && in.substr(span.read + kLineText, 2) == "\r\n") {
    const char* const line = in.data() + span.read;
    if (!Decode64(line, low, high, out + span.written)) break;
    const KernelSpan rest =
        Base64DecodePortable({line + kText, kLineText - kText}, out + span.written + kIn);
    // What is written stays: in place, its text is gone.
    if (rest.read < kLineText - kText) {
      span.read += kText + rest.read;
      span.written += kIn + rest.written;
      break;
    }
    span.read += kLineOut;
    span.written += kLineIn;
  }
  return span;
}

}  // namespace ringmail::codec

#endif
