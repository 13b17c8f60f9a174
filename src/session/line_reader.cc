#include "ringmail/session/line_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "ringmail/base/check.h"

namespace ringmail::session {

LineReader::LineReader(LineReader&& other) noexcept
    : line_bytes_max_(other.line_bytes_max_),
      carry_(std::move(other.carry_)),
      carry_bytes_(std::exchange(other.carry_bytes_, 0u)),
      carry_capacity_(std::exchange(other.carry_capacity_, 0u)),
      discarded_(other.discarded_),
      ends_(other.ends_),
      discarding_(other.discarding_),
      discarded_cr_(other.discarded_cr_),
      after_bare_lf_(other.after_bare_lf_) {
  // Otherwise the last line's octets would come again where the reader goes on.
  CHECK(other.held_ == 0 && !other.carry_returned_);
}

void LineReader::Release(io::Stream& stream) {
  if (held_ > 0) stream.Consume(std::exchange(held_, 0u));
  if (carry_returned_) {
    carry_.reset();
    carry_bytes_ = carry_capacity_ = 0;
    carry_returned_ = false;
  }
}

// Appends to the unfinished line, growing with what has arrived.
void LineReader::Keep(std::string_view part) {
  const size_t needed = carry_bytes_ + part.size();
  if (needed > carry_capacity_) {
    const size_t capacity =
        std::max<size_t>(needed, std::min(line_bytes_max_ + 2, size_t{carry_capacity_} * 2 + 64));
    auto grown = std::make_unique_for_overwrite<char[]>(capacity);
    if (carry_bytes_ > 0) std::memcpy(grown.get(), carry_.get(), carry_bytes_);
    carry_ = std::move(grown);
    carry_capacity_ = static_cast<uint32_t>(capacity);
  }
  std::memcpy(carry_.get() + carry_bytes_, part.data(), part.size());
  carry_bytes_ = static_cast<uint32_t>(needed);
}

// `with_end` ends in LF, its only one.
Line LineReader::Judge(std::string_view with_end) {
  std::string_view text = with_end.substr(0, with_end.size() - 1);
  const bool crlf = text.ends_with('\r');
  if (crlf) text.remove_suffix(1);
  const bool bare = !crlf && ends_ == LineEnds::kStrict;
  const bool goes_on = std::exchange(after_bare_lf_, bare);
  if (text.size() > line_bytes_max_) return {.status = LineStatus::kTooLong};
  if (std::memchr(text.data(), '\0', text.size()) != nullptr) return {.status = LineStatus::kNul};
  if (std::memchr(text.data(), '\r', text.size()) != nullptr)
    return {.status = LineStatus::kBareCr};
  if (bare || goes_on) return {.status = LineStatus::kBareLf};
  return {.status = LineStatus::kLine, .text = text};
}

Line LineReader::TryLine(io::Stream& stream) {
  Release(stream);
  for (std::string_view input = stream.input(); !input.empty(); input = stream.input()) {
    const void* found = std::memchr(input.data(), '\n', input.size());
    const size_t end =
        found == nullptr ? input.size()
                         : static_cast<size_t>(static_cast<const char*>(found) - input.data()) + 1;
    if (discarding_) {
      const bool crlf = found != nullptr && (end > 1 ? input[end - 2] == '\r' : discarded_cr_);
      discarded_cr_ = input[end - 1] == '\r';
      discarded_ += static_cast<uint32_t>(end);
      stream.Consume(end);
      if (found != nullptr) {
        discarding_ = false;
        after_bare_lf_ = !crlf && ends_ == LineEnds::kStrict;
      } else if (discarded_ >= kLineDiscardBytes) {
        discarded_ = 0;
        return {.status = LineStatus::kTooLong};
      }
      continue;
    }
    if (found != nullptr && carry_bytes_ == 0) {
      held_ = static_cast<uint32_t>(end);
      return Judge(input.substr(0, end));
    }
    // CRLF are two octets beyond the limit. The line's fate is known before its end has come.
    if (carry_bytes_ + end > line_bytes_max_ + 2) {
      const bool carried_cr = carry_bytes_ > 0 && carry_[carry_bytes_ - 1] == '\r';
      const bool crlf = found != nullptr && (end > 1 ? input[end - 2] == '\r' : carried_cr);
      after_bare_lf_ = found != nullptr && !crlf && ends_ == LineEnds::kStrict;
      discarded_cr_ = input[end - 1] == '\r';
      carry_.reset();
      carry_bytes_ = carry_capacity_ = 0;
      stream.Consume(end);
      discarding_ = found == nullptr;
      discarded_ = 0;
      return {.status = LineStatus::kTooLong};
    }
    Keep(input.substr(0, end));
    stream.Consume(end);
    if (found != nullptr) {
      carry_returned_ = true;
      return Judge({carry_.get(), carry_bytes_});
    }
  }
  return {.status = LineStatus::kNeedMore};
}

io::Task<Line> LineReader::ReadLine(io::Stream& stream, MonotonicTime deadline) {
  for (;;) {
    const Line line = TryLine(stream);
    if (line.status != LineStatus::kNeedMore) co_return line;
    const io::StreamStatus status = co_await stream.Receive(deadline);
    if (status != io::StreamStatus::kOk)
      co_return Line{.status = LineStatus::kStream, .text = {}, .stream = status};
  }
}

}  // namespace ringmail::session
