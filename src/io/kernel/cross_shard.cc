#include "io/kernel/cross_shard.h"

#include "ringmail/base/check.h"

namespace ringmail::io {

Inbox::~Inbox() {
  for (auto& queue : queues_) delete queue.load(std::memory_order_acquire);
}

PairQueue& Inbox::QueueFrom(uint16_t sender) {
  CHECK_LT(sender, queues_.size());
  PairQueue* queue = queues_[sender].load(std::memory_order_acquire);
  if (queue == nullptr) {
    queue = new PairQueue;
    queues_[sender].store(queue, std::memory_order_release);
  }
  return *queue;
}

bool Inbox::Announce(uint16_t sender) {
  senders_[sender / 64].fetch_or(uint64_t{1} << (sender % 64), std::memory_order_seq_cst);
  return Ring();
}

bool Inbox::PushFinished(BlockingOp* op) {
  BlockingOp* head = finished_.load(std::memory_order_relaxed);
  do {
    op->next = head;
  } while (!finished_.compare_exchange_weak(head, op, std::memory_order_seq_cst,
                                            std::memory_order_relaxed));
  return Ring();
}

bool Inbox::Nudge() {
  nudged_.store(true, std::memory_order_seq_cst);
  return Ring();
}

BlockingOp* Inbox::TakeFinished() {
  if (finished_.load(std::memory_order_relaxed) == nullptr) return nullptr;
  BlockingOp* op = finished_.exchange(nullptr, std::memory_order_seq_cst);
  BlockingOp* ordered = nullptr;
  while (op != nullptr) {
    BlockingOp* next = op->next;
    op->next = ordered;
    ordered = op;
    op = next;
  }
  return ordered;
}

bool Inbox::HasMail() const {
  for (const auto& word : senders_) {
    if (word.load(std::memory_order_seq_cst) != 0) return true;
  }
  return finished_.load(std::memory_order_seq_cst) != nullptr ||
         nudged_.load(std::memory_order_seq_cst);
}

bool Inbox::FallAsleep() {
  asleep_.store(true, std::memory_order_seq_cst);
  if (!HasMail()) return true;
  asleep_.store(false, std::memory_order_seq_cst);
  nudged_.store(false, std::memory_order_seq_cst);
  return false;
}

}  // namespace ringmail::io
