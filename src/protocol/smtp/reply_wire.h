// Replies as a client reads them (RFC 5321 §4.2), and what EHLO said. Pure, fuzzed; every octet is
// a peer's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ringmail/message/reply.h"

namespace ringmail::smtp {

// RFC 5321 §4.5.3.1.5 says 512 octets; peers with long policy texts exceed it.
inline constexpr size_t kReplyLineBytesMax = 4096;
inline constexpr uint32_t kReplyLinesMax = 200;

// Puts the lines of one reply together.
class ReplyReader {
 public:
  enum class Verdict : uint8_t {
    kMore,  // "250-": another line follows
    kDone,
    kBad,  // not a reply, another code than the line before, or too many lines: the conversation is
           // over
  };
  // One line without its CRLF. Its text (after code and separator) stays readable through
  // line_text() until the next call.
  Verdict Line(std::string_view line);
  std::string_view line_text() const { return line_text_; }
  uint32_t line_number() const { return lines_; }
  // After kDone; starts anew. Text: control characters become '?', lines are joined by '\n', cut at
  // kReplyTextBytesMax.
  message::Reply Take();

 private:
  message::Reply reply_;
  std::string_view line_text_;
  uint32_t lines_ = 0;
};

// Removes "x.y.z " (RFC 3463) from the front of `text` if it is there and its class fits `code`.
message::EnhancedStatus TakeEnhancedStatus(uint16_t code, std::string_view& text);

// What a peer's EHLO reply offered.
struct PeerExtensions {
  bool pipelining = false;        // RFC 2920
  bool eight_bit_mime = false;    // RFC 6152
  bool smtp_utf8 = false;         // RFC 6531
  bool chunking = false;          // RFC 3030
  bool binary_mime = false;       // RFC 3030
  bool dsn = false;               // RFC 3461
  bool size = false;              // RFC 1870
  uint64_t size_bytes_max = 0;    // 0: no fixed maximum
  uint32_t recipients_max = 0;    // LIMITS RCPTMAX (RFC 9422), 0: not said
  uint32_t transactions_max = 0;  // LIMITS MAILMAX
};
// One EHLO line's text after the first: "SIZE 52428800". Unknown keywords and malformed parameters
// are ignored.
void ReadExtension(std::string_view text, PeerExtensions& out);

}  // namespace ringmail::smtp
