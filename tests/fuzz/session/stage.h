// What session_fuzz's two sides share: the plan that the first octets of an input make, and a world
// of two machines in which one conversation takes place.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/io/stream.h"
#include "ringmail/io/task.h"
#include "tests/sim/io/world.h"

namespace ringmail::smtp {

// Ends the run as a fuzzer's finding where `condition` does not hold, and says which.
void Require(bool condition, std::string_view what);

// What the one who was given the octets does when all are sent.
enum class Ending : uint8_t {
  kHalfClose,  // says that it is done, and listens on
  kStall,      // says nothing any more
  kClose,      // closes at once, in order
  kReset,
};

// How the octets reach the other side.
struct Cuts {
  size_t piece_bytes = SIZE_MAX;        // sent together
  Nanoseconds gap{0};                   // between two pieces
  size_t receive_bytes = size_t{8192};  // what one Receive brings, at most
};
inline constexpr Cuts kWhole{};

struct Plan {
  Ending ending = Ending::kHalfClose;
  uint8_t state = 0;    // to be brought to, by what a correct peer would say
  uint8_t variant = 0;  // each side's own
  Cuts cuts;
  std::string_view bytes;
};
inline constexpr size_t kPlanBytes = 4;
// The first kPlanBytes octets; the first bit of all is the side.
// REQUIRES: input.size() >= kPlanBytes.
Plan MakePlan(std::string_view input);

// Sends `bytes` as `cuts` say. False: the other side is gone.
io::Task<bool> SendInPieces(io::Stream& stream, std::string_view bytes, Cuts cuts);

// Receives until nothing comes any more, at most for `patience`, and appends it to `heard`.
io::Task<io::StreamStatus> HearOut(io::Stream& stream, std::string& heard, Nanoseconds patience);

// As `ending` says; `heard` takes what still comes.
io::Task<void> EndAs(Ending ending, io::Stream& stream, std::string& heard, Nanoseconds patience);

void RunServerSide(const Plan& plan);
void RunClientSide(const Plan& plan);

}  // namespace ringmail::smtp
