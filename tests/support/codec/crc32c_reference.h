// CRC-32C bit by bit: RFC 3720 appendix B.4.
#pragma once

#include <cstdint>
#include <string_view>

namespace ringmail::codec {

inline uint32_t ReferenceCrc32c(uint32_t crc, std::string_view bytes) {
  crc = ~crc;
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int i = 0; i < 8; ++i) crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
  }
  return ~crc;
}

}  // namespace ringmail::codec
