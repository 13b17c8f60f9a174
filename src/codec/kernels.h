// The table of kernels and the functions that fill it. Private to codec and its tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringmail::codec {

uint32_t Crc32cPortable(uint32_t crc, std::string_view bytes);
uint32_t Crc32cSse42(uint32_t crc, std::string_view bytes);

struct Kernels {
  uint32_t (*crc32c)(uint32_t crc, std::string_view bytes);
};

const Kernels& ActiveKernels();

}  // namespace ringmail::codec
