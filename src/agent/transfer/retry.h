// When to try again (RFC 5321 §4.5.4.1). Pure.
#pragma once

#include <cstdint>

#include "ringmail/agent/transfer.h"
#include "ringmail/base/time.h"

namespace ringmail::agent {

// A message whose report could not be written is looked at again after this.
inline constexpr std::chrono::minutes kReportAgainAfter(5);

// The delay after the `attempts`-th attempt (1 is the first): first_delay · growth^(attempts-1), at
// most `delay_max`, spread by the policy's jitter with `random` so that mail deferred together does
// not return together.
Nanoseconds RetryDelay(const RetryPolicy& policy, uint32_t attempts, std::chrono::seconds delay_max,
                       uint64_t random);

// No next attempt is further away than this. One that seems to be was set before the wall clock was
// put back.
Nanoseconds RetryDelayLongest(const RetryPolicy& policy);

}  // namespace ringmail::agent
