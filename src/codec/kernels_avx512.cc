// The kernels that are written once for all blocks, with the instructions of AVX-512.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "codec/kernels.h"
#include "codec/vector_x86.h"
#include "ringmail/codec/ascii.h"
#include "ringmail/codec/data_scan.h"

#if defined(__x86_64__)

#pragma clang attribute push(__attribute__((target(RINGMAIL_TARGET_AVX512))), apply_to = function)

#include "codec/find_blocks.h"
#include "codec/hex_blocks.h"
#include "codec/line_blocks.h"
#include "codec/utf8_blocks.h"

namespace ringmail::codec {

size_t Utf8PrefixAvx512(std::string_view text) { return utf8::ValidPrefix<VectorAvx512>(text); }

size_t ReadLinesAvx512(std::string_view input, LineState& state) {
  return lines::ReadLines<BlockAvx512>(input, state);
}

size_t TallyLinesAvx512(std::string_view input, LineTally& tally) {
  return lines::TallyLines<BlockAvx512>(input, tally);
}

size_t AsciiPrefixAvx512(std::string_view text) { return utf8::AsciiPrefix<VectorAvx512>(text); }

KernelSpan HexEncodeAvx512(std::string_view octets, bool upper, char* out) {
  return hex::Encode<VectorAvx512>(octets, upper, out);
}

KernelSpan HexDecodeAvx512(std::string_view text, char* out) {
  return hex::Decode<VectorAvx512>(text, out);
}

FindStep FindNoCaseAvx512(std::string_view text, std::string_view needle) {
  return find::FindNoCase<BlockAvx512>(text, needle);
}

}  // namespace ringmail::codec

#pragma clang attribute pop

#endif
