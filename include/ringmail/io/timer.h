// Timers and the one-waiter event: how anything above io waits for time or for a neighbour.
//
// Shard: made, used and destroyed on one shard.
// Limits: a million armed timers cost 48 bytes each and O(1) to arm or disarm. Precision: fires in
//   the first loop turn at or after its deadline, rounded up to kTimerTick.
#pragma once

#include <coroutine>
#include <cstdint>

#include "ringmail/base/check.h"
#include "ringmail/base/intrusive_list.h"
#include "ringmail/base/time.h"

namespace ringmail::io {

inline constexpr Nanoseconds kTimerTick = std::chrono::milliseconds(1);

// Calls `fired(context)` once, in a loop turn of its own, unless disarmed or destroyed first.
class Timer : public ListHook<class TimerTag> {
 public:
  using Fired = void (*)(void* context);

  Timer() = default;
  Timer(Fired fired, void* context) : fired_(fired), context_(context) {}
  ~Timer() { Disarm(); }

  // For timers made before their owner is known. REQUIRES: not armed.
  void Bind(Fired fired, void* context) {
    CHECK(!armed());
    fired_ = fired;
    context_ = context;
  }

  // Arms, or moves, the deadline. kNever disarms.
  void Arm(MonotonicTime deadline);
  void Disarm();
  bool armed() const { return linked(); }
  MonotonicTime deadline() const { return deadline_; }

  // For the wheel.
  void Fire() { fired_(context_); }

 private:
  Fired fired_ = nullptr;
  void* context_ = nullptr;
  MonotonicTime deadline_ = kNever;
};

enum class Wake : uint8_t { kNotified, kTimedOut };

// One task waits; anybody on the shard notifies. A notification is kept until a Wait takes it.
class Event {
 public:
  Event() : timer_(&Event::TimedOut, this) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event();

  // The waiter resumes later in this turn, never inside Notify.
  void Notify();
  bool waiting() const { return static_cast<bool>(waiter_); }

  class [[nodiscard]] WaitOp {
   public:
    WaitOp(Event& event, MonotonicTime deadline) : event_(event), deadline_(deadline) {}
    bool await_ready() const { return event_.notified_; }
    void await_suspend(std::coroutine_handle<> waiter);
    Wake await_resume();

   private:
    Event& event_;
    const MonotonicTime deadline_;
  };
  // REQUIRES: nobody else waits.
  WaitOp Wait(MonotonicTime deadline) { return {*this, deadline}; }

 private:
  static void TimedOut(void* self);
  Timer timer_;
  std::coroutine_handle<> waiter_;
  bool notified_ = false;
  bool resuming_ = false;
};

// co_await SleepUntil(t). What must be cancellable waits on an Event instead.
class [[nodiscard]] SleepOp {
 public:
  explicit SleepOp(MonotonicTime deadline) : deadline_(deadline), timer_(&SleepOp::Expired, this) {}
  bool await_ready() const;
  void await_suspend(std::coroutine_handle<> waiter);
  void await_resume() const {}

 private:
  static void Expired(void* self);
  const MonotonicTime deadline_;
  std::coroutine_handle<> waiter_;
  Timer timer_;
};
inline SleepOp SleepUntil(MonotonicTime deadline) { return SleepOp(deadline); }

}  // namespace ringmail::io
