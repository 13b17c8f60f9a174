// When to try again (RFC 5321 §4.5.4.1). Pure.
#pragma once

#include <cstdint>

#include "ringmail/agent/transfer.h"
#include "ringmail/base/time.h"

namespace ringmail::agent {

// The delay after the `attempts`-th attempt (1 is the first): first_delay · growth^(attempts-1), at
// most `delay_max`, spread by the policy's jitter with `random` so that mail deferred together does
// not return together.
Nanoseconds RetryDelay(const RetryPolicy& policy, uint32_t attempts, std::chrono::seconds delay_max,
                       uint64_t random);

}  // namespace ringmail::agent
