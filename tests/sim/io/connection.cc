// io/stream.h over a simulated network.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <utility>

#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"
#include "tests/sim/io/network.h"
#include "tests/sim/io/shard.h"

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

Connection::~Connection() { Detach(true); }

void Connection::Attach(sim::Shard* shard) { shard_ = shard; }

void Connection::TimedOut(void* self) {
  auto& connection = *static_cast<Connection*>(self);
  if (connection.waiting_ != Waiting::kNothing) connection.Wake(StreamStatus::kTimedOut);
}

void Connection::Wake(StreamStatus status) {
  result_ = status;
  waiting_ = Waiting::kNothing;
  resuming_ = true;
  timer_.Disarm();
  shard_->scheduler().MakeReady(waiter_);
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
  if (pipe.arrived.empty()) return false;
  const size_t count =
      std::min(pipe.arrived.size(), node_->world().network_options().receive_buffer_bytes);
  input_.assign(pipe.arrived, 0, count);
  input_at_ = 0;
  pipe.arrived.erase(0, count);
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

void Connection::Arrived(std::string_view bytes) {
  in().arrived.append(bytes);
  if (waiting_ == Waiting::kReceive && ReceiveResult()) Wake(result_);
}

void Connection::EndArrived() {
  in().end_arrived = true;
  if (waiting_ == Waiting::kReceive && ReceiveResult()) Wake(result_);
}

void Connection::ResetArrived() {
  in().reset_arrived = true;
  error_ = ECONNRESET;
  output_.clear();
  output_at_ = output_bytes_ = 0;
  if (waiting_ == Waiting::kFlush) Wake(StreamStatus::kFailed);
  if (waiting_ == Waiting::kReceive && ReceiveResult()) Wake(result_);
}

// --- Output

void Connection::Write(std::string_view bytes) {
  CHECK(!end_sent_);
  if (bytes.empty() || in().reset_arrived) return;
  if (output_.empty() || output_.back().reference.data() != nullptr) output_.emplace_back();
  output_.back().owned.append(bytes);
  output_bytes_ += bytes.size();
}

void Connection::WriteReference(std::string_view bytes) {
  CHECK(!end_sent_);
  if (bytes.empty() || in().reset_arrived) return;
  output_.push_back({.reference = bytes, .checksum = std::hash<std::string_view>()(bytes)});
  output_bytes_ += bytes.size();
}

std::string Connection::TakeOutput(size_t bytes_max) {
  std::string segment;
  while (segment.size() < bytes_max && !output_.empty()) {
    Piece& piece = output_.front();
    // The writer promised to leave it as it was.
    if (output_at_ == 0 && piece.reference.data() != nullptr) {
      CHECK_EQ(std::hash<std::string_view>()(piece.reference), piece.checksum);
    }
    const std::string_view bytes = piece.bytes().substr(output_at_, bytes_max - segment.size());
    segment.append(bytes);
    output_at_ += bytes.size();
    if (output_at_ == piece.bytes().size()) {
      output_.pop_front();
      output_at_ = 0;
    }
  }
  output_bytes_ -= segment.size();
  return segment;
}

MonotonicTime Connection::ArrivalTime() {
  sim::World& world = node_->world();
  const sim::NetworkOptions& options = world.network_options();
  Nanoseconds latency = link_->unix_socket ? Nanoseconds(0) : options.latency;
  if (options.jitter.count() > 0) {
    latency += Nanoseconds(world.Random(static_cast<uint64_t>(options.jitter.count()) + 1));
  }
  out().last_arrival = std::max(out().last_arrival, world.now() + latency);
  return out().last_arrival;
}

namespace {

// The far end answers what nobody receives any more with a reset, if its machine is up.
void ResetWriter(sim::World& world, const std::shared_ptr<sim::Link>& link, int side) {
  world.At(world.now() + world.network_options().latency, nullptr, [link, side] {
    if (Connection* writer = link->pipes[side].writer; writer != nullptr) writer->ResetArrived();
  });
}

}  // namespace

void Connection::SendSome() {
  if (detached_ || node_ == nullptr) return;
  sim::World& world = node_->world();
  while (output_bytes_ > 0) {
    sim::Pipe& pipe = out();
    const size_t used = pipe.in_flight + pipe.arrived.size();
    const size_t window = world.network_options().window_bytes;
    if (used >= window) return;
    std::string segment =
        TakeOutput(std::min(window - used, world.network_options().segment_bytes));
    pipe.in_flight += segment.size();
    world.At(ArrivalTime(), nullptr,
             [&world, link = link_, side = side_, bytes = std::move(segment)] {
               sim::Pipe& arriving = link->pipes[side];
               if (arriving.reader != nullptr) {
                 arriving.in_flight -= bytes.size();
                 arriving.reader->Arrived(bytes);
               } else if (arriving.silent == nullptr || arriving.silent->running()) {
                 ResetWriter(world, link, side);
               }
             });
  }
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

// --- The end

void Connection::Cancel() {
  if (cancelled_) return;
  cancelled_ = true;
  if (waiting_ != Waiting::kNothing) Wake(StreamStatus::kCancelled);
}

void Connection::Uncancel() {
  if (node_ != nullptr) cancelled_ = false;
}

void Connection::SendEnd() {
  if (end_sent_ || detached_) return;
  end_sent_ = true;
  node_->world().At(ArrivalTime(), nullptr, [link = link_, side = side_] {
    sim::Pipe& pipe = link->pipes[side];
    if (pipe.reader != nullptr) {
      pipe.reader->EndArrived();
    } else {
      pipe.end_arrived = true;
    }
  });
}

void Connection::Detach(bool silent) {
  if (detached_) return;
  // As close(2): what was received and never read makes it a reset.
  const bool unread = !in().arrived.empty() || !input().empty();
  if (!silent && !in().reset_arrived) {
    if (unread) {
      node_->world().At(ArrivalTime(), nullptr, [link = link_, side = side_] {
        if (Connection* reader = link->pipes[side].reader; reader != nullptr)
          reader->ResetArrived();
      });
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
  timer_.Disarm();
  cancelled_ = true;
  waiting_ = Waiting::kNothing;
  resuming_ = false;
  result_ = StreamStatus::kCancelled;
  node_ = nullptr;
  shard_ = nullptr;
}

// --- Stream

bool ReceiveOp::await_ready() { return connection_.TryReceive(deadline_); }
bool ReceiveOp::await_suspend(std::coroutine_handle<> waiter) {
  connection_.Wait(waiter, deadline_, false);
  return true;
}
StreamStatus ReceiveOp::await_resume() { return connection_.TakeResult(); }

bool FlushOp::await_ready() { return connection_.TryFlush(deadline_); }
bool FlushOp::await_suspend(std::coroutine_handle<> waiter) {
  connection_.Wait(waiter, deadline_, true);
  return true;
}
StreamStatus FlushOp::await_resume() { return connection_.TakeResult(); }

std::string_view Stream::input() const { return connection_->input(); }
void Stream::Consume(size_t count) { connection_->Consume(count); }
void Stream::Write(std::string_view bytes) { connection_->Write(bytes); }
void Stream::WriteReference(std::string_view bytes) { connection_->WriteReference(bytes); }
size_t Stream::output_bytes() const { return connection_->output_bytes(); }
const Endpoint& Stream::peer() const { return connection_->peer(); }
const Endpoint& Stream::local() const { return connection_->local(); }
int Stream::error() const { return connection_->error(); }
void Stream::Cancel() { connection_->Cancel(); }

Task<void> Stream::Close(MonotonicTime deadline) {
  if (connection_ == nullptr) co_return;
  // A conversation that was cancelled may still say why.
  connection_->Uncancel();
  if (co_await Flush(deadline) == StreamStatus::kOk && connection_ != nullptr) {
    connection_->SendEnd();
    // Another task may abort it meanwhile.
    while (connection_ != nullptr) {
      Consume(input().size());
      if (Now() >= deadline || co_await Receive(deadline) != StreamStatus::kOk) break;
    }
  }
  Abort();
}

void Stream::Abort() {
  if (connection_ != nullptr) std::exchange(connection_, nullptr)->Release();
}

}  // namespace ringmail::io

namespace ringmail::sim {

void ShutdownWrite(io::Stream& stream) {
  CHECK(World::CurrentNode() != nullptr);
  World::CurrentNode()->world().network().FindConnection(stream).SendEnd();
}

}  // namespace ringmail::sim
