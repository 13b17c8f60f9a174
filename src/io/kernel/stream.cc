#include "ringmail/io/stream.h"

#include <memory>
#include <utility>

#include "io/core/raw_connection.h"
#include "io/kernel/connection.h"
#include "io/kernel/shard.h"
#include "ringmail/base/check.h"
#include "ringmail/io/move.h"

namespace ringmail::io {
namespace {

// Waits until the kernel holds nothing of ours, whatever became of it.
class SendDoneOp {
 public:
  explicit SendDoneOp(Connection& connection) : connection_(connection) {}
  bool await_ready() { return connection_.Begin(Connection::Wait::kSendDone); }
  void await_suspend(std::coroutine_handle<> waiter) {
    connection_.Suspend(Connection::Wait::kSendDone, waiter, kNever);
  }
  void await_resume() { (void)connection_.Result(Connection::Wait::kSendDone); }

 private:
  Connection& connection_;
};

}  // namespace

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
void RawSendSoon(Connection& connection) { connection.SendSoon(); }
void RawWatchOutput(Connection& connection, Event* drained) { connection.WatchOutput(drained); }
void RawEndOutput(Connection& connection) { connection.EndOutput(); }
StreamLayer* Layer(const Connection& connection) { return connection.layer(); }
void SetLayer(Connection& connection, std::unique_ptr<StreamLayer> layer) {
  connection.SetLayer(std::move(layer));
}

bool RawReceiveReady(Connection& connection, MonotonicTime) {
  return connection.Begin(Connection::Wait::kReceive);
}
void RawReceiveSuspend(Connection& connection, std::coroutine_handle<> waiter,
                       MonotonicTime deadline) {
  connection.Suspend(Connection::Wait::kReceive, waiter, deadline);
}
StreamStatus RawReceiveResult(Connection& connection) {
  return connection.Result(Connection::Wait::kReceive);
}
bool RawFlushReady(Connection& connection, MonotonicTime) {
  return connection.Begin(Connection::Wait::kFlush);
}
void RawFlushSuspend(Connection& connection, std::coroutine_handle<> waiter,
                     MonotonicTime deadline) {
  connection.Suspend(Connection::Wait::kFlush, waiter, deadline);
}
StreamStatus RawFlushResult(Connection& connection) {
  return connection.Result(Connection::Wait::kFlush);
}

bool RawQuietReady(Connection& connection) { return connection.Begin(Connection::Wait::kQuiet); }
void RawQuietSuspend(Connection& connection, std::coroutine_handle<> waiter) {
  connection.Suspend(Connection::Wait::kQuiet, waiter, kNever);
}
StreamStatus RawQuietResult(Connection& connection) {
  return connection.Result(Connection::Wait::kQuiet);
}
MovedConnection RawPark(Connection& connection) { return MovedConnection(connection.Park()); }

Connection* RawUnpark(MovedConnection& moved) {
  std::unique_ptr<ParkedConnection>& parked = moved.parked();
  Shard& shard = Shard::Here();
  if (shard.connections().full()) return nullptr;
  Connection* connection =
      shard.connections().Make(shard, parked->descriptor(), parked->peer(), parked->local());
  connection->Unpark(*parked);
  parked.reset();
  connection->Start();
  return connection;
}

void HoldConnectionPlace() { Shard::Here().connections().HoldPlace(); }
void GiveConnectionPlace() { Shard::Here().GiveConnectionPlace(); }

MovedConnection::MovedConnection() = default;
MovedConnection::MovedConnection(std::unique_ptr<ParkedConnection> parked)
    : parked_(std::move(parked)) {}
MovedConnection::MovedConnection(MovedConnection&& other) noexcept = default;
MovedConnection& MovedConnection::operator=(MovedConnection&& other) noexcept = default;
MovedConnection::~MovedConnection() = default;
const Endpoint& MovedConnection::peer() const { return parked_->peer(); }
const Endpoint& MovedConnection::local() const { return parked_->local(); }
bool MovedConnection::tls() const { return parked_->layered(); }
std::unique_ptr<ParkedConnection>& MovedConnection::parked() { return parked_; }

Task<void> Stream::CloseConnection(MonotonicTime deadline) {
  Connection* connection = connection_;
  StreamStatus status = StreamStatus::kOk;
  if (connection->output_bytes() > 0) {
    status = co_await RawFlushOp(*connection, deadline);
    if (connection_ != connection) co_return;  // another task aborted it
  }
  if (status == StreamStatus::kOk && !connection->ended()) {
    connection->ShutdownWrite();
    // What still arrives is not ours to answer; reading it keeps the kernel from resetting what we
    // have just sent.
    while (status == StreamStatus::kOk) {
      while (!connection->input().empty()) connection->Consume(connection->input().size());
      status = co_await RawReceiveOp(*connection, deadline);
      if (connection_ != connection) co_return;
    }
  }
  if (connection->sending()) {
    connection->Kill();
    co_await SendDoneOp(*connection);
    if (connection_ != connection) co_return;
  }
  connection_ = nullptr;
  connection->Release();
}

}  // namespace ringmail::io
