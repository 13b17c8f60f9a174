// A command line's words as typed values (RFC 1939 §3, RFC 2449 §3), and where a message is cut for
// TOP. Pure, zero-copy, fuzzed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ringmail::pop3 {

// "verb argument" without CRLF.
struct CommandWords {
  std::string_view verb;
  std::string_view argument;  // without the space before it; empty where there is none
};
CommandWords SplitCommand(std::string_view line);

// "first rest": both are words, parted by one space. nullopt: they are not two.
struct TwoWords {
  std::string_view first, second;
};
std::optional<TwoWords> SplitTwo(std::string_view argument);

// Digits, of 32 bits.
std::optional<uint32_t> ParseNumber(std::string_view word);

// Name and digest of APOP (RFC 1939 §7): the digest is 16 octets in hexadecimal, in lower case.
std::optional<TwoWords> ParseApop(std::string_view argument);

// Whether `text` may be a name or a password: UTF-8 (RFC 6856 §2.2) without controls.
bool ValidCredential(std::string_view text);

// ASCII only.
bool EqualsIgnoringCase(std::string_view a, std::string_view b);

// Words that begin a request of HTTP: a browser that was told to post a form to this port.
bool BeginsHttp(std::string_view verb);

// Where the header of a message ends, and after it so many lines (RFC 1939 §7, TOP).
//
// Order: Feed with each piece, until done().
class MessageCut {
 public:
  // `body_lines`: those that follow the header and the empty line behind it.
  explicit MessageCut(uint32_t body_lines) : body_lines_(body_lines) {}
  // How many octets of `piece` belong to what is cut out; less than all only where it is done.
  size_t Feed(std::string_view piece);
  // How many octets of the last piece belong to the header, with the empty line behind it.
  size_t header_bytes() const { return header_bytes_; }
  bool in_header() const { return in_header_; }
  bool done() const { return !in_header_ && body_lines_ == 0; }

 private:
  uint32_t body_lines_;
  size_t header_bytes_ = 0;
  bool in_header_ = true;
  size_t line_bytes_ = 0;  // what has come of this line, without its LF
  bool line_cr_ = false;   // the first octet of this line is CR
};

}  // namespace ringmail::pop3
