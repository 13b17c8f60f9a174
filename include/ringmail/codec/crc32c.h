// CRC-32C (Castagnoli, RFC 3720 appendix B.4): what guards every record on disk.
#pragma once

#include <cstdint>
#include <string_view>

namespace ringmail::codec {

// The checksum of `bytes` following bytes whose checksum was `crc` (0 for none). SSE4.2 where the
// CPU has it.
uint32_t Crc32c(uint32_t crc, std::string_view bytes);

}  // namespace ringmail::codec
