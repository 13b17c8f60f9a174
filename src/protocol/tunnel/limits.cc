#include "protocol/tunnel/limits.h"

#include "ringmail/protocol/tunnel.h"

namespace ringmail::tunnel {
namespace {

constexpr FixedLimit kLimits[] = {
    {"tunnel octets the other side has not taken", kRelayOutputBytesMax,
     "octets per connection and direction", "", "the one side is not read until they are"},
    {"tunnel connections at a stop",
     std::chrono::duration_cast<std::chrono::milliseconds>(kDrainStill).count(),
     "ms without an octet", "", "cut"},
};

}  // namespace

std::span<const FixedLimit> TunnelLimits() { return kLimits; }

}  // namespace ringmail::tunnel
