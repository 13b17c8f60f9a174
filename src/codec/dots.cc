#include "ringmail/codec/dots.h"

#include <algorithm>
#include <cstring>

#include "codec/kernels.h"
#include "ringmail/base/check.h"
#include "ringmail/codec/data_scan.h"

namespace ringmail::codec {
namespace {

// Whether eight octets have no CR, LF or NUL (all under 14), and none with the high bit.
bool PlainWord(const char* at) {
  constexpr uint64_t kOnes = 0x0101010101010101, kHigh = 0x8080808080808080;
  uint64_t word;
  std::memcpy(&word, at, sizeof(word));
  return (((word - kOnes * 14) | word) & kHigh) == 0;
}

void Octet(char octet, LineTally& tally) {
  if (tally.after_cr && octet == '\n') {
    tally.after_cr = false;
    ++tally.lines;
    tally.line_bytes_max = std::max(tally.line_bytes_max, tally.line_bytes);
    tally.line_bytes = 0;
    return;
  }
  unsigned flags = tally.flags;
  if (tally.after_cr) {
    flags |= kDataBareCr;
    ++tally.line_bytes;
  }
  tally.after_cr = octet == '\r';
  if (!tally.after_cr) ++tally.line_bytes;
  if (octet == '\n') flags |= kDataBareLf;
  if (octet == '\0') flags |= kDataNul;
  if (static_cast<uint8_t>(octet) >= 0x80) ++tally.high_octets;
  tally.flags = static_cast<uint8_t>(flags);
}

}  // namespace

KernelSpan DotsPortable(std::string_view, char*, LineStart&) { return {}; }
size_t TallyLinesNone(std::string_view, LineTally&) { return 0; }

size_t DotStuffer::Feed(std::string_view in, char* out) {
  char* const begin = out;
  constexpr size_t kBlock = 64;
  while (!in.empty()) {
    LineStart start{.line_start = line_start_, .after_cr = after_cr_};
    const KernelSpan span = ActiveKernels().stuff_dots(in, out, start);
    line_start_ = start.line_start;
    after_cr_ = start.after_cr;
    in.remove_prefix(span.read);
    out += span.written;
    const size_t take = std::min(in.size(), kBlock);
    for (const char octet : in.substr(0, take)) {
      if (line_start_ && octet == '.') *out++ = '.';
      *out++ = octet;
      line_start_ = after_cr_ && octet == '\n';
      after_cr_ = octet == '\r';
    }
    in.remove_prefix(take);
  }
  return static_cast<size_t>(out - begin);
}

DotUnstuffer::Step DotUnstuffer::Feed(std::string_view in, char* out) {
  CHECK(state_ != State::kEnd);
  Step step;
  constexpr size_t kBlock = 64;
  while (step.consumed < in.size() && !step.end) {
    if (state_ <= State::kLineStart) {
      LineStart start{.line_start = state_ == State::kLineStart, .after_cr = state_ == State::kCr};
      const KernelSpan span =
          ActiveKernels().unstuff_dots(in.substr(step.consumed), out + step.written, start);
      step.consumed += span.read;
      step.written += span.written;
      state_ = start.line_start ? State::kLineStart : start.after_cr ? State::kCr : State::kText;
    }
    const size_t stop = std::min(in.size(), step.consumed + kBlock);
    while (step.consumed < stop && !step.end) {
      const char octet = in[step.consumed++];
      if (state_ == State::kLineStart && octet == '.') {
        state_ = State::kDot;
        continue;
      }
      if (state_ == State::kDot && octet == '\r') {
        state_ = State::kDotCr;
        continue;
      }
      if (state_ == State::kDotCr && octet == '\n') {
        // RFC 5321 §4.1.1.4: CRLF.CRLF, and nothing else.
        state_ = State::kEnd;
        step.end = true;
        continue;
      }
      if (state_ == State::kDotCr) out[step.written++] = '\r';
      out[step.written++] = octet;
      if (octet == '\r') {
        state_ = State::kCr;
      } else {
        state_ = octet == '\n' && state_ == State::kCr ? State::kLineStart : State::kText;
      }
    }
  }
  return step;
}

void LineScanner::Feed(std::string_view in) {
  LineTally tally{.lines = lines_,
                  .high_octets = high_octets_,
                  .line_bytes_max = line_bytes_max_,
                  .line_bytes = line_bytes_,
                  .after_cr = after_cr_,
                  .flags = flags_};
  in.remove_prefix(ActiveKernels().tally_lines(in, tally));
  size_t at = 0;
  while (at < in.size()) {
    if (!tally.after_cr) {
      const size_t first = at;
      while (in.size() - at >= 8 && PlainWord(in.data() + at)) at += 8;
      tally.line_bytes += at - first;
      if (at == in.size()) break;
    }
    Octet(in[at++], tally);
  }
  lines_ = tally.lines;
  high_octets_ = tally.high_octets;
  line_bytes_max_ = tally.line_bytes_max;
  line_bytes_ = tally.line_bytes;
  after_cr_ = tally.after_cr;
  flags_ = tally.flags;
}

LineFacts LineScanner::facts() const {
  // A CR at the end is an octet of the line, and alone.
  const uint64_t last = line_bytes_ + (after_cr_ ? 1 : 0);
  const uint64_t longest = std::max(line_bytes_max_, last);
  const unsigned flags = flags_ | (after_cr_ ? kDataBareCr : 0u) |
                         (high_octets_ != 0 ? kData8Bit : 0u) |
                         (longest > kTextLineBytesMax ? kDataLineTooLong : 0u);
  return {lines_, longest, high_octets_, static_cast<uint8_t>(flags)};
}

ContentKind LineScanner::kind() const {
  const unsigned flags = facts().flags;
  if ((flags & ~unsigned{kData8Bit}) != 0) return ContentKind::kBinary;
  return flags == 0 ? ContentKind::k7Bit : ContentKind::k8Bit;
}

}  // namespace ringmail::codec
