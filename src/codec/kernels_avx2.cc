// The kernels that are written once for all blocks, with the instructions of AVX2.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "codec/block_x86.h"
#include "codec/kernels.h"
#include "codec/vector_x86.h"
#include "ringmail/codec/ascii.h"
#include "ringmail/codec/data_scan.h"
#include "ringmail/codec/quoted_printable.h"

#if defined(__x86_64__)

#pragma clang attribute push(__attribute__((target(RINGMAIL_TARGET_AVX2))), apply_to = function)

#include "codec/find_blocks.h"
#include "codec/hex_blocks.h"
#include "codec/line_blocks.h"
#include "codec/quoted_printable_blocks.h"
#include "codec/utf8_blocks.h"

namespace ringmail::codec {

KernelSpan QuotedPrintableDecodeAvx2(std::string_view in, char* out, QuotedPrintableScan& scan) {
  return quoted_printable::Decode<BlockAvx2>(in, out, scan);
}

KernelSpan QuotedPrintableEncodeAvx2(std::string_view in, bool text, uint8_t& column, char* out) {
  return quoted_printable::Encode<BlockAvx2>(in, text, column, out);
}

size_t Utf8PrefixAvx2(std::string_view text) { return utf8::ValidPrefix<VectorAvx2>(text); }

size_t ReadLinesAvx2(std::string_view input, LineState& state) {
  return lines::ReadLines<BlockAvx2>(input, state);
}

size_t TallyLinesAvx2(std::string_view input, LineTally& tally) {
  return lines::TallyLines<BlockAvx2>(input, tally);
}

size_t AsciiPrefixAvx2(std::string_view text) { return utf8::AsciiPrefix<VectorAvx2>(text); }

KernelSpan HexEncodeAvx2(std::string_view octets, bool upper, char* out) {
  return hex::Encode<VectorAvx2>(octets, upper, out);
}

KernelSpan HexDecodeAvx2(std::string_view text, char* out) {
  return hex::Decode<VectorAvx2>(text, out);
}

FindStep FindNoCaseAvx2(std::string_view text, std::string_view needle) {
  return find::FindNoCase<BlockAvx2>(text, needle);
}

KernelSpan StuffDotsAvx2(std::string_view in, char* out, LineStart& start) {
  return lines::StuffDots<BlockAvx2>(in, out, start);
}

KernelSpan UnstuffDotsAvx2(std::string_view in, char* out, LineStart& start) {
  return lines::UnstuffDots<BlockAvx2>(in, out, start);
}

}  // namespace ringmail::codec

#pragma clang attribute pop

#endif
