#include "agent/transfer/retry.h"

#include <gtest/gtest.h>

namespace ringmail::agent {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr uint64_t kMiddle = uint64_t{1} << 63;  // no jitter

TEST(RetryDelay, GrowsFromTheFirstToTheLongest) {
  const RetryPolicy policy;
  EXPECT_EQ(RetryDelay(policy, 1, policy.delay_max, kMiddle), minutes(5));
  EXPECT_EQ(RetryDelay(policy, 2, policy.delay_max, kMiddle), minutes(10));
  EXPECT_EQ(RetryDelay(policy, 6, policy.delay_max, kMiddle), minutes(160));
  EXPECT_EQ(RetryDelay(policy, 7, policy.delay_max, kMiddle), hours(4));
  EXPECT_EQ(RetryDelay(policy, 65535, policy.delay_max, kMiddle), hours(4));
  EXPECT_EQ(RetryDelay(policy, 7, minutes(30), kMiddle), minutes(30));
}

TEST(RetryDelay, JitterSpreadsBothWaysAndNoFurther) {
  const RetryPolicy policy{.first_delay = seconds(100), .jitter = 0.2};
  EXPECT_EQ(RetryDelay(policy, 1, policy.delay_max, 0), seconds(80));
  const Nanoseconds most = RetryDelay(policy, 1, policy.delay_max, UINT64_MAX);
  EXPECT_GT(most, Nanoseconds(seconds(119)));
  EXPECT_LE(most, Nanoseconds(seconds(120)));
}

TEST(RetryDelay, IsNeverNothing) {
  const RetryPolicy policy{.first_delay = seconds(0), .jitter = 1.0};
  EXPECT_GT(RetryDelay(policy, 1, policy.delay_max, 0).count(), 0);
  EXPECT_GT(RetryDelay(policy, 9, policy.delay_max, UINT64_MAX).count(), 0);
}

}  // namespace
}  // namespace ringmail::agent
