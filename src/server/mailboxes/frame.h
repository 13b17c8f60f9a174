// Many messages in one body of HTTP: before each a line of JSON that says what it is and how many
// octets follow.
//
//   {"bytes":1234,"uid":7,"date":951782399,"flags":["\\Seen"],"keywords":["$Junk"]}\n
//   1234 octets
// Limits: kFrameHeadBytesMax. A head with "error" has no octets. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/foreign/marks.h"

namespace ringmail::server {

inline constexpr size_t kFrameHeadBytesMax = 64u << 10;

struct FrameHead {
  uint64_t bytes = 0;
  foreign::Marks marks;
  std::string error;  // the message cannot be read, and why
};

std::string FormatFrameHead(const FrameHead& head);
// nullopt: not such a line.
std::optional<FrameHead> ParseFrameHead(std::string_view line);

// RFC 9051 §2.3.2: "\Seen" and the others; 0: no system flag.
uint8_t SystemFlag(std::string_view name);
std::vector<std::string_view> SystemFlagNames(uint64_t flags);

class FrameReader {
 public:
  enum class Event : uint8_t {
    kMore,       // all of the input is used
    kHead,       // head() is of the next message
    kOctets,     // octets() are of it, views into the input
    kMessage,    // all its octets were given
    kMalformed,  // nothing more can be read
  };
  // Takes from `input` what the event is about.
  Event Next(std::string_view& input);
  const FrameHead& head() const { return head_; }
  std::string_view octets() const { return octets_; }
  // Whether the body may end here.
  bool between_messages() const { return !within_ && line_.empty(); }

 private:
  std::string line_;
  FrameHead head_;
  std::string_view octets_;
  uint64_t left_ = 0;
  bool within_ = false, malformed_ = false;
};

}  // namespace ringmail::server
