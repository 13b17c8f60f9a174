// One shard of the kernel's implementation: a ring, a scheduler, the pools, and the loop that turns
// them.
//
// A turn: clocks; timers; completions; messages; ready tasks; starved receives; then one
// io_uring_enter that submits all of it and collects, or sleeps until the next deadline. Tasks run
// nowhere else.
// Made by: the runtime, on the shard's own thread. Ends in: Drain, then destruction.
#pragma once

#include <array>
#include <atomic>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/core/scheduler.h"
#include "io/kernel/blocking_pool.h"
#include "io/kernel/connection.h"
#include "io/kernel/cross_shard.h"
#include "io/kernel/kernel_features.h"
#include "io/kernel/output.h"
#include "io/kernel/receive_buffers.h"
#include "io/kernel/ring.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/runtime.h"
#include "ringmail/io/shard.h"

namespace ringmail::io {

class Runtime;

// Operations on files that are with the kernel at once, per shard; more wait (P11: nothing else
// would stop them).
inline constexpr uint32_t kFileOperationsMax = 256;
// Files that are registered with the ring; those opened beyond are looked up at each access.
inline constexpr uint32_t kRegisteredFilesMax = 64;
// Tasks resumed in one turn before completions are looked at again.
inline constexpr size_t kTasksPerTurnMax = 1024;

// What the shard has done so far; for tests and metrics.
struct ShardCounts {
  uint64_t receives_armed = 0;
  uint64_t polls_armed = 0;
  uint64_t receives_cancelled = 0;
  uint64_t receives_starved = 0;
  uint64_t sends = 0;
  uint64_t doorbells = 0;
};

// co_await a request: `Prepare` fills it, the result is the completion's.
class RingOp : public Completion {
 public:
  RingOp() { done = &RingOp::Done; }
  RingOp(const RingOp&) = delete;
  RingOp& operator=(const RingOp&) = delete;
  // Whether it is with the kernel: it must not end before it is not.
  bool submitted() const { return submitted_; }
  uint64_t user_data() const { return UserData(Kind::kCompletion, this); }
  void Submit(io_uring_sqe* sqe);

  bool await_ready() const { return !submitted_; }
  void await_suspend(std::coroutine_handle<> waiter) { waiter_ = waiter; }
  int32_t await_resume() const { return result_; }

 private:
  static void Done(Completion& completion, int32_t result, uint32_t flags);
  std::coroutine_handle<> waiter_;
  int32_t result_ = 0;
  bool submitted_ = false;
};

class Shard {
 public:
  Shard(Runtime& runtime, ShardIndex index, const RuntimeOptions& options, const Features& features,
        Inbox& inbox, LogBuffer& log);
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;
  ~Shard();

  static Shard& Here();
  static Shard* Current();

  Status Init();
  // One turn; sleeps at its end where nothing is to do.
  void Turn();
  // Turns until `task` has ended.
  void RunUntilDone(Task<void> task);
  // After the main task: ends what io itself has with the kernel.
  void Drain();

  Scheduler& scheduler() { return scheduler_; }
  Ring& ring() { return ring_; }
  ReceiveBuffers& buffers() { return buffers_; }
  BlockPool& blocks() { return blocks_; }
  ConnectionPool& connections() { return connections_; }
  const Features& features() const { return features_; }
  Features& features() { return features_; }
  Runtime& runtime() { return runtime_; }
  Gate& background() { return *background_; }
  int wake_descriptor() const { return wake_fd_; }
  Event& signals() { return signals_; }

  void AddStarved(Connection& connection) {
    ++counts_.receives_starved;
    starved_.PushBack(connection);
  }
  // In the background, and really: the kernel ends a file only when this thread returns from it
  // (P3).
  void CloseDescriptor(int fd);
  // Its output is sent when this turn ends.
  void AddUnsent(Connection& connection) {
    if (!connection.unsent()) unsent_.PushBack(connection);
  }
  void FreeConnection(Connection* connection);
  // Room that was held for a connection on its way (ConnectionPool::HoldPlace).
  void GiveConnectionPlace();
  // Notifies `room` once when the pool of connections is no longer full.
  void AwaitConnectionRoom(Event& room) { room_waiters_.push_back(&room); }
  void ForgetConnectionRoom(Event& room);

  bool TryPost(uint16_t to, const ShardMessage& message);
  void AddPostWaiter(PostOp* op);
  void AddBlocking(BlockingOp* op);
  uint64_t Random();
  // Registered buffer slots. -1 where there is none.
  int RegisterBuffer(char* data, size_t bytes);
  void UnregisterBuffer(int index);
  // Slots of the table of registered files. -1 where there is none. What is registered stays open
  // until it is unregistered, whoever closes its descriptor.
  int RegisterFile(int fd);
  void UnregisterFile(int slot);
  uint32_t registered_files() const { return registered_files_; }

  // File operations under way, bounded.
  bool TakeFileSlot();
  void WaitFileSlot(std::coroutine_handle<> waiter) { file_waiters_.Push(waiter); }
  void GiveFileSlot();

  uint64_t turns() const { return turns_; }
  ShardCounts& counts() { return counts_; }
  Nanoseconds idle_after() const { return idle_after_; }
  // For tests, which cannot wait so long.
  void set_idle_after(Nanoseconds t) { idle_after_ = t; }

 private:
  struct PostWaiters {
    PostOp* head = nullptr;
    PostOp* tail = nullptr;
  };
  void ReadClocks();
  void Dispatch(const CompletionEntry& entry);
  void TakeMail();
  void TakeMessagesFrom(uint16_t sender);
  void ServePostWaiters(uint16_t to);
  void ArmStarved();
  void ArmWake();
  void RingFor(uint16_t to);
  void NotifyRoom();
  static void Woken(Completion& completion, int32_t result, uint32_t flags);

  struct WakeRead : Completion {
    Shard* shard = nullptr;
    uint64_t count = 0;
  };

  Runtime& runtime_;
  const RuntimeOptions& options_;
  Features features_;
  Inbox& inbox_;
  Scheduler scheduler_;
  BlockPool blocks_;
  ConnectionPool connections_;
  // Declared before the ring and so destroyed after it: the kernel may write there until the ring
  // is gone.
  ReceiveBuffers buffers_;
  WakeRead wake_;
  Ring ring_;
  int wake_fd_ = -1;
  bool draining_ = false;
  bool closing_ = false;  // a close is among the requests of this turn
  IntrusiveList<Connection, StarvedTag> starved_;
  IntrusiveList<Connection, UnsentTag> unsent_;
  std::vector<PostWaiters> post_waiters_;
  BlockingOp* blocking_head_ = nullptr;
  BlockingOp* blocking_tail_ = nullptr;
  std::unique_ptr<Gate> background_;
  Event signals_;
  uint64_t turns_ = 0;
  ShardCounts counts_;
  Nanoseconds idle_after_ = kIdleAfter;
  uint32_t file_operations_ = 0;
  HandleQueue file_waiters_;
  std::vector<int> free_buffer_slots_;
  std::vector<int> free_file_slots_;
  uint32_t registered_files_ = 0;
  std::array<uint64_t, 32> random_{};
  size_t random_left_ = 0;
  std::vector<Event*> room_waiters_;
};

}  // namespace ringmail::io
