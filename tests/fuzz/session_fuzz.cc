// Whole sessions of SMTP in a simulated world: a peer brings the server, or the client, to some
// state as a good peer would, and then sends the octets. See README.md, "session".
#include <cstdint>
#include <string_view>

#include "fuzz/session/stage.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ringmail::smtp;
  if (size < kPlanBytes || size > 8u << 10) return 0;
  const Plan plan = MakePlan({reinterpret_cast<const char*>(data), size});
  if ((data[0] & 1) == 0) {
    RunServerSide(plan);
  } else {
    RunClientSide(plan);
  }
  return 0;
}
