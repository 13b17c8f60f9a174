// What one shard runs on, whichever implementation of io drives it: its clocks, its timers and the
// tasks that may go on.
//
// Made by: the implementation, once per shard, on that shard's thread; made current by SetCurrent
//   while the shard runs. Order, each loop turn: SetTime, BeginTurn (fires timers), then the
//   implementation's completions (which only MakeReady), then RunReady. Tasks never run inside a
//   completion or a timer, so no conversation can be re-entered. core defines, over the current
//   scheduler: Now, WallNow, ThisShard, ShardCount, OnShard, ShardLog, Yield, timers, events,
//   gates, frames, endpoints. The implementation defines the rest: RandomUint64, TryPost, PostOp,
//   streams, listeners, files, RunBlocking, ResolveHost, Connect and what runtime.h and process.h
//   promise.
// Limits: the queue of ready tasks grows to the most tasks ever ready at once and stays there: no
//   allocation in steady state.
#pragma once

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "io/core/timer_wheel.h"
#include "io/core/turn_share.h"
#include "ringmail/base/ids.h"
#include "ringmail/base/intrusive_list.h"
#include "ringmail/base/log.h"
#include "ringmail/base/time.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/move.h"

namespace ringmail::io {

// A growing ring of coroutine handles.
class HandleQueue {
 public:
  bool empty() const { return head_ == tail_; }
  size_t size() const { return tail_ - head_; }
  void Push(std::coroutine_handle<> handle) {
    if (size() == capacity_) Grow();
    slots_[tail_++ & (capacity_ - 1)] = handle;
  }
  std::coroutine_handle<> Pop() { return slots_[head_++ & (capacity_ - 1)]; }

 private:
  void Grow();
  std::unique_ptr<std::coroutine_handle<>[]> slots_;
  size_t capacity_ = 0;
  size_t head_ = 0, tail_ = 0;
};

// A coroutine that nobody awaits (Gate::Spawn): listed, so that a simulated crash can destroy it
// where it stands.
class DetachedHook : public ListHook<struct DetachedTag> {
 public:
  std::coroutine_handle<> self;
};

class Scheduler {
 public:
  Scheduler(ShardIndex shard, uint16_t shard_count, LogBuffer& log, MonotonicTime now,
            WallTime wall_now);
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  ~Scheduler();

  // The scheduler of the shard that runs this thread; null elsewhere. A simulator switches it
  // between its shards.
  static Scheduler* Current();
  static void SetCurrent(Scheduler* scheduler);

  ShardIndex shard() const { return shard_; }
  uint16_t shard_count() const { return shard_count_; }
  LogBuffer& log() { return log_; }
  MonotonicTime now() const { return now_; }
  WallTime wall_now() const { return wall_now_; }
  TimerWheel& wheel() { return wheel_; }
  // Steps of TLS handshakes.
  TurnShare& handshakes() { return handshakes_; }
  IntrusiveList<DetachedHook, DetachedTag>& detached() { return detached_; }
  // Where sessions of other shards land; null: nobody takes them.
  Arrivals*& arrivals(uint16_t place);
  // io's own tasks: answers that wait for room in a queue.
  Gate& errands() { return errands_; }

  // The clocks of the coming turn. REQUIRES: `now` does not go back.
  void SetTime(MonotonicTime now, WallTime wall_now);
  // Those who yielded become ready, the first who wait for a share of a turn too, and due timers
  // fire.
  void BeginTurn();
  // `handle` resumes in a RunReady, in the order of the calls.
  void MakeReady(std::coroutine_handle<> handle) { ready_.Push(handle); }
  // As MakeReady, after everything that is ready now or becomes ready in this turn.
  void MakeReadyNextTurn(std::coroutine_handle<> handle) { yielded_.Push(handle); }
  bool has_ready() { return !ready_.empty() || !yielded_.empty() || handshakes_.waiting(); }
  // Resumes ready tasks, also those that become ready meanwhile, at most `tasks_max`. Returns how
  // many.
  size_t RunReady(size_t tasks_max);

  // A simulated crash: forgets what is ready, disarms timers, and destroys every spawned task, the
  // latest first. The scheduler must be current. Afterwards the owner destroys the shard's main
  // task.
  void DestroyTasks();
  bool tearing_down() const { return tearing_down_; }

 private:
  const ShardIndex shard_;
  const uint16_t shard_count_;
  LogBuffer& log_;
  MonotonicTime now_;
  WallTime wall_now_;
  TimerWheel wheel_;
  HandleQueue ready_;
  HandleQueue yielded_;
  TurnShare handshakes_;
  IntrusiveList<DetachedHook, DetachedTag> detached_;
  Gate errands_;
  std::array<Arrivals*, kMovePlacesMax> arrivals_{};
  bool tearing_down_ = false;
};

}  // namespace ringmail::io
