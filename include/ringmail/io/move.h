// Moving a connection from one shard to another, unnoticed by its peer: TLS goes on, and what had
// arrived and was not read yet goes along.
//
// Two floors. Stream::Detach and Attach are the connection's own: a value between two rings.
// MoveSession and Arrivals are what a service uses: they carry a session over, and bring it back
// where it cannot land.
//
//   // What the rest of the session needs on the other shard; its Arrivals knows the type.
//   struct LoggedIn : io::MovedState {
//     AccountId account;
//     session::LineReader reader{kLineBytesMax};
//   };
//   // One for each shard, made and destroyed there. (Compiled: tests/unit/io/wander.h.)
//   class Service : public io::Arrivals {
//     bool Admits(const io::MovedConnection&, const io::MovedState&) override { return !full(); }
//     void Arrive(io::Stream stream, std::unique_ptr<io::MovedState> state) override {
//       gate_.Spawn(GoOn(std::move(stream), std::unique_ptr<LoggedIn>(
//                                               static_cast<LoggedIn*>(state.release()))));
//     }
//   };
//   // In the session's task, which ends with it where the move is made:
//   reader.Release(stream);
//   io::MoveResult moved = co_await io::MoveSession(stream, to, kPlace, std::move(state),
//   deadline); if (moved.outcome == io::MoveOutcome::kMoved) co_return;
//   // Still here, with stream and state as they were: say 4yz or NO, or go on.
//
// Order: Detach once nothing else uses the stream. A stream that was detached is not open: Cancel
//   and Abort of it do nothing. A move is two messages and ends by itself; a service that stops
//   waits for it like for any session, and looks at its own stop flag after kRefused, since a
//   Cancel meanwhile reached nobody.
// Promise: octets are neither lost, doubled nor reordered, whatever arrives during the move. The
//   peer's end or reset, also in the middle of it, is what the new stream's Receive says. No timer
//   and no request of the old shard is left behind. Between Detach and Attach nothing is read, so
//   that TCP closes the window of a peer that goes on sending.
// Ends in: shutdown. A service that is gone, or whose Admits says no (it stops, it is full), leaves
//   the session where it was: kRefused. The runtime turns every shard until the last main has
//   returned, so each move that was begun is answered. A MovedConnection that is destroyed closes
//   at once, as Abort does.
// Shard: a MovedConnection and a MovedState are used by one thread at a time and may be destroyed
//   on any, so that a state holds nothing of a shard: no stream, timer, event or task.
// Limits: connections_max counts a connection where it lies; Attach says kResourceExhausted where
//   the new shard is full. During MoveSession the old shard keeps the place until the answer: a
//   connection on its way counts on one shard or, for the time of a message, on both, never on
//   none. What a service counts follows its tasks in the same way: Admits asks its limits, the task
//   that Arrive spawns counts there, the old task counts until MoveSession has returned. A full
//   queue between the shards makes the move wait (Post). kMovePlacesMax.
// Errors: StreamStatus of Detach, MoveOutcome of MoveSession.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "ringmail/base/ids.h"
#include "ringmail/base/status.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/task.h"

namespace ringmail::io {

// Services of one shard that sessions may move to, each at a place of its own.
inline constexpr uint16_t kMovePlacesMax = 64;

// The implementation's half: a connection that no shard drives.
class ParkedConnection;

// A connection between two shards. Owns the descriptor, the TLS session and the octets that wait.
class MovedConnection {
 public:
  MovedConnection();
  explicit MovedConnection(std::unique_ptr<ParkedConnection> parked);  // by the implementation
  MovedConnection(MovedConnection&& other) noexcept;
  MovedConnection& operator=(MovedConnection&& other) noexcept;
  ~MovedConnection();  // closes at once

  bool open() const { return parked_ != nullptr; }
  // REQUIRES: open(), here and below.
  const Endpoint& peer() const;
  const Endpoint& local() const;
  bool tls() const;
  std::unique_ptr<ParkedConnection>& parked();  // for the implementation

 private:
  std::unique_ptr<ParkedConnection> parked_;
};

// Of Stream::Detach. Only of kOk is the stream no longer open; after kTimedOut it is usable as
// before, after kCancelled and kFailed it is good for Close.
struct DetachResult {
  StreamStatus status = StreamStatus::kFailed;
  MovedConnection connection;
};

// The stream goes on here, with what had arrived waiting behind its first Receive; what had been
// input() before is input() still. Errors: kResourceExhausted where this shard has connections_max
// of them; `connection` is then as it was. REQUIRES: connection.open().
StatusOr<Stream> Attach(MovedConnection& connection);

// What of a session goes along.
class MovedState {
 public:
  MovedState() = default;
  MovedState(const MovedState&) = delete;
  MovedState& operator=(const MovedState&) = delete;
  virtual ~MovedState() = default;
};

// Where one service takes in, on one shard, the sessions that come from others.
//
// Made by: the service, on each shard, at the same place on all; at most one for each place.
// Ends in: destruction, on that shard; who comes later is refused.
class Arrivals {
 public:
  // REQUIRES: place < kMovePlacesMax.
  explicit Arrivals(uint16_t place);
  Arrivals(const Arrivals&) = delete;
  Arrivals& operator=(const Arrivals&) = delete;
  virtual ~Arrivals();

  // Whether this session may come. Neither waits; both run outside of any task.
  virtual bool Admits(const MovedConnection& connection, const MovedState& state) = 0;
  // It has come, directly after Admits said yes: spawns the task in which it goes on.
  virtual void Arrive(Stream stream, std::unique_ptr<MovedState> state) = 0;

 private:
  const uint16_t place_;
};

enum class MoveOutcome : uint8_t {
  kMoved,    // the session goes on there; the stream is not open, the state is gone
  kRefused,  // nobody took it: the stream is open here, as it was; the state is back
  kStream,   // it did not leave: `status` says why, as of DetachResult; the state is back
};

struct MoveResult {
  MoveOutcome outcome = MoveOutcome::kStream;
  StreamStatus status = StreamStatus::kOk;
  std::unique_ptr<MovedState> state;
};

// Sends what was written, until `deadline`, and moves the rest of the session to `place` of shard
// `to`, which may be this one. `stream` outlives the task.
Task<MoveResult> MoveSession(Stream& stream, ShardIndex to, uint16_t place,
                             std::unique_ptr<MovedState> state, MonotonicTime deadline);

}  // namespace ringmail::io
