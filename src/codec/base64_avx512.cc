// base64 with AVX-512 VBMI (Muła and Lemire, "Base64 encoding and decoding at almost the speed of a
// memory copy", 2019), and the same for lines of 76: four lines are 304 sextets, five vectors,
// whose line ends are put in or left out by masks that are known beforehand. What a vector needs of
// its input is one table a vector, computed by the compiler.
#include "codec/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <array>
#include <cstring>

namespace ringmail::codec {
namespace {

#define RINGMAIL_TARGET \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,avx2,bmi,bmi2")))
#define RINGMAIL_INLINE RINGMAIL_TARGET __attribute__((always_inline)) inline

constexpr size_t kVector = 64, kLineIn = 57, kLineText = 76, kLineOut = 78, kLines = 4;
alignas(64) constexpr char kAlphabet[65] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
alignas(64) constexpr char kUrlAlphabet[65] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// How one vector of text is made: which octet goes where, so that each quadword holds the bits of
// its eight sextets, and how far each sextet lies in it.
struct EncodePlan {
  alignas(64) std::array<uint8_t, 64> octets{};
  alignas(64) std::array<uint8_t, 64> shifts{};
  uint64_t cr = 0, lf = 0;
  size_t in = 0;  // where its octets begin
};

// For the 64 octets of text from octet `first` on, in lines or without.
consteval EncodePlan PlanOf(size_t first, bool lines) {
  EncodePlan plan;
  bool begun = false;
  for (size_t word = 0; word < 8; ++word) {
    // The octets of this quadword's sextets, the last of each quantum first.
    size_t slots = 0, quantum_now = SIZE_MAX, slot_of_last = 0, lowest = 0;
    std::array<size_t, 3> slot_of{};
    for (size_t i = 0; i < 8; ++i) {
      const size_t at = first + word * 8 + i, lane = word * 8 + i;
      const size_t column = lines ? at % kLineOut : 0;
      if (lines && column >= kLineText) {
        (column == kLineText ? plan.cr : plan.lf) |= uint64_t{1} << lane;
        continue;
      }
      const size_t sextet = lines ? at / kLineOut * kLineText + column : at;
      const size_t quantum = sextet / 4, place = sextet % 4;
      if (!begun) {
        begun = true;
        plan.in = quantum * 3;
      }
      if (quantum != quantum_now) {
        quantum_now = quantum;
        // Octets of the quantum that this quadword's sextets need: from `lowest` to `highest`.
        size_t last_place = place;
        for (size_t j = i; j < 8; ++j) {
          const size_t other = first + word * 8 + j;
          if (lines && other % kLineOut >= kLineText) break;
          const size_t other_sextet =
              lines ? other / kLineOut * kLineText + other % kLineOut : other;
          if (other_sextet / 4 != quantum) break;
          last_place = other_sextet % 4;
        }
        lowest = place <= 1 ? 0 : place - 1;
        const size_t highest = last_place == 3 ? 2 : last_place;
        for (size_t octet = highest + 1; octet-- > lowest;) {
          slot_of[octet] = slots;
          plan.octets[word * 8 + slots] = static_cast<uint8_t>(quantum * 3 + octet - plan.in);
          ++slots;
        }
      }
      slot_of_last = slot_of[place == 3 ? 2 : place];
      constexpr size_t kOffsets[4] = {2, 4, 6, 0};
      plan.shifts[lane] = static_cast<uint8_t>(slot_of_last * 8 + kOffsets[place]);
    }
  }
  return plan;
}

constexpr EncodePlan kFlatPlan = PlanOf(0, false);
constexpr std::array<EncodePlan, 5> kLinePlans = {
    PlanOf(0, true), PlanOf(64, true), PlanOf(128, true), PlanOf(192, true), PlanOf(256, true)};

RINGMAIL_INLINE __m512i Text(__m512i octets, const EncodePlan& plan, __m512i alphabet) {
  const __m512i words = _mm512_permutexvar_epi8(_mm512_load_si512(plan.octets.data()), octets);
  const __m512i sextets =
      _mm512_multishift_epi64_epi8(_mm512_load_si512(plan.shifts.data()), words);
  return _mm512_permutexvar_epi8(sextets, alphabet);
}

template <size_t kIndex>
RINGMAIL_INLINE void EncodeWindow(const char* in, __m512i alphabet, char* out) {
  constexpr const EncodePlan& plan = kLinePlans[kIndex];
  __m512i text = Text(_mm512_loadu_si512(in + plan.in), plan, alphabet);
  if constexpr (plan.cr != 0) text = _mm512_mask_mov_epi8(text, plan.cr, _mm512_set1_epi8('\r'));
  if constexpr (plan.lf != 0) text = _mm512_mask_mov_epi8(text, plan.lf, _mm512_set1_epi8('\n'));
  _mm512_storeu_si512(out + kIndex * kVector, text);
}

// The value of each of the first 128 octets, 0x80 for those outside of the alphabet.
struct Values {
  alignas(64) std::array<uint8_t, 128> of;
};
consteval Values MakeValues(const char* alphabet) {
  Values values{};
  for (uint8_t& value : values.of) value = 0x80;
  for (uint8_t i = 0; i < 64; ++i) values.of[static_cast<uint8_t>(alphabet[i])] = i;
  return values;
}
constexpr Values kValues = MakeValues(kAlphabet), kUrlValues = MakeValues(kUrlAlphabet);

consteval std::array<uint8_t, 64> MakePack() {
  std::array<uint8_t, 64> pack{};
  for (size_t i = 0; i < 48; ++i) pack[i] = static_cast<uint8_t>(i / 3 * 4 + 2 - i % 3);
  return pack;
}
alignas(64) constexpr std::array<uint8_t, 64> kPack = MakePack();

struct Tables {
  __m512i low, high, pack;
};
RINGMAIL_INLINE Tables LoadTables(const Values& values) {
  return {_mm512_load_si512(values.of.data()), _mm512_load_si512(values.of.data() + 64),
          _mm512_load_si512(kPack.data())};
}

// 48 octets of 64 sextets; `bad` gets the sign bit of each octet that is none.
RINGMAIL_INLINE __m512i Octets(__m512i text, const Tables& tables, __m512i& bad) {
  const __m512i sextets = _mm512_permutex2var_epi8(tables.low, text, tables.high);
  bad = _mm512_ternarylogic_epi32(bad, sextets, text, 0xFE);
  const __m512i pairs = _mm512_maddubs_epi16(sextets, _mm512_set1_epi32(0x01400140));
  const __m512i quanta = _mm512_madd_epi16(pairs, _mm512_set1_epi32(0x00011000));
  return _mm512_permutexvar_epi8(tables.pack, quanta);
}

// 64 sextets of lines that begin at `line`, from number `kFirst` on, without the CRLF among them.
template <size_t kFirst>
RINGMAIL_INLINE __m512i LineText(const char* line) {
  constexpr size_t kAt = kFirst + kFirst / kLineText * 2;
  constexpr size_t kRest = kLineText - kFirst % kLineText;
  const __m512i text = _mm512_loadu_si512(line + kAt);
  if constexpr (kRest >= kVector) return text;
  return _mm512_mask_loadu_epi8(text, ~uint64_t{0} << (kRest % kVector), line + kAt + 2);
}

RINGMAIL_INLINE unsigned LineEndDiffers(const char* line) {
  uint16_t end;
  std::memcpy(&end, line + kLineText, sizeof(end));
  return end ^ unsigned { '\r' | '\n' << 8 };
}

RINGMAIL_INLINE KernelSpan EncodeFlat(std::string_view in, const char* letters, char* out) {
  const __m512i alphabet = _mm512_load_si512(letters);
  KernelSpan span;
  for (; in.size() - span.read >= kVector; span.read += 48, span.written += kVector) {
    const __m512i octets = _mm512_loadu_si512(in.data() + span.read);
    _mm512_storeu_si512(out + span.written, Text(octets, kFlatPlan, alphabet));
  }
  const size_t rest = (in.size() - span.read) / 3;
  for (size_t left = rest; left != 0;) {
    const size_t quanta = left < 16 ? left : 16;
    const __m512i octets =
        _mm512_maskz_loadu_epi8((uint64_t{1} << (quanta * 3)) - 1, in.data() + span.read);
    _mm512_mask_storeu_epi8(out + span.written, ~uint64_t{0} >> (64 - quanta * 4),
                            Text(octets, kFlatPlan, alphabet));
    span.read += quanta * 3;
    span.written += quanta * 4;
    left -= quanta;
  }
  return span;
}

RINGMAIL_INLINE KernelSpan DecodeFlat(std::string_view in, const Values& values, char* out) {
  const Tables tables = LoadTables(values);
  KernelSpan span;
  // 32 more octets of text: whoever made room for what they become made room for a whole vector.
  for (; in.size() - span.read >= kVector + 32; span.read += kVector, span.written += 48) {
    __m512i bad = _mm512_setzero_si512();
    const __m512i octets = Octets(_mm512_loadu_si512(in.data() + span.read), tables, bad);
    if (_mm512_movepi8_mask(bad) != 0) break;
    _mm512_storeu_si512(out + span.written, octets);
  }
  while (in.size() - span.read >= 4) {
    const size_t take = in.size() - span.read < kVector ? in.size() - span.read : kVector;
    const __mmask64 lanes = ~uint64_t{0} >> (kVector - take);
    __m512i bad = _mm512_setzero_si512();
    const __m512i octets =
        Octets(_mm512_maskz_loadu_epi8(lanes, in.data() + span.read), tables, bad);
    const uint64_t wrong = _mm512_movepi8_mask(bad);
    const size_t good = wrong == 0 ? take : static_cast<size_t>(__builtin_ctzll(wrong));
    const size_t quanta = good / 4;
    if (quanta == 0) break;
    _mm512_mask_storeu_epi8(out + span.written, ~uint64_t{0} >> (64 - quanta * 3), octets);
    span.read += quanta * 4;
    span.written += quanta * 3;
    if (quanta < 16) break;
  }
  return span;
}

}  // namespace

RINGMAIL_TARGET KernelSpan Base64EncodeAvx512(std::string_view in, char* out) {
  return EncodeFlat(in, kAlphabet, out);
}
RINGMAIL_TARGET KernelSpan Base64UrlEncodeAvx512(std::string_view in, char* out) {
  return EncodeFlat(in, kUrlAlphabet, out);
}

RINGMAIL_TARGET KernelSpan Base64EncodeLinesAvx512(std::string_view in, char* out) {
  const __m512i alphabet = _mm512_load_si512(kAlphabet);
  KernelSpan span;
  // The last vector reads up to 23 octets beyond its four lines.
  static_assert(kLinePlans[4].in + kVector <= kLines * kLineIn + 28);
  for (; in.size() - span.read >= kLines * kLineIn + 28;
       span.read += kLines * kLineIn, span.written += kLines * kLineOut) {
    const char* const from = in.data() + span.read;
    char* const to = out + span.written;
    EncodeWindow<0>(from, alphabet, to);
    EncodeWindow<1>(from, alphabet, to);
    EncodeWindow<2>(from, alphabet, to);
    EncodeWindow<3>(from, alphabet, to);
    EncodeWindow<4>(from, alphabet, to);
  }
  return span;
}

RINGMAIL_TARGET KernelSpan Base64DecodeAvx512(std::string_view in, char* out) {
  return DecodeFlat(in, kValues, out);
}
RINGMAIL_TARGET KernelSpan Base64UrlDecodeAvx512(std::string_view in, char* out) {
  return DecodeFlat(in, kUrlValues, out);
}

RINGMAIL_TARGET KernelSpan Base64DecodeLinesAvx512(std::string_view in, char* out) {
  const Tables tables = LoadTables(kValues);
  KernelSpan span;
  while (in.size() - span.read >= kLines * kLineOut + 32) {
    const char* const line = in.data() + span.read;
    char* const to = out + span.written;
    const unsigned ends = LineEndDiffers(line) | LineEndDiffers(line + kLineOut) |
                          LineEndDiffers(line + 2 * kLineOut) | LineEndDiffers(line + 3 * kLineOut);
    __m512i bad = _mm512_setzero_si512();
    const __m512i a = Octets(LineText<0>(line), tables, bad);
    const __m512i b = Octets(LineText<64>(line), tables, bad);
    const __m512i c = Octets(LineText<128>(line), tables, bad);
    const __m512i d = Octets(LineText<192>(line), tables, bad);
    const __m512i last =
        _mm512_mask_loadu_epi8(_mm512_set1_epi8('A'), (uint64_t{1} << 48) - 1, line + 256 + 2 * 3);
    const __m512i e = Octets(last, tables, bad);
    if (ends != 0 || _mm512_movepi8_mask(bad) != 0) break;
    _mm512_storeu_si512(to, a);
    _mm512_storeu_si512(to + 48, b);
    _mm512_storeu_si512(to + 96, c);
    _mm512_storeu_si512(to + 144, d);
    // Room for 8 octets of the text that follows is certain, for 28 is not.
    _mm512_mask_storeu_epi8(to + 192, (uint64_t{1} << 36) - 1, e);
    span.read += kLines * kLineOut;
    span.written += kLines * kLineIn;
  }
  return span;
}

}  // namespace ringmail::codec

#endif
