#include "server/commands/message_content.h"

#include "ringmail/codec/data_scan.h"

namespace ringmail::server {

MessageContent::MessageContent(std::string_view text) {
  bytes_.reserve(text.size() + text.size() / 32 + 2);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) bytes_ += '\r';
    bytes_ += text[i];
  }
  if (!bytes_.empty() && !bytes_.ends_with("\r\n"))
    bytes_ += bytes_.ends_with('\r') ? "\n" : "\r\n";

  codec::ContentScanner scanner;
  std::string_view rest = bytes_;
  while (!rest.empty()) {
    codec::DataScanner::Step step;
    scanner.Feed(rest, step);
    for (size_t i = 0; i < step.run_count; ++i) {
      const codec::DataScanner::Run& run = step.runs[i];
      if (run.starts_with_dot_line)
        dot_lines_.push_back(static_cast<uint32_t>(run.bytes.data() - bytes_.data()));
    }
    rest.remove_prefix(step.consumed);
  }
  const uint8_t found = scanner.final_flags();
  if ((found & codec::kData8Bit) != 0) flags_ |= storage::kContent8Bit;
  const uint8_t binary =
      codec::kDataBareCr | codec::kDataBareLf | codec::kDataNul | codec::kDataLineTooLong;
  if ((found & binary) != 0) flags_ |= storage::kContentBinary;
}

io::Task<StatusOr<storage::ContentPiece>> MessageContent::Next() {
  storage::ContentPiece piece;
  if (!sent_) piece = {bytes_, dot_lines_};
  sent_ = true;
  co_return piece;
}

}  // namespace ringmail::server
