#include "tests/sim/io/world.h"

#include <cstdio>
#include <utility>

#include "ringmail/base/check.h"
#include "tests/sim/io/network.h"
#include "tests/sim/io/shard.h"

namespace ringmail::sim {
namespace {

thread_local Node* main_thread_node = nullptr;
thread_local Shard* current_shard = nullptr;

constexpr size_t kTasksPerTurn = 1024;
constexpr size_t kLogBytes = 4u << 20;

// SplitMix64, to spread a small seed over the state of xoshiro256**.
uint64_t Spread(uint64_t& state) {
  uint64_t z = (state += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

uint64_t Rotate(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

IpAddress ChooseIp(const std::string& text, size_t index) {
  const auto ip = IpAddress::Parse(text.empty() ? "10.0.0." + std::to_string(index + 1) : text);
  CHECK(ip.has_value());
  return *ip;
}

}  // namespace

// --- Shard

struct Shard::Main {
  struct promise_type {
    static void* operator new(size_t bytes) { return io::FrameAllocate(bytes); }
    static void operator delete(void* frame, size_t bytes) { io::FrameFree(frame, bytes); }
    Main get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { CheckFailed("no exceptions", __FILE__, __LINE__); }
  };
  std::coroutine_handle<> handle;
};

Shard::Main Shard::RunMain(Shard* shard, io::Task<void> (*shard_main)(void*), void* context) {
  {
    io::Task<void> task = shard_main(context);
    co_await std::move(task);
  }
  shard->finished_ = true;
}

Shard::Shard(Node& node, ShardIndex index, uint16_t shard_count)
    : node_(node),
      log_(kLogBytes),
      scheduler_(index, shard_count, log_, node.world().now(), node.world().wall_now()),
      inbound_(shard_count),
      waiting_posts_(shard_count) {}

Shard::~Shard() {
  if (!dead_) Destroy();
}

Shard::Current::Current(Shard& shard) : before_(current_shard) {
  current_shard = &shard;
  io::Scheduler::SetCurrent(&shard.scheduler_);
}

Shard::Current::~Current() {
  current_shard = before_;
  io::Scheduler::SetCurrent(before_ == nullptr ? nullptr : &before_->scheduler_);
}

void Shard::Start(io::Task<void> (*shard_main)(void* context), void* context) {
  Current current(*this);
  main_ = RunMain(this, shard_main, context).handle;
  scheduler_.MakeReady(main_);
}

void Shard::Destroy() {
  Current current(*this);
  dead_ = true;
  scheduler_.DestroyTasks();
  if (main_) std::exchange(main_, nullptr).destroy();
  for (auto& queue : inbound_) queue.clear();
  for (auto& queue : waiting_posts_) queue.clear();
}

bool Shard::TryPost(ShardIndex to, const io::ShardMessage& message) {
  CHECK_LT(to.value, node_.shards_.size());
  Shard& target = *node_.shards_[to.value];
  const size_t from = scheduler_.shard().value;
  auto& queue = target.inbound_[from];
  if (queue.size() >= io::kShardQueueMessagesMax || !target.waiting_posts_[from].empty())
    return false;
  queue.push_back(message);
  return true;
}

void Shard::WaitToPost(io::PostOp& op) {
  node_.shards_[op.to().value]->waiting_posts_[scheduler_.shard().value].push_back(&op);
}

void Shard::AdmitPosts(Shard& from, std::deque<io::ShardMessage>& queue) {
  auto& waiting = waiting_posts_[from.scheduler_.shard().value];
  while (!waiting.empty() && queue.size() < io::kShardQueueMessagesMax) {
    io::PostOp* op = waiting.front();
    waiting.pop_front();
    queue.push_back(op->message());
    from.scheduler_.MakeReady(op->waiter);
  }
}

bool Shard::DeliverMessages() {
  bool any = false;
  for (size_t from = 0; from < inbound_.size(); ++from) {
    auto& queue = inbound_[from];
    // What comes meanwhile waits for the next turn.
    for (size_t count = queue.size(); count > 0; --count) {
      io::ShardMessage message = queue.front();
      queue.pop_front();
      message.run(message);
      any = true;
    }
    AdmitPosts(*node_.shards_[from], queue);
  }
  return any;
}

bool Shard::Turn() {
  Current current(*this);
  scheduler_.SetTime(world().now(), world().wall_now());
  bool any = DeliverMessages();
  scheduler_.BeginTurn();
  any = scheduler_.RunReady(kTasksPerTurn) > 0 || any;
  return any;
}

void Delay::await_suspend(std::coroutine_handle<> waiter) const {
  Shard* shard = World::CurrentShard();
  CHECK(shard != nullptr);
  shard->world().At(when_, shard->shared_from_this(),
                    [shard, waiter] { shard->scheduler().MakeReady(waiter); });
}

// --- Node

Node::MainThread::MainThread(Node& node) : before_(main_thread_node) { main_thread_node = &node; }
Node::MainThread::~MainThread() { main_thread_node = before_; }

Node::Node(World& world, NodeOptions options, IpAddress ip)
    : world_(world), options_(std::move(options)), ip_(ip), disk_(options_.disk) {
  CHECK(options_.shards > 0 && options_.shards <= io::kShardCountMax);
}

Node::~Node() { End(true); }

void Node::Start(io::Task<void> (*shard_main)(void* context), void* context) {
  CHECK(!running());
  for (uint16_t i = 0; i < options_.shards; ++i) {
    shards_.push_back(std::make_shared<Shard>(*this, ShardIndex(i), options_.shards));
  }
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
    if (world_.options_.print_log) std::fwrite(buffer, 1, count, stderr);
  }
}

void Node::End(bool silent) {
  CHECK(current_shard == nullptr);
  // A connection that a destroyed task held closes as the kernel would close it, or, without power,
  // says nothing.
  world_.network().BeginEnd(*this, silent);
  for (auto& shard : shards_) {
    shard->Destroy();
    GatherLog(*shard);
  }
  world_.network().FinishEnd(*this);
  disk_.CloseAll();
  shards_.clear();
  signals_.clear();
}

void Node::Kill() { End(false); }

void Node::Crash(DiskLoss loss) {
  End(true);
  disk_.Crash(loss, [this](uint64_t bound) { return world_.Random(bound); });
}

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

// --- World

World::World(WorldOptions options)
    : options_(std::move(options)), network_(std::make_unique<Network>(*this)) {
  uint64_t state = options_.seed;
  for (uint64_t& word : random_) word = Spread(state);
}

World::~World() {
  for (auto& node : nodes_) node->End(true);
  events_.clear();
  network_->Orphan();
  nodes_.clear();
}

Node& World::AddNode(NodeOptions options) {
  const IpAddress ip = ChooseIp(options.ip, nodes_.size());
  nodes_.push_back(std::make_unique<Node>(*this, std::move(options), ip));
  return *nodes_.back();
}

WallTime World::wall_now() const {
  return FromUnixSeconds(options_.wall_start_seconds) + now_.time_since_epoch() + wall_shift_;
}

// xoshiro256**, public domain, by Blackman and Vigna.
uint64_t World::RandomUint64() {
  const uint64_t result = Rotate(random_[1] * 5, 7) * 9;
  const uint64_t t = random_[1] << 17;
  random_[2] ^= random_[0];
  random_[3] ^= random_[1];
  random_[1] ^= random_[2];
  random_[0] ^= random_[3];
  random_[2] ^= t;
  random_[3] = Rotate(random_[3], 45);
  return result;
}

uint64_t World::Random(uint64_t bound) {
  CHECK_GT(bound, 0u);
  return RandomUint64() % bound;
}

void World::SetHost(std::string name, StatusOr<std::vector<IpAddress>> answer) {
  hosts_.insert_or_assign(std::move(name), std::move(answer));
}

const StatusOr<std::vector<IpAddress>>* World::FindHost(const std::string& name) const {
  const auto found = hosts_.find(name);
  return found == hosts_.end() ? nullptr : &found->second;
}

void World::SetUnreachable(const IpAddress& ip, bool unreachable) {
  network_->SetUnreachable(ip, unreachable);
}

void World::At(MonotonicTime when, std::shared_ptr<Shard> shard, std::function<void()> run) {
  events_.emplace(std::pair(std::max(when, now_), event_sequence_++),
                  EventEntry{std::move(shard), std::move(run)});
}

Node* World::CurrentNode() {
  return current_shard != nullptr ? &current_shard->node() : main_thread_node;
}
Shard* World::CurrentShard() { return current_shard; }

bool World::RunDueEvents() {
  bool any = false;
  // What an event adds for the same time waits for the next turn.
  const uint64_t end = event_sequence_;
  for (auto it = events_.begin(); it != events_.end() && it->first.first <= now_;) {
    if (it->first.second >= end) {
      ++it;
      continue;
    }
    EventEntry entry = std::move(it->second);
    it = events_.erase(it);
    any = true;
    if (entry.shard == nullptr) {
      entry.run();
    } else if (!entry.shard->dead()) {
      Shard::Current current(*entry.shard);
      entry.run();
    }
  }
  return any;
}

bool World::Turn() {
  CHECK(current_shard == nullptr);
  bool any = RunDueEvents();
  for (auto& node : nodes_) {
    bool finished = node->running();
    for (auto& shard : node->shards_) {
      any = shard->Turn() || any;
      node->GatherLog(*shard);
      finished = finished && shard->finished();
    }
    // As the process does after RunShards has returned.
    if (finished) node->End(false);
  }
  return any;
}

MonotonicTime World::NextDeadline() {
  MonotonicTime next = events_.empty() ? kNever : events_.begin()->first.first;
  for (auto& node : nodes_) {
    for (auto& shard : node->shards_) {
      bool ready = shard->scheduler_.has_ready();
      for (const auto& queue : shard->inbound_) ready = ready || !queue.empty();
      next = std::min(next, ready ? now_ : shard->scheduler_.wheel().NextDeadline());
    }
  }
  return next;
}

bool World::Step(MonotonicTime end) {
  if (Turn()) {
    now_ += options_.turn;
    return true;
  }
  const MonotonicTime next = NextDeadline();
  if (next == kNever || next > end) return false;
  if (next <= now_) {
    // The wheel moved timers down a level, or rounds: let it go on.
    now_ += options_.turn > Nanoseconds(0) ? options_.turn : Nanoseconds(1);
  } else {
    now_ = next;
  }
  return true;
}

bool World::RunUntil(const std::function<bool()>& done, Nanoseconds at_most) {
  const MonotonicTime end = now_ + at_most;
  while (!done()) {
    if (now_ > end || !Step(end)) return done();
  }
  return true;
}

bool World::RunUntilIdle(Nanoseconds at_most) {
  const MonotonicTime end = now_ + at_most;
  while (now_ <= end && Step(end)) {
  }
  return NextDeadline() == kNever;
}

void World::RunFor(Nanoseconds time) {
  const MonotonicTime end = now_ + time;
  while (now_ <= end && Step(end)) {
  }
  now_ = std::max(now_, end);
}

}  // namespace ringmail::sim
