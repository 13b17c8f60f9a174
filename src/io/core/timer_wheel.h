// A hierarchical timer wheel over intrusive io::Timers: O(1) to arm and disarm, in ticks of
// kTimerTick.
//
// Each level has 64 slots and one word that says which may be occupied. A timer lies at the level
// of the highest digit (base 64) in which its tick differs from the present, so slots never wrap
// and the lowest occupied level holds the earliest one. A timer that disarms itself only leaves its
// list: the word may name an empty slot, and is corrected when it is read. Shard: one. Pure: it is
// told the time.
#pragma once

#include <array>
#include <cstdint>

#include "ringmail/base/intrusive_list.h"
#include "ringmail/base/time.h"
#include "ringmail/io/timer.h"

namespace ringmail::io {

class TimerWheel {
 public:
  explicit TimerWheel(MonotonicTime now);

  // REQUIRES: not armed. A deadline that has passed fires with the next Advance.
  void Insert(Timer& timer);
  // Fires, in order of their ticks, all timers due at `now`. What they arm fires in a later call.
  void Advance(MonotonicTime now);
  // When Advance has something to do next: never later than the earliest deadline (rounded up to
  // its tick), at times earlier, where timers must move down a level. kNever where nothing is
  // armed.
  MonotonicTime NextDeadline();
  // Disarms everything, without firing.
  void Clear();

 private:
  static constexpr int kDigitBits = 6;
  static constexpr int kSlots = 1 << kDigitBits;
  static constexpr int kLevels = 8;  // 2^48 ms: any deadline that MonotonicTime can say
  using List = IntrusiveList<Timer, TimerTag>;

  struct Place {
    int level = -1;  // -1: nowhere
    int slot = 0;
    uint64_t tick = 0;  // the first tick of that slot
  };
  void Put(Timer& timer, uint64_t tick);
  Place Earliest();

  uint64_t now_tick_;
  List due_;
  std::array<uint64_t, kLevels> occupied_{};
  std::array<std::array<List, kSlots>, kLevels> slots_;
};

}  // namespace ringmail::io
