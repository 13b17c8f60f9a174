// The threads behind RunBlocking, one pool for all shards.
//
// Made by: RunShards. Ends in: Stop, when no shard waits for a call any more.
// Limits: kBlockingCallsMax calls wait here; TryAdd refuses more and the shard keeps them.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "ringmail/io/blocking.h"

namespace ringmail::io {

class BlockingPool {
 public:
  // `finished` is called on a pool thread with each call that has returned; the call is its
  // waiter's from then on.
  using Finished = void (*)(void* context, BlockingOp* op);
  BlockingPool(uint16_t threads, Finished finished, void* context);
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;
  ~BlockingPool() { Stop(); }

  [[nodiscard]] bool TryAdd(BlockingOp* op);
  void Stop();

 private:
  void Work();
  const Finished finished_;
  void* const context_;
  std::mutex mutex_;
  std::condition_variable changed_;
  BlockingOp* head_ = nullptr;
  BlockingOp* tail_ = nullptr;
  uint32_t waiting_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace ringmail::io
