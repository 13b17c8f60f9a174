#include "io/core/scheduler.h"

#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/tls.h"

namespace ringmail::io {
namespace {

thread_local constinit Scheduler* current_scheduler = nullptr;

}  // namespace

void HandleQueue::Grow() {
  const size_t capacity = capacity_ == 0 ? 256 : capacity_ * 2;
  auto slots = std::make_unique<std::coroutine_handle<>[]>(capacity);
  const size_t count = size();
  for (size_t i = 0; i < count; ++i) slots[i] = slots_[(head_ + i) & (capacity_ - 1)];
  slots_ = std::move(slots);
  capacity_ = capacity;
  head_ = 0;
  tail_ = count;
}

void TurnShare::BeginTurn(HandleQueue& ready) {
  for (taken_ = 0; taken_ < per_turn_max_ && !waiting_.empty(); ++taken_) {
    TakeOp& first = waiting_.front();
    first.Unlink();
    ready.Push(first.waiter_);
  }
}

Scheduler::Scheduler(ShardIndex shard, uint16_t shard_count, LogBuffer& log, MonotonicTime now,
                     WallTime wall_now)
    : shard_(shard),
      shard_count_(shard_count),
      log_(log),
      now_(now),
      wall_now_(wall_now),
      wheel_(now),
      handshakes_(kTlsHandshakesPerTurn) {
  CHECK_LT(shard.value, shard_count);
  CHECK_LE(shard_count, kShardCountMax);
  log_.set_now(wall_now);
}

Scheduler::~Scheduler() {
  CHECK(detached_.empty());
  if (current_scheduler == this) current_scheduler = nullptr;
}

Scheduler* Scheduler::Current() { return current_scheduler; }
void Scheduler::SetCurrent(Scheduler* scheduler) { current_scheduler = scheduler; }

Arrivals*& Scheduler::arrivals(uint16_t place) {
  CHECK_LT(place, kMovePlacesMax);
  return arrivals_[place];
}

void Scheduler::SetTime(MonotonicTime now, WallTime wall_now) {
  CHECK_GE(now, now_);
  now_ = now;
  wall_now_ = wall_now;
  log_.set_now(wall_now);
}

void Scheduler::BeginTurn() {
  while (!yielded_.empty()) ready_.Push(yielded_.Pop());
  handshakes_.BeginTurn(ready_);
  wheel_.Advance(now_);
}

size_t Scheduler::RunReady(size_t tasks_max) {
  size_t count = 0;
  for (; count < tasks_max && !ready_.empty(); ++count) ready_.Pop().resume();
  return count;
}

void Scheduler::DestroyTasks() {
  CHECK_EQ(current_scheduler, this);
  tearing_down_ = true;
  while (!ready_.empty()) ready_.Pop();
  while (!yielded_.empty()) yielded_.Pop();
  while (!detached_.empty()) detached_.back().self.destroy();
  wheel_.Clear();
}

namespace {

Scheduler& Here() {
  CHECK(current_scheduler != nullptr);
  return *current_scheduler;
}

}  // namespace

ShardIndex ThisShard() { return Here().shard(); }
uint16_t ShardCount() { return Here().shard_count(); }
bool OnShard() { return current_scheduler != nullptr; }
MonotonicTime Now() { return Here().now(); }
WallTime WallNow() { return Here().wall_now(); }
LogBuffer& ShardLog() { return Here().log(); }
void YieldOp::await_suspend(std::coroutine_handle<> waiter) const {
  Here().MakeReadyNextTurn(waiter);
}

}  // namespace ringmail::io
