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
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ringmail/base/ip_address.h"
#include "ringmail/base/status.h"
#include "ringmail/base/time.h"
#include "ringmail/io/runtime.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/task.h"
#include "tests/sim/io/disk.h"
#include "tests/sim/io/event_queue.h"
#include "tests/sim/io/faults.h"
#include "tests/sim/io/trace.h"

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
  // Whether memory lent to io is compared when it comes back, as a writer must not touch it
  // meanwhile. Costs a reading of all bytes; a world that counts its messages leaves it out.
  bool check_buffers = true;
  // How many events Timeline can tell of. Costs text for each event.
  size_t timeline = 0;
};

struct NodeOptions {
  std::string name = "node";
  uint16_t shards = 1;
  std::string ip;  // "" chooses 10.0.0.<n>
  DiskOptions disk;
  // RuntimeOptions::connections_max: with so many, a shard accepts none and Connect fails.
  uint32_t connections_max = 65536;
  // In place of io::kShardQueueMessagesMax: a small one makes shards wait for each other.
  size_t shard_queue_messages_max = io::kShardQueueMessagesMax;
};

// What was left when a node's run ended by itself. A process that ends in order leaves nothing.
struct Leftovers {
  size_t tasks = 0;        // spawned and not ended
  size_t connections = 0;  // still owned by a Stream
  size_t listeners = 0;
  uint32_t files = 0;
};

// One machine.
class Node {
 public:
  Node(World& world, size_t index, NodeOptions options, IpAddress ip);
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  ~Node();

  // Runs `shard_main(context)` on each shard, as RunShards does. REQUIRES: not running.
  void Start(io::Task<void> (*shard_main)(void* context), void* context);
  // As Start, with another number of shards from now on.
  void Start(uint16_t shards, io::Task<void> (*shard_main)(void* context), void* context);
  // From Start until every shard's main has returned, or Kill or Crash.
  bool running() const { return !shards_.empty(); }
  // Connects to one of its ports, from now on. Connections that exist go on.
  void SetPort(uint16_t port, PortState state);

  // The process ends at once (SIGKILL): its tasks are destroyed where they stand, the kernel closes
  // its connections and writes what it was given; the disk keeps everything that was written.
  void Kill();
  // The power goes: as Kill, but peers hear nothing, and the disk keeps what was durable and, of
  // the rest, what `loss` says.
  void Crash(DiskLoss loss = DiskLoss::kRandom);
  // False from Crash to the next Start: nobody answers at its address.
  bool powered() const { return powered_; }

  // As Kill or Crash, from anywhere: within a turn or an event it comes at its end, and what the
  // node does until then reaches neither disk nor network.
  void EndSoon(bool power, DiskLoss loss = DiskLoss::kRandom);
  // The node ends at one of its writes and syncs; in the place of an earlier plan.
  void EndAt(const EndAtRequest& plan);
  void CancelEnd() { plan_left_ = 0; }
  bool end_planned() const { return plan_left_ > 0; }
  // The disk at the power cut, before any loss, where the plan said to keep it. Null otherwise.
  std::unique_ptr<DiskImage> TakeImage() { return std::move(image_); }
  // The disk is as it was at the moment of `image` and then lost power. REQUIRES: not running.
  void Recover(const DiskImage& image, DiskLoss loss = DiskLoss::kRandom);

  // Each turn of this shard takes `factor` times as long; other shards and the world go on. 1 is
  // usual. For later runs too.
  void SetShardSlowness(uint16_t shard, uint32_t factor);
  // None of its shards runs for so long, while kernel, disk and network go on: a stopped process,
  // or a machine that was moved.
  void Pause(Nanoseconds time);

  // What is alive now; for checks, not for speed.
  size_t live_connections() const;
  size_t live_listeners() const;
  size_t live_tasks() const;
  uint32_t open_files() const { return disk_.open_files(); }
  // Of the last run that ended by itself.
  const Leftovers& leftovers() const { return leftovers_; }
  // Runs that ended, however they did.
  uint64_t ends() const { return ends_; }

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

  // For the implementation: what becomes of a request, which is counted.
  struct Verdict {
    DiskFault fault;
    bool never = false;  // the node ends before it
    bool ends_applied = false, ends_completed = false;
  };
  Verdict Ask(const DiskRequest& request, uint64_t hash);
  // What EndAt planned.
  void EndPlanned();
  // It ends with this turn or event: nothing it does matters any more.
  bool doomed() const { return doomed_; }
  size_t index() const { return index_; }
  Shard& shard(size_t index) { return *shards_[index]; }

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
  void FinishRun();
  void GatherLog(Shard& shard);
  void EndNow();

  World& world_;
  const size_t index_;
  NodeOptions options_;
  const IpAddress ip_;
  Disk disk_;
  std::vector<std::shared_ptr<Shard>> shards_;
  std::string log_;
  std::vector<io::Signal> signals_;
  std::vector<uint32_t> slowness_;      // by shard; none: 1
  std::vector<PathOptions> paths_;      // to other nodes, by index
  std::vector<uint64_t> path_changes_;  // of each of them
  size_t unfinished_ = 0;               // shards whose main has not returned
  uint64_t ends_ = 0;
  Leftovers leftovers_;
  bool powered_ = true;

  EndAtRequest plan_;
  uint64_t plan_left_ = 0;
  bool doomed_ = false;
  bool doom_power_ = false;
  bool doom_keeps_image_ = false;
  DiskLoss doom_loss_ = DiskLoss::kRandom;
  std::unique_ptr<DiskImage> image_;
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
  // As RunFor, and asks after each step.
  void RunFor(Nanoseconds time, const std::function<void()>& after_step);

  MonotonicTime now() const { return now_; }
  // When the world began.
  static constexpr MonotonicTime kStart{std::chrono::seconds(1000)};
  WallTime wall_now() const;
  // Steps of the wall clock (an operator, NTP).
  void ShiftWallClock(Nanoseconds by);
  uint64_t seed() const { return options_.seed; }
  uint64_t RandomUint64();
  // In [0, bound). REQUIRES: bound > 0.
  uint64_t Random(uint64_t bound);
  NetworkOptions& network_options() { return options_.network; }
  Network& network() { return *network_; }

  static constexpr Nanoseconds kHostLatency = std::chrono::milliseconds(1);
  // What ResolveHost says, and how long it takes to; a name without an entry is kNotFound.
  void SetHost(std::string name, StatusOr<std::vector<IpAddress>> answer,
               Nanoseconds latency = kHostLatency);
  // Asked first, where it is set: a resolver that fails or lies for a while. `answer` is what it
  // would say; `latency` and `answer` may be changed.
  std::function<void(Node& asking, const std::string& name,
                     StatusOr<std::vector<IpAddress>>& answer, Nanoseconds& latency)>
      host_fault;
  // Packets to this address are lost: Connect waits for its deadline. Connections that exist go on.
  void SetUnreachable(const IpAddress& ip, bool unreachable);

  // What one way between two nodes is like from now on, or for `time` only. What is under way keeps
  // its time of arrival, and is lost if the path loses it then. Lost segments are sent again, later
  // and later, as TCP does, and after kGiveUp the sender's connection fails.
  void SetPath(Node& from, Node& to, PathOptions options);
  void SetPathFor(Node& from, Node& to, PathOptions options, Nanoseconds time);
  // Both ways between `node` and all others, as far as those exist now.
  void SetPaths(Node& node, PathOptions options);
  const PathOptions& Path(const Node& from, const Node& to) const;
  static constexpr Nanoseconds kGiveUp = std::chrono::seconds(924);  // tcp_retries2

  // The connections between two nodes that still have an end; null stands for any node. In the
  // order in which they were made.
  std::vector<ConnectionInfo> Connections(const Node* connector, const Node* acceptor) const;
  // Those with an end at `node`.
  std::vector<ConnectionInfo> Connections(const Node& node) const;
  // False: no such connection any more.
  bool Spoil(uint64_t connection, const ConnectionFault& fault);
  // One of the live connections of `node`, at random. False: it has none.
  bool SpoilOne(const Node& node, const ConnectionFault& fault);
  // The `nth` connection (0: the next) made from now on from one node to another; null: any.
  void SpoilLater(const Node* connector, const Node* acceptor, uint64_t nth,
                  const ConnectionFault& fault);
  // Forgets those that have not happened.
  void CancelSpoiling();

  // Everything observable so far, in order: the same for two runs of one program and seed.
  uint64_t trace_hash() const;
  uint64_t trace_events() const { return trace_.count(); }
  // The last events (WorldOptions::timeline), a line each.
  std::string Timeline() const;
  // Events that have not happened: segments under way, requests at disks.
  size_t pending_events() const { return events_.size(); }

  // `run` happens at `when`, in `shard`'s context where given, and not at all once that has ended.
  template <typename F>
  void At(MonotonicTime when, std::shared_ptr<Shard> shard, F run) {
    if (shard == nullptr) {
      events_.Add(std::max(when, now_), std::move(run));
    } else {
      AtShard(when, std::move(shard), std::move(run));
    }
  }
  template <typename F>
  void At(MonotonicTime when, std::nullptr_t, F run) {
    events_.Add(std::max(when, now_), std::move(run));
  }
  // For the implementation.
  const WorldOptions& options() const { return options_; }
  void Note(const Node& node, TraceKind kind, uint64_t a, uint64_t b, std::string_view bytes = {},
            std::string_view text = {}) {
    trace_.Note(now_, node.index() + 1, kind, a, b, bytes, text);
  }
  Trace& trace() { return trace_; }
  struct Host {
    StatusOr<std::vector<IpAddress>> answer;
    Nanoseconds latency;
  };
  Host FindHost(Node& asking, const std::string& name);
  // The node of the shard that runs, or of the MainThread; null for neither.
  static Node* CurrentNode();
  static Shard* CurrentShard();

 private:
  friend class Node;
  friend class Network;
  friend class Shard;
  // A shard that runs, and when its next turn is.
  struct Slot {
    MonotonicTime due;
    Shard* shard;  // null: ended, and taken out after the turn
  };
  static Node* MainThreadNode();
  void AtShard(MonotonicTime when, std::shared_ptr<Shard> shard, std::function<void()> run);
  void RunSlot(size_t index);
  void EndDoomed();
  // One turn of every shard at the present time. False: there was nothing to do.
  bool Turn();
  bool RunDueEvents();
  // When something happens next; kNever: nothing will.
  MonotonicTime NextDeadline();
  // One turn, or a jump to the next deadline if that is not after `end`. False: neither.
  bool Step(MonotonicTime end);

  WorldOptions options_;
  MonotonicTime now_ = kStart;
  Nanoseconds wall_shift_{0};
  uint64_t random_[4];
  uint64_t random_draws_ = 0;
  EventQueue events_;
  std::vector<Slot> slots_;
  bool slots_ended_ = false;
  bool any_doomed_ = false;
  bool ran_ = false;  // a shard, in this turn
  Trace trace_;
  std::unordered_map<std::string, Host> hosts_;
  std::unique_ptr<Network> network_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

// shutdown(2) of our side, which no conversation of ours does but a peer may: what was written goes
// out, the peer then sees the end, and its answer is still received. REQUIRES: everything written
// was flushed.
void ShutdownWrite(io::Stream& stream);

}  // namespace ringmail::sim
