// A simulated world: machines with shards, disks and a network between them, run by one thread on a
// virtual clock.
//
// It is the second link-time implementation of include/ringmail/io: a program linked with `sim_io`
// instead of the kernel's io runs in it unchanged, and a seed gives the same run each time.
//
//   sim::World world;
//   sim::Node& node = world.AddNode({.name = "mx", .shards = 2});
//   node.Start(&ShardMain, &context);
//   world.RunUntil([&] { return context.done; });
//
// Made by: a test. Order: AddNode; Start, Kill or Crash of a node, and again; Run*. What a node's
// tasks refer to (the context)
//   outlives the node's run: destroy it after Kill, or after the world. One World at a time on a
//   thread.
// Promise: a node's disk outlives Kill and Crash. Time passes only in Run*, where nothing is ready:
// the clock then jumps to the
//   next deadline. Each turn in which something ran takes WorldOptions::turn.
// Shard: outside Run* no shard is current. A test that opens listeners as `main` does holds a
// Node::MainThread meanwhile.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ringmail/base/ip_address.h"
#include "ringmail/base/status.h"
#include "ringmail/base/time.h"
#include "ringmail/io/runtime.h"
#include "ringmail/io/task.h"
#include "tests/sim/io/disk.h"

namespace ringmail::io {
class Connection;
class ListenSocket;
class Stream;
}  // namespace ringmail::io

namespace ringmail::sim {

class World;
class Shard;
class Network;

// May be changed at any time; what is under way keeps what it began with.
struct NetworkOptions {
  Nanoseconds latency = std::chrono::microseconds(100);  // one way; none on a Unix socket
  Nanoseconds jitter{0};               // up to this is added, at random; order is kept
  size_t segment_bytes = 16384;        // what arrives together at most
  size_t window_bytes = 256 << 10;     // sent and not yet read by the peer, at most
  size_t receive_buffer_bytes = 8192;  // what one Receive brings at most
};

struct WorldOptions {
  uint64_t seed = 1;
  Nanoseconds turn = std::chrono::microseconds(1);
  int64_t wall_start_seconds = 1'767'225'600;  // 2026-01-01T00:00:00Z
  NetworkOptions network;
  bool print_log = false;  // log lines of all nodes go to standard error too
};

struct NodeOptions {
  std::string name = "node";
  uint16_t shards = 1;
  std::string ip;  // "" chooses 10.0.0.<n>
  DiskOptions disk;
};

// One machine.
class Node {
 public:
  Node(World& world, NodeOptions options, IpAddress ip);
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  ~Node();

  // Runs `shard_main(context)` on each shard, as RunShards does. REQUIRES: not running.
  void Start(io::Task<void> (*shard_main)(void* context), void* context);
  // As Start, with another number of shards from now on.
  void Start(uint16_t shards, io::Task<void> (*shard_main)(void* context), void* context);
  // From Start until every shard's main has returned, or Kill or Crash.
  bool running() const { return !shards_.empty(); }

  // The process ends at once (SIGKILL): its tasks are destroyed where they stand, the kernel closes
  // its connections and writes what it was given; the disk keeps everything that was written.
  void Kill();
  // The power goes: as Kill, but peers hear nothing, and the disk keeps what was durable and, of
  // the rest, what `loss` says.
  void Crash(DiskLoss loss = DiskLoss::kRandom);

  // What NextSignal on shard 0 returns next.
  void Send(io::Signal signal);
  // For the implementation: the oldest signal sent and not yet taken, or kNone.
  io::Signal TakeSignal();

  const NodeOptions& options() const { return options_; }
  const IpAddress& ip() const { return ip_; }
  World& world() { return world_; }
  Disk& disk() { return disk_; }
  // Every log line so far, of all runs. The shards' lines are gathered after each turn.
  const std::string& log() const { return log_; }
  void ClearLog() { log_.clear(); }

  // While it lives, io calls that belong on the main thread (OpenListeners) are this node's.
  class MainThread {
   public:
    explicit MainThread(Node& node);
    ~MainThread();
    MainThread(const MainThread&) = delete;
    MainThread& operator=(const MainThread&) = delete;

   private:
    Node* before_;
  };

 private:
  friend class World;
  friend class Shard;
  friend class Network;
  void End(bool silent);
  void GatherLog(Shard& shard);

  World& world_;
  NodeOptions options_;
  const IpAddress ip_;
  Disk disk_;
  std::vector<std::shared_ptr<Shard>> shards_;
  std::string log_;
  std::vector<io::Signal> signals_;
};

class World {
 public:
  explicit World(WorldOptions options = {});
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  // Kills what still runs.
  ~World();

  Node& AddNode(NodeOptions options = {});

  // Runs until `done()`, asked after each turn. False where `at_most` of virtual time passed, or
  // nothing can happen any more.
  [[nodiscard]] bool RunUntil(const std::function<bool()>& done,
                              Nanoseconds at_most = std::chrono::hours(1));
  // Runs until nothing is ready and no deadline is left. False where `at_most` passed first.
  bool RunUntilIdle(Nanoseconds at_most = std::chrono::hours(24));
  // Runs for this long, and the clock then says so.
  void RunFor(Nanoseconds time);

  MonotonicTime now() const { return now_; }
  WallTime wall_now() const;
  // Steps of the wall clock (an operator, NTP).
  void ShiftWallClock(Nanoseconds by) { wall_shift_ += by; }
  uint64_t seed() const { return options_.seed; }
  uint64_t RandomUint64();
  // In [0, bound). REQUIRES: bound > 0.
  uint64_t Random(uint64_t bound);
  NetworkOptions& network_options() { return options_.network; }
  Network& network() { return *network_; }

  // What ResolveHost says; a name without an entry is kNotFound.
  void SetHost(std::string name, StatusOr<std::vector<IpAddress>> answer);
  // Packets to this address are lost: Connect waits for its deadline.
  void SetUnreachable(const IpAddress& ip, bool unreachable);

  // For the implementation: `run` happens at `when`, in `shard`'s context where given, and not at
  // all once that has ended.
  void At(MonotonicTime when, std::shared_ptr<Shard> shard, std::function<void()> run);
  const StatusOr<std::vector<IpAddress>>* FindHost(const std::string& name) const;
  // The node of the shard that runs, or of the MainThread; null for neither.
  static Node* CurrentNode();
  static Shard* CurrentShard();

 private:
  friend class Node;
  friend class Network;
  struct EventEntry {
    std::shared_ptr<Shard> shard;
    std::function<void()> run;
  };
  // One turn of every shard at the present time. False: there was nothing to do.
  bool Turn();
  bool RunDueEvents();
  // When something happens next; kNever: nothing will.
  MonotonicTime NextDeadline();
  // One turn, or a jump to the next deadline if that is not after `end`. False: neither.
  bool Step(MonotonicTime end);

  WorldOptions options_;
  MonotonicTime now_{std::chrono::seconds(1000)};
  Nanoseconds wall_shift_{0};
  uint64_t random_[4];
  uint64_t event_sequence_ = 0;
  std::map<std::pair<MonotonicTime, uint64_t>, EventEntry> events_;
  std::unordered_map<std::string, StatusOr<std::vector<IpAddress>>> hosts_;
  std::unique_ptr<Network> network_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

// shutdown(2) of our side, which no conversation of ours does but a peer may: what was written goes
// out, the peer then sees the end, and its answer is still received. REQUIRES: everything written
// was flushed.
void ShutdownWrite(io::Stream& stream);

}  // namespace ringmail::sim
