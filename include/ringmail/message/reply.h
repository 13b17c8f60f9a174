// A reply as SMTP gives and the queue remembers it: code, enhanced status code, text (RFC 5321
// §4.2, RFC 3463).
//
// Pure values. The text may be a peer's words: printable ASCII or UTF-8 after `wire` has read it,
// never CR or LF except between the lines of a multi-line reply, where it is '\n'. Limits:
// kReplyTextBytesMax; what a peer sends beyond is cut by the reader.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ringmail::message {

inline constexpr size_t kReplyTextBytesMax = 1024;

// RFC 3463 §2: class "." subject "." detail. {0,0,0} means the reply had none.
struct EnhancedStatus {
  uint8_t klass = 0;
  uint16_t subject = 0;
  uint16_t detail = 0;
  constexpr bool present() const { return klass != 0; }
  std::string ToString() const;  // "4.3.1"
  friend constexpr bool operator==(const EnhancedStatus&, const EnhancedStatus&) = default;
};

struct Reply {
  uint16_t code = 0;
  EnhancedStatus status;
  std::string text;

  bool positive() const { return code >= 200 && code < 400; }
  bool completed() const { return code >= 200 && code < 300; }
  bool transient() const { return code >= 400 && code < 500; }
  bool permanent() const { return code >= 500 && code < 600; }
  // One line for logs and the queue: "451 4.3.0 try later".
  std::string ToLine() const;
  friend bool operator==(const Reply&, const Reply&) = default;
};

}  // namespace ringmail::message
