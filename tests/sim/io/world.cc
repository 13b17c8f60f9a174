#include "tests/sim/io/world.h"

#include <cstdio>
#include <utility>

#include "ringmail/base/check.h"
#include "tests/sim/io/network.h"
#include "tests/sim/io/shard.h"

namespace ringmail::sim {
namespace {

thread_local Shard* current_shard = nullptr;
// The current shard is in its turn, after which the world asks what is next.
thread_local bool world_turn = false;

constexpr size_t kTasksPerTurn = 1024;
constexpr size_t kLogBytes = 1u << 20;

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
  --shard->node_.unfinished_;
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
  // Timers may have been armed. In its own turn the world asks afterwards.
  if (!world_turn || before_ != nullptr) current_shard->SetDue();
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
  inbound_count_ = 0;
  for (auto& queue : waiting_posts_) queue.clear();
}

bool Shard::TryPost(ShardIndex to, const io::ShardMessage& message) {
  CHECK_LT(to.value, node_.shards_.size());
  Shard& target = *node_.shards_[to.value];
  const size_t from = scheduler_.shard().value;
  auto& queue = target.inbound_[from];
  if (queue.size() >= node_.options().shard_queue_messages_max ||
      !target.waiting_posts_[from].empty()) {
    return false;
  }
  queue.push_back(message);
  ++target.inbound_count_;
  target.SetDue();
  return true;
}

void Shard::WaitToPost(io::PostOp& op) {
  node_.shards_[op.to().value]->waiting_posts_[scheduler_.shard().value].push_back(&op);
}

void Shard::AdmitPosts(Shard& from, std::deque<io::ShardMessage>& queue) {
  auto& waiting = waiting_posts_[from.scheduler_.shard().value];
  while (!waiting.empty() && queue.size() < node_.options().shard_queue_messages_max) {
    io::PostOp* op = waiting.front();
    waiting.pop_front();
    queue.push_back(op->message());
    ++inbound_count_;
    from.MakeReady(op->waiter);
  }
}

bool Shard::DeliverMessages() {
  if (inbound_count_ == 0) return false;
  bool any = false;
  for (size_t from = 0; from < inbound_.size(); ++from) {
    auto& queue = inbound_[from];
    // What comes meanwhile waits for the next turn.
    for (size_t count = queue.size(); count > 0 && !node_.doomed(); --count) {
      io::ShardMessage message = queue.front();
      queue.pop_front();
      --inbound_count_;
      message.run(message);
      any = true;
    }
    AdmitPosts(*node_.shards_[from], queue);
  }
  return any;
}

bool Shard::Turn() {
  Current current(*this);
  world_turn = true;
  scheduler_.SetTime(world().now(), world().wall_now());
  bool any = DeliverMessages();
  scheduler_.BeginTurn();
  // One at a time: a node that ends at one of its requests ends there.
  for (size_t count = 0; count < kTasksPerTurn && !node_.doomed(); ++count) {
    if (scheduler_.RunReady(1) == 0) break;
    any = true;
  }
  world_turn = false;
  return any;
}

void Shard::SetDue() {
  if (dead_) return;
  MonotonicTime& due = world().slots_[slot_].due;
  due = std::min(due, std::max(world().now(), not_before_));
}

MonotonicTime Shard::NextDue() {
  const bool ready = scheduler_.has_ready() || inbound_count_ > 0;
  return std::max(ready ? world().now() : scheduler_.wheel().NextDeadline(), not_before_);
}

void Shard::RemoveConnection() {
  const bool full = connections_full();
  --connections_;
  if (full && !dead_) world().network().RoomAt(*this);
}

void Delay::await_suspend(std::coroutine_handle<> waiter) const {
  Shard* here = World::CurrentShard();
  CHECK(here != nullptr);
  here->world().At(when_, nullptr, [shard = here->shared_from_this(), waiter] {
    if (!shard->dead()) shard->MakeReady(waiter);
  });
}

// --- World

World::World(WorldOptions options)
    : options_(std::move(options)),
      trace_(options_.timeline),
      network_(std::make_unique<Network>(*this)) {
  uint64_t state = options_.seed;
  for (uint64_t& word : random_) word = Spread(state);
}

World::~World() {
  for (auto& node : nodes_) node->End(true);
  events_.Clear();
  network_->Orphan();
  nodes_.clear();
}

Node& World::AddNode(NodeOptions options) {
  const IpAddress ip = ChooseIp(options.ip, nodes_.size());
  nodes_.push_back(std::make_unique<Node>(*this, nodes_.size(), std::move(options), ip));
  return *nodes_.back();
}

WallTime World::wall_now() const {
  return FromUnixSeconds(options_.wall_start_seconds) + now_.time_since_epoch() + wall_shift_;
}

// xoshiro256**, public domain, by Blackman and Vigna.
uint64_t World::RandomUint64() {
  ++random_draws_;
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

void World::ShiftWallClock(Nanoseconds by) {
  wall_shift_ += by;
  trace_.Note(now_, 0, TraceKind::kClock, static_cast<uint64_t>(by.count()), 0);
}

void World::SetHost(std::string name, StatusOr<std::vector<IpAddress>> answer,
                    Nanoseconds latency) {
  hosts_.insert_or_assign(std::move(name), Host{std::move(answer), latency});
}

World::Host World::FindHost(Node& asking, const std::string& name) {
  const auto found = hosts_.find(name);
  Host host = found != hosts_.end()
                  ? found->second
                  : Host{absl::NotFoundError("no such host: " + name), kHostLatency};
  if (host_fault) host_fault(asking, name, host.answer, host.latency);
  return host;
}

uint64_t World::trace_hash() const { return trace_.hash() ^ random_draws_ * 0x9E3779B97F4A7C15u; }

std::string World::Timeline() const {
  std::vector<std::string> names;
  for (const auto& node : nodes_) names.push_back(node->options().name);
  return trace_.Timeline(kStart, names);
}

void World::AtShard(MonotonicTime when, std::shared_ptr<Shard> shard, std::function<void()> run) {
  events_.Add(std::max(when, now_), [shard = std::move(shard), run = std::move(run), this] {
    if (shard->dead()) return;
    Shard::Current current(*shard);
    shard->scheduler().SetTime(now_, wall_now());
    run();
  });
}

Node* World::CurrentNode() {
  return current_shard != nullptr ? &current_shard->node() : MainThreadNode();
}
Shard* World::CurrentShard() { return current_shard; }

// --- Faults

void World::SetUnreachable(const IpAddress& ip, bool unreachable) {
  network_->SetUnreachable(ip, unreachable);
}

void World::SetPath(Node& from, Node& to, PathOptions options) {
  trace_.Note(now_, from.index() + 1, TraceKind::kFault, to.index(), options.lost ? 1 : 0);
  network_->PathToSet(from, to) = options;
  ++from.path_changes_[to.index()];
}

void World::SetPathFor(Node& from, Node& to, PathOptions options, Nanoseconds time) {
  const PathOptions before = Path(from, to);
  SetPath(from, to, options);
  // What has been set meanwhile stays.
  At(now_ + time, nullptr, [this, &from, &to, before, change = from.path_changes_[to.index()]] {
    if (from.path_changes_[to.index()] == change) SetPath(from, to, before);
  });
}

void World::SetPaths(Node& node, PathOptions options) {
  for (auto& other : nodes_) {
    if (other.get() == &node) continue;
    SetPath(node, *other, options);
    SetPath(*other, node, options);
  }
}

const PathOptions& World::Path(const Node& from, const Node& to) const {
  return network_->Path(from, to);
}

std::vector<ConnectionInfo> World::Connections(const Node* connector, const Node* acceptor) const {
  return network_->Connections(connector, acceptor, nullptr);
}
std::vector<ConnectionInfo> World::Connections(const Node& node) const {
  return network_->Connections(nullptr, nullptr, &node);
}
bool World::Spoil(uint64_t connection, const ConnectionFault& fault) {
  return network_->Spoil(connection, fault);
}
bool World::SpoilOne(const Node& node, const ConnectionFault& fault) {
  const std::vector<ConnectionInfo> live = Connections(node);
  return !live.empty() && Spoil(live[Random(live.size())].id, fault);
}
void World::SpoilLater(const Node* connector, const Node* acceptor, uint64_t nth,
                       const ConnectionFault& fault) {
  network_->SpoilLater(connector, acceptor, nth, fault);
}
void World::CancelSpoiling() { network_->CancelSpoiling(); }

// --- Time

bool World::RunDueEvents() {
  bool any = false;
  // What an event adds for the same time waits for the next turn.
  const uint64_t end = events_.sequence();
  while (events_.RunOne(now_, end)) {
    any = true;
    if (any_doomed_) EndDoomed();
  }
  return any;
}

void World::EndDoomed() {
  any_doomed_ = false;
  for (auto& node : nodes_) {
    if (node->doomed()) node->EndNow();
  }
}

void World::RunSlot(size_t index) {
  Shard& shard = *slots_[index].shard;
  Node& node = shard.node();
  if (shard.Turn()) {
    node.GatherLog(shard);
    ran_ = true;
    const auto slowness = shard.scheduler().shard().value < node.slowness_.size()
                              ? node.slowness_[shard.scheduler().shard().value]
                              : 1u;
    if (slowness > 1) {
      shard.not_before_ = std::max(shard.not_before_, now_ + options_.turn * slowness);
    }
  }
  slots_[index].due = shard.NextDue();
  if (any_doomed_) {
    EndDoomed();
  } else if (node.unfinished_ == 0) {
    node.FinishRun();
  }
}

bool World::Turn() {
  CHECK(current_shard == nullptr);
  ran_ = false;
  if (any_doomed_) EndDoomed();
  const bool events = RunDueEvents();
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].due <= now_ && slots_[i].shard != nullptr) RunSlot(i);
  }
  if (slots_ended_) {
    slots_ended_ = false;
    std::erase_if(slots_, [](const Slot& slot) { return slot.shard == nullptr; });
    for (size_t i = 0; i < slots_.size(); ++i) slots_[i].shard->slot_ = i;
  }
  return events || ran_;
}

MonotonicTime World::NextDeadline() {
  MonotonicTime next = events_.next();
  for (const Slot& slot : slots_) {
    if (slot.shard != nullptr) next = std::min(next, slot.due);
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

void World::RunFor(Nanoseconds time, const std::function<void()>& after_step) {
  const MonotonicTime end = now_ + time;
  while (now_ <= end && Step(end)) after_step();
  now_ = std::max(now_, end);
}

}  // namespace ringmail::sim
