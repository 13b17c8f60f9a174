// What can be observed of a run, in order, as one number; and, when asked for, as lines to read.
//
// Two runs of one seed that differ in anything a peer, a disk or an operator could see have
// different hashes, wherever they part.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/time.h"

namespace ringmail::sim {

enum class TraceKind : uint8_t {
  kStart,
  kEnd,  // of a node's run; a: 0 by itself, 1 killed, 2 without power
  kConnect,
  kRefused,
  kSegment,  // a: connection and side, b: octets
  kStreamEnd,
  kReset,
  kClosed,
  kDiskRequest,  // a: operation and durability, b: offset
  kDiskDone,
  kLog,
  kFault,
  kClock,
  kCount
};
std::string_view Name(TraceKind kind);

// Fast, the same on every machine of the same byte order, and no defence against anybody.
uint64_t HashBytes(std::string_view bytes);

class Trace {
 public:
  // Keeps the last `timeline` events as text; 0: none.
  explicit Trace(size_t timeline) : timeline_(timeline) {}

  // `node` is 0 where there is none. `bytes` are hashed whole; `text` only explains.
  void Note(MonotonicTime now, uint64_t node, TraceKind kind, uint64_t a, uint64_t b,
            std::string_view bytes = {}, std::string_view text = {}) {
    NoteHashed(now, node, kind, a, b, bytes.empty() ? 0 : HashBytes(bytes), bytes, text);
  }
  // As Note, where the hash of the bytes is known.
  void NoteHashed(MonotonicTime now, uint64_t node, TraceKind kind, uint64_t a, uint64_t b,
                  uint64_t hash, std::string_view bytes, std::string_view text) {
    Mix(static_cast<uint64_t>(now.time_since_epoch().count()));
    Mix(node << 8 | static_cast<uint64_t>(kind));
    Mix(a);
    Mix(b ^ hash);
    ++count_;
    if (timeline_ > 0) Keep(now, node, kind, a, b, bytes, text);
  }

  uint64_t hash() const { return hash_; }
  uint64_t count() const { return count_; }
  // A line each, the oldest first: time since `start` in seconds, node, what.
  std::string Timeline(MonotonicTime start, const std::vector<std::string>& nodes) const;
  bool keeps_timeline() const { return timeline_ > 0; }

 private:
  struct Line {
    MonotonicTime when;
    uint64_t node = 0;
    TraceKind kind = TraceKind::kStart;
    uint64_t a = 0, b = 0;
    std::string text;
  };
  void Mix(uint64_t word) {
    hash_ = (hash_ ^ word) * 0x9FB21C651E98DF25u;
    hash_ ^= hash_ >> 32;
  }
  void Keep(MonotonicTime now, uint64_t node, TraceKind kind, uint64_t a, uint64_t b,
            std::string_view bytes, std::string_view text);

  uint64_t hash_ = 0x243F6A8885A308D3u;
  uint64_t count_ = 0;
  size_t timeline_;
  std::vector<Line> lines_;  // a ring
  size_t next_ = 0;
};

}  // namespace ringmail::sim
