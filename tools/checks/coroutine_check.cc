// Run by configure: exits 0 where the compiler compiles coroutines correctly.
//
// g++ 12 compiles a coroutine whose outermost scope declares no variable, and that awaits inside a
// control condition, to an empty body (GCC PR 106188): its statements silently never run. It also
// destroys twice what a lambda captured by value inside an awaited call.
#include <coroutine>
#include <cstdlib>
#include <memory>

namespace {

struct Task {
  struct promise_type {
    int value = -1;
    Task get_return_object() {
      return Task{std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_value(int v) { value = v; }
    void unhandled_exception() { std::abort(); }
  };
  std::coroutine_handle<promise_type> handle;
};

struct Truth {
  bool truth;
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  bool await_resume() const noexcept { return truth; }
};

Task AwaitsInCondition(int n) {
  if (co_await Truth{n > 0}) co_return 7;
  co_return 3;
}

Task AwaitsInLoop(int* n) {
  while (co_await Truth{*n > 0}) --*n;
  co_return 5;
}

template <typename F>
Truth Call(F function) {
  return Truth{function()};
}

Task AwaitsCapture(std::shared_ptr<int> shared) {
  if (co_await Call([shared] { return *shared == 1; }))
    co_return static_cast<int>(shared.use_count());
  co_return -1;
}

}  // namespace

int main() {
  Task a = AwaitsInCondition(1);
  int left = 3;
  Task b = AwaitsInLoop(&left);
  auto shared = std::make_shared<int>(1);
  Task c = AwaitsCapture(shared);
  const bool right = a.handle.promise().value == 7 && b.handle.promise().value == 5 && left == 0 &&
                     c.handle.promise().value == 2 && shared.use_count() == 2;
  a.handle.destroy();
  b.handle.destroy();
  c.handle.destroy();
  return right ? 0 : 1;
}
