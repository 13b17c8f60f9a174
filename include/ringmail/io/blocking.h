// The one way to a blocking call: a small pool of threads that io owns. The shard goes on
// meanwhile.
//
// Limits: RuntimeOptions::blocking_threads threads, kBlockingCallsMax calls waiting over all
//   shards; beyond, callers queue.
// Shard: `call` runs on a pool thread and touches only what `context` lends it; the waiter resumes
//   on its own shard.
#pragma once

#include <coroutine>
#include <cstdint>
#include <string>
#include <vector>

#include "ringmail/base/ip_address.h"
#include "ringmail/base/status.h"
#include "ringmail/base/time.h"
#include "ringmail/io/task.h"

namespace ringmail::io {

inline constexpr uint32_t kBlockingCallsMax = 4096;

class [[nodiscard]] BlockingOp {
 public:
  BlockingOp(void (*call)(void*), void* context) : call_(call), context_(context) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiter);
  void await_resume() const {}

  // For the implementation.
  void Run() { call_(context_); }
  std::coroutine_handle<> waiter;
  uint16_t shard = 0;
  BlockingOp* next = nullptr;

 private:
  void (*call_)(void*);
  void* context_;
};
inline BlockingOp RunBlocking(void (*call)(void*), void* context) { return {call, context}; }

// Host name → addresses, in the order to try. The system's resolver today; the DNS room replaces
// what stands behind it.
// Errors: kNotFound (no such name, permanent), kUnavailable (try later), kDeadlineExceeded.
Task<StatusOr<std::vector<IpAddress>>> ResolveHost(std::string name, MonotonicTime deadline);

}  // namespace ringmail::io
