// The kernels that are written once for all blocks, with NEON.
#if defined(__aarch64__)

#include "codec/block_neon.h"
#include "codec/find_blocks.h"
#include "codec/hex_blocks.h"
#include "codec/kernels.h"
#include "codec/line_blocks.h"
#include "codec/quoted_printable_blocks.h"
#include "codec/utf8_blocks.h"
#include "codec/vector_neon.h"

namespace ringmail::codec {

KernelSpan QuotedPrintableDecodeNeon(std::string_view in, char* out, QuotedPrintableScan& scan) {
  return quoted_printable::Decode<BlockNeon>(in, out, scan);
}

KernelSpan QuotedPrintableEncodeNeon(std::string_view in, bool text, uint8_t& column, char* out) {
  return quoted_printable::Encode<BlockNeon>(in, text, column, out);
}

size_t Utf8PrefixNeon(std::string_view text) { return utf8::ValidPrefix<VectorNeon>(text); }

size_t ReadLinesNeon(std::string_view input, LineState& state) {
  return lines::ReadLines<BlockNeon>(input, state);
}

size_t TallyLinesNeon(std::string_view input, LineTally& tally) {
  return lines::TallyLines<BlockNeon>(input, tally);
}

size_t AsciiPrefixNeon(std::string_view text) { return utf8::AsciiPrefix<VectorNeon>(text); }

KernelSpan HexEncodeNeon(std::string_view octets, bool upper, char* out) {
  return hex::Encode<VectorNeon>(octets, upper, out);
}

KernelSpan HexDecodeNeon(std::string_view text, char* out) {
  return hex::Decode<VectorNeon>(text, out);
}

FindStep FindNoCaseNeon(std::string_view text, std::string_view needle) {
  return find::FindNoCase<BlockNeon>(text, needle);
}

KernelSpan StuffDotsNeon(std::string_view in, char* out, LineStart& start) {
  return lines::StuffDots<BlockNeon>(in, out, start);
}

KernelSpan UnstuffDotsNeon(std::string_view in, char* out, LineStart& start) {
  return lines::UnstuffDots<BlockNeon>(in, out, start);
}

}  // namespace ringmail::codec

#endif
