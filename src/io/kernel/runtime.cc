#include "io/kernel/runtime.h"

#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <thread>
#include <utility>

#include "io/kernel/captured_signals.h"
#include "io/kernel/shard.h"
#include "ringmail/base/check.h"

namespace ringmail::io {
namespace {

std::vector<int> AllowedCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return {0};
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

void Pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  // Only speed is lost where it is refused.
  (void)sched_setaffinity(0, sizeof(set), &set);
}

bool PowerOfTwo(uint32_t n) { return n != 0 && (n & (n - 1)) == 0; }

}  // namespace

Runtime::Runtime(const RuntimeOptions& options, const Features& features)
    : options_(options), features_(features) {
  for (uint16_t i = 0; i < options.shard_count; ++i) {
    inboxes_.push_back(std::make_unique<Inbox>(options.shard_count));
    logs_.push_back(std::make_unique<LogBuffer>(kLogBytes));
    peers_.push_back({-1, eventfd(0, EFD_CLOEXEC)});
  }
}

Runtime::~Runtime() {
  pool_.reset();
  for (const Peer& peer : peers_) {
    if (peer.wake_fd >= 0) close(peer.wake_fd);
  }
}

void Runtime::RingByDescriptor(uint16_t shard) {
  const uint64_t one = 1;
  CHECK_EQ(write(peers_[shard].wake_fd, &one, sizeof(one)), static_cast<ssize_t>(sizeof(one)));
}

void Runtime::Finished(void* self, BlockingOp* op) {
  auto* runtime = static_cast<Runtime*>(self);
  const uint16_t shard = op->shard;
  if (runtime->inbox(shard).PushFinished(op)) runtime->RingByDescriptor(shard);
  // A shard may wait for room that only another shard's calls take up.
  if (runtime->pool_room_wanted_.exchange(false, std::memory_order_seq_cst)) runtime->NudgeAll();
}

bool Runtime::TryAddBlocking(BlockingOp* op) {
  if (pool_->TryAdd(op)) return true;
  pool_room_wanted_.store(true, std::memory_order_seq_cst);
  // All of it may have finished before anybody could see that room is wanted.
  return pool_->TryAdd(op);
}

void Runtime::SignalHeard(void* self) {
  auto* runtime = static_cast<Runtime*>(self);
  runtime->signal_heard_.store(true, std::memory_order_seq_cst);
  if (runtime->inbox(0).Nudge()) runtime->RingByDescriptor(0);
}

void Runtime::DeliverSignals(Event& waiter) {
  if (!signal_heard_.load(std::memory_order_relaxed)) return;
  signal_heard_.store(false, std::memory_order_seq_cst);
  waiter.Notify();
}

void Runtime::MainReturned() {
  if (mains_running_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  NudgeAll();
}

void Runtime::NudgeAll() {
  for (uint16_t i = 0; i < options_.shard_count; ++i) {
    if (inbox(i).Nudge()) RingByDescriptor(i);
  }
}

bool Runtime::Rendezvous(const Status& status) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (!status.ok() && failure_.ok()) failure_ = status;
  const uint32_t round = rounds_;
  if (++arrived_ == options_.shard_count) {
    arrived_ = 0;
    ++rounds_;
    changed_.notify_all();
  }
  while (rounds_ == round) changed_.wait(lock);
  return failure_.ok();
}

void Runtime::ShardThread(uint16_t index, Task<void> (*shard_main)(void*), void* context) {
  if (options_.pin_threads) {
    const std::vector<int> cpus = AllowedCpus();
    if (options_.shard_count <= cpus.size()) Pin(cpus[index]);
  }
  auto shard = std::make_unique<Shard>(*this, ShardIndex(index), options_, features_, inbox(index),
                                       *logs_[index]);
  const Status status = shard->Init();
  if (status.ok()) peers_[index].ring_fd = shard->ring().fd();
  const bool all_started = Rendezvous(status);
  if (all_started) {
    shard->RunUntilDone(shard_main(context));
    MainReturned();
    while (!all_returned()) shard->Turn();
  }
  if (status.ok()) shard->Drain();
  // No ring goes while another may still ring it.
  (void)Rendezvous(absl::OkStatus());
  shard.reset();
}

Status Runtime::Run(Task<void> (*shard_main)(void*), void* context) {
  for (const Peer& peer : peers_) {
    if (peer.wake_fd < 0) return ExplainSetupFailure(EMFILE, -1, false);
  }
  std::vector<LogBuffer*> logs;
  for (const auto& log : logs_) logs.push_back(log.get());
  LogWriter writer(options_.log_path, std::move(logs), &Runtime::SignalHeard, this);
  RETURN_IF_ERROR(writer.Open());
  pool_ = std::make_unique<BlockingPool>(options_.blocking_threads, &Runtime::Finished, this);
  mains_running_.store(options_.shard_count, std::memory_order_release);
  std::vector<std::thread> threads;
  for (uint16_t i = 0; i < options_.shard_count; ++i) {
    threads.emplace_back(&Runtime::ShardThread, this, i, shard_main, context);
  }
  for (std::thread& thread : threads) thread.join();
  pool_->Stop();
  writer.Stop();
  return failure_;
}

Status RunShards(const RuntimeOptions& options, Task<void> (*shard_main)(void* context),
                 void* context) {
  if (options.shard_count < 1 || options.shard_count > kShardCountMax) {
    return absl::InvalidArgumentError("shard_count must be 1 to 256");
  }
  if (!PowerOfTwo(options.receive_buffers) || options.receive_buffers > 32768) {
    return absl::InvalidArgumentError("receive_buffers must be a power of two, at most 32768");
  }
  if (options.receive_buffer_bytes < 512 || options.receive_buffer_bytes > kInputBytesAheadMax ||
      options.connections_max < 1 || options.blocking_threads < 1 || options.ring_entries < 8 ||
      options.ring_entries > 8192) {
    return absl::InvalidArgumentError(
        "receive_buffer_bytes, connections_max, blocking_threads or ring_entries is out of range");
  }
  StatusOr<Features> features = ProbeFeatures();
  RETURN_IF_ERROR(features.status());
  RETURN_IF_ERROR(TurnOff(options.features_off, *features));
  Runtime runtime(options, *features);
  return runtime.Run(shard_main, context);
}

uint16_t AllowedCpuCount() {
  return static_cast<uint16_t>(std::min<size_t>(AllowedCpus().size(), kShardCountMax));
}

}  // namespace ringmail::io
