#include "io/kernel/blocking_pool.h"

#include <utility>

#include "ringmail/base/check.h"

namespace ringmail::io {

BlockingPool::BlockingPool(uint16_t threads, Finished finished, void* context)
    : finished_(finished), context_(context) {
  CHECK_GT(threads, 0);
  for (uint16_t i = 0; i < threads; ++i) threads_.emplace_back(&BlockingPool::Work, this);
}

bool BlockingPool::TryAdd(BlockingOp* op) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    CHECK(!stopping_);
    if (waiting_ >= kBlockingCallsMax) return false;
    ++waiting_;
    op->next = nullptr;
    (tail_ == nullptr ? head_ : tail_->next) = op;
    tail_ = op;
  }
  changed_.notify_one();
  return true;
}

void BlockingPool::Work() {
  while (true) {
    BlockingOp* op = nullptr;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      while (head_ == nullptr && !stopping_) changed_.wait(lock);
      if (head_ == nullptr) return;
      op = std::exchange(head_, head_->next);
      if (head_ == nullptr) tail_ = nullptr;
      --waiting_;
    }
    op->Run();
    finished_(context_, op);
  }
}

void BlockingPool::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    CHECK(head_ == nullptr);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace ringmail::io
