#include "ringmail/io/timer.h"

#include "io/core/scheduler.h"
#include "ringmail/base/check.h"

namespace ringmail::io {
namespace {

Scheduler& Here() {
  Scheduler* scheduler = Scheduler::Current();
  CHECK(scheduler != nullptr);
  return *scheduler;
}

}  // namespace

void Timer::Arm(MonotonicTime deadline) {
  CHECK(fired_ != nullptr);
  Unlink();
  deadline_ = deadline;
  if (deadline == kNever) return;
  Here().wheel().Insert(*this);
}

void Timer::Disarm() {
  Unlink();
  deadline_ = kNever;
}

Event::~Event() {
  // A waiter would resume into what is no more; only a simulated crash ends tasks where they wait.
  const Scheduler* scheduler = Scheduler::Current();
  CHECK(!waiter_ || scheduler == nullptr || scheduler->tearing_down());
}

void Event::Notify() {
  notified_ = true;
  if (!waiter_ || resuming_) return;
  resuming_ = true;
  timer_.Disarm();
  Here().MakeReady(waiter_);
}

void Event::TimedOut(void* self) {
  Event& event = *static_cast<Event*>(self);
  if (!event.waiter_ || event.resuming_) return;
  event.resuming_ = true;
  Here().MakeReady(event.waiter_);
}

void Event::WaitOp::await_suspend(std::coroutine_handle<> waiter) {
  CHECK(!event_.waiter_);
  event_.waiter_ = waiter;
  event_.timer_.Arm(deadline_);
}

Wake Event::WaitOp::await_resume() {
  const Wake wake = event_.notified_ ? Wake::kNotified : Wake::kTimedOut;
  event_.notified_ = false;
  event_.resuming_ = false;
  event_.waiter_ = nullptr;
  return wake;
}

bool SleepOp::await_ready() const { return deadline_ <= Here().now(); }

void SleepOp::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  timer_.Arm(deadline_);
}

void SleepOp::Expired(void* self) { Here().MakeReady(static_cast<SleepOp*>(self)->waiter_); }

}  // namespace ringmail::io
