#include "tests/support/io/still_io.h"

#include <algorithm>
#include <utility>

#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/tls.h"

namespace ringmail::io {
namespace {

constexpr MonotonicTime kStart{std::chrono::seconds(1000)};
MonotonicTime now = kStart;
std::optional<StillMove> last_move;
bool refuse_moves = false;

}  // namespace

Connection::Connection(std::vector<Happening> happenings) : script(std::move(happenings)) {
  peer = *Endpoint::Parse("192.0.2.7:4000");
  local = *Endpoint::Parse("192.0.2.1:25");
}

StreamStatus Connection::Wait(MonotonicTime deadline) {
  CHECK(input.empty());
  if (at_wait != nullptr) at_wait(context);
  if (keep_output) turns.push_back(output);
  output.clear();
  flushed = 0;
  if (cancelled) return StreamStatus::kCancelled;
  if (next == script.size()) return StreamStatus::kEnd;
  Happening& happening = script[next];
  if (now + happening.after > deadline) {
    happening.after -= deadline - now;
    now = deadline;
    return StreamStatus::kTimedOut;
  }
  now += happening.after;
  ++next;
  if (happening.status == StreamStatus::kTimedOut) now = deadline;
  input = happening.bytes;
  return happening.status;
}

bool ReceiveOp::await_ready() { return true; }
std::coroutine_handle<> ReceiveOp::await_suspend(std::coroutine_handle<> waiter) { return waiter; }
StreamStatus ReceiveOp::await_resume() { return connection_.Wait(deadline_); }
bool FlushOp::await_ready() { return true; }
std::coroutine_handle<> FlushOp::await_suspend(std::coroutine_handle<> waiter) { return waiter; }
StreamStatus FlushOp::await_resume() {
  connection_.flushed = connection_.output.size();
  return connection_.cancelled ? StreamStatus::kCancelled : connection_.flush_status;
}

std::string_view Stream::input() const { return connection_->input; }
void Stream::Consume(size_t count) {
  CHECK_LE(count, connection_->input.size());
  connection_->input.remove_prefix(count);
}
void Stream::Write(std::string_view bytes) {
  connection_->output.append(bytes);
  connection_->unflushed_max = std::max(connection_->unflushed_max, output_bytes());
}
void Stream::WriteReference(std::string_view bytes) { Write(bytes); }
size_t Stream::output_bytes() const { return connection_->output.size() - connection_->flushed; }
const Endpoint& Stream::peer() const { return connection_->peer; }
const Endpoint& Stream::local() const { return connection_->local; }
void Stream::SpeakFor(Endpoint peer, Endpoint local) {
  connection_->peer = std::move(peer);
  connection_->local = std::move(local);
}
int Stream::error() const { return 0; }
void Stream::Cancel() { connection_->cancelled = true; }
Task<void> Stream::Close(MonotonicTime) {
  if (connection_->keep_output) connection_->turns.push_back(connection_->output);
  connection_->closed = true;
  connection_ = nullptr;
  co_return;
}
Task<TlsResult> Stream::StartTlsServer(std::shared_ptr<const TlsContext>, MonotonicTime) {
  TlsResult result;
  if (!connection_->input.empty()) result.outcome = TlsOutcome::kUnreadInput;
  co_return result;
}
Task<TlsResult> Stream::StartImplicitTls(std::shared_ptr<const TlsContext>, MonotonicTime) {
  co_return TlsResult{};
}
std::string Stream::TlsChannelBinding(TlsBinding) const { return "bound"; }
std::string_view ToString(TlsVersion) { return "TLSv1.3"; }
std::string_view ToString(TlsOutcome) { return "failed"; }
void Stream::Abort() { connection_ = nullptr; }

// --- Moves (io/move.h)

class ParkedConnection {
 public:
  explicit ParkedConnection(Connection* connection) : connection_(connection) {}
  Connection* connection() const { return connection_; }

 private:
  Connection* connection_;
};

MovedConnection::MovedConnection() = default;
MovedConnection::MovedConnection(std::unique_ptr<ParkedConnection> parked)
    : parked_(std::move(parked)) {}
MovedConnection::MovedConnection(MovedConnection&& other) noexcept = default;
MovedConnection& MovedConnection::operator=(MovedConnection&& other) noexcept = default;
MovedConnection::~MovedConnection() = default;
const Endpoint& MovedConnection::peer() const { return parked_->connection()->peer; }
const Endpoint& MovedConnection::local() const { return parked_->connection()->local; }
bool MovedConnection::tls() const { return false; }
std::unique_ptr<ParkedConnection>& MovedConnection::parked() { return parked_; }

Task<DetachResult> Stream::Detach(MonotonicTime) {
  if (connection_->cancelled) co_return DetachResult{StreamStatus::kCancelled, {}};
  auto parked = std::make_unique<ParkedConnection>(std::exchange(connection_, nullptr));
  co_return DetachResult{StreamStatus::kOk, MovedConnection(std::move(parked))};
}

StatusOr<Stream> Attach(MovedConnection& connection) {
  return Stream(std::exchange(connection.parked(), nullptr)->connection());
}

Arrivals::Arrivals(uint16_t place) : place_(place) {}
Arrivals::~Arrivals() { (void)place_; }

Task<MoveResult> MoveSession(Stream& stream, ShardIndex to, uint16_t place,
                             std::unique_ptr<MovedState> state, MonotonicTime deadline) {
  if (refuse_moves)
    co_return MoveResult{MoveOutcome::kRefused, StreamStatus::kOk, std::move(state)};
  DetachResult detached = co_await stream.Detach(deadline);
  if (detached.status != StreamStatus::kOk) {
    co_return MoveResult{MoveOutcome::kStream, detached.status, std::move(state)};
  }
  last_move = StillMove{to, place, detached.connection.parked()->connection(), std::move(state)};
  co_return MoveResult{MoveOutcome::kMoved, StreamStatus::kOk, {}};
}

std::optional<StillMove> TakeStillMove() { return std::exchange(last_move, std::nullopt); }
void RefuseStillMoves(bool refuse) { refuse_moves = refuse; }

MonotonicTime Now() { return now; }
ShardIndex ThisShard() { return ShardIndex(0); }
WallTime WallNow() { return FromUnixSeconds(1'767'225'600); }
LogBuffer& ShardLog() {
  static LogBuffer log(1 << 20);
  return log;
}

void ResetStillIo() {
  now = kStart;
  last_move.reset();
  refuse_moves = false;
  (void)TakeStillLog();
}

std::string TakeStillLog() {
  std::string text(1 << 20, '\0');
  text.resize(ShardLog().Pop(text));
  return text;
}

void RunStill(Task<void> task) {
  struct Runner {
    struct promise_type {
      Runner get_return_object() { return {}; }
      std::suspend_never initial_suspend() { return {}; }
      std::suspend_never final_suspend() noexcept { return {}; }
      void return_void() {}
      void unhandled_exception() {}
    };
    static Runner Run(Task<void> inner, bool* done) {
      co_await std::move(inner);
      *done = true;
    }
  };
  bool done = false;
  Runner::Run(std::move(task), &done);
  CHECK(done);
}

}  // namespace ringmail::io
