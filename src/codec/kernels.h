// The table of kernels and the functions that fill it. Private to codec and its tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringmail::codec {

// RFC 5321 §4.5.3.1.6: 1000 octets with their CRLF, and without the dot of transparency.
inline constexpr uint32_t kTextLineBytesMax = 998;

// What is known about the current line of content between two octets.
struct LineState {
  bool line_start = true;    // at the start of the content, or CRLF came before
  bool after_cr = false;     // CR came before, not yet judged and not in line_octets
  uint32_t line_octets = 0;  // no more than kTextLineBytesMax + 1
  uint8_t flags = 0;         // kData… of data_scan.h
};

// Reads content from the start of `input`, updates `state` as for each octet of it, and returns how
// many octets it read. Never reads a dot that starts a line: that is the caller's. A SIMD kernel
// reads whole blocks of 64 octets only and stops before a block that has such a dot; the portable
// one stops at the dot itself, or at the end.
using ReadLinesKernel = size_t (*)(std::string_view input, LineState& state);
size_t ReadLinesPortable(std::string_view input, LineState& state);
size_t ReadLinesAvx2(std::string_view input, LineState& state);
size_t ReadLinesAvx512(std::string_view input, LineState& state);

uint32_t Crc32cPortable(uint32_t crc, std::string_view bytes);
uint32_t Crc32cSse42(uint32_t crc, std::string_view bytes);

struct Kernels {
  uint32_t (*crc32c)(uint32_t crc, std::string_view bytes);
  ReadLinesKernel read_lines;
};

const Kernels& ActiveKernels();

}  // namespace ringmail::codec
