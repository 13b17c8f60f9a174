// Points in time. Only `io` reads a clock; everything above is told the time (`io/shard.h`).
#pragma once

#include <chrono>
#include <cstdint>

namespace ringmail {

using Nanoseconds = std::chrono::nanoseconds;

// Never goes back and has no epoch: deadlines and intervals.
struct MonotonicClock {
  using duration = Nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock, duration>;
  static constexpr bool is_steady = true;
};
using MonotonicTime = MonotonicClock::time_point;

// Unix time, UTC, and may jump: what is written to disk, to trace headers and to logs.
struct WallClock {
  using duration = Nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<WallClock, duration>;
  static constexpr bool is_steady = false;
};
using WallTime = WallClock::time_point;

// A deadline that never passes.
inline constexpr MonotonicTime kNever = MonotonicTime::max();

constexpr int64_t UnixSeconds(WallTime t) {
  return std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
}
constexpr WallTime FromUnixSeconds(int64_t seconds) {
  return WallTime(std::chrono::seconds(seconds));
}

}  // namespace ringmail
