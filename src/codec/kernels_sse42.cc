// The kernels that are written once for all blocks, with the instructions of SSE4.2.
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

#pragma clang attribute push(__attribute__((target(RINGMAIL_TARGET_SSE42))), apply_to = function)

#include "codec/find_blocks.h"
#include "codec/hex_blocks.h"
#include "codec/line_blocks.h"
#include "codec/quoted_printable_blocks.h"
#include "codec/utf8_blocks.h"

namespace ringmail::codec {

KernelSpan QuotedPrintableDecodeSse42(std::string_view in, char* out, QuotedPrintableScan& scan) {
  return quoted_printable::Decode<BlockSse42>(in, out, scan);
}

KernelSpan QuotedPrintableEncodeSse42(std::string_view in, bool text, uint8_t& column, char* out) {
  return quoted_printable::Encode<BlockSse42>(in, text, column, out);
}

size_t Utf8PrefixSse42(std::string_view text) { return utf8::ValidPrefix<VectorSse42>(text); }

size_t ReadLinesSse42(std::string_view input, LineState& state) {
  return lines::ReadLines<BlockSse42>(input, state);
}

size_t TallyLinesSse42(std::string_view input, LineTally& tally) {
  return lines::TallyLines<BlockSse42>(input, tally);
}

size_t AsciiPrefixSse42(std::string_view text) { return utf8::AsciiPrefix<VectorSse42>(text); }

KernelSpan HexEncodeSse42(std::string_view octets, bool upper, char* out) {
  return hex::Encode<VectorSse42>(octets, upper, out);
}

KernelSpan HexDecodeSse42(std::string_view text, char* out) {
  return hex::Decode<VectorSse42>(text, out);
}

FindStep FindNoCaseSse42(std::string_view text, std::string_view needle) {
  return find::FindNoCase<BlockSse42>(text, needle);
}

KernelSpan StuffDotsSse42(std::string_view in, char* out, LineStart& start) {
  return lines::StuffDots<BlockSse42>(in, out, start);
}

KernelSpan UnstuffDotsSse42(std::string_view in, char* out, LineStart& start) {
  return lines::UnstuffDots<BlockSse42>(in, out, start);
}

}  // namespace ringmail::codec

#pragma clang attribute pop

#endif
