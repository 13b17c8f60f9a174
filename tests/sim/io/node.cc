#include <cstdio>
#include <utility>

#include "ringmail/base/check.h"
#include "tests/sim/io/network.h"
#include "tests/sim/io/shard.h"
#include "tests/sim/io/world.h"

namespace ringmail::sim {
namespace {

thread_local Node* main_thread_node = nullptr;

bool WritesOrSyncs(DiskOperation operation) {
  return operation == DiskOperation::kWrite || operation == DiskOperation::kSync ||
         operation == DiskOperation::kSyncDirectory;
}

std::string_view NameOf(DiskOperation operation) {
  static constexpr std::string_view kNames[] = {"open",   "read",     "write",  "sync",
                                                "size",   "truncate", "mkdir",  "list",
                                                "rename", "remove",   "syncdir"};
  return kNames[static_cast<size_t>(operation)];
}

}  // namespace

Node::MainThread::MainThread(Node& node) : before_(main_thread_node) { main_thread_node = &node; }
Node::MainThread::~MainThread() { main_thread_node = before_; }
Node* World::MainThreadNode() { return main_thread_node; }

Node::Node(World& world, size_t index, NodeOptions options, IpAddress ip)
    : world_(world), index_(index), options_(std::move(options)), ip_(ip), disk_(options_.disk) {
  CHECK(options_.shards > 0 && options_.shards <= io::kShardCountMax);
}

Node::~Node() { End(true); }

// --- Runs

void Node::Start(io::Task<void> (*shard_main)(void* context), void* context) {
  CHECK(!running());
  powered_ = true;
  unfinished_ = options_.shards;
  for (uint16_t i = 0; i < options_.shards; ++i) {
    shards_.push_back(std::make_shared<Shard>(*this, ShardIndex(i), options_.shards));
    shards_.back()->slot_ = world_.slots_.size();
    world_.slots_.push_back({world_.now(), shards_.back().get()});
  }
  world_.Note(*this, TraceKind::kStart, options_.shards, 0);
  for (auto& shard : shards_) shard->Start(shard_main, context);
}

void Node::Start(uint16_t shards, io::Task<void> (*shard_main)(void* context), void* context) {
  options_.shards = shards;
  Start(shard_main, context);
}

void Node::GatherLog(Shard& shard) {
  char buffer[kLogLineBytesMax];
  while (const size_t count = shard.log().Pop(buffer)) {
    log_.append(buffer, count);
    world_.Note(*this, TraceKind::kLog, 0, count, {buffer, count});
    if (world_.options_.print_log) std::fwrite(buffer, 1, count, stderr);
  }
}

void Node::End(bool silent) {
  CHECK(World::CurrentShard() == nullptr);
  if (running()) ++ends_;
  doomed_ = false;
  // A connection that a destroyed task held closes as the kernel would close it, or, without power,
  // says nothing.
  world_.network().BeginEnd(*this, silent);
  for (auto& shard : shards_) {
    world_.slots_[shard->slot_].shard = nullptr;
    world_.slots_ended_ = true;
    shard->Destroy();
    GatherLog(*shard);
  }
  world_.network().FinishEnd(*this);
  disk_.CloseAll();
  shards_.clear();
  signals_.clear();
}

// As the process does after RunShards has returned.
void Node::FinishRun() {
  leftovers_ = {.tasks = live_tasks(),
                .connections = live_connections(),
                .listeners = live_listeners(),
                .files = open_files()};
  world_.Note(*this, TraceKind::kEnd, 0, 0);
  End(false);
}

void Node::Kill() {
  world_.Note(*this, TraceKind::kEnd, 1, 0);
  End(false);
}

void Node::Crash(DiskLoss loss) {
  world_.Note(*this, TraceKind::kEnd, 2, static_cast<uint64_t>(loss));
  End(true);
  powered_ = false;
  disk_.Crash(loss, [this](uint64_t bound) { return world_.Random(bound); });
}

// --- Ends by plan

void Node::EndAt(const EndAtRequest& plan) {
  CHECK_GT(plan.nth, 0u);
  plan_ = plan;
  plan_left_ = plan.nth;
}

void Node::EndSoon(bool power, DiskLoss loss) {
  if (!running() || doomed_) return;
  doomed_ = true;
  doom_power_ = power;
  doom_loss_ = loss;
  doom_keeps_image_ = false;
  world_.any_doomed_ = true;
}

void Node::EndPlanned() {
  EndSoon(plan_.power, plan_.loss);
  doom_keeps_image_ = plan_.keep_image;
}

void Node::EndNow() {
  if (doom_power_) {
    if (doom_keeps_image_) image_ = disk_.Snapshot();
    Crash(doom_loss_);
  } else {
    Kill();
  }
}

void Node::Recover(const DiskImage& image, DiskLoss loss) {
  CHECK(!running());
  disk_.Restore(image);
  disk_.Crash(loss, [this](uint64_t bound) { return world_.Random(bound); });
}

Node::Verdict Node::Ask(const DiskRequest& request, uint64_t hash) {
  Verdict verdict;
  if (doomed_) {
    verdict.never = true;
    return verdict;
  }
  const bool counts = WritesOrSyncs(request.operation);
  if (counts && plan_left_ > 0 && --plan_left_ == 0) {
    verdict.ends_applied = plan_.moment == EndAtRequest::Moment::kApplied;
    verdict.ends_completed = plan_.moment == EndAtRequest::Moment::kCompleted;
    if (plan_.moment == EndAtRequest::Moment::kBefore) {
      EndPlanned();
      verdict.never = true;
      return verdict;
    }
  }
  DiskCounts& sums = disk_.counts();
  ++sums.requests;
  if (request.operation == DiskOperation::kWrite) {
    ++sums.writes;
    sums.bytes_written += request.bytes;
    if (request.durability == io::Durability::kDurable) ++sums.durable_writes;
  } else if (counts) {
    ++sums.syncs;
  }
  std::string text;
  if (world_.trace().keeps_timeline()) {
    text = std::string(NameOf(request.operation)) + " " + std::string(request.path);
  }
  world_.trace().NoteHashed(
      world_.now(), index_ + 1, TraceKind::kDiskRequest,
      static_cast<uint64_t>(request.operation) << 1 | static_cast<uint64_t>(request.durability),
      request.offset, HashBytes(request.path) ^ hash ^ request.bytes, {}, text);
  if (disk_.fault) {
    verdict.fault = disk_.fault(request);
    if (verdict.fault.error != 0) ++sums.failed;
    // The one who was asked may have ended the node.
    verdict.never = doomed_;
  }
  return verdict;
}

// --- Slow machines

void Node::SetShardSlowness(uint16_t shard, uint32_t factor) {
  CHECK(factor > 0);
  if (slowness_.size() <= shard) slowness_.resize(shard + size_t{1}, 1);
  slowness_[shard] = factor;
}

void Node::Pause(Nanoseconds time) {
  for (auto& shard : shards_) {
    shard->not_before_ = std::max(shard->not_before_, world_.now() + time);
    MonotonicTime& due = world_.slots_[shard->slot_].due;
    due = std::max(due, shard->not_before_);
  }
}

// --- Signals

void Node::Send(io::Signal signal) {
  signals_.push_back(signal);
  if (!running()) return;
  Shard::Current current(*shards_[0]);
  shards_[0]->signal_event().Notify();
}

io::Signal Node::TakeSignal() {
  if (signals_.empty()) return io::Signal::kNone;
  const io::Signal signal = signals_.front();
  signals_.erase(signals_.begin());
  return signal;
}

// --- Probes

size_t Node::live_tasks() const {
  size_t count = 0;
  for (const auto& shard : shards_) {
    for (io::DetachedHook& hook : shard->scheduler().detached()) {
      (void)hook;
      ++count;
    }
  }
  return count;
}

size_t Node::live_connections() const { return world_.network().CountConnections(*this); }
size_t Node::live_listeners() const { return world_.network().CountListeners(*this); }

void Node::SetPort(uint16_t port, PortState state) { world_.network().SetPort(*this, port, state); }

}  // namespace ringmail::sim
