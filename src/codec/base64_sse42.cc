// base64 with SSE4.2 (Muła and Lemire, "Faster base64 encoding and decoding using AVX2
// instructions", 2018, with vectors of 16): 12 octets a vector. A line of 76 is four vectors and
// three quarters.
#include "codec/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <array>
#include <cstdint>
#include <cstring>

namespace ringmail::codec {
namespace {

#define RINGMAIL_TARGET __attribute__((target("sse4.2,ssse3")))
#define RINGMAIL_INLINE RINGMAIL_TARGET __attribute__((always_inline)) inline

enum class Alphabet { kStandard, kUrl };
constexpr size_t kLineIn = 57, kLineText = 76, kLineOut = 78, kVectors = 4;

RINGMAIL_INLINE __m128i Load(const char* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}
RINGMAIL_INLINE void Store(char* at, __m128i vector) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(at), vector);
}

// A compiler that knows both factors makes two shifts and a blend of the multiplication, which are
// slower.
RINGMAIL_INLINE __m128i Kept(__m128i factors) {
  asm("" : "+x"(factors));
  return factors;
}

// The text of the first 12 octets: four sextets of three octets in each doubleword first.
template <Alphabet kAlphabet>
RINGMAIL_INLINE __m128i Text(__m128i octets) {
  const __m128i in =
      _mm_shuffle_epi8(octets, _mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10));
  const __m128i high =
      _mm_mulhi_epu16(_mm_and_si128(in, _mm_set1_epi32(0x0FC0FC00)), _mm_set1_epi32(0x04000040));
  const __m128i low = _mm_mullo_epi16(_mm_and_si128(in, _mm_set1_epi32(0x003F03F0)),
                                      Kept(_mm_set1_epi32(0x01000010)));
  const __m128i sextets = _mm_or_si128(high, low);
  // The five runs of the alphabet: A-Z 0, a-z 1, 0-9 2 to 11, + 12, / 13.
  const __m128i runs = _mm_sub_epi8(_mm_subs_epu8(sextets, _mm_set1_epi8(51)),
                                    _mm_cmpgt_epi8(sextets, _mm_set1_epi8(25)));
  constexpr bool kUrl = kAlphabet == Alphabet::kUrl;
  constexpr char kOf62 = kUrl ? -17 : -19, kOf63 = kUrl ? 32 : -16;
  const __m128i offsets =
      _mm_setr_epi8(65, 71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, kOf62, kOf63, 0, 0);
  return _mm_add_epi8(sextets, _mm_shuffle_epi8(offsets, runs));
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

// 16 sextets become 12 octets at the start. `bad` is not zero where one is none.
template <Alphabet kAlphabet>
RINGMAIL_INLINE __m128i Octets(__m128i text, __m128i& bad) {
  using Of = Classes<kAlphabet>;
  // A look-up minds the lower half of its index and the highest bit, which is clear in these.
  const __m128i halves = _mm_set1_epi8(0x2F);
  const __m128i high = _mm_and_si128(_mm_srli_epi32(text, 4), halves);
  const __m128i low = _mm_and_si128(text, halves);
  bad = _mm_or_si128(
      bad,
      _mm_and_si128(
          _mm_shuffle_epi8(_mm_load_si128(reinterpret_cast<const __m128i*>(Of::kLow.data())), low),
          _mm_shuffle_epi8(_mm_load_si128(reinterpret_cast<const __m128i*>(Of::kHigh.data())),
                           high)));
  __m128i odd = _mm_cmpeq_epi8(text, _mm_set1_epi8(Of::kOdd));
  if constexpr (Of::kOddBy != -1) odd = _mm_and_si128(odd, _mm_set1_epi8(Of::kOddBy));
  const __m128i offsets = _mm_load_si128(reinterpret_cast<const __m128i*>(Of::kOffsets.data()));
  const __m128i run = _mm_add_epi8(odd, high);
  const __m128i sextets = _mm_add_epi8(text, _mm_shuffle_epi8(offsets, run));
  const __m128i pairs = _mm_maddubs_epi16(sextets, _mm_set1_epi32(0x01400140));
  const __m128i quanta = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00011000));
  return _mm_shuffle_epi8(quanta,
                          _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1));
}

template <Alphabet kAlphabet>
RINGMAIL_INLINE KernelSpan EncodeFlat(std::string_view in, char* out) {
  KernelSpan span;
  for (; in.size() - span.read >= 52; span.read += 48, span.written += 64) {
    for (size_t i = 0; i < kVectors; ++i) {
      Store(out + span.written + 16 * i, Text<kAlphabet>(Load(in.data() + span.read + 12 * i)));
    }
  }
  for (; in.size() - span.read >= 16; span.read += 12, span.written += 16) {
    Store(out + span.written, Text<kAlphabet>(Load(in.data() + span.read)));
  }
  return span;
}

template <Alphabet kAlphabet>
RINGMAIL_INLINE KernelSpan DecodeFlat(std::string_view in, char* out) {
  KernelSpan span;
  // 16 more octets of text: room for the 4 octets by which the last store is too wide.
  for (; in.size() - span.read >= 64 + 16; span.read += 64, span.written += 48) {
    __m128i bad = _mm_setzero_si128();
    __m128i octets[kVectors];
    for (size_t i = 0; i < kVectors; ++i) {
      octets[i] = Octets<kAlphabet>(Load(in.data() + span.read + 16 * i), bad);
    }
    if (_mm_testz_si128(bad, bad) == 0) break;
    for (size_t i = 0; i < kVectors; ++i) Store(out + span.written + 12 * i, octets[i]);
  }
  for (; in.size() - span.read >= 16 + 16; span.read += 16, span.written += 12) {
    __m128i bad = _mm_setzero_si128();
    const __m128i octets = Octets<kAlphabet>(Load(in.data() + span.read), bad);
    if (_mm_testz_si128(bad, bad) == 0) break;
    Store(out + span.written, octets);
  }
  return span;
}

}  // namespace

RINGMAIL_TARGET KernelSpan Base64EncodeSse42(std::string_view in, char* out) {
  return EncodeFlat<Alphabet::kStandard>(in, out);
}
RINGMAIL_TARGET KernelSpan Base64UrlEncodeSse42(std::string_view in, char* out) {
  return EncodeFlat<Alphabet::kUrl>(in, out);
}

RINGMAIL_TARGET KernelSpan Base64EncodeLinesSse42(std::string_view in, char* out) {
  KernelSpan span;
  const __m128i ends = _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '\r', '\n', 0, 0);
  for (; in.size() - span.read >= kLineIn + 12; span.read += kLineIn, span.written += kLineOut) {
    const char* const from = in.data() + span.read;
    char* const to = out + span.written;
    for (size_t i = 0; i < kVectors; ++i)
      Store(to + 16 * i, Text<Alphabet::kStandard>(Load(from + 12 * i)));
    Store(to + 64, _mm_blend_epi16(Text<Alphabet::kStandard>(Load(from + 48)), ends, 0xC0));
  }
  return span;
}

RINGMAIL_TARGET KernelSpan Base64DecodeSse42(std::string_view in, char* out) {
  return DecodeFlat<Alphabet::kStandard>(in, out);
}
RINGMAIL_TARGET KernelSpan Base64UrlDecodeSse42(std::string_view in, char* out) {
  return DecodeFlat<Alphabet::kUrl>(in, out);
}

RINGMAIL_TARGET KernelSpan Base64DecodeLinesSse42(std::string_view in, char* out) {
  KernelSpan span;
  const __m128i fill = _mm_set1_epi8('A');
  while (in.size() - span.read >= kLineOut + 16) {
    const char* const line = in.data() + span.read;
    char* const to = out + span.written;
    uint16_t end;
    std::memcpy(&end, line + kLineText, sizeof(end));
    __m128i bad = _mm_setzero_si128();
    __m128i octets[kVectors];
    for (size_t i = 0; i < kVectors; ++i)
      octets[i] = Octets<Alphabet::kStandard>(Load(line + 16 * i), bad);
    const __m128i rest =
        Octets<Alphabet::kStandard>(_mm_blend_epi16(Load(line + 64), fill, 0xC0), bad);
    if (end != ('\r' | '\n' << 8) || _mm_testz_si128(bad, bad) == 0) break;
    for (size_t i = 0; i < kVectors; ++i) Store(to + 12 * i, octets[i]);
    Store(to + 48, rest);
    span.read += kLineOut;
    span.written += kLineIn;
  }
  return span;
}

}  // namespace ringmail::codec

#endif
