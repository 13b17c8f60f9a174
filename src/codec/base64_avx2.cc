// base64 with AVX2 (Muła and Lemire, "Faster base64 encoding and decoding using AVX2 instructions",
// 2018): 24 octets a vector, or 12 in half of one. A line of 76 is two vectors and a half.
#include "codec/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <array>
#include <cstdint>
#include <cstring>

namespace ringmail::codec {
namespace {

#define RINGMAIL_TARGET __attribute__((target("avx2,bmi,bmi2")))
#define RINGMAIL_INLINE RINGMAIL_TARGET __attribute__((always_inline)) inline

enum class Alphabet { kStandard, kUrl };
constexpr size_t kLineIn = 57, kLineText = 76, kLineOut = 78;

RINGMAIL_INLINE __m256i Both(__m128i half) { return _mm256_broadcastsi128_si256(half); }

// A compiler that knows both factors makes two shifts and a blend of the multiplication, which are
// slower.
RINGMAIL_INLINE __m256i Kept(__m256i factors) {
  asm("" : "+x"(factors));
  return factors;
}

// Four sextets of the three octets of each doubleword, which lie as 1 0 2 1, then their text.
template <Alphabet kAlphabet>
RINGMAIL_INLINE __m256i TextOf(__m256i in) {
  const __m256i high = _mm256_mulhi_epu16(_mm256_and_si256(in, _mm256_set1_epi32(0x0FC0FC00)),
                                          _mm256_set1_epi32(0x04000040));
  const __m256i low = _mm256_mullo_epi16(_mm256_and_si256(in, _mm256_set1_epi32(0x003F03F0)),
                                         Kept(_mm256_set1_epi32(0x01000010)));
  const __m256i sextets = _mm256_or_si256(high, low);
  // The five runs of the alphabet: A-Z 0, a-z 1, 0-9 2 to 11, + 12, / 13.
  const __m256i runs = _mm256_sub_epi8(_mm256_subs_epu8(sextets, _mm256_set1_epi8(51)),
                                       _mm256_cmpgt_epi8(sextets, _mm256_set1_epi8(25)));
  constexpr bool kUrl = kAlphabet == Alphabet::kUrl;
  constexpr char kOf62 = kUrl ? -17 : -19, kOf63 = kUrl ? 32 : -16;
  const __m256i offsets =
      Both(_mm_setr_epi8(65, 71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, kOf62, kOf63, 0, 0));
  return _mm256_add_epi8(sextets, _mm256_shuffle_epi8(offsets, runs));
}

template <Alphabet kAlphabet>
RINGMAIL_INLINE __m256i Text(__m256i octets) {
  return TextOf<kAlphabet>(_mm256_shuffle_epi8(
      octets, Both(_mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10))));
}
// The first four octets and the last four are not meant.
template <Alphabet kAlphabet>
RINGMAIL_INLINE __m256i TextBehind4(__m256i octets) {
  return TextOf<kAlphabet>(_mm256_shuffle_epi8(
      octets, _mm256_setr_epi8(5, 4, 6, 5, 8, 7, 9, 8, 11, 10, 12, 11, 14, 13, 15, 14,  //
                               1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10)));
}

RINGMAIL_INLINE __m128i Load(const char* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}
RINGMAIL_INLINE __m256i Load32(const char* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}
template <Alphabet kAlphabet>
RINGMAIL_INLINE __m256i Text24(const char* in) {
  return Text<kAlphabet>(
      _mm256_inserti128_si256(_mm256_castsi128_si256(Load(in)), Load(in + 12), 1));
}
RINGMAIL_INLINE void Store(char* at, __m256i vector) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), vector);
}

// What octets with the same half are, a bit for each kind: an octet is foreign where both of its
// halves have one in common. And what makes each octet its sextet, by its upper half; the index of
// kOdd, the one that is unlike its neighbours, is moved by kOddBy.
template <Alphabet kAlphabet>
struct Classes;
template <>
struct Classes<Alphabet::kStandard> {
  static constexpr char kOdd = '/', kOddBy = -1;
  alignas(16) static constexpr std::array<uint8_t, 16> kLow = {0x15, 0x11, 0x11, 0x11, 0x11, 0x11,
                                                               0x11, 0x11, 0x11, 0x11, 0x13, 0x1A,
                                                               0x1B, 0x1B, 0x1B, 0x1A};
  alignas(16) static constexpr std::array<uint8_t, 16> kHigh = {0x10, 0x10, 0x01, 0x02, 0x04, 0x08,
                                                                0x04, 0x08, 0x10, 0x10, 0x10, 0x10,
                                                                0x10, 0x10, 0x10, 0x10};
  alignas(16) static constexpr std::array<int8_t, 16> kOffsets = {0, 16, 19, 4, -65, -65, -71, -71,
                                                                  0, 0,  0,  0, 0,   0,   0,   0};
};
template <>
struct Classes<Alphabet::kUrl> {
  static constexpr char kOdd = '_', kOddBy = 3;
  alignas(16) static constexpr std::array<uint8_t, 16> kLow = {0x15, 0x11, 0x11, 0x11, 0x11, 0x11,
                                                               0x11, 0x11, 0x11, 0x11, 0x13, 0x3B,
                                                               0x3B, 0x3A, 0x3B, 0x33};
  alignas(16) static constexpr std::array<uint8_t, 16> kHigh = {0x10, 0x10, 0x01, 0x02, 0x04, 0x08,
                                                                0x04, 0x20, 0x10, 0x10, 0x10, 0x10,
                                                                0x10, 0x10, 0x10, 0x10};
  alignas(16) static constexpr std::array<int8_t, 16> kOffsets = {0,   0, 17, 4, -65, -65, -71, -71,
                                                                  -32, 0, 0,  0, 0,   0,   0,   0};
};

// Each half's 16 sextets become 12 octets at its start. `bad` is not zero where one is none.
template <Alphabet kAlphabet>
RINGMAIL_INLINE __m256i Octets(__m256i text, __m256i& bad) {
  using Of = Classes<kAlphabet>;
  // A look-up minds the lower half of its index and the highest bit, which is clear in these.
  const __m256i halves = _mm256_set1_epi8(0x2F);
  const __m256i high = _mm256_and_si256(_mm256_srli_epi32(text, 4), halves);
  const __m256i low = _mm256_and_si256(text, halves);
  bad = _mm256_or_si256(
      bad,
      _mm256_and_si256(
          _mm256_shuffle_epi8(
              Both(_mm_load_si128(reinterpret_cast<const __m128i*>(Of::kLow.data()))), low),
          _mm256_shuffle_epi8(
              Both(_mm_load_si128(reinterpret_cast<const __m128i*>(Of::kHigh.data()))), high)));
  __m256i odd = _mm256_cmpeq_epi8(text, _mm256_set1_epi8(Of::kOdd));
  if constexpr (Of::kOddBy != -1) odd = _mm256_and_si256(odd, _mm256_set1_epi8(Of::kOddBy));
  const __m256i offsets =
      Both(_mm_load_si128(reinterpret_cast<const __m128i*>(Of::kOffsets.data())));
  const __m256i run = _mm256_add_epi8(odd, high);
  const __m256i sextets = _mm256_add_epi8(text, _mm256_shuffle_epi8(offsets, run));
  const __m256i pairs = _mm256_maddubs_epi16(sextets, _mm256_set1_epi32(0x01400140));
  const __m256i quanta = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00011000));
  return _mm256_shuffle_epi8(
      quanta, Both(_mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1)));
}

RINGMAIL_INLINE void Store24(char* out, __m256i octets) {
  Store(out, _mm256_permutevar8x32_epi32(octets, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7)));
}

template <Alphabet kAlphabet>
RINGMAIL_INLINE KernelSpan EncodeFlat(std::string_view in, char* out) {
  KernelSpan span;
  if (in.size() >= 28 + 96 + 4) {
    Store(out, Text24<kAlphabet>(in.data()));
    span = {.read = 24, .written = 32};
  }
  // From four octets before: 12 of 24 octets lie in each half of one load.
  for (; span.read != 0 && in.size() - span.read >= 96 + 4; span.read += 96, span.written += 128) {
    const char* const from = in.data() + span.read - 4;
    char* const to = out + span.written;
    Store(to, TextBehind4<kAlphabet>(Load32(from)));
    Store(to + 32, TextBehind4<kAlphabet>(Load32(from + 24)));
    Store(to + 64, TextBehind4<kAlphabet>(Load32(from + 48)));
    Store(to + 96, TextBehind4<kAlphabet>(Load32(from + 72)));
  }
  for (; in.size() - span.read >= 28; span.read += 24, span.written += 32) {
    Store(out + span.written, Text24<kAlphabet>(in.data() + span.read));
  }
  return span;
}

template <Alphabet kAlphabet>
RINGMAIL_INLINE KernelSpan DecodeFlat(std::string_view in, char* out) {
  KernelSpan span;
  for (; in.size() - span.read >= 128 + 16; span.read += 128, span.written += 96) {
    const char* const from = in.data() + span.read;
    char* const to = out + span.written;
    __m256i bad = _mm256_setzero_si256();
    const __m256i a = Octets<kAlphabet>(Load32(from), bad);
    const __m256i b = Octets<kAlphabet>(Load32(from + 32), bad);
    const __m256i c = Octets<kAlphabet>(Load32(from + 64), bad);
    const __m256i d = Octets<kAlphabet>(Load32(from + 96), bad);
    if (!_mm256_testz_si256(bad, bad)) break;
    Store24(to, a);
    Store24(to + 24, b);
    Store24(to + 48, c);
    Store24(to + 72, d);
  }
  for (; in.size() - span.read >= 64 + 16; span.read += 64, span.written += 48) {
    __m256i bad = _mm256_setzero_si256();
    const __m256i a = Octets<kAlphabet>(Load32(in.data() + span.read), bad);
    const __m256i b = Octets<kAlphabet>(Load32(in.data() + span.read + 32), bad);
    if (!_mm256_testz_si256(bad, bad)) break;
    Store24(out + span.written, a);
    Store24(out + span.written + 24, b);
  }
  // 16 more octets of text: room for the 8 octets by which the store is too wide.
  for (; in.size() - span.read >= 32 + 16; span.read += 32, span.written += 24) {
    __m256i bad = _mm256_setzero_si256();
    const __m256i octets = Octets<kAlphabet>(Load32(in.data() + span.read), bad);
    if (!_mm256_testz_si256(bad, bad)) break;
    Store24(out + span.written, octets);
  }
  return span;
}

}  // namespace

RINGMAIL_TARGET KernelSpan Base64EncodeAvx2(std::string_view in, char* out) {
  return EncodeFlat<Alphabet::kStandard>(in, out);
}
RINGMAIL_TARGET KernelSpan Base64UrlEncodeAvx2(std::string_view in, char* out) {
  return EncodeFlat<Alphabet::kUrl>(in, out);
}

RINGMAIL_TARGET KernelSpan Base64EncodeLinesAvx2(std::string_view in, char* out) {
  KernelSpan span;
  const __m128i ends = _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '\r', '\n', 0, 0);
  for (; in.size() - span.read >= kLineIn + 12; span.read += kLineIn, span.written += kLineOut) {
    const char* const from = in.data() + span.read;
    char* const to = out + span.written;
    Store(to, Text24<Alphabet::kStandard>(from));
    Store(to + 32, TextBehind4<Alphabet::kStandard>(Load32(from + 20)));
    const __m128i rest =
        _mm256_castsi256_si128(Text<Alphabet::kStandard>(_mm256_castsi128_si256(Load(from + 48))));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 64), _mm_blend_epi16(rest, ends, 0xC0));
  }
  return span;
}

RINGMAIL_TARGET KernelSpan Base64DecodeAvx2(std::string_view in, char* out) {
  return DecodeFlat<Alphabet::kStandard>(in, out);
}
RINGMAIL_TARGET KernelSpan Base64UrlDecodeAvx2(std::string_view in, char* out) {
  return DecodeFlat<Alphabet::kUrl>(in, out);
}

RINGMAIL_TARGET KernelSpan Base64DecodeLinesAvx2(std::string_view in, char* out) {
  KernelSpan span;
  const __m128i fill = _mm_set1_epi8('A');
  while (in.size() - span.read >= kLineOut + 16) {
    const char* const line = in.data() + span.read;
    char* const to = out + span.written;
    uint16_t end;
    std::memcpy(&end, line + kLineText, sizeof(end));
    __m256i bad = _mm256_setzero_si256();
    const __m256i a = Octets<Alphabet::kStandard>(Load32(line), bad);
    const __m256i b = Octets<Alphabet::kStandard>(Load32(line + 32), bad);
    const __m128i rest = _mm_blend_epi16(Load(line + 64), fill, 0xC0);
    const __m256i c = Octets<Alphabet::kStandard>(_mm256_broadcastsi128_si256(rest), bad);
    if (end != ('\r' | '\n' << 8) || !_mm256_testz_si256(bad, bad)) break;
    Store24(to, a);
    Store24(to + 24, b);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 48), _mm256_castsi256_si128(c));
    span.read += kLineOut;
    span.written += kLineIn;
  }
  return span;
}

}  // namespace ringmail::codec

#endif
