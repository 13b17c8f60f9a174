#include "ringmail/codec/body_scan.h"

#include <cstring>

#include "codec/body_blocks.h"
#include "codec/kernels.h"
#include "ringmail/codec/kernel.h"

namespace ringmail::codec {
namespace body {
namespace {

// How many octets at the start of `text`, by eights, have no CR, LF or NUL (all under 14) and none
// with the high bit.
size_t PlainPrefix(std::string_view text) {
  constexpr uint64_t kOnes = 0x0101010101010101, kHigh = 0x8080808080808080;
  size_t at = 0;
  for (; text.size() - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
    uint64_t word;
    std::memcpy(&word, text.data() + at, sizeof(word));
    if ((((word - kOnes * 14) | word) & kHigh) != 0) break;
  }
  return at;
}

void ReadOctet(char octet, BodyState& state) {
  unsigned flags = state.flags;
  const bool after_cr = state.after_cr;
  if (after_cr && octet != '\n') {
    flags |= kDataBareCr;
    ++state.line_octets;
  }
  if (octet == '\n' && !after_cr) flags |= kDataBareLf;
  if (octet == '\0') flags |= kDataNul;
  if (static_cast<uint8_t>(octet) >= 0x80) flags |= kData8Bit;
  state.after_cr = octet == '\r';
  if (octet == '\n') {
    if (state.line_octets > kTextLineBytesMax) flags |= kDataLineTooLong;
    ++state.lines;
    state.line_octets = 0;
  } else if (octet != '\r') {
    ++state.line_octets;
  }
  state.flags = static_cast<uint8_t>(flags);
}

}  // namespace

size_t ScanPortable(std::string_view text, bool until_dashes, BodyState& state) {
  for (size_t at = 0; at < text.size();) {
    if (!state.after_cr) {
      const size_t plain = PlainPrefix(text.substr(at));
      state.line_octets += plain;
      at += plain;
      if (at == text.size()) break;
    }
    // A CR is left to the LF, so that the two may be left together.
    const std::string_view rest = text.substr(at);
    if (until_dashes && (rest.starts_with("\n--") || rest.starts_with("\r\n--"))) {
      if (rest[0] == '\r') return at + 1;
      state.after_cr = false;
      return at;
    }
    ReadOctet(text[at++], state);
  }
  if (state.line_octets > kTextLineBytesMax) {
    state.flags = static_cast<uint8_t>(state.flags | kDataLineTooLong);
  }
  return std::string_view::npos;
}

namespace {

size_t Scan(std::string_view text, bool until_dashes, BodyState& state) {
  switch (ActiveKernel()) {
#if defined(__x86_64__)
    case Kernel::kAvx512:
      return ScanAvx512(text, until_dashes, state);
    case Kernel::kAvx2:
      return ScanAvx2(text, until_dashes, state);
    case Kernel::kSse42:
      return ScanSse42(text, until_dashes, state);
    case Kernel::kNeon:
      break;
#else
    case Kernel::kAvx512:
    case Kernel::kAvx2:
    case Kernel::kSse42:
      break;
    case Kernel::kNeon:
#if defined(__aarch64__)
      return ScanNeon(text, until_dashes, state);
#else
      break;
#endif
#endif
    case Kernel::kPortable:
      break;
  }
  return ScanPortable(text, until_dashes, state);
}

}  // namespace
}  // namespace body

size_t BodyScanner::FeedUntilDashes(std::string_view text) {
  return body::Scan(text, true, state_);
}

void BodyScanner::Feed(std::string_view text) { body::Scan(text, false, state_); }

uint8_t BodyScanner::flags() const {
  // A CR at the end is an octet of the line, and alone.
  const uint64_t line = state_.line_octets + (state_.after_cr ? 1 : 0);
  return static_cast<uint8_t>(state_.flags | (state_.after_cr ? kDataBareCr : 0u) |
                              (line > kTextLineBytesMax ? kDataLineTooLong : 0u));
}

}  // namespace ringmail::codec
