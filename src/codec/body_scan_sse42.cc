// The body scanner with the instructions of SSE4.2.
#include <algorithm>
#include <bit>
#include <cstring>
#include <string_view>

#include "codec/block_x86.h"
#include "codec/kernels.h"
#include "ringmail/codec/body_scan.h"

#if defined(__x86_64__)

#pragma clang attribute push(__attribute__((target(RINGMAIL_TARGET_SSE42))), apply_to = function)

#include "codec/body_blocks.h"

namespace ringmail::codec::body {

size_t ScanSse42(std::string_view text, bool until_dashes, BodyState& state) {
  return ScanBlocks<BlockSse42>(text, until_dashes, state);
}

}  // namespace ringmail::codec::body

#pragma clang attribute pop

#endif
