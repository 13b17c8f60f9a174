// Which set of instructions the kernels of codec use, chosen once at run time from what the CPU
// has.
//
// Order: ForceKernel before other threads use codec (a test, or the program's start).
// Shard: read by all.
// Promise: every kernel gives the same results, octet for octet; tests hold them to a reference.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ringmail::codec {

enum class Kernel : uint8_t { kPortable, kSse42, kAvx2, kAvx512, kNeon };
// Those that this build has; the CPU may lack some.
#if defined(__x86_64__)
inline constexpr Kernel kKernels[] = {Kernel::kPortable, Kernel::kSse42, Kernel::kAvx2,
                                      Kernel::kAvx512};
#elif defined(__aarch64__)
inline constexpr Kernel kKernels[] = {Kernel::kPortable, Kernel::kNeon};
#else
inline constexpr Kernel kKernels[] = {Kernel::kPortable};
#endif

// "portable", "sse42", "avx2", "avx512", "neon".
std::string_view KernelName(Kernel kernel);
std::optional<Kernel> ParseKernelName(std::string_view name);

bool KernelSupported(Kernel kernel);
// The best one that the CPU supports, where nothing was forced.
Kernel ActiveKernel();
// False, and nothing changes, where the CPU lacks it.
bool ForceKernel(Kernel kernel);

}  // namespace ringmail::codec
