#include "ringmail/codec/kernel.h"

#include <array>
#include <atomic>

#include "codec/kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace ringmail::codec {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"portable", "sse42", "avx2", "avx512", "neon"};

constinit const Kernels kPortableKernels = {
    .crc32c = Crc32cPortable,
    .read_lines = ReadLinesPortable,
    .base64_encode = Base64EncodePortable,
    .base64_encode_lines = Base64EncodeLinesPortable,
    .base64_decode = Base64DecodePortable,
    .base64_decode_lines = Base64DecodeLinesPortable,
    .base64_url_encode = Base64UrlEncodePortable,
    .base64_url_decode = Base64UrlDecodePortable,
    .stuff_dots = DotsPortable,
    .unstuff_dots = DotsPortable,
    .tally_lines = TallyLinesNone,
    .quoted_printable_decode = QuotedPrintableDecodePortable,
    .quoted_printable_encode = QuotedPrintableEncodeNone,
    .utf8_prefix = Utf8PrefixPortable,
    .find_no_case = FindNoCaseNone,
    .hex_encode = HexEncodeNone,
    .hex_decode = HexDecodeNone,
    .ascii_prefix = AsciiPrefixNone};
#if defined(__x86_64__)
constinit const Kernels kSse42Kernels = {.crc32c = Crc32cSse42,
                                         .read_lines = ReadLinesSse42,
                                         .base64_encode = Base64EncodeSse42,
                                         .base64_encode_lines = Base64EncodeLinesSse42,
                                         .base64_decode = Base64DecodeSse42,
                                         .base64_decode_lines = Base64DecodeLinesSse42,
                                         .base64_url_encode = Base64UrlEncodeSse42,
                                         .base64_url_decode = Base64UrlDecodeSse42,
                                         .stuff_dots = StuffDotsSse42,
                                         .unstuff_dots = UnstuffDotsSse42,
                                         .tally_lines = TallyLinesSse42,
                                         .quoted_printable_decode = QuotedPrintableDecodeSse42,
                                         .quoted_printable_encode = QuotedPrintableEncodeSse42,
                                         .utf8_prefix = Utf8PrefixSse42,
                                         .find_no_case = FindNoCaseSse42,
                                         .hex_encode = HexEncodeSse42,
                                         .hex_decode = HexDecodeSse42,
                                         .ascii_prefix = AsciiPrefixSse42};
constinit const Kernels kAvx2Kernels = {.crc32c = Crc32cSse42,
                                        .read_lines = ReadLinesAvx2,
                                        .base64_encode = Base64EncodeAvx2,
                                        .base64_encode_lines = Base64EncodeLinesAvx2,
                                        .base64_decode = Base64DecodeAvx2,
                                        .base64_decode_lines = Base64DecodeLinesAvx2,
                                        .base64_url_encode = Base64UrlEncodeAvx2,
                                        .base64_url_decode = Base64UrlDecodeAvx2,
                                        .stuff_dots = StuffDotsAvx2,
                                        .unstuff_dots = UnstuffDotsAvx2,
                                        .tally_lines = TallyLinesAvx2,
                                        .quoted_printable_decode = QuotedPrintableDecodeAvx2,
                                        .quoted_printable_encode = QuotedPrintableEncodeAvx2,
                                        .utf8_prefix = Utf8PrefixAvx2,
                                        .find_no_case = FindNoCaseAvx2,
                                        .hex_encode = HexEncodeAvx2,
                                        .hex_decode = HexDecodeAvx2,
                                        .ascii_prefix = AsciiPrefixAvx2};
constinit const Kernels kAvx512Kernels = {.crc32c = Crc32cSse42,
                                          .read_lines = ReadLinesAvx512,
                                          .base64_encode = Base64EncodeAvx512,
                                          .base64_encode_lines = Base64EncodeLinesAvx512,
                                          .base64_decode = Base64DecodeAvx512,
                                          .base64_decode_lines = Base64DecodeLinesAvx512,
                                          .base64_url_encode = Base64UrlEncodeAvx512,
                                          .base64_url_decode = Base64UrlDecodeAvx512,
                                          .stuff_dots = StuffDotsAvx512,
                                          .unstuff_dots = UnstuffDotsAvx512,
                                          .tally_lines = TallyLinesAvx512,
                                          .quoted_printable_decode = QuotedPrintableDecodeAvx512,
                                          .quoted_printable_encode = QuotedPrintableEncodeAvx512,
                                          .utf8_prefix = Utf8PrefixAvx512,
                                          .find_no_case = FindNoCaseAvx512,
                                          .hex_encode = HexEncodeAvx512,
                                          .hex_decode = HexDecodeAvx512,
                                          .ascii_prefix = AsciiPrefixAvx512};

bool HasLzcnt() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(0x80000001, &a, &b, &c, &d) != 0 && (c & bit_LZCNT) != 0;
}
#elif defined(__aarch64__)
constinit const Kernels kNeonKernels = {.crc32c = Crc32cNeon,
                                        .read_lines = ReadLinesNeon,
                                        .base64_encode = Base64EncodeNeon,
                                        .base64_encode_lines = Base64EncodeLinesNeon,
                                        .base64_decode = Base64DecodeNeon,
                                        .base64_decode_lines = Base64DecodeLinesNeon,
                                        .base64_url_encode = Base64UrlEncodeNeon,
                                        .base64_url_decode = Base64UrlDecodeNeon,
                                        .stuff_dots = StuffDotsNeon,
                                        .unstuff_dots = UnstuffDotsNeon,
                                        .tally_lines = TallyLinesNeon,
                                        .quoted_printable_decode = QuotedPrintableDecodeNeon,
                                        .quoted_printable_encode = QuotedPrintableEncodeNeon,
                                        .utf8_prefix = Utf8PrefixNeon,
                                        .find_no_case = FindNoCaseNeon,
                                        .hex_encode = HexEncodeNeon,
                                        .hex_decode = HexDecodeNeon,
                                        .ascii_prefix = AsciiPrefixNeon};
#endif

const Kernels& KernelsOf(Kernel kernel) {
  switch (kernel) {
#if defined(__x86_64__)
    case Kernel::kSse42:
      return kSse42Kernels;
    case Kernel::kAvx2:
      return kAvx2Kernels;
    case Kernel::kAvx512:
      return kAvx512Kernels;
    case Kernel::kNeon:
#elif defined(__aarch64__)
    case Kernel::kNeon:
      return kNeonKernels;
    case Kernel::kSse42:
    case Kernel::kAvx2:
    case Kernel::kAvx512:
#else
    case Kernel::kSse42:
    case Kernel::kAvx2:
    case Kernel::kAvx512:
    case Kernel::kNeon:
#endif
    case Kernel::kPortable:
      break;
  }
  return kPortableKernels;
}

Kernel Best() {
  if (KernelSupported(Kernel::kAvx512)) return Kernel::kAvx512;
  if (KernelSupported(Kernel::kAvx2)) return Kernel::kAvx2;
  if (KernelSupported(Kernel::kSse42)) return Kernel::kSse42;
  if (KernelSupported(Kernel::kNeon)) return Kernel::kNeon;
  return Kernel::kPortable;
}

// Null until the first use: no order of static construction can see another choice. All writers
// write the same, except ForceKernel, which comes before them.
constinit std::atomic<const Kernels*> active{nullptr};

}  // namespace

std::string_view KernelName(Kernel kernel) { return kNames[static_cast<size_t>(kernel)]; }

std::optional<Kernel> ParseKernelName(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Kernel>(i);
  }
  return std::nullopt;
}

bool KernelSupported(Kernel kernel) {
  switch (kernel) {
    case Kernel::kPortable:
      return true;
#if defined(__x86_64__)
    case Kernel::kSse42:
      return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
    case Kernel::kAvx2:
      return KernelSupported(Kernel::kSse42) && __builtin_cpu_supports("avx2") &&
             __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") && HasLzcnt();
    case Kernel::kAvx512:
      return KernelSupported(Kernel::kAvx2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
#else
    case Kernel::kSse42:
    case Kernel::kAvx2:
    case Kernel::kAvx512:
      return false;
#endif
    case Kernel::kNeon:
#if defined(__aarch64__)
      return true;
#else
      return false;
#endif
  }
  return false;
}

const Kernels& ActiveKernels() {
  const Kernels* kernels = active.load(std::memory_order_acquire);
  if (kernels == nullptr) [[unlikely]] {
    kernels = &KernelsOf(Best());
    active.store(kernels, std::memory_order_release);
  }
  return *kernels;
}

Kernel ActiveKernel() {
  const Kernels* kernels = &ActiveKernels();
  for (const Kernel kernel : kKernels) {
    if (kernels == &KernelsOf(kernel)) return kernel;
  }
  return Kernel::kPortable;
}

bool ForceKernel(Kernel kernel) {
  if (!KernelSupported(kernel)) return false;
  active.store(&KernelsOf(kernel), std::memory_order_release);
  return true;
}

}  // namespace ringmail::codec
