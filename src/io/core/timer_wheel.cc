#include "io/core/timer_wheel.h"

#include <bit>

namespace ringmail::io {
namespace {

constexpr int64_t kTick = kTimerTick.count();

uint64_t TickBefore(MonotonicTime t) {
  const int64_t n = t.time_since_epoch().count();
  return n <= 0 ? 0 : static_cast<uint64_t>(n / kTick);
}
// Rounded up: a timer may be late by one tick, never early.
uint64_t TickAfter(MonotonicTime t) {
  const int64_t n = t.time_since_epoch().count();
  return n <= 0 ? 0 : static_cast<uint64_t>(n / kTick) + (n % kTick != 0 ? 1 : 0);
}

}  // namespace

TimerWheel::TimerWheel(MonotonicTime now) : now_tick_(TickBefore(now)) {}

void TimerWheel::Insert(Timer& timer) {
  CHECK(!timer.armed());
  Put(timer, TickAfter(timer.deadline()));
}

void TimerWheel::Put(Timer& timer, uint64_t tick) {
  if (tick <= now_tick_) {
    due_.PushBack(timer);
    return;
  }
  const int level = (63 - std::countl_zero(tick ^ now_tick_)) / kDigitBits;
  CHECK_LT(level, kLevels);
  const int slot = static_cast<int>((tick >> (level * kDigitBits)) & (kSlots - 1));
  slots_[static_cast<size_t>(level)][static_cast<size_t>(slot)].PushBack(timer);
  occupied_[static_cast<size_t>(level)] |= uint64_t{1} << slot;
}

TimerWheel::Place TimerWheel::Earliest() {
  for (size_t level = 0; level < kLevels; ++level) {
    while (occupied_[level] != 0) {
      const int slot = std::countr_zero(occupied_[level]);
      if (slots_[level][static_cast<size_t>(slot)].empty()) {
        occupied_[level] &= occupied_[level] - 1;
        continue;
      }
      const int shift = static_cast<int>(level) * kDigitBits;
      const uint64_t above = now_tick_ >> (shift + kDigitBits) << (shift + kDigitBits);
      return {static_cast<int>(level), slot, above | (static_cast<uint64_t>(slot) << shift)};
    }
  }
  return {};
}

void TimerWheel::Advance(MonotonicTime now) {
  const uint64_t target = TickBefore(now);
  List fire;
  fire.Splice(due_);
  for (Place place = Earliest(); place.level >= 0 && place.tick <= target; place = Earliest()) {
    CHECK_GT(place.tick, now_tick_);
    now_tick_ = place.tick;
    const auto level = static_cast<size_t>(place.level);
    List& slot = slots_[level][static_cast<size_t>(place.slot)];
    occupied_[level] &= ~(uint64_t{1} << place.slot);
    if (level == 0) {
      fire.Splice(slot);
      continue;
    }
    List moving;
    moving.Splice(slot);
    while (!moving.empty()) {
      Timer& timer = moving.PopFront();
      Put(timer, TickAfter(timer.deadline()));
    }
    // Those whose tick is this very one are due now.
    fire.Splice(due_);
  }
  if (target > now_tick_) now_tick_ = target;
  while (!fire.empty()) fire.PopFront().Fire();
}

MonotonicTime TimerWheel::NextDeadline() {
  if (!due_.empty()) return MonotonicTime(Nanoseconds(static_cast<int64_t>(now_tick_) * kTick));
  const Place place = Earliest();
  if (place.level < 0) return kNever;
  const auto last = static_cast<uint64_t>(kNever.time_since_epoch().count() / kTick);
  if (place.tick > last) return MonotonicTime(Nanoseconds(kNever.time_since_epoch().count() - 1));
  return MonotonicTime(Nanoseconds(static_cast<int64_t>(place.tick) * kTick));
}

void TimerWheel::Clear() {
  while (!due_.empty()) due_.PopFront();
  for (auto& level : slots_) {
    for (List& slot : level) {
      while (!slot.empty()) slot.PopFront();
    }
  }
  occupied_.fill(0);
}

}  // namespace ringmail::io
