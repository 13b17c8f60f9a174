#include "protocol/tunnel/relay.h"

#include "protocol/tunnel/limits.h"
#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/tls.h"

namespace ringmail::tunnel {

std::string_view ToString(RelayEnd end) {
  switch (end) {
    case RelayEnd::kDone:
      return "done";
    case RelayEnd::kIdle:
      return "idle";
    case RelayEnd::kClientCut:
      return "the client's TLS was cut off";
    case RelayEnd::kTargetCut:
      return "the target's TLS was cut off";
    case RelayEnd::kClientLost:
      return "the client was lost";
    case RelayEnd::kTargetLost:
      return "the target was lost";
    case RelayEnd::kStopped:
      return "stopped";
  }
  return "";
}

Relay::Relay(io::Stream& client, io::Stream& target, Nanoseconds idle_timeout)
    : to_target_{.from = client,
                 .to = target,
                 .from_lost = RelayEnd::kClientLost,
                 .from_cut = RelayEnd::kClientCut,
                 .to_lost = RelayEnd::kTargetLost,
                 .octets = 0,
                 .drained = {}},
      to_client_{.from = target,
                 .to = client,
                 .from_lost = RelayEnd::kTargetLost,
                 .from_cut = RelayEnd::kTargetCut,
                 .to_lost = RelayEnd::kClientLost,
                 .octets = 0,
                 .drained = {}},
      idle_timeout_(idle_timeout),
      last_moved_(io::Now()) {}

void Relay::Fail(RelayEnd why) {
  CHECK(why != RelayEnd::kDone);
  if (end_ != RelayEnd::kDone) return;
  end_ = why;
  // Both tasks wait for one of these, or are on their way.
  to_target_.from.Cancel();
  to_target_.to.Cancel();
}

io::Task<RelayEnd> Relay::Run() {
  to_target_.to.WatchOutput(&to_target_.drained);
  to_client_.to.WatchOutput(&to_client_.drained);
  io::Gate gate;
  gate.Spawn(Pump(&to_target_));
  co_await Pump(&to_client_);
  co_await gate.Close();
  to_target_.to.WatchOutput(nullptr);
  to_client_.to.WatchOutput(nullptr);
  co_return end_;
}

bool Relay::GoesOn(Direction& direction, io::StreamStatus status) {
  switch (status) {
    case io::StreamStatus::kTimedOut:
      // The other direction moves as well as this one.
      if (io::Now() < last_moved_ + idle_timeout_) return true;
      Fail(RelayEnd::kIdle);
      return false;
    case io::StreamStatus::kEnd:
      direction.to.EndOutput();
      return false;
    case io::StreamStatus::kFailed:
      Fail(direction.from.error() == io::kTlsTruncated ? direction.from_cut : direction.from_lost);
      return false;
    case io::StreamStatus::kCancelled:
      Fail(RelayEnd::kStopped);
      return false;
    case io::StreamStatus::kOk:
      break;
  }
  return true;
}

io::Task<void> Relay::Pump(Direction* direction) {
  Direction& self = *direction;
  while (end_ == RelayEnd::kDone) {
    // What came with the handshake, or with a header, is there without a wait.
    if (self.from.input().empty()) {
      const io::StreamStatus status = co_await self.from.Receive(last_moved_ + idle_timeout_);
      if (status != io::StreamStatus::kOk) {
        if (GoesOn(self, status)) continue;
        co_return;
      }
    }
    last_moved_ = io::Now();
    self.octets += self.from.input().size();
    self.to.Write(self.from.input());
    self.from.Consume(self.from.input().size());
    self.to.SendSoon();
    if (!co_await WaitForRoom(self)) co_return;
  }
}

io::Task<bool> Relay::WaitForRoom(Direction& direction) {
  if (direction.to.error() != 0) Fail(direction.to_lost);
  // All of it, not half: the kernel is asked to take it in one piece.
  if (direction.to.output_bytes() <= kRelayOutputBytesMax) co_return end_ == RelayEnd::kDone;
  while (end_ == RelayEnd::kDone && direction.to.output_bytes() > 0) {
    const MonotonicTime until = io::Now() + idle_timeout_;
    if (co_await direction.drained.Wait(until) == io::Wake::kTimedOut) Fail(RelayEnd::kIdle);
    if (end_ == RelayEnd::kDone && direction.to.error() != 0) Fail(direction.to_lost);
  }
  last_moved_ = io::Now();
  co_return end_ == RelayEnd::kDone;
}

}  // namespace ringmail::tunnel
