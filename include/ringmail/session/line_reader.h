// Reads the lines of a conversation: CRLF and nothing else ends one (RFC 5321 §2.3.8), judged once,
// for all protocols.
//
// Made by: each session.
// Order: TryLine while there is input, ReadLine to wait; Release before the stream's input is read
//   by anything else (content). A returned line stays where it is until the next call of either, or
//   Release.
//   A session that moves to another shard (io/move.h) takes its reader along: Release, then the
//   move; an unfinished line goes on there.
// Promise: zero-copy when the whole line lies in one receive buffer. Before it waits, a reader
//   copies an unfinished line into memory of its own (as much as the peer has sent), so that a
//   waiting connection holds no receive buffer.
// Limits: line_bytes_max without CRLF. Of a longer line the rest is thrown away unseen; every
//   kLineDiscardBytes of it are one kTooLong, so that the caller's error budget ends an endless
//   line.
// Errors: what is wrong with a line is a status of that line; reading goes on behind it. What
//   stands between a bare LF and the next CRLF is refused with it, piece by piece: to whoever ends
//   lines strictly it is all one line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "ringmail/base/time.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/task.h"

namespace ringmail::session {

inline constexpr size_t kLineDiscardBytes = 64u << 10;

enum class LineStatus : uint8_t {
  kLine,
  kNeedMore,  // TryLine only: no whole line has arrived
  kTooLong,
  kBareCr,  // a CR that no LF follows, somewhere in the line
  kBareLf,  // ended by LF alone
  kNul,
  kStream,  // no line: `stream` says why (kEnd, kTimedOut, kCancelled, kFailed)
};

struct Line {
  LineStatus status = LineStatus::kNeedMore;
  std::string_view text;  // without its line end; only of kLine
  io::StreamStatus stream = io::StreamStatus::kOk;
};

enum class LineEnds : uint8_t {
  kStrict,
  kLegacyBareLf,  // for clients that never learned CRLF (old scanners and printers): LF alone ends
                  // a line too
};

class LineReader {
 public:
  explicit LineReader(size_t line_bytes_max, LineEnds ends = LineEnds::kStrict)
      : line_bytes_max_(line_bytes_max), ends_(ends) {}
  // REQUIRES: released. `other` is only good for destruction.
  LineReader(LineReader&& other) noexcept;
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  // A whole line out of what has arrived, without waiting.
  Line TryLine(io::Stream& stream);
  // Waits for a whole line until `deadline`. Only of use after TryLine said kNeedMore.
  io::Task<Line> ReadLine(io::Stream& stream, MonotonicTime deadline);

  // Gives up the last line: the stream's input then begins behind it.
  void Release(io::Stream& stream);
  // Whether more has arrived behind the last line (RFC 2920 §3.1: where a client had to wait).
  bool input_waits(const io::Stream& stream) const { return stream.input().size() > held_; }

 private:
  void Keep(std::string_view part);
  Line Judge(std::string_view with_end);

  const size_t line_bytes_max_;
  std::unique_ptr<char[]> carry_;  // an unfinished line, or the last one
  uint32_t carry_bytes_ = 0;
  uint32_t carry_capacity_ = 0;
  uint32_t held_ = 0;       // octets of the stream's input that the last line lies in
  uint32_t discarded_ = 0;  // of a line that is too long
  const LineEnds ends_;
  bool carry_returned_ = false;
  bool discarding_ = false;
  bool discarded_cr_ = false;   // the last octet thrown away
  bool after_bare_lf_ = false;  // no CRLF has come since a bare LF
};

}  // namespace ringmail::session
