#include "ringmail/codec/dots.h"

#include <algorithm>

#include "codec/kernels.h"
#include "ringmail/base/check.h"
#include "ringmail/codec/data_scan.h"

namespace ringmail::codec {

KernelSpan DotsPortable(std::string_view, char*, LineStart&) { return {}; }
size_t CountLinesPortable(std::string_view, LineState&, uint64_t&) { return 0; }

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
  LineState line{
      .line_start = false, .after_cr = after_cr_, .line_octets = line_octets_, .flags = flags_};
  size_t at = ActiveKernels().count_lines(in, line, lines_);
  while (at < in.size()) {
    line.line_start = false;  // A dot is an octet like any other here.
    const std::string_view rest = in.substr(at);
    const size_t end = rest.find('\n');
    const size_t take = end == std::string_view::npos ? rest.size() : end + 1;
    const size_t read = ReadLinesPortable(rest.substr(0, take), line);
    CHECK_EQ(read, take);
    if (line.line_start) ++lines_;
    at += take;
  }
  after_cr_ = line.after_cr;
  line_octets_ = line.line_octets;
  flags_ = line.flags;
}

LineFacts LineScanner::facts() const {
  unsigned flags = flags_;
  if (after_cr_) {
    flags |= kDataBareCr;
    if (line_octets_ + 1 > kTextLineBytesMax) flags |= kDataLineTooLong;
  }
  return {lines_, static_cast<uint8_t>(flags)};
}

ContentKind LineScanner::kind() const {
  const unsigned flags = facts().flags;
  if ((flags & ~unsigned{kData8Bit}) != 0) return ContentKind::kBinary;
  return flags == 0 ? ContentKind::k7Bit : ContentKind::k8Bit;
}

}  // namespace ringmail::codec
