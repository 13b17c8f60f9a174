// One run of one simulated shard: from Node::Start to the end of its main, Kill or Crash.
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "io/core/scheduler.h"
#include "ringmail/base/intrusive_list.h"
#include "ringmail/base/log.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "tests/sim/io/world.h"

namespace ringmail::sim {

class Shard : public std::enable_shared_from_this<Shard> {
 public:
  Shard(Node& node, ShardIndex index, uint16_t shard_count);
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;
  ~Shard();

  void Start(io::Task<void> (*shard_main)(void* context), void* context);
  // Messages, timers, ready tasks. False: there was nothing to do.
  bool Turn();
  bool finished() const { return finished_; }
  bool dead() const { return dead_; }
  // Destroys every task where it stands. The shard's current scheduler is this one's until it is
  // done.
  void Destroy();

  Node& node() { return node_; }
  World& world() { return node_.world(); }
  io::Scheduler& scheduler() { return scheduler_; }
  // Every resumption that is not the shard's own doing comes through here, so that the world need
  // not look at shards that have nothing to do.
  void MakeReady(std::coroutine_handle<> handle) {
    scheduler_.MakeReady(handle);
    SetDue();
  }
  void SetDue();
  LogBuffer& log() { return log_; }

  // The run of `f` in this shard's context; whoever was current is again afterwards.
  class Current {
   public:
    explicit Current(Shard& shard);
    ~Current();

   private:
    Shard* before_;
  };

  bool TryPost(ShardIndex to, const io::ShardMessage& message);
  void WaitToPost(io::PostOp& op);

  io::Event& signal_event() { return signal_event_; }

  // Its place in ConnectionPool, so to say.
  bool connections_full() const { return connections_ >= node_.options().connections_max; }
  void AddConnection() { ++connections_; }
  void RemoveConnection();

 private:
  friend class World;
  friend class Node;
  struct Main;
  static Main RunMain(Shard* shard, io::Task<void> (*shard_main)(void*), void* context);
  bool DeliverMessages();
  // When it next has something to do; kNever: nothing, until it is told.
  MonotonicTime NextDue();
  void AdmitPosts(Shard& from, std::deque<io::ShardMessage>& queue);

  Node& node_;
  LogBuffer log_;
  io::Scheduler scheduler_;
  io::Event signal_event_;
  // By the shard that posts.
  std::vector<std::deque<io::ShardMessage>> inbound_;
  std::vector<std::deque<io::PostOp*>> waiting_posts_;
  size_t inbound_count_ = 0;
  uint32_t connections_ = 0;
  size_t slot_ = 0;
  MonotonicTime not_before_{};  // it is slow, or paused
  std::coroutine_handle<> main_;
  bool finished_ = false;
  bool dead_ = false;
};

// co_await Delay(when): resumes at that very time, without the tick of a timer.
class [[nodiscard]] Delay {
 public:
  explicit Delay(MonotonicTime when) : when_(when) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiter) const;
  void await_resume() const {}

 private:
  const MonotonicTime when_;
};

}  // namespace ringmail::sim
