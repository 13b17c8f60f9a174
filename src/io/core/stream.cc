// Stream over whatever a connection is: itself, or the layer over it. Compiled into each
// implementation of io.
#include "ringmail/io/stream.h"

#include <utility>

#include "io/core/raw_connection.h"
#include "ringmail/base/check.h"

namespace ringmail::io {

bool ReceiveOp::await_ready() {
  StreamLayer* layer = Layer(connection_);
  if (layer == nullptr) return RawReceiveReady(connection_, deadline_);
  layered_ = true;
  const std::optional<StreamStatus> status = layer->TryReceive();
  if (status) status_ = *status;
  return status.has_value();
}

std::coroutine_handle<> ReceiveOp::await_suspend(std::coroutine_handle<> waiter) {
  if (!layered_) {
    RawReceiveSuspend(connection_, waiter, deadline_);
    return std::noop_coroutine();
  }
  layer_.emplace(Layer(connection_)->Receive(deadline_, &status_));
  return std::move(*layer_).operator co_await().await_suspend(waiter);
}

StreamStatus ReceiveOp::await_resume() {
  return layered_ ? status_ : RawReceiveResult(connection_);
}

bool FlushOp::await_ready() {
  StreamLayer* layer = Layer(connection_);
  if (layer == nullptr) return RawFlushReady(connection_, deadline_);
  layered_ = true;
  const std::optional<StreamStatus> status = layer->TryFlush();
  if (status) status_ = *status;
  return status.has_value();
}

std::coroutine_handle<> FlushOp::await_suspend(std::coroutine_handle<> waiter) {
  if (!layered_) {
    RawFlushSuspend(connection_, waiter, deadline_);
    return std::noop_coroutine();
  }
  layer_.emplace(Layer(connection_)->Flush(deadline_, &status_));
  return std::move(*layer_).operator co_await().await_suspend(waiter);
}

StreamStatus FlushOp::await_resume() { return layered_ ? status_ : RawFlushResult(connection_); }

std::string_view Stream::input() const {
  const StreamLayer* layer = Layer(*connection_);
  return layer == nullptr ? RawInput(*connection_) : layer->input();
}

void Stream::Consume(size_t count) {
  StreamLayer* layer = Layer(*connection_);
  layer == nullptr ? RawConsume(*connection_, count) : layer->Consume(count);
}

void Stream::Write(std::string_view bytes) {
  StreamLayer* layer = Layer(*connection_);
  layer == nullptr ? RawWrite(*connection_, bytes) : layer->Write(bytes);
}

void Stream::WriteReference(std::string_view bytes) {
  StreamLayer* layer = Layer(*connection_);
  layer == nullptr ? RawWriteReference(*connection_, bytes) : layer->WriteReference(bytes);
}

size_t Stream::output_bytes() const {
  const StreamLayer* layer = Layer(*connection_);
  return layer == nullptr ? RawOutputBytes(*connection_) : layer->output_bytes();
}

const Endpoint& Stream::peer() const { return RawPeer(*connection_); }
const Endpoint& Stream::local() const { return RawLocal(*connection_); }

void Stream::SpeakFor(Endpoint peer, Endpoint local) {
  RawSpeakFor(*connection_, std::move(peer), std::move(local));
}

void Stream::SendSoon() {
  if (StreamLayer* layer = Layer(*connection_); layer != nullptr) layer->Seal();
  RawSendSoon(*connection_);
}

void Stream::WatchOutput(Event* drained) { RawWatchOutput(*connection_, drained); }

void Stream::EndOutput() {
  if (StreamLayer* layer = Layer(*connection_); layer != nullptr) layer->EndOutput();
  RawEndOutput(*connection_);
}

int Stream::error() const {
  const StreamLayer* layer = Layer(*connection_);
  return layer == nullptr ? RawError(*connection_) : layer->error();
}

void Stream::Cancel() {
  if (connection_ != nullptr) RawCancel(*connection_);
}

void Stream::Abort() {
  if (connection_ != nullptr) RawRelease(*std::exchange(connection_, nullptr));
}

Task<void> Stream::Close(MonotonicTime deadline) {
  Connection* connection = connection_;
  if (connection == nullptr) co_return;
  // A conversation that was cancelled may still say why.
  RawUncancel(*connection);
  if (StreamLayer* layer = Layer(*connection); layer != nullptr) {
    if (layer->output_bytes() > 0) {
      (void)co_await FlushOp(*connection, deadline);
      if (connection_ != connection) co_return;  // another task aborted it
    }
    layer->Finish();
  }
  co_await CloseConnection(deadline);
}

}  // namespace ringmail::io
