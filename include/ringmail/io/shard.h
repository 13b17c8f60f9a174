// The shard that runs the caller: its number, its clocks, its chance, its log, and messages to
// other shards.
//
// Shard: every function here is called on a shard's thread (CHECKed), and speaks of that shard.
// Nothing above io reads a clock or draws a random number in any other way: that is what lets a
// simulator run the product.
#pragma once

#include <array>
#include <coroutine>
#include <cstdint>

#include "ringmail/base/ids.h"
#include "ringmail/base/log.h"
#include "ringmail/base/time.h"

namespace ringmail::io {

inline constexpr uint16_t kShardCountMax = 256;

ShardIndex ThisShard();
uint16_t ShardCount();
// Whether the caller runs on a shard at all (a blocking-pool thread and the main thread do not).
bool OnShard();

// Read once per loop turn; the same value throughout a turn.
MonotonicTime Now();
WallTime WallNow();
uint64_t RandomUint64();
// The log of this shard; lines are written by a thread of their own and never make the shard wait.
LogBuffer& ShardLog();

// A call that runs on another shard's thread. Plain words: a pointer in it is lent, and its owner
// waits for the answer.
struct ShardMessage {
  void (*run)(ShardMessage& message) = nullptr;
  std::array<uint64_t, 7> words{};

  template <typename T>
  void SetPointer(size_t index, T* p) {
    words[index] = reinterpret_cast<uintptr_t>(p);
  }
  template <typename T>
  T* Pointer(size_t index) const {
    return reinterpret_cast<T*>(static_cast<uintptr_t>(words[index]));
  }
};
static_assert(sizeof(ShardMessage) == 64);

// Messages queued between two shards at most, each way.
inline constexpr size_t kShardQueueMessagesMax = 4096;

// Hands `message` to `to`, in order with earlier ones to the same shard; to itself: run later in
// this turn or the next. False where that queue is full: the caller keeps its work and uses Post,
// or refuses.
[[nodiscard]] bool TryPost(ShardIndex to, const ShardMessage& message);

// As TryPost, but waits for room: `co_await Post(to, message)`. Waiters to one shard are served in
// order.
class [[nodiscard]] PostOp {
 public:
  PostOp(ShardIndex to, const ShardMessage& message) : to_(to), message_(message) {}
  bool await_ready() { return TryPost(to_, message_); }
  void await_suspend(std::coroutine_handle<> waiter);
  void await_resume() const {}

  // For the implementation: the list of waiters.
  PostOp* next = nullptr;
  std::coroutine_handle<> waiter;
  ShardIndex to() const { return to_; }
  const ShardMessage& message() const { return message_; }

 private:
  ShardIndex to_;
  ShardMessage message_;
};
inline PostOp Post(ShardIndex to, const ShardMessage& message) { return {to, message}; }

// Lets every other ready task run before the caller goes on: for loops over much (listing a queue,
// compacting a segment).
struct [[nodiscard]] YieldOp {
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiter) const;
  void await_resume() const {}
};
inline YieldOp Yield() { return {}; }

}  // namespace ringmail::io
