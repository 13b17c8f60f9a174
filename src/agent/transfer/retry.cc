#include "agent/transfer/retry.h"

#include <algorithm>

namespace ringmail::agent {

Nanoseconds RetryDelay(const RetryPolicy& policy, uint32_t attempts, std::chrono::seconds delay_max,
                       uint64_t random) {
  const double longest = static_cast<double>(delay_max.count());
  double seconds = static_cast<double>(policy.first_delay.count());
  for (uint32_t i = 1; i < attempts && seconds < longest; ++i) seconds *= policy.growth;
  seconds = std::min(seconds, longest);
  // 53 bits make a fraction in [0, 1).
  const double fraction = static_cast<double>(random >> 11) * 0x1.0p-53;
  seconds *= 1.0 + policy.jitter * (2.0 * fraction - 1.0);
  return std::chrono::duration_cast<Nanoseconds>(
      std::chrono::duration<double>(std::max(seconds, 0.001)));
}

Nanoseconds RetryDelayLongest(const RetryPolicy& policy) {
  const double seconds = static_cast<double>(policy.delay_max.count()) * (1 + policy.jitter);
  // A report that could not be written waits longer than a short policy; and the log keeps whole
  // seconds.
  return std::max<Nanoseconds>(std::chrono::seconds(static_cast<int64_t>(seconds)),
                               kReportAgainAfter) +
         std::chrono::seconds(2);
}

}  // namespace ringmail::agent
