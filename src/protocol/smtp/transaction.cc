#include "protocol/smtp/transaction.h"

#include <algorithm>

#include "protocol/smtp/replies.h"
#include "ringmail/base/canary.h"
#include "ringmail/base/check.h"
#include "ringmail/storage/content.h"

namespace ringmail::smtp {

Transaction::Transaction(agent::MailDoor& door, const agent::MailSource& source,
                         BareNewline bare_newline)
    : source_(source), mail_(door, source_), bare_newline_(bare_newline) {}

void Transaction::set_reverse_path(std::string_view path) {
  CHECK_LE(path.size(), sizeof reverse_path_);
  std::copy(path.begin(), path.end(), reverse_path_);
  reverse_path_bytes_ = static_cast<uint16_t>(path.size());
}

void Transaction::BeginContent(MonotonicTime now) {
  CHECK(!content_begun_);
  content_begun_ = true;
  content_started_ = now;
  mail_.BeginContent();
}

MonotonicTime Transaction::Deadline(MonotonicTime now, const SmtpOptions& options) const {
  const MonotonicTime next_piece = now + options.content_timeout;
  if (options.content_bytes_per_second_min == 0) return next_piece;
  const std::chrono::seconds earned(received_bytes_ / options.content_bytes_per_second_min);
  return std::min(next_piece, content_started_ + options.content_timeout + earned);
}

size_t Transaction::TakeData(std::string_view input, codec::DataScanner::Step& step, bool& ended) {
  data_.Feed(input, step);
  CHECK_LE(step.consumed, input.size());
  received_bytes_ += step.consumed;
  TakeRuns(step);
  ended = step.verdict == codec::DataVerdict::kEnd;
  return step.consumed;
}

size_t Transaction::TakeChunk(std::string_view input, codec::DataScanner::Step& step) {
  chunks_.Feed(input, step);
  CHECK_LE(step.consumed, input.size());
  received_bytes_ += step.consumed;
  chunked_ = true;
  if (step.consumed > 0) last_octet_ = input[step.consumed - 1];
  TakeRuns(step);
  return step.consumed;
}

void Transaction::TakeRuns(const codec::DataScanner::Step& step) {
  for (size_t i = 0; i < step.run_count; ++i) {
    const auto& run = step.runs[i];
    content_bytes_ += run.bytes.size();
    if (!refusal_.empty() || mail_.too_large()) {
      discarded_bytes_ += run.bytes.size();
    } else if (bare_newline_ == BareNewline::kLegacyScanner) {
      WriteRepaired(run.bytes, run.starts_with_dot_line);
    } else {
      const bool seam = Planted(Canary::kUnstuffedSeam) && i == 0;
      mail_.Write(run.bytes, run.starts_with_dot_line && !seam);
    }
  }
}

// Writes CRLF for each bare LF. What follows it is the start of a line now, so a dot there is told
// to the store like any other: the next hop gets it stuffed, and cannot see an end of data where we
// saw none.
void Transaction::WriteRepaired(std::string_view bytes, bool starts_with_dot_line) {
  bool dot_line = starts_with_dot_line;
  while (!bytes.empty()) {
    if (after_repaired_lf_ && bytes.front() == '.') dot_line = true;
    size_t lf = 0;
    while (true) {
      lf = bytes.find('\n', lf);
      if (lf == std::string_view::npos) break;
      const bool bare = lf == 0 ? !after_cr_ : bytes[lf - 1] != '\r';
      if (bare) break;
      ++lf;
    }
    after_repaired_lf_ = false;
    if (lf == std::string_view::npos) {
      mail_.Write(bytes, dot_line);
      after_cr_ = bytes.back() == '\r';
      return;
    }
    if (lf > 0) mail_.Write(bytes.substr(0, lf), dot_line);
    mail_.Write("\r\n", false);
    bytes.remove_prefix(lf + 1);
    after_cr_ = false;
    after_repaired_lf_ = true;
    dot_line = false;
  }
}

void Transaction::Drained(const Status& status) {
  if (status.ok() || !refusal_.empty()) return;
  refusal_ = absl::IsResourceExhausted(status) ? kNoSpace : kStoreFailed;
}

std::string_view Transaction::Refusal() const {
  if (!refusal_.empty()) return refusal_;
  return mail_.too_large() ? kTooLarge : std::string_view();
}

std::string_view Transaction::Judge() {
  if (!refusal_.empty()) return refusal_;
  uint8_t flags = scan_flags();
  // Chunks may end in a CR whose LF never came, which no scanner sees; DATA cannot.
  if (chunked_ && last_octet_ == '\r') flags |= codec::kDataBareCr;
  if (bare_newline_ == BareNewline::kLegacyScanner)
    flags &= static_cast<uint8_t>(~codec::kDataBareLf);
  const bool binary = body == message::BodyType::kBinaryMime;
  if (!binary && (flags & (codec::kDataBareCr | codec::kDataBareLf)) != 0)
    return kContentBareNewline;
  if (!binary && (flags & codec::kDataNul) != 0) return kContentNul;
  uint8_t content_flags = (flags & codec::kData8Bit) != 0 ? storage::kContent8Bit : uint8_t{0};
  if (binary && (flags & ~codec::kData8Bit) != 0) content_flags |= storage::kContentBinary;
  mail_.set_content_flags(content_flags);
  return {};
}

}  // namespace ringmail::smtp
