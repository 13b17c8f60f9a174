// The transparency of RFC 5321 §4.5.2 and RFC 1939 §3 (multi-line replies), and what content is
// like line by line; both in one pass.
//
// Order: Feed any number of times, however the content is cut.
// Promise: every kernel and every cut gives the same octets; nothing is allocated. A line begins at
//   the content's start and after CRLF, never after a lone CR or LF.
// Shard: pure; one object per body. The zero-copy way is DataScanner, whose runs are the offsets of
//   what stays; here the octets are copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringmail::codec {

// Puts a dot before each dot that begins a line.
class DotStuffer {
 public:
  // Returns how many octets it wrote. REQUIRES: room for 2 * in.size(), apart from the input.
  size_t Feed(std::string_view in, char* out);
  // Whether CRLF must come before the final dot.
  bool at_line_start() const { return line_start_; }

 private:
  bool line_start_ = true, after_cr_ = false;
};

// Takes out the first dot of each line that has more than it, and finds the line that has no more.
class DotUnstuffer {
 public:
  struct Step {
    size_t consumed = 0;  // less than all only at the end
    size_t written = 0;
    bool end = false;  // CRLF.CRLF was seen; what follows belongs to the next reply or command
  };
  // REQUIRES: room for in.size() + 1, and the end was not seen. `out` may be in.data() where the
  // whole body comes in one Feed.
  Step Feed(std::string_view in, char* out);

 private:
  enum class State : uint8_t { kText, kCr, kLineStart, kDot, kDotCr, kEnd };
  State state_ = State::kLineStart;
};

// What content is like, for the choice of a transfer encoding (RFC 2045 §2.7 to §2.9).
struct LineFacts {
  uint64_t lines = 0;           // ended by CRLF
  uint64_t line_bytes_max = 0;  // of the longest, ended or not, without its CRLF
  uint64_t high_octets = 0;     // over 127
  uint8_t flags = 0;            // kData… of data_scan.h
};
enum class ContentKind : uint8_t { k7Bit, k8Bit, kBinary };

class LineScanner {
 public:
  void Feed(std::string_view in);
  // As if the content ended here: a CR at its end is bare.
  LineFacts facts() const;
  // 7bit: lines of no more than 998 octets, US-ASCII without NUL, CR and LF only together; 8bit:
  // the same with octets over 127; binary: everything else.
  ContentKind kind() const;

 private:
  uint64_t lines_ = 0, high_octets_ = 0;
  uint64_t line_bytes_max_ = 0;  // of those that have ended
  uint64_t line_bytes_ = 0;      // of the current one, without a CR that is not judged yet
  bool after_cr_ = false;
  uint8_t flags_ = 0;
};

}  // namespace ringmail::codec
