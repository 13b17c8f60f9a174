// Task<T>: a lazy coroutine owned by whoever holds it; the conversation style of everything from
// `session` up.
//
// Made by: calling a coroutine.
// Ends in: its result, delivered to the one co_await; or, if never awaited, its destruction.
// Order: a Task does nothing until awaited (or given to Gate::Spawn), is awaited at most once, and
//   on the shard it was made on. Awaited at once, it may take references; spawned, it takes values.
//   No capturing lambda is ever a coroutine (src/STYLE.md).
// Limits: frames come from the shard's pool (FrameAllocate), so steady conversations do not reach
//   the allocator.
// Errors: there are no exceptions; a Task that can fail returns Status or StatusOr.
#pragma once

#include <coroutine>
#include <cstddef>
#include <optional>
#include <utility>

#include "ringmail/base/check.h"

namespace ringmail::io {

// The shard's pool of coroutine frames. Never fails: aborts when the process has no memory.
void* FrameAllocate(size_t bytes);
void FrameFree(void* frame, size_t bytes);

template <typename T = void>
class Task;

namespace internal {

struct PromiseBase {
  std::coroutine_handle<> continuation = std::noop_coroutine();

  static void* operator new(size_t bytes) { return FrameAllocate(bytes); }
  static void operator delete(void* frame, size_t bytes) { FrameFree(frame, bytes); }

  struct Final {
    bool await_ready() const noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) const noexcept {
      return done.promise().continuation;
    }
    void await_resume() const noexcept {}
  };
  std::suspend_always initial_suspend() const noexcept { return {}; }
  Final final_suspend() const noexcept { return {}; }
  void unhandled_exception() const noexcept { CheckFailed("no exceptions", __FILE__, __LINE__); }
};

template <typename T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <typename U>
  void return_value(U&& v) {
    value.emplace(std::forward<U>(v));
  }
  T Take() { return *std::move(value); }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() const noexcept {}
  void Take() const noexcept {}
};

}  // namespace internal

template <typename T>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::Promise<T>;

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      Destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() { Destroy(); }

  bool done() const { return handle_ && handle_.done(); }

  auto operator co_await() && noexcept {
    struct Awaiter {
      std::coroutine_handle<promise_type> handle;
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) const noexcept {
        handle.promise().continuation = waiter;
        return handle;
      }
      T await_resume() const { return handle.promise().Take(); }
    };
    CHECK(handle_ && !handle_.done());
    return Awaiter{handle_};
  }

 private:
  friend promise_type;
  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  void Destroy() {
    if (handle_) handle_.destroy();
  }
  std::coroutine_handle<promise_type> handle_;
};

template <typename T>
Task<T> internal::Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> internal::Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

}  // namespace ringmail::io
