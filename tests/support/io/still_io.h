// A stream that is a script: what the peer sends and when, without a network, a world or an
// allocation.
//
// It takes the place of `io` where one session alone is of interest: how input is cut, what is
// answered in which turn, what a message costs. A turn ends where the session waits.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ringmail/base/time.h"
#include "ringmail/io/move.h"
#include "ringmail/io/stream.h"

namespace ringmail::io {

struct Happening {
  StreamStatus status = StreamStatus::kOk;
  std::string bytes;     // of kOk
  Nanoseconds after{0};  // passes before it
};

class Connection {
 public:
  // After the last happening the peer's side is closed. An OK one that comes after the deadline
  // times out instead, and happens in the next wait.
  explicit Connection(std::vector<Happening> script);

  // What was written between two waits, one entry a turn; the last ends in Close.
  std::vector<std::string> turns;
  std::string output;
  bool keep_output = true;
  // How much of `output` was flushed, the most that ever waited for it, and how a flush ends.
  size_t flushed = 0, unflushed_max = 0;
  StreamStatus flush_status = StreamStatus::kOk;
  bool closed = false;
  bool cancelled = false;
  Endpoint peer, local;

  StreamStatus Wait(MonotonicTime deadline);

  std::vector<Happening> script;
  size_t next = 0;
  std::string_view input;
  // Called at each wait: for tests that count.
  void (*at_wait)(void* context) = nullptr;
  void* context = nullptr;
};

// What a session of this shard has moved elsewhere (io/move.h), where it left.
struct StillMove {
  ShardIndex to;
  uint16_t place = 0;
  Connection* connection = nullptr;
  std::unique_ptr<MovedState> state;
};
// The last one that was accepted, if any; there is no other shard to go on at: the test does.
std::optional<StillMove> TakeStillMove();
// Whether moves are refused from now on, as by a service that is full.
void RefuseStillMoves(bool refuse);

// Starts the clock again, and gives the log so far back.
void ResetStillIo();
std::string TakeStillLog();

// Runs `task`, which never waits for anything but the script, to its end.
void RunStill(Task<void> task);

}  // namespace ringmail::io
