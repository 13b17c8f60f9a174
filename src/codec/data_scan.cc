#include "ringmail/codec/data_scan.h"

#include <algorithm>
#include <cstring>

#include "codec/kernels.h"
#include "ringmail/base/check.h"

namespace ringmail::codec {
namespace {

// How much the portable kernel reads where a SIMD kernel stopped, before the SIMD kernel is asked
// again.
constexpr size_t kBlock = 64;

void AddRun(std::string_view bytes, bool starts_with_dot_line, DataScanner::Step& step) {
  if (bytes.empty()) return;
  CHECK_LT(step.run_count, DataScanner::kRunsMax);
  step.runs[step.run_count++] = {bytes, starts_with_dot_line};
}

// Reads up to a dot that starts a line, or to the end; returns where it stopped.
size_t ReadToDotLine(ReadLinesKernel kernel, std::string_view input, size_t at, LineState& state) {
  while (at < input.size()) {
    at += kernel(input.substr(at), state);
    const std::string_view block = input.substr(at, kBlock);
    const size_t read = ReadLinesPortable(block, state);
    at += read;
    if (read < block.size()) break;
  }
  return at;
}

// Octets of text follow each other undisturbed in most of 8: no CR, LF or NUL (all under 14), none
// with the high bit.
bool PlainWord(const char* at) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHigh = 0x8080808080808080;
  uint64_t word;
  std::memcpy(&word, at, sizeof(word));
  return (((word - kOnes * 14) | word) & kHigh) == 0;
}

}  // namespace

size_t ReadLinesPortable(std::string_view input, LineState& state) {
  bool line_start = state.line_start;
  bool after_cr = state.after_cr;
  uint64_t octets = state.line_octets;
  uint64_t octets_max = octets;
  unsigned flags = state.flags;
  size_t at = 0;
  while (at < input.size()) {
    if (!line_start && !after_cr) {
      const size_t first = at;
      while (input.size() - at >= 8 && PlainWord(input.data() + at)) at += 8;
      octets += at - first;
      if (at == input.size()) break;
    }
    const char c = input[at];
    if (line_start && c == '.') break;
    ++at;
    line_start = false;
    if (after_cr) {
      after_cr = false;
      if (c == '\n') {
        octets_max = std::max(octets_max, octets);
        octets = 0;
        line_start = true;
        continue;
      }
      // RFC 5321 §2.3.8: CR and LF mean nothing but together; a lone one is an octet of the line,
      // and a reason to refuse.
      flags |= kDataBareCr;
      ++octets;
    }
    if (c == '\r') {
      after_cr = true;
      continue;
    }
    ++octets;
    if (c == '\n') flags |= kDataBareLf;
    if (c == '\0') flags |= kDataNul;
    if (static_cast<uint8_t>(c) >= 0x80) flags |= kData8Bit;
  }
  octets_max = std::max(octets_max, octets);
  if (octets_max > kTextLineBytesMax) flags |= kDataLineTooLong;
  state = {.line_start = line_start,
           .after_cr = after_cr,
           .line_octets = static_cast<uint32_t>(std::min<uint64_t>(octets, kTextLineBytesMax + 1)),
           .flags = static_cast<uint8_t>(flags)};
  return at;
}

// At input's start stands what follows a line's first dot (and its CR). False where the call ends
// here.
bool DataScanner::DecideDot(std::string_view input, Step& step) {
  if (state_ == State::kDot && !input.empty() && input.front() == '\r') {
    state_ = State::kDotCr;
    step.consumed = 1;
  }
  const std::string_view rest = input.substr(step.consumed);
  if (rest.empty()) return false;
  if (state_ == State::kDotCr && rest.front() == '\n') {
    // RFC 5321 §4.1.1.4: CRLF.CRLF, and nothing else, ends the data.
    state_ = State::kEnd;
    ++step.consumed;
    step.verdict = DataVerdict::kEnd;
    return false;
  }
  // RFC 5321 §4.5.2: other characters follow on the line, so the dot is removed.
  if (state_ == State::kDot) {
    state_ = State::kText;
    return true;
  }
  state_ = State::kCr;
  // The CR is content. It came with an earlier input unless this input has it.
  if (step.consumed == 1) {
    step.consumed = 0;
    state_ = State::kText;
  } else {
    AddRun("\r", false, step);
  }
  return true;
}

void DataScanner::Feed(std::string_view input, Step& step) {
  CHECK(state_ != State::kEnd);
  step.verdict = DataVerdict::kMore;
  step.consumed = 0;
  step.run_count = 0;
  const bool after_dot = state_ == State::kDot || state_ == State::kDotCr;
  if (after_dot && !DecideDot(input, step)) return;
  bool dot_line = after_dot && state_ == State::kText && input.front() == '.';
  LineState line{.line_start = state_ == State::kLineStart,
                 .after_cr = state_ == State::kCr,
                 .line_octets = line_octets_,
                 .flags = flags_};
  const ReadLinesKernel kernel = ActiveKernels().read_lines;
  size_t run_start = 0, at = 0;
  while (true) {
    at = ReadToDotLine(kernel, input, at, line);
    AddRun(input.substr(run_start, at - run_start), dot_line, step);
    if (at == input.size()) break;
    if (step.run_count == kRunsMax)
      break;  // the dot and what follows come again with the next call
    const std::string_view after = input.substr(at + 1, 2);
    if (after == "\r\n") {
      step.verdict = DataVerdict::kEnd;
      at += 3;
      break;
    }
    if (after.empty() || after == "\r") {
      at = input.size();
      break;
    }
    ++at;
    run_start = at;
    dot_line = after.front() == '.';
    line.line_start = false;
  }
  step.consumed = at;
  flags_ = line.flags;
  line_octets_ = line.line_octets;
  if (step.verdict == DataVerdict::kEnd) {
    state_ = State::kEnd;
  } else if (line.line_start && at > 0 && at == input.size() && input.back() == '.') {
    state_ = State::kDot;
  } else if (line.line_start && at > 0 && at == input.size() && input.back() == '\r') {
    state_ = State::kDotCr;
  } else {
    state_ = line.line_start ? State::kLineStart : line.after_cr ? State::kCr : State::kText;
  }
}

void ContentScanner::Feed(std::string_view input, DataScanner::Step& step) {
  step.verdict = DataVerdict::kMore;
  step.run_count = 0;
  LineState line{.line_start = line_start_,
                 .after_cr = after_cr_,
                 .line_octets = line_octets_,
                 .flags = flags_};
  const ReadLinesKernel kernel = ActiveKernels().read_lines;
  size_t run_start = 0, at = 0;
  bool dot_line = false;
  while (true) {
    const size_t stop = ReadToDotLine(kernel, input, at, line);
    if (stop == input.size()) {
      AddRun(input.substr(run_start), dot_line, step);
      at = stop;
      break;
    }
    AddRun(input.substr(run_start, stop - run_start), dot_line, step);
    at = stop;
    if (step.run_count == DataScanner::kRunsMax) break;
    // The dot is an octet of its line like any other, except that a run begins with it.
    run_start = stop;
    dot_line = true;
    line.line_start = false;
    ++line.line_octets;
    ++at;
  }
  step.consumed = at;
  line_start_ = line.line_start;
  after_cr_ = line.after_cr;
  line_octets_ = line.line_octets;
  flags_ = line.flags;
}

uint8_t ContentScanner::final_flags() const {
  if (!after_cr_) return flags_;
  unsigned flags = flags_ | kDataBareCr;
  if (line_octets_ + 1 > kTextLineBytesMax) flags |= kDataLineTooLong;
  return static_cast<uint8_t>(flags);
}

}  // namespace ringmail::codec
