// The body scanner with NEON.
#if defined(__aarch64__)

#include "codec/block_neon.h"
#include "codec/body_blocks.h"

namespace ringmail::codec::body {

size_t ScanNeon(std::string_view text, bool until_dashes, BodyState& state) {
  return ScanBlocks<BlockNeon>(text, until_dashes, state);
}

}  // namespace ringmail::codec::body

#endif
