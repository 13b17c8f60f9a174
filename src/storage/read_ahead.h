// Reads of the log that go on where the one before ended, a quarter of a megabyte at a time.
//
// A maildrop that was delivered in a row, a mailbox that is exported: their records lie one behind
// the other, and a request to the disk for each would cost more than all else that is done with it.
// A record a little behind one that was read before is looked for in the window that was read with
// it; a reader that jumps about reads its record and nothing else.
//
// Made by: the store of a shard. Ends in: destruction, with no read under way.
// Order: Find; where it has nothing, Continue; where that gives a window, a read into its room, and
//   Fill, and Find again; where it does not, a read of the record alone.
// Promise: none of what Find gives. A record that is whole and right there is the record, since
//   segments are written once; one that is not may have been written after the window was read, and
//   is to be read alone before it is called damaged.
// Shard: one.
// Limits: kReadAheadRuns windows of kReadAheadBytesMax; the run not continued for longest gives
// way.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "ringmail/base/ids.h"
#include "ringmail/io/file.h"
#include "storage/limits.h"

namespace ringmail::storage {

class ReadAhead {
 public:
  // A record of a segment.
  struct Range {
    LogId log;
    uint64_t sequence;
    uint64_t offset;
    size_t bytes;
    uint64_t end() const { return offset + bytes; }
  };

  class Window {
   public:
    uint64_t from() const { return from_; }  // whole blocks
    std::span<char> room() { return {buffer_.data(), room_}; }
    // `bytes`: what the read gave; 0 where it failed.
    void Fill(size_t bytes);

   private:
    friend class ReadAhead;
    bool Of(const Range& range) const { return log_ == range.log && sequence_ == range.sequence; }

    LogId log_{};
    uint64_t sequence_ = 0;
    uint64_t from_ = 0, next_ = 0;
    size_t room_ = 0, valid_ = 0;
    uint64_t used_ = 0;  // when; 0: never
    bool filling_ = false;
    io::DmaBuffer buffer_;
  };

  // Empty: no window has it. Valid until the caller waits.
  std::string_view Find(const Range& range);
  // Null: `range` goes on with nothing, or is too long.
  Window* Continue(const Range& range);

 private:
  struct Probe {
    LogId log{};
    uint64_t sequence = 0, next = 0;
  };
  static bool Follows(uint64_t next, const Range& range) {
    return range.offset >= next && range.offset - next <= kReadAheadGapMax;
  }
  Window* Begin(const Range& range);
  Window* Ask(Window& window, const Range& range, size_t room);

  std::array<Window, kReadAheadRuns> windows_;
  std::array<Probe, kReadAheadProbes> probes_;
  size_t next_probe_ = 0;
  uint64_t uses_ = 0;
};

}  // namespace ringmail::storage
