#include "io/kernel/shard.h"

#include <sys/random.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <utility>

#include "io/kernel/runtime.h"
#include "ringmail/base/check.h"
#include "ringmail/io/process.h"

namespace ringmail::io {
namespace {

thread_local constinit Shard* current_shard = nullptr;

constexpr uint32_t kBufferSlots = 64;
// Output blocks that a shard keeps for the next reply: 8 MiB at most.
constexpr size_t kOutputBlocksKept = 2048;

Nanoseconds ReadClock(clockid_t clock) {
  timespec t{};
  CHECK_EQ(clock_gettime(clock, &t), 0);
  return std::chrono::seconds(t.tv_sec) + Nanoseconds(t.tv_nsec);
}
MonotonicTime ReadMonotonic() { return MonotonicTime(ReadClock(CLOCK_MONOTONIC)); }
WallTime ReadWall() { return WallTime(ReadClock(CLOCK_REALTIME)); }

}  // namespace

void RingOp::Submit(io_uring_sqe* sqe) {
  CHECK(!submitted_);
  submitted_ = true;
  Shard::Here().ring().Mark(sqe, Kind::kCompletion, static_cast<Completion*>(this));
}

void RingOp::Done(Completion& completion, int32_t result, uint32_t) {
  auto& op = static_cast<RingOp&>(completion);
  CHECK(op.submitted_);
  op.result_ = result;
  op.submitted_ = false;
  if (op.waiter_) Shard::Here().scheduler().MakeReady(op.waiter_);
}

Shard::Shard(Runtime& runtime, ShardIndex index, const RuntimeOptions& options,
             const Features& features, Inbox& inbox, LogBuffer& log)
    : runtime_(runtime),
      options_(options),
      features_(features),
      inbox_(inbox),
      scheduler_(index, options.shard_count, log, ReadMonotonic(), ReadWall()),
      blocks_(kOutputBlocksKept),
      connections_(options.connections_max),
      post_waiters_(options.shard_count),
      background_(std::make_unique<Gate>()) {
  CHECK(current_shard == nullptr);
  current_shard = this;
  Scheduler::SetCurrent(&scheduler_);
}

Shard::~Shard() {
  CHECK_EQ(ring_.in_flight(), 0u);
  current_shard = nullptr;
}

Shard& Shard::Here() {
  CHECK(current_shard != nullptr);
  return *current_shard;
}
Shard* Shard::Current() { return current_shard; }

Status Shard::Init() {
  RETURN_IF_ERROR(ring_.Init(options_.ring_entries, features_));
  RETURN_IF_ERROR(buffers_.Init(ring_, options_.receive_buffers, options_.receive_buffer_bytes));
  if (features_.registered_buffers &&
      io_uring_register_buffers_sparse(ring_.raw(), kBufferSlots) != 0) {
    features_.registered_buffers = false;
  }
  if (features_.registered_buffers) {
    for (int i = kBufferSlots; i-- > 0;) free_buffer_slots_.push_back(i);
  }
  if (features_.registered_files &&
      io_uring_register_files_sparse(ring_.raw(), kRegisteredFilesMax + 1) != 0) {
    features_.registered_files = false;
  }
  // The ring's own reference: a file of the ring is closed after its last request has ended, which
  // is later than the end of a killed process.
  if (features_.registered_files && options_.lock != nullptr) {
    const int fd = options_.lock->descriptor();
    if (io_uring_register_files_update(ring_.raw(), kRegisteredFilesMax, &fd, 1) != 1)
      return absl::InternalError("the lock of the store cannot be registered with the ring");
  }
  if (features_.registered_files) {
    for (int i = kRegisteredFilesMax; i-- > 0;) free_file_slots_.push_back(i);
  }
  wake_fd_ = runtime_.wake_descriptor(scheduler_.shard().value);
  wake_.shard = this;
  wake_.done = &Shard::Woken;
  ArmWake();
  return absl::OkStatus();
}

void Shard::ArmWake() {
  io_uring_sqe* sqe = ring_.Sqe();
  io_uring_prep_read(sqe, wake_fd_, &wake_.count, sizeof(wake_.count), 0);
  ring_.Mark(sqe, Kind::kCompletion, static_cast<Completion*>(&wake_));
}

void Shard::Woken(Completion& completion, int32_t, uint32_t) {
  Shard* shard = static_cast<WakeRead&>(completion).shard;
  if (!shard->draining_) shard->ArmWake();
}

void Shard::ReadClocks() {
  scheduler_.SetTime(std::max(ReadMonotonic(), scheduler_.now()), ReadWall());
}

void Shard::Dispatch(const CompletionEntry& entry) {
  switch (KindOf(entry.user_data)) {
    case Kind::kIgnored:
    case Kind::kUncounted:
    case Kind::kDoorbell:
      return;
    case Kind::kBell:
      // It was refused, and whom it was for sleeps on: the descriptor always works.
      return runtime_.RingByDescriptor(static_cast<uint16_t>(entry.user_data >> 48));
    case Kind::kCompletion: {
      auto* completion = PointerOf<Completion>(entry.user_data);
      completion->done(*completion, entry.result, entry.flags);
      return;
    }
    case Kind::kPoll:
    case Kind::kReceive:
    case Kind::kSend: {
      auto* connection = PointerOf<Connection>(entry.user_data);
      // P4: a completion for a connection that is gone would be our fault, and must not find its
      // successor.
      CHECK_EQ(connection->generation(), static_cast<uint16_t>(entry.user_data >> 48));
      if (KindOf(entry.user_data) == Kind::kReceive)
        return connection->OnReceive(entry.result, entry.flags);
      if (KindOf(entry.user_data) == Kind::kSend) return connection->OnSend(entry.result);
      return connection->OnPoll(entry.result);
    }
  }
  CheckFailed("a known completion", __FILE__, __LINE__);
}

void Shard::Turn() {
  ++turns_;
  ReadClocks();
  scheduler_.BeginTurn();
  CompletionEntry entry;
  while (ring_.Next(entry)) Dispatch(entry);
  TakeMail();
  scheduler_.RunReady(kTasksPerTurnMax);
  while (!unsent_.empty()) unsent_.PopFront().SendUnsent();
  ArmStarved();
  // The last reference to a closed file goes when this thread returns to user mode; were it to
  // sleep in the same call, the peer would not hear of the end before something else happens here.
  bool wait = !scheduler_.has_ready() && !std::exchange(closing_, false) && !ring_.has_kept();
  // Receives that were armed again take a buffer only when something arrives: the others must not
  // wait for that.
  if (!starved_.empty() && buffers_.available() > 0) wait = false;
  Nanoseconds timeout(-1);
  if (wait) {
    if (const MonotonicTime next = scheduler_.wheel().NextDeadline(); next != kNever) {
      timeout = next - ReadMonotonic();
      wait = timeout.count() > 0;
    }
  }
  if (wait && draining_ && ring_.in_flight() == 0) wait = false;
  if (wait) wait = inbox_.FallAsleep();
  ring_.Enter(wait, timeout);
  inbox_.WakeUp();
}

namespace {

// A turn whose tasks are all done must not go to sleep before its caller has seen that.
Task<void> ThenNudge(Task<void> task, Inbox* inbox) {
  co_await std::move(task);
  (void)inbox->Nudge();
}

}  // namespace

void Shard::RunUntilDone(Task<void> task) {
  Gate gate;
  gate.Spawn(ThenNudge(std::move(task), &inbox_));
  while (gate.inside() > 0) Turn();
}

void Shard::Drain() {
  // What runs in the background of this shard (look-ups) ends by itself.
  RunUntilDone(background_->Close());
  draining_ = true;
  ring_.CancelAll();
  while (ring_.in_flight() > 0) Turn();
}

void Shard::TakeMail() {
  for (size_t word = 0; word < Inbox::kWords && word * 64 < options_.shard_count; ++word) {
    uint64_t senders = inbox_.TakeSenders(word);
    for (; senders != 0; senders &= senders - 1) {
      const auto sender =
          static_cast<uint16_t>(word * 64 + static_cast<size_t>(std::countr_zero(senders)));
      TakeMessagesFrom(sender);
      ServePostWaiters(sender);
    }
  }
  for (BlockingOp* op = inbox_.TakeFinished(); op != nullptr;) {
    BlockingOp* finished = std::exchange(op, op->next);
    scheduler_.MakeReady(finished->waiter);
  }
  while (blocking_head_ != nullptr) {
    BlockingOp* next = blocking_head_->next;
    if (!runtime_.TryAddBlocking(blocking_head_)) break;
    blocking_head_ = next;
    if (next == nullptr) blocking_tail_ = nullptr;
  }
  if (scheduler_.shard().value == 0) runtime_.DeliverSignals(signals_);
}

void Shard::TakeMessagesFrom(uint16_t sender) {
  PairQueue* queue = inbox_.FindQueueFrom(sender);
  if (queue == nullptr) return;
  ShardMessage message;
  size_t taken = 0;
  // No more than were there at first can be in the queue without the sender announcing again.
  for (; taken < kShardQueueMessagesMax && queue->messages.TryPop(message); ++taken)
    message.run(message);
  if (taken == kShardQueueMessagesMax) (void)inbox_.Announce(sender);
  if (taken > 0 && queue->room_wanted.exchange(false, std::memory_order_seq_cst)) {
    const uint16_t self = scheduler_.shard().value;
    if (runtime_.inbox(sender).Announce(self)) RingFor(sender);
  }
}

void Shard::RingFor(uint16_t to) {
  ++counts_.doorbells;
  if (!features_.message_ring) return runtime_.RingByDescriptor(to);
  io_uring_sqe* sqe = ring_.Sqe();
  io_uring_prep_msg_ring(sqe, runtime_.ring_descriptor(to), 0, UserData(Kind::kDoorbell), 0);
  ring_.Mark(sqe, Kind::kBell, nullptr, to);
}

bool Shard::TryPost(uint16_t to, const ShardMessage& message) {
  CHECK_LT(to, options_.shard_count);
  CHECK(message.run != nullptr);
  // Those who wait for room came first.
  if (post_waiters_[to].head != nullptr) return false;
  const uint16_t self = scheduler_.shard().value;
  Inbox& inbox = runtime_.inbox(to);
  if (!inbox.QueueFrom(self).messages.TryPush(message)) return false;
  if (inbox.Announce(self)) RingFor(to);
  return true;
}

void Shard::AddPostWaiter(PostOp* op) {
  const uint16_t to = op->to().value;
  op->next = nullptr;
  PostWaiters& waiters = post_waiters_[to];
  (waiters.tail == nullptr ? waiters.head : waiters.tail->next) = op;
  waiters.tail = op;
  ServePostWaiters(to);
}

void Shard::ServePostWaiters(uint16_t to) {
  PostWaiters& waiters = post_waiters_[to];
  if (waiters.head == nullptr) return;
  const uint16_t self = scheduler_.shard().value;
  Inbox& inbox = runtime_.inbox(to);
  PairQueue& queue = inbox.QueueFrom(self);
  bool pushed = false;
  while (waiters.head != nullptr) {
    if (!queue.messages.TryPush(waiters.head->message())) {
      queue.room_wanted.store(true, std::memory_order_seq_cst);
      // The receiver may have emptied it before it could see that we want room.
      if (!queue.messages.TryPush(waiters.head->message())) break;
    }
    pushed = true;
    PostOp* op = waiters.head;
    waiters.head = op->next;
    if (waiters.head == nullptr) waiters.tail = nullptr;
    scheduler_.MakeReady(op->waiter);
  }
  if (pushed && inbox.Announce(self)) RingFor(to);
}

void Shard::AddBlocking(BlockingOp* op) {
  op->shard = scheduler_.shard().value;
  op->next = nullptr;
  if (blocking_head_ == nullptr && runtime_.TryAddBlocking(op)) return;
  (blocking_tail_ == nullptr ? blocking_head_ : blocking_tail_->next) = op;
  blocking_tail_ = op;
}

void Shard::ArmStarved() {
  // One for each buffer that is there: were it fewer, the kernel says so again.
  for (uint32_t i = buffers_.available(); i > 0 && !starved_.empty(); --i)
    starved_.PopFront().Rearm();
}

void Shard::CloseDescriptor(int fd) {
  io_uring_sqe* sqe = ring_.Sqe();
  io_uring_prep_close(sqe, fd);
  ring_.Mark(sqe, Kind::kUncounted);
  closing_ = true;
}

void Shard::FreeConnection(Connection* connection) {
  connections_.Free(connection);
  NotifyRoom();
}

void Shard::GiveConnectionPlace() {
  connections_.GivePlace();
  NotifyRoom();
}

void Shard::NotifyRoom() {
  while (!room_waiters_.empty()) {
    Event* room = room_waiters_.back();
    room_waiters_.pop_back();
    room->Notify();
  }
}

void Shard::ForgetConnectionRoom(Event& room) { std::erase(room_waiters_, &room); }

uint64_t Shard::Random() {
  if (random_left_ == 0) {
    // 256 bytes or fewer are never cut short by a signal.
    CHECK_EQ(getrandom(random_.data(), sizeof(random_), 0), static_cast<ssize_t>(sizeof(random_)));
    random_left_ = random_.size();
  }
  return std::exchange(random_[--random_left_], 0);
}

int Shard::RegisterBuffer(char* data, size_t bytes) {
  if (!features_.registered_buffers || free_buffer_slots_.empty()) return -1;
  const iovec memory{data, bytes};
  const __u64 tag = 0;
  const int slot = free_buffer_slots_.back();
  if (io_uring_register_buffers_update_tag(ring_.raw(), static_cast<unsigned>(slot), &memory, &tag,
                                           1) != 1) {
    return -1;
  }
  free_buffer_slots_.pop_back();
  return slot;
}

void Shard::UnregisterBuffer(int index) {
  CHECK_GE(index, 0);
  const iovec none{nullptr, 0};
  const __u64 tag = 0;
  CHECK_EQ(io_uring_register_buffers_update_tag(ring_.raw(), static_cast<unsigned>(index), &none,
                                                &tag, 1),
           1);
  free_buffer_slots_.push_back(index);
}

int Shard::RegisterFile(int fd) {
  CHECK_GE(fd, 0);
  if (!features_.registered_files || free_file_slots_.empty()) return -1;
  const int slot = free_file_slots_.back();
  if (io_uring_register_files_update(ring_.raw(), static_cast<unsigned>(slot), &fd, 1) != 1)
    return -1;
  free_file_slots_.pop_back();
  ++registered_files_;
  return slot;
}

void Shard::UnregisterFile(int slot) {
  CHECK(slot >= 0 && static_cast<uint32_t>(slot) < kRegisteredFilesMax);
  CHECK_GT(registered_files_, 0u);
  const int none = -1;
  CHECK_EQ(io_uring_register_files_update(ring_.raw(), static_cast<unsigned>(slot), &none, 1), 1);
  --registered_files_;
  free_file_slots_.push_back(slot);
}

bool Shard::TakeFileSlot() {
  if (file_operations_ >= kFileOperationsMax) return false;
  ++file_operations_;
  return true;
}

void Shard::GiveFileSlot() {
  CHECK_GT(file_operations_, 0u);
  if (file_waiters_.empty()) {
    --file_operations_;
    return;
  }
  scheduler_.MakeReady(file_waiters_.Pop());
}

uint64_t RandomUint64() { return Shard::Here().Random(); }
bool TryPost(ShardIndex to, const ShardMessage& message) {
  return Shard::Here().TryPost(to.value, message);
}
void PostOp::await_suspend(std::coroutine_handle<> handle) {
  waiter = handle;
  Shard::Here().AddPostWaiter(this);
}
void BlockingOp::await_suspend(std::coroutine_handle<> handle) {
  waiter = handle;
  Shard::Here().AddBlocking(this);
}

}  // namespace ringmail::io
