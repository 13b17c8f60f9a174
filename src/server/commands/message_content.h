// A message in memory as content that a transport can send.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/storage/content.h"

namespace ringmail::server {

class MessageContent final : public storage::ContentSource {
 public:
  // `text` may have LF or CRLF line ends; it is sent with CRLF (RFC 5321 §2.3.8), and ends in one.
  explicit MessageContent(std::string_view text);

  io::Task<StatusOr<storage::ContentPiece>> Next() override;
  void Rewind() override { sent_ = false; }

  const std::string& bytes() const { return bytes_; }
  // storage::kContent8Bit and kContentBinary.
  uint8_t flags() const { return flags_; }
  const std::vector<uint32_t>& dot_lines() const { return dot_lines_; }

 private:
  std::string bytes_;
  std::vector<uint32_t> dot_lines_;
  uint8_t flags_ = 0;
  bool sent_ = false;
};

}  // namespace ringmail::server
