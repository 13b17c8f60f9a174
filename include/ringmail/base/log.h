// Structured log lines: one event each, written without waiting.
//
//   LogLine(io::ShardLog(), LogLevel::kInfo, "accepted").Id(queue_id).Field("from",
//   path).Field("bytes", size);
// writes, when the statement ends,
//   time=2026-11-23T05:42:08.123456Z level=info event=accepted id=0000000001a2 from=a@example.org
//   bytes=4096
//
// Values with a space, quote, equals sign or control character are quoted, `"` `\` and controls
// escaped (\xNN), so that a hostile peer can neither forge a line nor a field. Values over
// kLogValueBytesMax are cut and end in "…". Malformed UTF-8 and C1 controls are escaped too. A
// field that no longer fits its line is left out, and the line ends in "truncated=true". Limits:
// LogBuffer holds its capacity; a line that does not fit is dropped and counted (`dropped()`);
// never blocks. Shard: one producer thread per LogBuffer, one consumer thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "ringmail/base/ids.h"
#include "ringmail/base/time.h"

namespace ringmail {

inline constexpr size_t kLogValueBytesMax = 512;
inline constexpr size_t kLogLineBytesMax = 4096;

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };

// Bytes from one producer to one consumer; whole lines only.
class LogBuffer {
 public:
  // REQUIRES: capacity_bytes is a power of two, at least 2 * kLogLineBytesMax.
  explicit LogBuffer(size_t capacity_bytes);

  // Producer. False, and counted, where there is no room.
  bool Push(std::string_view line);
  // Lines below this level are not made.
  void set_level(LogLevel level) { level_ = level; }
  LogLevel level() const { return level_; }
  // Producer: the wall clock of the current turn, which io sets; what `time=` says.
  void set_now(WallTime now) { now_ = now; }
  WallTime now() const { return now_; }

  // Consumer. Copies up to out.size() bytes and frees their room; returns how many.
  size_t Pop(std::span<char> out);
  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  const size_t capacity_;
  std::unique_ptr<char[]> bytes_;
  LogLevel level_ = LogLevel::kInfo;
  WallTime now_{};
  alignas(64) std::atomic<uint64_t> tail_{0};
  std::atomic<uint64_t> dropped_{0};
  alignas(64) std::atomic<uint64_t> head_{0};
};

// Builds one line on the stack and pushes it when destroyed.
class LogLine {
 public:
  LogLine(LogBuffer& buffer, LogLevel level, std::string_view event);
  LogLine(const LogLine&) = delete;
  LogLine& operator=(const LogLine&) = delete;
  ~LogLine();

  LogLine& Id(QueueId id);
  LogLine& Field(std::string_view key, std::string_view value);
  LogLine& Field(std::string_view key, int64_t value);
  LogLine& Field(std::string_view key, uint64_t value);
  LogLine& Field(std::string_view key, int value) { return Field(key, int64_t{value}); }
  LogLine& Field(std::string_view key, uint32_t value) { return Field(key, uint64_t{value}); }
  // Seconds with milliseconds: "1.042".
  LogLine& Field(std::string_view key, Nanoseconds value);

 private:
  void Raw(std::string_view text);
  void Value(std::string_view text);
  void BeginField(std::string_view key);
  LogLine& EndField();

  LogBuffer& buffer_;
  const bool on_;
  bool overflow_ = false, truncated_ = false;
  size_t size_ = 0, field_start_ = 0;
  char line_[kLogLineBytesMax];
};

}  // namespace ringmail
