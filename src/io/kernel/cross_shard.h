// Messages between shards: one queue for each pair, made when first used, and a word at the
// receiver that says who has sent.
//
// A sender rings (eventfd or ring message) only where the receiver sleeps, so that busy shards
// never make a system call for a message. Both sides use sequentially consistent operations on
// `senders` and `asleep`: either the receiver sees the message before it sleeps, or the sender sees
// it asleep.
// Limits: kShardQueueMessagesMax for each direction of a pair; a sender that waits for room is rung
//   when there is some.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "ringmail/base/spsc_queue.h"
#include "ringmail/io/blocking.h"
#include "ringmail/io/shard.h"

namespace ringmail::io {

struct PairQueue {
  SpscQueue<ShardMessage, kShardQueueMessagesMax> messages;
  std::atomic<bool> room_wanted{false};
};

// What other threads may touch of a shard.
class Inbox {
 public:
  static constexpr size_t kWords = kShardCountMax / 64;

  explicit Inbox(uint16_t shard_count) : queues_(shard_count) {}
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;
  ~Inbox();

  // The queue from `sender`. Sender's thread: made where missing. Receiver's thread: null where
  // never used.
  PairQueue& QueueFrom(uint16_t sender);
  PairQueue* FindQueueFrom(uint16_t sender) {
    return queues_[sender].load(std::memory_order_acquire);
  }

  // Any thread: says that `sender` has sent, or made room. True where the receiver sleeps and the
  // caller must ring.
  [[nodiscard]] bool Announce(uint16_t sender);
  // A pool thread hands back a finished call. As Announce.
  [[nodiscard]] bool PushFinished(BlockingOp* op);
  // Any thread: says that something outside the queues has changed.
  [[nodiscard]] bool Nudge();

  // Receiver.
  uint64_t TakeSenders(size_t word) {
    return senders_[word].exchange(0, std::memory_order_seq_cst);
  }
  BlockingOp* TakeFinished();  // in the order in which they finished
  bool HasMail() const;
  // Announces sleep; false where mail came meanwhile.
  [[nodiscard]] bool FallAsleep();
  void WakeUp() { asleep_.store(false, std::memory_order_seq_cst); }

 private:
  bool Ring() {
    return asleep_.load(std::memory_order_seq_cst) &&
           asleep_.exchange(false, std::memory_order_seq_cst);
  }
  alignas(64) std::atomic<bool> asleep_{false};
  alignas(64) std::array<std::atomic<uint64_t>, kWords> senders_{};
  alignas(64) std::atomic<BlockingOp*> finished_{nullptr};
  std::atomic<bool> nudged_{false};
  std::vector<std::atomic<PairQueue*>> queues_;
};

}  // namespace ringmail::io
