#include "server/serve/certificate_keeper.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace ringmail::server {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using Outcome = acme::AcmeResult::Outcome;

TEST(CertificateRenewal, IsAtTwoThirdsOfALifeAndALittleLaterForSome) {
  const WallTime from = FromUnixSeconds(1'000'000);
  const WallTime until = from + hours(90 * 24);
  EXPECT_EQ(RenewalTime(from, until, 0), from + hours(60 * 24));
  WallTime latest = from;
  for (uint64_t chance = 1; chance != 0; chance *= 3) {
    const WallTime at = RenewalTime(from, until, chance);
    EXPECT_GE(at, from + hours(60 * 24));
    EXPECT_LT(at, from + hours(60 * 24) + hours(108));
    latest = std::max(latest, at);
    if (chance > UINT64_MAX / 3) break;
  }
  EXPECT_GT(latest, from + hours(60 * 24) + hours(24));
  EXPECT_EQ(RenewalTime(from, from, 7), from);
  EXPECT_EQ(RenewalTime(until, from, 7), until);
}

TEST(CertificateRetry, WaitsTwiceAsLongEachTimeUpToItsEnd) {
  EXPECT_EQ(RetryPause(Outcome::kLater, 1, seconds(0), 0), kAcmeLaterPauseMin);
  EXPECT_EQ(RetryPause(Outcome::kLater, 3, seconds(0), 0), 4 * kAcmeLaterPauseMin);
  EXPECT_EQ(RetryPause(Outcome::kLater, 1'000'000'000, seconds(0), 0), kAcmeLaterPauseMax);
  EXPECT_EQ(RetryPause(Outcome::kRefused, 1, seconds(0), 0), kAcmeRefusedPauseMin);
  EXPECT_EQ(RetryPause(Outcome::kRefused, 100, seconds(0), 0), kAcmeRefusedPauseMax);
}

TEST(CertificateRetry, DoesNotComeBackBeforeTheAuthoritySays) {
  EXPECT_EQ(RetryPause(Outcome::kLater, 1, hours(30), 0), hours(30));
  for (uint64_t chance : {uint64_t{1}, uint64_t{999}, UINT64_MAX}) {
    const seconds pause = RetryPause(Outcome::kLater, 1, hours(30), chance);
    EXPECT_GE(pause, hours(30));
    EXPECT_LT(pause, hours(36));
  }
}

}  // namespace
}  // namespace ringmail::server
