// Between Stream and the two implementations of io: what a connection can do in the clear, and what
// may lie over it.
//
// Each implementation defines the functions below for its Connection, compiles stream.cc, and keeps
// the layer it is given until the connection itself is freed. They mean what Stream says of the
// functions of the same names.
// Order: after a wait that ended in kCancelled the connection may be gone, and its layer with it:
//   nothing touches either.
#pragma once

#include <coroutine>
#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "ringmail/base/time.h"
#include "ringmail/io/move.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/task.h"

namespace ringmail::io {

// What turns a stream's octets into others: TLS. Owned by its connection.
class StreamLayer {
 public:
  virtual ~StreamLayer() = default;
  virtual std::string_view input() const = 0;
  virtual void Consume(size_t count) = 0;
  virtual void Write(std::string_view bytes) = 0;
  virtual void WriteReference(std::string_view bytes) = 0;
  virtual size_t output_bytes() const = 0;
  virtual int error() const = 0;
  // Its end where that is known at once; otherwise the wait.
  virtual std::optional<StreamStatus> TryReceive() = 0;
  virtual Task<void> Receive(MonotonicTime deadline, StreamStatus* status) = 0;
  virtual std::optional<StreamStatus> TryFlush() = 0;
  virtual Task<void> Flush(MonotonicTime deadline, StreamStatus* status) = 0;
  // What was written becomes the connection's output.
  virtual void Seal() = 0;
  // The last thing that it has to say is written, behind that.
  virtual void EndOutput() = 0;
  // For Close: likewise, where EndOutput has not been. REQUIRES: flushed, or never to be.
  virtual void Finish() = 0;
  // It lies over this connection from now on, on another shard.
  virtual void Rebind(Connection& connection) = 0;
};

std::string_view RawInput(const Connection& connection);
void RawConsume(Connection& connection, size_t count);
void RawWrite(Connection& connection, std::string_view bytes);
void RawWriteReference(Connection& connection, std::string_view bytes);
size_t RawOutputBytes(const Connection& connection);
const Endpoint& RawPeer(const Connection& connection);
const Endpoint& RawLocal(const Connection& connection);
void RawSpeakFor(Connection& connection, Endpoint peer, Endpoint local);
int RawError(const Connection& connection);
void RawCancel(Connection& connection);
bool RawCancelled(const Connection& connection);
void RawUncancel(Connection& connection);
void RawRelease(Connection& connection);
// What was written leaves at the latest when this turn ends.
void RawSendSoon(Connection& connection);
void RawWatchOutput(Connection& connection, Event* drained);
void RawEndOutput(Connection& connection);
StreamLayer* Layer(const Connection& connection);
// REQUIRES: it has none.
void SetLayer(Connection& connection, std::unique_ptr<StreamLayer> layer);

// Off the shard and onto another (move.h). Park after RawQuietOp said kOk; it frees the connection.
// Unpark answers null, and leaves `moved`, where this shard has connections_max.
MovedConnection RawPark(Connection& connection);
Connection* RawUnpark(MovedConnection& moved);
// A place of connections_max, kept for a connection on its way.
void HoldConnectionPlace();
void GiveConnectionPlace();

// The three steps of an await.
bool RawReceiveReady(Connection& connection, MonotonicTime deadline);
void RawReceiveSuspend(Connection& connection, std::coroutine_handle<> waiter,
                       MonotonicTime deadline);
StreamStatus RawReceiveResult(Connection& connection);
bool RawFlushReady(Connection& connection, MonotonicTime deadline);
void RawFlushSuspend(Connection& connection, std::coroutine_handle<> waiter,
                     MonotonicTime deadline);
StreamStatus RawFlushResult(Connection& connection);
// Until no wait, timer or request of the connection is left on this shard.
bool RawQuietReady(Connection& connection);
void RawQuietSuspend(Connection& connection, std::coroutine_handle<> waiter);
StreamStatus RawQuietResult(Connection& connection);

class [[nodiscard]] RawReceiveOp {
 public:
  RawReceiveOp(Connection& connection, MonotonicTime deadline)
      : connection_(connection), deadline_(deadline) {}
  bool await_ready() { return RawReceiveReady(connection_, deadline_); }
  void await_suspend(std::coroutine_handle<> waiter) {
    RawReceiveSuspend(connection_, waiter, deadline_);
  }
  StreamStatus await_resume() { return RawReceiveResult(connection_); }

 private:
  Connection& connection_;
  const MonotonicTime deadline_;
};

class [[nodiscard]] RawQuietOp {
 public:
  explicit RawQuietOp(Connection& connection) : connection_(connection) {}
  bool await_ready() { return RawQuietReady(connection_); }
  void await_suspend(std::coroutine_handle<> waiter) { RawQuietSuspend(connection_, waiter); }
  StreamStatus await_resume() { return RawQuietResult(connection_); }

 private:
  Connection& connection_;
};

class [[nodiscard]] RawFlushOp {
 public:
  RawFlushOp(Connection& connection, MonotonicTime deadline)
      : connection_(connection), deadline_(deadline) {}
  bool await_ready() { return RawFlushReady(connection_, deadline_); }
  void await_suspend(std::coroutine_handle<> waiter) {
    RawFlushSuspend(connection_, waiter, deadline_);
  }
  StreamStatus await_resume() { return RawFlushResult(connection_); }

 private:
  Connection& connection_;
  const MonotonicTime deadline_;
};

}  // namespace ringmail::io
