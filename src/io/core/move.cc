// Moving between shards, over either implementation of io; compiled into each.
#include "ringmail/io/move.h"

#include <utility>

#include "io/core/raw_connection.h"
#include "io/core/scheduler.h"
#include "ringmail/base/check.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"

namespace ringmail::io {

Task<DetachResult> Stream::Detach(MonotonicTime deadline) {
  Connection* const connection = connection_;
  StreamStatus status = co_await FlushOp(*connection, deadline);
  if (status != StreamStatus::kOk) co_return DetachResult{status, {}};
  status = co_await RawQuietOp(*connection);
  // Another task may have aborted it.
  if (connection_ != connection) status = StreamStatus::kCancelled;
  if (status != StreamStatus::kOk) co_return DetachResult{status, {}};
  connection_ = nullptr;
  co_return DetachResult{status, RawPark(*connection)};
}

StatusOr<Stream> Attach(MovedConnection& connection) {
  CHECK(connection.open());
  Connection* const attached = RawUnpark(connection);
  if (attached == nullptr) return absl::ResourceExhaustedError("too many connections");
  return Stream(attached);
}

Arrivals::Arrivals(uint16_t place) : place_(place) {
  Arrivals*& slot = Scheduler::Current()->arrivals(place);
  CHECK(slot == nullptr);
  slot = this;
}

Arrivals::~Arrivals() { Scheduler::Current()->arrivals(place_) = nullptr; }

namespace {

// A place of connections_max on this shard.
class HeldPlace {
 public:
  HeldPlace() { HoldConnectionPlace(); }
  HeldPlace(const HeldPlace&) = delete;
  HeldPlace& operator=(const HeldPlace&) = delete;
  ~HeldPlace() { GiveConnectionPlace(); }
};

// A session on its way, lent to the other shard until it answers.
struct Crossing {
  MovedConnection connection;
  std::unique_ptr<MovedState> state;
  uint16_t place = 0;
  ShardIndex from;
  Event answered;
};

void Answered(ShardMessage& message) { message.Pointer<Crossing>(0)->answered.Notify(); }

Task<void> AnswerLater(ShardIndex to, ShardMessage answer) { co_await Post(to, answer); }

// On the new shard. What it does not take it leaves in the crossing.
void Land(ShardMessage& message) {
  Crossing& crossing = *message.Pointer<Crossing>(0);
  Scheduler& here = *Scheduler::Current();
  Arrivals* const arrivals = here.arrivals(crossing.place);
  if (arrivals != nullptr && arrivals->Admits(crossing.connection, *crossing.state)) {
    StatusOr<Stream> stream = Attach(crossing.connection);
    if (stream.ok()) arrivals->Arrive(*std::move(stream), std::move(crossing.state));
  }
  ShardMessage answer;
  answer.run = &Answered;
  answer.SetPointer(0, &crossing);
  if (!TryPost(crossing.from, answer)) here.errands().Spawn(AnswerLater(crossing.from, answer));
}

}  // namespace

Task<MoveResult> MoveSession(Stream& stream, ShardIndex to, uint16_t place,
                             std::unique_ptr<MovedState> state, MonotonicTime deadline) {
  CHECK(state != nullptr && place < kMovePlacesMax);
  DetachResult detached = co_await stream.Detach(deadline);
  if (detached.status != StreamStatus::kOk) {
    co_return MoveResult{MoveOutcome::kStream, detached.status, std::move(state)};
  }
  Crossing crossing;
  crossing.connection = std::move(detached.connection);
  crossing.state = std::move(state);
  crossing.place = place;
  crossing.from = ThisShard();
  {
    // So that it can come back.
    const HeldPlace held;
    ShardMessage message;
    message.run = &Land;
    message.SetPointer(0, &crossing);
    co_await Post(to, message);
    (void)co_await crossing.answered.Wait(kNever);
  }
  if (!crossing.connection.open()) co_return MoveResult{MoveOutcome::kMoved, StreamStatus::kOk, {}};
  StatusOr<Stream> back = Attach(crossing.connection);
  CHECK(back.ok());
  stream = *std::move(back);
  co_return MoveResult{MoveOutcome::kRefused, StreamStatus::kOk, std::move(crossing.state)};
}

}  // namespace ringmail::io
