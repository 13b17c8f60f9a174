#include "ringmail/io/gate.h"

#include "io/core/scheduler.h"

namespace ringmail::io {

struct Gate::Detached {
  struct promise_type {
    DetachedHook hook;
    Gate* gate = nullptr;  // null once the task has left it

    promise_type(const Task<void>&, Gate* g) : gate(g) {
      hook.self = std::coroutine_handle<promise_type>::from_promise(*this);
      Scheduler* scheduler = Scheduler::Current();
      CHECK(scheduler != nullptr);
      scheduler->detached().PushBack(hook);
    }
    // Still inside: destroyed where it stood, by a simulated crash.
    ~promise_type() {
      if (gate != nullptr) --gate->inside_;
    }
    static void* operator new(size_t bytes) { return FrameAllocate(bytes); }
    static void operator delete(void* frame, size_t bytes) { FrameFree(frame, bytes); }
    Detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { CheckFailed("no exceptions", __FILE__, __LINE__); }
  };

  // How the coroutine reaches its own promise, without suspending.
  struct Self {
    promise_type* promise = nullptr;
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<promise_type> handle) noexcept {
      promise = &handle.promise();
      return false;
    }
    promise_type* await_resume() const noexcept { return promise; }
  };
};

Gate::Detached Gate::Run(Task<void> task, Gate* gate) {
  Detached::promise_type* promise = co_await Detached::Self{};
  {
    // The task's frame, with its arguments, ends before the gate hears of it: what they refer to
    // may go with the gate.
    Task<void> inside = std::move(task);
    co_await std::move(inside);
  }
  promise->gate = nullptr;
  if (--gate->inside_ == 0 && gate->closing_) gate->empty_.Notify();
}

void Gate::Spawn(Task<void> task) {
  CHECK(!closing_);
  ++inside_;
  Run(std::move(task), this);
}

Task<void> Gate::Close() {
  closing_ = true;
  while (inside_ > 0) co_await empty_.Wait(kNever);
}

Task<bool> Gate::CloseUntil(MonotonicTime deadline) {
  closing_ = true;
  while (inside_ > 0) {
    if (co_await empty_.Wait(deadline) == Wake::kTimedOut && inside_ > 0) co_return false;
  }
  co_return true;
}

}  // namespace ringmail::io
