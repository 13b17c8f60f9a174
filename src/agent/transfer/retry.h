// When to try again (RFC 5321 §4.5.4.1). Pure.
#pragma once

#include <cstdint>

#include "ringmail/agent/transfer.h"
#include "ringmail/base/time.h"

namespace ringmail::agent {

// A message whose report could not be written is looked at again after this.
inline constexpr std::chrono::minutes kReportAgainAfter(5);

// How long a message that grew too old while nobody could send it (the server was down, its clock
// jumped) is still waited for by its next hop, before it is given up.
inline constexpr std::chrono::minutes kLastChanceLasts(15);

// The delay after the `attempts`-th attempt (1 is the first): first_delay · growth^(attempts-1), at
// most `delay_max`, spread by the policy's jitter with `random` so that mail deferred together does
// not return together.
Nanoseconds RetryDelay(const RetryPolicy& policy, uint32_t attempts, std::chrono::seconds delay_max,
                       uint64_t random);

// No next attempt is further away than this. One that seems to be was set before the wall clock was
// put back.
Nanoseconds RetryDelayLongest(const RetryPolicy& policy);

}  // namespace ringmail::agent
