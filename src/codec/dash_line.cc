#include "ringmail/codec/dash_line.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "ringmail/codec/kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ringmail::codec {
namespace {

size_t FindPortable(std::string_view text, size_t from) {
  while (from + 2 < text.size()) {
    const void* found = std::memchr(text.data() + from, '\n', text.size() - 2 - from);
    if (found == nullptr) break;
    const auto at = static_cast<size_t>(static_cast<const char*>(found) - text.data());
    if (text[at + 1] == '-' && text[at + 2] == '-') return at;
    from = at + 1;
  }
  return std::string_view::npos;
}

#if defined(__x86_64__)

// The three octets are compared at three offsets of one block, so that a block is decided by three
// loads whatever its lines are.
__attribute__((target("avx2,bmi"))) size_t FindAvx2(std::string_view text, size_t from) {
  const __m256i lf = _mm256_set1_epi8('\n'), dash = _mm256_set1_epi8('-');
  size_t at = from;
  for (; at + 34 <= text.size(); at += 32) {
    const char* p = text.data() + at;
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 1));
    const __m256i c = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 2));
    const __m256i hit =
        _mm256_and_si256(_mm256_cmpeq_epi8(a, lf),
                         _mm256_and_si256(_mm256_cmpeq_epi8(b, dash), _mm256_cmpeq_epi8(c, dash)));
    const auto mask = static_cast<uint32_t>(_mm256_movemask_epi8(hit));
    if (mask != 0) [[unlikely]]
      return at + _tzcnt_u32(mask);
  }
  return FindPortable(text, at);
}

__attribute__((target("avx512f,avx512bw,bmi"))) size_t FindAvx512(std::string_view text,
                                                                  size_t from) {
  const __m512i lf = _mm512_set1_epi8('\n'), dash = _mm512_set1_epi8('-');
  size_t at = from;
  for (; at + 66 <= text.size(); at += 64) {
    const char* p = text.data() + at;
    const uint64_t a = _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(p), lf);
    const uint64_t b = _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(p + 1), dash);
    const uint64_t mask = a & b & _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(p + 2), dash);
    if (mask != 0) [[unlikely]]
      return at + _tzcnt_u64(mask);
  }
  return FindPortable(text, at);
}

__attribute__((target("avx512f,avx512bw,popcnt"))) size_t CountLfAvx512(std::string_view text) {
  const __m512i lf = _mm512_set1_epi8('\n');
  size_t count = 0, at = 0;
  for (; at + 64 <= text.size(); at += 64) {
    const uint64_t mask = _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(text.data() + at), lf);
    count += static_cast<size_t>(_mm_popcnt_u64(mask));
  }
  const uint64_t rest = text.size() - at;
  if (rest != 0) {
    const __mmask64 some = (uint64_t{1} << rest) - 1;
    const __m512i block = _mm512_maskz_loadu_epi8(some, text.data() + at);
    count += static_cast<size_t>(_mm_popcnt_u64(_mm512_cmpeq_epi8_mask(block, lf)));
  }
  return count;
}

#endif

size_t CountLfPortable(std::string_view text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

size_t FindDashLine(std::string_view text, size_t from) {
#if defined(__x86_64__)
  switch (ActiveKernel()) {
    case Kernel::kAvx512:
      return FindAvx512(text, from);
    case Kernel::kAvx2:
      return FindAvx2(text, from);
    case Kernel::kSse42:
    case Kernel::kNeon:
    case Kernel::kPortable:
      break;
  }
#endif
  return FindPortable(text, from);
}

size_t CountLf(std::string_view text) {
#if defined(__x86_64__)
  if (ActiveKernel() == Kernel::kAvx512) return CountLfAvx512(text);
#endif
  return CountLfPortable(text);
}

}  // namespace ringmail::codec
