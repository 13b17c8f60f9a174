// Between two streams, both ways at once.
//
// Made by: a session, over both its streams. Order: Run once; Fail at any time, from another task
//   too.
// Promise: what the one says goes to the other, in order; an end goes behind it (io: EndOutput),
//   and the other direction goes on. After Run said kDone both have ended and what is left of the
//   output is Close's to send; after anything else the streams are only good for Abort.
// Limits: kRelayOutputBytesMax each way. Nothing is held while nothing moves.
#pragma once

#include <cstdint>
#include <string_view>

#include "ringmail/base/time.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/task.h"
#include "ringmail/io/timer.h"

namespace ringmail::tunnel {

enum class RelayEnd : uint8_t {
  kDone,
  kIdle,        // nothing moved for so long
  kClientCut,   // TLS ended without close_notify
  kTargetCut,   // likewise
  kClientLost,  // reset, or another error
  kTargetLost,  // likewise
  kStopped,
};
std::string_view ToString(RelayEnd end);

class Relay {
 public:
  Relay(io::Stream& client, io::Stream& target, Nanoseconds idle_timeout);
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  io::Task<RelayEnd> Run();
  // Ends it; the first reason counts.
  void Fail(RelayEnd why);

  uint64_t octets_to_target() const { return to_target_.octets; }
  uint64_t octets_to_client() const { return to_client_.octets; }
  MonotonicTime last_moved() const { return last_moved_; }

 private:
  struct Direction {
    io::Stream& from;
    io::Stream& to;
    RelayEnd from_lost, from_cut, to_lost;
    uint64_t octets = 0;
    io::Event drained;
  };
  io::Task<void> Pump(Direction* direction);
  io::Task<bool> WaitForRoom(Direction& direction);
  // The end of a wait for input that brought none. True: wait again.
  bool GoesOn(Direction& direction, io::StreamStatus status);

  Direction to_target_, to_client_;
  const Nanoseconds idle_timeout_;
  MonotonicTime last_moved_;
  RelayEnd end_ = RelayEnd::kDone;
};

}  // namespace ringmail::tunnel
