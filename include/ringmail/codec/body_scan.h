// One pass over the body of a message: how many lines it has, what is wrong with them, and where a
// line begins with "--", the only lines that can delimit parts (RFC 2046 §5.1.1).
//
// Order: Begin for each body, then FeedUntilDashes and Feed any number of times, however the body
//   is cut.
// Promise: every kernel and every cut gives the same; no octet is read twice, nothing is allocated.
//   A line ends at LF, whether CR comes before or not.
// Shard: pure; one scanner per message. Kernels: portable, SSE4.2, AVX2, AVX-512, NEON; chosen at
//   run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ringmail/codec/data_scan.h"

namespace ringmail::codec {

// What is known between two octets.
struct BodyState {
  uint64_t lines = 0;        // LF so far
  uint64_t line_octets = 0;  // of the current line, without a CR that is not judged yet
  bool after_cr = false;     // CR came last; it is in no count yet
  uint8_t flags = 0;         // kData… of data_scan.h
};

class BodyScanner {
 public:
  // Forgets everything but the number of lines.
  void Begin() { state_ = {.lines = state_.lines}; }
  // Reads up to the first line end that "--" follows within `text`, and returns where its LF is, or
  // npos where all was read. The line end itself, with a CR that came with an earlier piece, is not
  // read: it is the caller's to Feed or to leave out. A cut within LF "--" is the caller's, too.
  size_t FeedUntilDashes(std::string_view text);
  void Feed(std::string_view text);
  // LF since the scanner was made.
  uint64_t lines() const { return state_.lines; }
  // As if the body ended here: a CR at its end is bare.
  uint8_t flags() const;

 private:
  BodyState state_;
};

}  // namespace ringmail::codec
