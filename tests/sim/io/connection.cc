// io/stream.h over a simulated network.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "ringmail/base/check.h"
#include "ringmail/io/move.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"
#include "tests/sim/io/network.h"
#include "tests/sim/io/shard.h"
#include "tests/sim/io/trace.h"

namespace ringmail::io {
namespace {

// What consumed input is overwritten with: a view kept too long shows at once.
constexpr char kPoison = '\xDD';

}  // namespace

Connection::Connection(sim::Node& node, std::shared_ptr<sim::Link> link, int side, Endpoint local,
                       Endpoint peer)
    : node_(&node),
      link_(std::move(link)),
      side_(side),
      local_(std::move(local)),
      peer_(std::move(peer)),
      timer_(&Connection::TimedOut, this) {
  in().reader = this;
  out().writer = this;
  node.world().network().Register(*this);
}

Connection::~Connection() {
  Detach(true);
  if (shard_ != nullptr) shard_->RemoveConnection();
}

void Connection::Attach(sim::Shard* shard) {
  shard_ = shard;
  shard->AddConnection();
}

void Connection::LeaveShard() {
  CHECK(waiting_ == Waiting::kNothing && !resuming_ && !timer_.armed() && output_bytes_ == 0);
  // Elsewhere, so that a view kept over the move shows at once.
  std::string moved(input());
  std::memset(input_.data(), kPoison, input_.size());
  input_ = std::move(moved);
  input_at_ = 0;
  std::exchange(shard_, nullptr)->RemoveConnection();
}

bool Connection::checks() const {
  return node_ == nullptr || node_->world().options().check_buffers;
}

void Connection::TimedOut(void* self) {
  auto& connection = *static_cast<Connection*>(self);
  if (connection.waiting_ != Waiting::kNothing) connection.Wake(StreamStatus::kTimedOut);
}

void Connection::Wake(StreamStatus status) {
  result_ = status;
  waiting_ = Waiting::kNothing;
  resuming_ = true;
  timer_.Disarm();
  shard_->MakeReady(waiter_);
}

// --- Input

void Connection::Consume(size_t count) {
  CHECK_LE(count, input_.size() - input_at_);
  std::memset(input_.data() + input_at_, kPoison, count);
  input_at_ += count;
  if (input_at_ == input_.size()) {
    input_.clear();
    input_at_ = 0;
  }
}

bool Connection::LoadInput() {
  sim::Pipe& pipe = in();
  if (pipe.arrived == 0) return false;
  const size_t count =
      std::min(pipe.arrived, node_->world().network_options().receive_buffer_bytes);
  input_.assign(pipe.bytes, pipe.head, count);
  input_at_ = 0;
  pipe.Take(count);
  if (pipe.writer != nullptr) pipe.writer->WindowOpened();
  return true;
}

// Whether a Receive is over, and how.
bool Connection::ReceiveResult() {
  if (LoadInput()) {
    result_ = StreamStatus::kOk;
  } else if (in().reset_arrived) {
    result_ = StreamStatus::kFailed;
  } else if (in().end_arrived) {
    result_ = StreamStatus::kEnd;
  } else {
    return false;
  }
  return true;
}

bool Connection::TryReceive(MonotonicTime deadline) {
  CHECK(waiting_ == Waiting::kNothing && !resuming_);
  CHECK(input().empty());
  if (cancelled_) {
    result_ = StreamStatus::kCancelled;
    return true;
  }
  if (ReceiveResult()) return true;
  SendSome();
  result_ = StreamStatus::kTimedOut;
  return deadline <= Now();
}

void Connection::Arrived() {
  if (waiting_ == Waiting::kReceive && ReceiveResult()) Wake(result_);
}

void Connection::EndArrived() {
  in().end_arrived = true;
  if (waiting_ == Waiting::kReceive && ReceiveResult()) Wake(result_);
}

void Connection::ResetArrived(int error) {
  if (in().reset_arrived) return;
  in().reset_arrived = true;
  error_ = error;
  DropOutput();
  NotifyDrained();
  if (waiting_ == Waiting::kFlush) Wake(StreamStatus::kFailed);
  if (waiting_ == Waiting::kReceive && ReceiveResult()) Wake(result_);
}

// --- Output

void Connection::Write(std::string_view bytes) {
  if (output_ended_) return;
  CHECK(!end_sent_);
  if (bytes.empty() || in().reset_arrived) return;
  if (output_.size() == output_first_ || output_.back().reference != nullptr) {
    output_.push_back({nullptr, 0, 0});
  }
  output_.back().bytes += bytes.size();
  own_.append(bytes);
  output_bytes_ += bytes.size();
}

void Connection::WriteReference(std::string_view bytes) {
  if (output_ended_) return;
  CHECK(!end_sent_);
  if (bytes.empty() || in().reset_arrived) return;
  output_.push_back({bytes.data(), bytes.size(), checks() ? sim::HashBytes(bytes) : 0});
  output_bytes_ += bytes.size();
}

void Connection::DropOutput() {
  output_.clear();
  own_.clear();
  output_first_ = output_at_ = own_at_ = output_bytes_ = 0;
}

void Connection::TakeOutput(size_t bytes, std::string& to) {
  while (bytes > 0) {
    const Piece& piece = output_[output_first_];
    const size_t count = std::min(bytes, piece.bytes - output_at_);
    if (piece.reference == nullptr) {
      to.append(own_, own_at_, count);
      own_at_ += count;
    } else {
      // The writer promised to leave it as it was.
      if (output_at_ == 0 && checks()) {
        CHECK_EQ(sim::HashBytes({piece.reference, piece.bytes}), piece.checksum);
      }
      to.append(piece.reference + output_at_, count);
    }
    output_at_ += count;
    if (output_at_ == piece.bytes) {
      ++output_first_;
      output_at_ = 0;
    }
    bytes -= count;
    output_bytes_ -= count;
  }
  if (output_bytes_ == 0) DropOutput();
}

void Connection::SendSome() {
  if (detached_ || node_ == nullptr || node_->doomed()) return;
  if (output_bytes_ == 0) return;
  sim::Network& network = node_->world().network();
  sim::Pipe& pipe = out();
  const size_t used = pipe.waiting();
  const size_t window = network.world().network_options().window_bytes;
  if (used >= window) return;
  const size_t count = std::min(output_bytes_, window - used);
  TakeOutput(count, pipe.bytes);
  network.Send(link_, side_, count);
  if (output_bytes_ > 0) return;
  if (output_ended_) SendEnd();
  NotifyDrained();
}

void Connection::WindowOpened() {
  if (node_ == nullptr) return;
  SendSome();
  if (waiting_ == Waiting::kFlush && output_bytes_ == 0) Wake(StreamStatus::kOk);
}

bool Connection::TryFlush(MonotonicTime deadline) {
  CHECK(waiting_ == Waiting::kNothing && !resuming_);
  result_ = StreamStatus::kCancelled;
  if (cancelled_) return true;
  result_ = StreamStatus::kFailed;
  if (in().reset_arrived) return true;
  SendSome();
  result_ = StreamStatus::kOk;
  if (output_bytes_ == 0) return true;
  result_ = StreamStatus::kTimedOut;
  return deadline <= Now();
}

void Connection::Wait(std::coroutine_handle<> waiter, MonotonicTime deadline, bool flush) {
  waiter_ = waiter;
  waiting_ = flush ? Waiting::kFlush : Waiting::kReceive;
  timer_.Arm(deadline);
}

StreamStatus Connection::TakeResult() {
  const StreamStatus status = orphan_ ? StreamStatus::kCancelled : result_;
  resuming_ = false;
  if (orphan_) delete this;
  return status;
}

void Connection::SetLayer(std::unique_ptr<StreamLayer> layer) {
  CHECK(layer_ == nullptr);
  layer_ = std::move(layer);
}

bool Connection::TryQuiet() {
  CHECK(waiting_ == Waiting::kNothing && !resuming_);
  return false;
}

// As long as a kernel needs to give a request back: others run meanwhile, and octets arrive.
void Connection::WaitQuiet(std::coroutine_handle<> waiter) {
  resuming_ = true;
  result_ = StreamStatus::kOk;
  YieldOp{}.await_suspend(waiter);
}

StreamStatus Connection::TakeQuiet() {
  if (cancelled_) result_ = StreamStatus::kCancelled;
  if (result_ == StreamStatus::kOk && in().reset_arrived) result_ = StreamStatus::kFailed;
  return TakeResult();
}

// --- The end

void Connection::Cancel() {
  if (cancelled_) return;
  cancelled_ = true;
  NotifyDrained();
  if (waiting_ != Waiting::kNothing) Wake(StreamStatus::kCancelled);
}

void Connection::Uncancel() {
  if (node_ != nullptr) cancelled_ = false;
}

void Connection::SendEnd() {
  if (end_sent_ || detached_) return;
  end_sent_ = true;
  if (!node_->doomed()) {
    node_->world().network().SendTail(link_, side_, sim::Flight::Tail::kEnd);
  }
}

// The peer's turn may be what makes room: the event is of this end's shard.
void Connection::NotifyDrained() {
  if (drained_ == nullptr || shard_ == nullptr) return;
  const sim::Shard::Current current(*shard_);
  drained_->Notify();
  shard_->SetDue();
}

void Connection::EndOutput() {
  if (output_ended_) return;
  output_ended_ = true;
  if (output_bytes_ > 0) {
    SendSome();
  } else if (!in().reset_arrived) {
    SendEnd();
  }
}

void Connection::SpeakFor(Endpoint peer, Endpoint local) {
  peer_ = std::move(peer);
  local_ = std::move(local);
}

void Connection::Detach(bool silent) {
  if (detached_) return;
  // As close(2): what was received and never read makes it a reset.
  const bool unread = in().arrived > 0 || !input().empty();
  if (!silent && !in().reset_arrived) {
    if (unread) {
      node_->world().network().SendTail(link_, side_, sim::Flight::Tail::kReset);
    } else {
      SendEnd();
    }
  }
  detached_ = true;
  in().reader = nullptr;
  in().silent = silent ? node_ : nullptr;
  out().writer = nullptr;
}

void Connection::Release() {
  Cancel();
  drained_ = nullptr;
  if (node_ != nullptr) Detach(node_->world().network().silent());
  if (resuming_) {
    orphan_ = true;
  } else {
    delete this;
  }
}

void Connection::EndOfRun(bool silent) {
  Detach(silent);
  Unlink();
  if (shard_ != nullptr) shard_->RemoveConnection();
  timer_.Disarm();
  drained_ = nullptr;
  cancelled_ = true;
  waiting_ = Waiting::kNothing;
  resuming_ = false;
  result_ = StreamStatus::kCancelled;
  node_ = nullptr;
  shard_ = nullptr;
}

// --- For Stream (io/core/raw_connection.h)

std::string_view RawInput(const Connection& connection) { return connection.input(); }
void RawConsume(Connection& connection, size_t count) { connection.Consume(count); }
void RawWrite(Connection& connection, std::string_view bytes) { connection.Write(bytes); }
void RawWriteReference(Connection& connection, std::string_view bytes) {
  connection.WriteReference(bytes);
}
size_t RawOutputBytes(const Connection& connection) { return connection.output_bytes(); }
const Endpoint& RawPeer(const Connection& connection) { return connection.peer(); }
const Endpoint& RawLocal(const Connection& connection) { return connection.local(); }
void RawSpeakFor(Connection& connection, Endpoint peer, Endpoint local) {
  connection.SpeakFor(std::move(peer), std::move(local));
}
int RawError(const Connection& connection) { return connection.error(); }
void RawCancel(Connection& connection) { connection.Cancel(); }
bool RawCancelled(const Connection& connection) { return connection.cancelled(); }
void RawUncancel(Connection& connection) { connection.Uncancel(); }
void RawRelease(Connection& connection) { connection.Release(); }
void RawSendSoon(Connection& connection) { connection.SendSome(); }
void RawWatchOutput(Connection& connection, Event* drained) { connection.WatchOutput(drained); }
void RawEndOutput(Connection& connection) { connection.EndOutput(); }
StreamLayer* Layer(const Connection& connection) { return connection.layer(); }
void SetLayer(Connection& connection, std::unique_ptr<StreamLayer> layer) {
  connection.SetLayer(std::move(layer));
}

bool RawReceiveReady(Connection& connection, MonotonicTime deadline) {
  return connection.TryReceive(deadline);
}
void RawReceiveSuspend(Connection& connection, std::coroutine_handle<> waiter,
                       MonotonicTime deadline) {
  connection.Wait(waiter, deadline, false);
}
StreamStatus RawReceiveResult(Connection& connection) { return connection.TakeResult(); }
bool RawFlushReady(Connection& connection, MonotonicTime deadline) {
  return connection.TryFlush(deadline);
}
void RawFlushSuspend(Connection& connection, std::coroutine_handle<> waiter,
                     MonotonicTime deadline) {
  connection.Wait(waiter, deadline, true);
}
StreamStatus RawFlushResult(Connection& connection) { return connection.TakeResult(); }

bool RawQuietReady(Connection& connection) { return connection.TryQuiet(); }
void RawQuietSuspend(Connection& connection, std::coroutine_handle<> waiter) {
  connection.WaitQuiet(waiter);
}
StreamStatus RawQuietResult(Connection& connection) { return connection.TakeQuiet(); }

// --- Between two shards (io/move.h)

class ParkedConnection {
 public:
  explicit ParkedConnection(Connection& connection) : connection_(&connection) {}
  ParkedConnection(const ParkedConnection&) = delete;
  ParkedConnection& operator=(const ParkedConnection&) = delete;
  ~ParkedConnection() {
    if (connection_ != nullptr) connection_->Release();
  }
  Connection& connection() { return *connection_; }
  Connection* Take() { return std::exchange(connection_, nullptr); }

 private:
  Connection* connection_;
};

MovedConnection RawPark(Connection& connection) {
  connection.LeaveShard();
  return MovedConnection(std::make_unique<ParkedConnection>(connection));
}

Connection* RawUnpark(MovedConnection& moved) {
  sim::Shard* shard = sim::World::CurrentShard();
  if (shard->connections_full()) return nullptr;
  Connection* connection = std::exchange(moved.parked(), nullptr)->Take();
  connection->Attach(shard);
  if (connection->layer() != nullptr) connection->layer()->Rebind(*connection);
  return connection;
}

void HoldConnectionPlace() { sim::World::CurrentShard()->AddConnection(); }
void GiveConnectionPlace() { sim::World::CurrentShard()->RemoveConnection(); }

MovedConnection::MovedConnection() = default;
MovedConnection::MovedConnection(std::unique_ptr<ParkedConnection> parked)
    : parked_(std::move(parked)) {}
MovedConnection::MovedConnection(MovedConnection&& other) noexcept = default;
MovedConnection& MovedConnection::operator=(MovedConnection&& other) noexcept = default;
MovedConnection::~MovedConnection() = default;
const Endpoint& MovedConnection::peer() const { return parked_->connection().peer(); }
const Endpoint& MovedConnection::local() const { return parked_->connection().local(); }
bool MovedConnection::tls() const { return parked_->connection().layer() != nullptr; }
std::unique_ptr<ParkedConnection>& MovedConnection::parked() { return parked_; }

Task<void> Stream::CloseConnection(MonotonicTime deadline) {
  Connection* connection = connection_;
  if (co_await RawFlushOp(*connection, deadline) == StreamStatus::kOk &&
      connection_ == connection) {
    connection->SendEnd();
    // Another task may abort it meanwhile.
    while (connection_ == connection) {
      connection->Consume(connection->input().size());
      if (Now() >= deadline || co_await RawReceiveOp(*connection, deadline) != StreamStatus::kOk) {
        break;
      }
    }
  }
  if (connection_ == connection) Abort();
}

}  // namespace ringmail::io

namespace ringmail::sim {

void ShutdownWrite(io::Stream& stream) {
  CHECK(World::CurrentNode() != nullptr);
  World::CurrentNode()->world().network().FindConnection(stream).SendEnd();
}

}  // namespace ringmail::sim
