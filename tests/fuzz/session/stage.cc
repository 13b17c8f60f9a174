#include "fuzz/session/stage.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"

namespace ringmail::smtp {

void Require(bool condition, std::string_view what) {
  if (condition) return;
  std::fprintf(stderr, "session_fuzz: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

Plan MakePlan(std::string_view input) {
  const auto octet = [input](size_t i) { return static_cast<uint8_t>(input[i]); };
  Plan plan{.ending = static_cast<Ending>(octet(0) >> 1 & 3),
            .state = octet(1),
            .variant = octet(2),
            .bytes = input.substr(kPlanBytes)};
  const unsigned cut = octet(3);
  if ((cut & 1) != 0) plan.cuts.piece_bytes = 1 + (cut >> 3);
  if ((cut & 2) != 0) plan.cuts.gap = std::chrono::milliseconds(1);
  if ((cut & 4) != 0) plan.cuts.receive_bytes = 1 + (cut >> 3);
  return plan;
}

io::Task<bool> SendInPieces(io::Stream& stream, std::string_view bytes, Cuts cuts) {
  const Nanoseconds patience = std::chrono::hours(1);
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, cuts.piece_bytes);
    bytes.remove_prefix(piece.size());
    stream.Write(piece);
    if (co_await stream.Flush(io::Now() + patience) != io::StreamStatus::kOk) co_return false;
    if (cuts.gap > Nanoseconds(0) && !bytes.empty()) co_await io::SleepUntil(io::Now() + cuts.gap);
  }
  co_return true;
}

io::Task<io::StreamStatus> HearOut(io::Stream& stream, std::string& heard, Nanoseconds patience) {
  const MonotonicTime deadline = io::Now() + patience;
  while (true) {
    const io::StreamStatus status = co_await stream.Receive(deadline);
    if (status != io::StreamStatus::kOk) co_return status;
    heard += stream.input();
    stream.Consume(stream.input().size());
  }
}

io::Task<void> EndAs(Ending ending, io::Stream& stream, std::string& heard, Nanoseconds patience) {
  switch (ending) {
    case Ending::kHalfClose:
      sim::ShutdownWrite(stream);
      static_cast<void>(co_await HearOut(stream, heard, patience));
      break;
    case Ending::kStall:
      static_cast<void>(co_await HearOut(stream, heard, patience));
      break;
    case Ending::kClose:
      break;
    case Ending::kReset:
      stream.Abort();
      co_return;
  }
  co_await stream.Close(io::Now() + std::chrono::seconds(5));
}

}  // namespace ringmail::smtp
