// One pass over the DATA of RFC 5321 §4.1.1.4: finds the end, takes out the transparency dots
// (§4.5.2), and judges line ends.
//
// Feed() is given the bytes as they arrive, cut anywhere. It hands runs of content to the caller
// without copying: a run is a piece of the input between two removed dots. CRLF before the final
// dot belongs to the content. A line's first dot is never content (it is removed, or it ends the
// data), so all that is undecided between two calls is the CR of "\r\n.\r": it comes out as a run
// of its own, once the next octet says that the data does not end. Only CRLF.CRLF ends data: bare
// LF or CR are reported and never end a line (SMTP smuggling, RFC 5321 §2.3.8). Shard: pure; one
// scanner per message. Kernels: portable, SSE4.2, AVX2, AVX-512, NEON; chosen at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringmail::codec {

enum class DataVerdict : uint8_t {
  kMore,  // all input was consumed, the end was not seen
  kEnd,   // CRLF.CRLF was seen; input beyond `consumed` is the next command's
};

// What was wrong in the content so far; sticky bits.
inline constexpr uint8_t kDataBareCr = 1;
inline constexpr uint8_t kDataBareLf = 2;
inline constexpr uint8_t kDataNul = 4;
inline constexpr uint8_t kData8Bit = 8;
inline constexpr uint8_t kDataLineTooLong = 16;  // over 998 octets and CRLF (RFC 5321 §4.5.3.1.6)

class DataScanner {
 public:
  // A piece of content, and whether its first octet is a '.' that starts a line (so must be stuffed
  // again when sent).
  struct Run {
    std::string_view bytes;
    bool starts_with_dot_line;
  };
  static constexpr size_t kRunsMax = 64;
  struct Step {
    DataVerdict verdict = DataVerdict::kMore;
    size_t consumed = 0;  // octets of input used; less than all also when kRunsMax runs were found:
                          // feed the rest again
    size_t run_count = 0;
    Run runs[kRunsMax];  // views into the input, or into the scanner for octets held over
  };

  // REQUIRES: the end was not seen before.
  void Feed(std::string_view input, Step& step);
  uint8_t flags() const { return flags_; }

 private:
  // At a line's start at first: "." CRLF as the first line ends an empty message.
  enum class State : uint8_t { kLineStart, kDot, kDotCr, kText, kCr, kEnd };
  bool DecideDot(std::string_view input, Step& step);

  State state_ = State::kLineStart;
  uint8_t flags_ = 0;
  uint32_t line_octets_ = 0;  // of the current line so far; more than the limit is not told apart
};

// The same for content that comes without transparency (BDAT, RFC 3030): nothing is removed and
// nothing ends it, but a run begins at each line that starts with a dot, and the flags are the
// same.
class ContentScanner {
 public:
  void Feed(std::string_view input, DataScanner::Step& step);
  uint8_t flags() const { return flags_; }
  // What the flags are if the content ends here: its last octet may be a CR that no LF follows.
  uint8_t final_flags() const;
  // Whether the content so far is empty or ends in CRLF; if not, DATA needs a CRLF before its final
  // dot.
  bool at_line_start() const { return line_start_; }

 private:
  uint32_t line_octets_ = 0;
  uint8_t flags_ = 0;
  bool line_start_ = true, after_cr_ = false;
};

}  // namespace ringmail::codec
