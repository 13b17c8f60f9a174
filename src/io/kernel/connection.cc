#include "io/kernel/connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "io/kernel/shard.h"
#include "ringmail/base/check.h"

namespace ringmail::io {
namespace {

// Input no larger than this may move out of a scarce receive buffer into a block of its own.
constexpr size_t kCopyBytesMax = kOutputBlockBytes - sizeof(InputNode);

bool Transient(int error) { return error == EAGAIN || error == EINTR; }

}  // namespace

Connection::Connection(Shard& shard, int fd, uint16_t generation, const Endpoint& peer,
                       const Endpoint& local)
    : shard_(shard),
      fd_(fd),
      generation_(generation),
      timer_(&Connection::TimerFired, this),
      peer_(peer),
      local_(local) {
  CHECK_GE(fd, 0);
}

Connection::~Connection() {
  CHECK_EQ(outstanding_, 0);
  CHECK_EQ(held_, 0u);
  CHECK(gather_ == nullptr);
}

void Connection::Start() { ArmReceive(); }

// How much input may lie ahead of the reader. A connection that nobody reads must not take from the
// others what they need.
uint32_t Connection::HeldMax() const {
  const ReceiveBuffers& buffers = shard_.buffers();
  const uint32_t most =
      std::max<uint32_t>(static_cast<uint32_t>(kInputBytesAheadMax) / buffers.bytes(), 2);
  if (buffers.available() >= buffers.count() / 2) return most;
  if (buffers.available() >= buffers.count() / 8) return std::min<uint32_t>(most, 4);
  return 1;
}

void Connection::ArmReceive() {
  if (receive_ != Receive::kNone || ended_ || failed_ || released_ || quiet_ || starved()) return;
  if (held_ >= HeldMax()) return;
  Ring& ring = shard_.ring();
  io_uring_sqe* sqe = ring.Sqe();
  ++outstanding_;
  if (idle_ && input_head_ == nullptr) {
    io_uring_prep_poll_add(sqe, fd_, POLLIN | POLLRDHUP);
    ring.Mark(sqe, Kind::kPoll, this, generation_);
    receive_ = Receive::kPolling;
    ++shard_.counts().polls_armed;
    return;
  }
  idle_ = false;
  if (shard_.features().multishot_receive) {
    io_uring_prep_recv_multishot(sqe, fd_, nullptr, 0, 0);
  } else {
    io_uring_prep_recv(sqe, fd_, nullptr, shard_.buffers().bytes(), 0);
  }
  if (fresh_) sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
  fresh_ = false;
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = ReceiveBuffers::kGroup;
  ring.Mark(sqe, Kind::kReceive, this, generation_);
  receive_ = Receive::kReceiving;
  ++shard_.counts().receives_armed;
}

void Connection::CancelReceive() {
  if (receive_ == Receive::kNone || cancelling_) return;
  cancelling_ = true;
  ++shard_.counts().receives_cancelled;
  const Kind kind = receive_ == Receive::kPolling ? Kind::kPoll : Kind::kReceive;
  shard_.ring().Cancel(UserData(kind, this, generation_));
}

void Connection::OnPoll(int32_t result) {
  CHECK(receive_ == Receive::kPolling);
  receive_ = Receive::kNone;
  cancelling_ = false;
  --outstanding_;
  if (released_) return MaybeFree();
  WakeIfQuiet();
  // Readable, hung up or in error: the receive finds out which.
  if (result >= 0) idle_ = false;
  ArmReceive();
}

void Connection::OnReceive(int32_t result, uint32_t flags) {
  CHECK(receive_ == Receive::kReceiving);
  const bool more = (flags & IORING_CQE_F_MORE) != 0;
  if (!more) {
    receive_ = Receive::kNone;
    cancelling_ = false;
    --outstanding_;
  }
  if ((flags & IORING_CQE_F_BUFFER) != 0) {
    const auto buffer = static_cast<uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT);
    if (result > 0 && !released_) {
      Append(shard_.buffers().Take(buffer, static_cast<uint32_t>(result)));
    } else {
      shard_.buffers().Return(buffer);
    }
  }
  if (released_) return MaybeFree();
  if (result > 0) {
    idle_ = false;
  } else if (result == 0) {
    ended_ = true;
  } else if (result == -ENOBUFS) {
    // P1: the pool is empty, the peer is well. Armed again when a buffer comes back.
    if (!starved() && !quiet_) shard_.AddStarved(*this);
  } else if (result != -ECANCELED && !Transient(-result)) {
    Fail(-result);
  }
  if (wait_ == Wait::kReceive && (input_head_ != nullptr || ended_)) Wake();
  WakeIfQuiet();
  if (!more) {
    ArmReceive();
  } else if (quiet_) {
    // Should the cancel have been lost to what has just arrived.
    cancelling_ = false;
    CancelReceive();
  } else if (held_ >= HeldMax()) {
    CancelReceive();
  }
}

void Connection::Append(InputNode* node) {
  ReceiveBuffers& buffers = shard_.buffers();
  // Nobody reads and buffers are scarce: a copy frees the buffer for those who do.
  if (wait_ != Wait::kReceive && node->size <= kCopyBytesMax &&
      buffers.available() < buffers.count() / 2) {
    void* block = shard_.blocks().Allocate();
    auto* copy = new (block) InputNode;
    copy->data = static_cast<char*>(block) + sizeof(InputNode);
    copy->size = node->size;
    std::memcpy(copy->data, node->data, node->size);
    buffers.Return(node);
    node = copy;
  }
  ++held_;
  (input_tail_ == nullptr ? input_head_ : input_tail_->next) = node;
  input_tail_ = node;
}

// Makes the first node input(). Only a Receive does, so that what arrives never changes what the
// reader sees.
void Connection::ShowInput() {
  if (input_head_ == nullptr || input_data_ != nullptr) return;
  input_data_ = input_head_->data;
  input_size_ = input_head_->size;
}

void Connection::Consume(size_t count) {
  CHECK_LE(count, input_size_);
  input_data_ += count;
  input_size_ -= count;
  if (input_size_ > 0 || input_data_ == nullptr) return;
  DropInput();
  // Half: so that one slow reader does not cancel and arm for each buffer.
  if (receive_ == Receive::kNone && (input_head_ == nullptr || held_ <= HeldMax() / 2))
    ArmReceive();
}

// Gives the first node of the input back.
void Connection::DropInput() {
  InputNode* node = std::exchange(input_head_, input_head_->next);
  if (input_head_ == nullptr) input_tail_ = nullptr;
  CHECK_GT(held_, 0u);
  --held_;
  if (node->buffer >= 0) {
    shard_.buffers().Return(node);
  } else if (node->buffer == InputNode::kBlock) {
    shard_.blocks().Free(node);
  } else {
    std::free(node);
  }
  input_data_ = nullptr;
  input_size_ = 0;
}

void Connection::Write(std::string_view bytes) {
  if (!failed_ && !output_ended_) pending_.Write(shard_.blocks(), bytes);
}

void Connection::WriteReference(std::string_view bytes) {
  if (!failed_ && !output_ended_) pending_.WriteReference(shard_.blocks(), bytes);
}

void Connection::SendSoon() {
  if (!pending_.empty()) shard_.AddUnsent(*this);
}

void Connection::EndOutput() {
  if (output_ended_) return;
  output_ended_ = true;
  if (output_bytes() == 0 && !failed_) ShutdownWrite();
  SendSoon();
}

// Nothing of what was written is left, or is of any use.
void Connection::OutputGone() {
  if (output_ended_ && !failed_ && !released_ && output_bytes() == 0) ShutdownWrite();
  if (drained_ != nullptr) drained_->Notify();
}

void Connection::SpeakFor(Endpoint peer, Endpoint local) {
  peer_ = std::move(peer);
  local_ = std::move(local);
}

void Connection::SetLayer(std::unique_ptr<StreamLayer> layer) {
  CHECK(layer_ == nullptr);
  layer_ = std::move(layer);
}

void Connection::StartSend() {
  if (failed_ || released_ || pending_.empty()) return;
  if (send_in_flight_) {
    send_wanted_ = true;
    return;
  }
  send_wanted_ = false;
  sending_.TakeAll(pending_);
  SubmitSend();
}

void Connection::SubmitSend() {
  Ring& ring = shard_.ring();
  io_uring_sqe* sqe = ring.Sqe();
  // P6: the socket blocks, so that the kernel itself waits for room, and MSG_WAITALL makes it send
  // all.
  constexpr int kFlags = MSG_WAITALL | MSG_NOSIGNAL;
  if (sending_.single()) {
    const iovec piece = sending_.front();
    io_uring_prep_send(sqe, fd_, piece.iov_base, piece.iov_len, kFlags);
  } else {
    if (gather_ == nullptr) gather_ = static_cast<Gather*>(shard_.blocks().Allocate());
    sending_.Collect(*gather_);
    io_uring_prep_sendmsg(sqe, fd_, &gather_->header, kFlags);
  }
  ring.Mark(sqe, Kind::kSend, this, generation_);
  ++outstanding_;
  send_in_flight_ = true;
  ++shard_.counts().sends;
}

void Connection::OnSend(int32_t result) {
  CHECK(send_in_flight_);
  send_in_flight_ = false;
  --outstanding_;
  BlockPool& blocks = shard_.blocks();
  if (gather_ != nullptr) blocks.Free(std::exchange(gather_, nullptr));
  if (result > 0) sending_.Drop(blocks, static_cast<size_t>(result));
  if (released_ || failed_) {
    sending_.Clear(blocks);
  } else if (result < 0 && !Transient(-result)) {
    sending_.Clear(blocks);
    Fail(result == -ECANCELED ? ECONNABORTED : -result);
  } else if (!sending_.empty()) {
    SubmitSend();
  } else if (send_wanted_) {
    StartSend();
  }
  if (output_bytes() == 0) OutputGone();
  if (wait_ == Wait::kFlush && output_bytes() == 0) Wake();
  if (wait_ == Wait::kSendDone && !send_in_flight_) Wake();
  WakeIfQuiet();
  if (released_) MaybeFree();
}

void Connection::Fail(int error) {
  if (failed_) return;
  failed_ = true;
  error_ = error;
  pending_.Clear(shard_.blocks());
  OutputGone();
  if (wait_ == Wait::kReceive || wait_ == Wait::kFlush) Wake();
}

void Connection::Cancel() {
  cancelled_ = true;
  if (drained_ != nullptr) drained_->Notify();
  if (wait_ == Wait::kReceive || wait_ == Wait::kFlush) Wake();
}

void Connection::Wake() {
  CHECK(wait_ != Wait::kNone && waiter_ && !resuming_);
  wait_ = Wait::kNone;
  resuming_ = true;
  shard_.scheduler().MakeReady(std::exchange(waiter_, nullptr));
}

bool Connection::Begin(Wait wait) {
  CHECK(wait_ == Wait::kNone && !resuming_);
  timed_out_ = false;
  if (wait == Wait::kSendDone) return !send_in_flight_;
  if (wait == Wait::kQuiet) {
    quiet_ = true;
    ListHook<StarvedTag>::Unlink();
    CancelReceive();
    return outstanding_ == 0;
  }
  if (wait == Wait::kReceive) {
    CHECK_EQ(input_size_, 0u);
    // What the peer has pipelined is answered together: the send starts at the latest when this
    // turn ends.
    if (input_head_ != nullptr) {
      SendSoon();
      return true;
    }
  }
  StartSend();
  if (failed_ || cancelled_) return true;
  if (wait == Wait::kFlush) return output_bytes() == 0;
  if (ended_) return true;
  ArmReceive();
  return false;
}

void Connection::Suspend(Wait wait, std::coroutine_handle<> waiter, MonotonicTime deadline) {
  CHECK(!waiter_);
  wait_ = wait;
  waiter_ = waiter;
  wait_deadline_ = deadline;
  wait_since_ = shard_.scheduler().now();
  ArmTimer();
}

// Most waits end long before their deadline: the timer is left where an earlier wait put it, if
// that is early enough, and looks again when it fires. So a busy connection touches the wheel every
// few seconds, not for each command.
void Connection::ArmTimer() {
  MonotonicTime when = wait_deadline_;
  if (wait_ == Wait::kReceive && receive_ != Receive::kPolling &&
      shard_.features().poll_when_idle) {
    when = std::min(when, wait_since_ + shard_.idle_after());
  }
  if (when == kNever) return;
  if (!timer_.armed() || timer_.deadline() > when) timer_.Arm(when);
}

void Connection::TimerFired(void* self) { static_cast<Connection*>(self)->OnTimer(); }

void Connection::OnTimer() {
  if (wait_ == Wait::kNone) return;
  const MonotonicTime now = shard_.scheduler().now();
  if (now >= wait_deadline_) {
    timed_out_ = true;
    Wake();
    return;
  }
  if (wait_ == Wait::kReceive && receive_ == Receive::kReceiving &&
      now >= wait_since_ + shard_.idle_after() && shard_.features().poll_when_idle) {
    idle_ = true;
    CancelReceive();
    // Should the cancel be lost to data that arrives, the next wait looks again.
    if (wait_deadline_ != kNever) timer_.Arm(wait_deadline_);
    return;
  }
  if (wait_ == Wait::kReceive && receive_ == Receive::kNone &&
      now >= wait_since_ + shard_.idle_after()) {
    // Starved of buffers: nothing to give back, only the deadline remains.
    if (wait_deadline_ != kNever) timer_.Arm(wait_deadline_);
    return;
  }
  ArmTimer();
}

StreamStatus Connection::Result(Wait wait) {
  resuming_ = false;
  if (wait == Wait::kReceive) ShowInput();
  StreamStatus status = StreamStatus::kTimedOut;
  if (cancelled_ || released_) {
    status = StreamStatus::kCancelled;
  } else if (wait == Wait::kReceive && input_size_ > 0) {
    status = StreamStatus::kOk;
  } else if (failed_) {
    status = StreamStatus::kFailed;
  } else if (wait == Wait::kReceive && ended_) {
    status = StreamStatus::kEnd;
  } else if (wait == Wait::kFlush && output_bytes() == 0) {
    status = StreamStatus::kOk;
  } else if (wait == Wait::kSendDone || wait == Wait::kQuiet) {
    status = StreamStatus::kOk;
  } else {
    CHECK(timed_out_);
  }
  if (wait == Wait::kQuiet && status != StreamStatus::kOk) {
    quiet_ = false;
    ArmReceive();
  }
  if (released_) MaybeFree();
  return status;
}

void Connection::ShutdownWrite() { (void)shutdown(fd_, SHUT_WR); }

// P3: close alone neither ends a pending request nor tells the peer; this ends both directions and
// with them every request.
void Connection::Kill() {
  (void)shutdown(fd_, SHUT_RDWR);
  CancelReceive();
}

void Connection::Release() {
  CHECK(!released_);
  released_ = true;
  ListHook<StarvedTag>::Unlink();
  ListHook<UnsentTag>::Unlink();
  timer_.Disarm();
  if (Event* drained = std::exchange(drained_, nullptr); drained != nullptr) drained->Notify();
  BlockPool& blocks = shard_.blocks();
  pending_.Clear(blocks);
  while (input_head_ != nullptr) DropInput();
  if (outstanding_ > 0) Kill();
  if (wait_ != Wait::kNone) Wake();
  MaybeFree();
}

void Connection::MaybeFree() {
  if (!released_ || outstanding_ > 0 || resuming_ || waiter_) return;
  if (fd_ >= 0) shard_.CloseDescriptor(fd_);
  shard_.FreeConnection(this);
}

// --- Between two shards

std::unique_ptr<ParkedConnection> Connection::Park() {
  CHECK(quiet_ && outstanding_ == 0 && output_bytes() == 0 && wait_ == Wait::kNone);
  auto parked = std::make_unique<ParkedConnection>(std::exchange(fd_, -1), peer_, local_);
  parked->ended_ = ended_;
  parked->layer_ = std::move(layer_);
  if (input_size_ > 0) {
    parked->shown_ = true;
    parked->Keep(input());
    DropInput();
  }
  for (; input_head_ != nullptr; DropInput()) parked->Keep({input_head_->data, input_head_->size});
  Release();
  return parked;
}

void Connection::Unpark(ParkedConnection& parked) {
  CHECK(parked.fd_ == fd_ && receive_ == Receive::kNone);
  parked.fd_ = -1;
  ended_ = parked.ended_;
  fresh_ = false;
  input_head_ = std::exchange(parked.input_head_, nullptr);
  input_tail_ = std::exchange(parked.input_tail_, nullptr);
  for (const InputNode* node = input_head_; node != nullptr; node = node->next) ++held_;
  if (parked.shown_) ShowInput();
  if (parked.layer_ != nullptr) {
    layer_ = std::move(parked.layer_);
    layer_->Rebind(*this);
  }
}

void ParkedConnection::Keep(std::string_view input) {
  void* memory = std::malloc(sizeof(InputNode) + input.size());
  CHECK(memory != nullptr);
  auto* node = new (memory) InputNode;
  node->data = static_cast<char*>(memory) + sizeof(InputNode);
  node->size = static_cast<uint32_t>(input.size());
  node->buffer = InputNode::kMoved;
  std::memcpy(node->data, input.data(), input.size());
  (input_tail_ == nullptr ? input_head_ : input_tail_->next) = node;
  input_tail_ = node;
}

ParkedConnection::~ParkedConnection() {
  while (input_head_ != nullptr) std::free(std::exchange(input_head_, input_head_->next));
  // No request refers to it: the peer hears of it now.
  if (fd_ >= 0) close(fd_);
}

ConnectionPool::~ConnectionPool() { CHECK_EQ(used_, 0u); }

Connection* ConnectionPool::Make(Shard& shard, int fd, const Endpoint& peer,
                                 const Endpoint& local) {
  CHECK(!full());
  ++used_;
  ++generation_;
#ifdef RINGMAIL_SANITIZED
  return new Connection(shard, fd, generation_, peer, local);
#else
  if (free_.empty()) {
    slabs_.push_back(std::unique_ptr<Slot[]>(new Slot[kSlabSlots]));
    free_.reserve(slabs_.size() * kSlabSlots);
    for (size_t i = kSlabSlots; i-- > 0;) free_.push_back(&slabs_.back()[i]);
  }
  Slot* slot = free_.back();
  free_.pop_back();
  return new (slot) Connection(shard, fd, generation_, peer, local);
#endif
}

void ConnectionPool::Free(Connection* connection) {
  CHECK_GT(used_, 0u);
  --used_;
#ifdef RINGMAIL_SANITIZED
  delete connection;
#else
  connection->~Connection();
  free_.push_back(reinterpret_cast<Slot*>(connection));
#endif
}

}  // namespace ringmail::io
