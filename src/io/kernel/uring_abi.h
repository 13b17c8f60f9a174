// Words of the io_uring interface that liburing 2.3 (Debian 12) does not have yet. The kernel's
// interface only ever grows, so that these are safe to say to any kernel; what an older one does
// not know it refuses, and a probe finds out.
#pragma once

#include <liburing.h>

#include <cstdint>

namespace ringmail::io::abi {

// Operation numbers beyond 2.3's IORING_OP_LAST. FIXED_FD_INSTALL came with 6.8.
inline constexpr int kOpFixedFdInstall = 54;

inline constexpr uint32_t kAsyncCancelUserData = 1u << 4;
inline constexpr uint32_t kAsyncCancelOp = 1u << 5;

// io_uring_enter with a registered ring descriptor.
#ifndef IORING_ENTER_REGISTERED_RING
inline constexpr uint32_t kEnterRegisteredRing = 1u << 4;
#else
inline constexpr uint32_t kEnterRegisteredRing = IORING_ENTER_REGISTERED_RING;
#endif

}  // namespace ringmail::io::abi
