#include "ringmail/io/stream.h"

#include "io/kernel/connection.h"
#include "ringmail/base/check.h"

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

bool ReceiveOp::await_ready() { return connection_.Begin(Connection::Wait::kReceive); }
bool ReceiveOp::await_suspend(std::coroutine_handle<> waiter) {
  connection_.Suspend(Connection::Wait::kReceive, waiter, deadline_);
  return true;
}
StreamStatus ReceiveOp::await_resume() { return connection_.Result(Connection::Wait::kReceive); }

bool FlushOp::await_ready() { return connection_.Begin(Connection::Wait::kFlush); }
bool FlushOp::await_suspend(std::coroutine_handle<> waiter) {
  connection_.Suspend(Connection::Wait::kFlush, waiter, deadline_);
  return true;
}
StreamStatus FlushOp::await_resume() { return connection_.Result(Connection::Wait::kFlush); }

std::string_view Stream::input() const { return connection_->input(); }
void Stream::Consume(size_t count) { connection_->Consume(count); }
void Stream::Write(std::string_view bytes) { connection_->Write(bytes); }
void Stream::WriteReference(std::string_view bytes) { connection_->WriteReference(bytes); }
size_t Stream::output_bytes() const { return connection_->output_bytes(); }
const Endpoint& Stream::peer() const { return connection_->peer(); }
const Endpoint& Stream::local() const { return connection_->local(); }
int Stream::error() const { return connection_->error(); }

void Stream::Cancel() {
  if (connection_ != nullptr) connection_->Cancel();
}

void Stream::Abort() {
  if (connection_ != nullptr) std::exchange(connection_, nullptr)->Release();
}

Task<void> Stream::Close(MonotonicTime deadline) {
  Connection* connection = connection_;
  if (connection == nullptr) co_return;
  connection->Uncancel();
  StreamStatus status = StreamStatus::kOk;
  if (connection->output_bytes() > 0) {
    status = co_await FlushOp(*connection, deadline);
    if (connection_ != connection) co_return;  // another task aborted it
  }
  if (status == StreamStatus::kOk && !connection->ended()) {
    connection->ShutdownWrite();
    // What still arrives is not ours to answer; reading it keeps the kernel from resetting what we
    // have just sent.
    while (status == StreamStatus::kOk) {
      while (!connection->input().empty()) connection->Consume(connection->input().size());
      status = co_await ReceiveOp(*connection, deadline);
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
