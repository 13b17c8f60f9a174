// What the shards of one process share: their inboxes, the blocking pool, the log writer, the end.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "io/kernel/blocking_pool.h"
#include "io/kernel/cross_shard.h"
#include "io/kernel/kernel_features.h"
#include "io/kernel/log_writer.h"
#include "ringmail/base/log.h"
#include "ringmail/base/status.h"
#include "ringmail/io/runtime.h"
#include "ringmail/io/timer.h"

namespace ringmail::io {

class Runtime {
 public:
  Runtime(const RuntimeOptions& options, const Features& features);
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  ~Runtime();

  Status Run(Task<void> (*shard_main)(void*), void* context);

  const RuntimeOptions& options() const { return options_; }
  Inbox& inbox(uint16_t shard) { return *inboxes_[shard]; }
  int ring_descriptor(uint16_t shard) const { return peers_[shard].ring_fd; }
  int wake_descriptor(uint16_t shard) const { return peers_[shard].wake_fd; }
  // Wakes whoever waits in NextSignal, where a signal has come. Shard 0.
  void DeliverSignals(Event& waiter);
  // Wakes a shard from any thread.
  void RingByDescriptor(uint16_t shard);
  // Adds to the pool; where it is full, some later Finished wakes every shard to try again.
  [[nodiscard]] bool TryAddBlocking(BlockingOp* op);
  // Called by a shard whose main task has returned.
  void MainReturned();
  bool all_returned() const { return mains_running_.load(std::memory_order_acquire) == 0; }
  static constexpr size_t kLogBytes = 1u << 20;

 private:
  struct Peer {
    int ring_fd = -1;
    int wake_fd = -1;
  };
  static void Finished(void* self, BlockingOp* op);
  static void SignalHeard(void* self);
  void NudgeAll();
  void ShardThread(uint16_t index, Task<void> (*shard_main)(void*), void* context);
  // Waits until every shard has come here; whether all came with OK.
  bool Rendezvous(const Status& status);

  const RuntimeOptions options_;
  const Features features_;
  std::vector<std::unique_ptr<Inbox>> inboxes_;
  std::vector<std::unique_ptr<LogBuffer>> logs_;
  std::vector<Peer> peers_;
  std::unique_ptr<BlockingPool> pool_;
  std::atomic<uint32_t> mains_running_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  uint32_t arrived_ = 0;
  uint32_t rounds_ = 0;
  std::atomic<bool> signal_heard_{false};
  std::atomic<bool> pool_room_wanted_{false};
  Status failure_;
};

}  // namespace ringmail::io
