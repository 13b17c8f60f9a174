#include "ringmail/session/auth_limiter.h"

#include <gtest/gtest.h>

#include <string>

namespace ringmail::session {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::array<uint64_t, 2> kKey = {1, 2};
const MonotonicTime kStart = MonotonicTime(hours(1000));

IpAddress Ip(std::string_view text) { return *IpAddress::Parse(text); }

AuthLimiterOptions Small() {
  AuthLimiterOptions options;
  options.network_failures_max = 3;
  options.name_failures_max = 5;
  options.entries_max = 64;
  return options;
}

TEST(AuthLimiterTest, DelaysDoubleUpToTheLongest) {
  AuthLimiterOptions options = Small();
  options.network_failures_max = 0;
  options.name_failures_max = 0;
  AuthLimiter limiter(options, kKey);
  for (const int expected : {1, 2, 4, 8, 15, 15, 15}) {
    EXPECT_EQ(limiter.Fail(Ip("192.0.2.1"), "tim", "", kStart).delay, seconds(expected));
  }
  EXPECT_EQ(limiter.Fail(Ip("192.0.2.2"), "ann", "", kStart).delay, seconds(1));
}

TEST(AuthLimiterTest, ANameOnItsOwnMakesDelaysGrow) {
  AuthLimiter limiter(Small(), kKey);
  EXPECT_EQ(limiter.Fail(Ip("192.0.2.1"), "tim", "", kStart).delay, seconds(1));
  EXPECT_EQ(limiter.Fail(Ip("192.0.2.2"), "tim", "", kStart).delay, seconds(2));
  EXPECT_EQ(limiter.Fail(Ip("192.0.2.3"), "tim", "", kStart).delay, seconds(4));
}

TEST(AuthLimiterTest, ANetworkIsBannedAtItsLimitForItsTimeAndNoLonger) {
  AuthLimiter limiter(Small(), kKey);
  EXPECT_FALSE(limiter.Fail(Ip("192.0.2.1"), "a", "", kStart).network_banned);
  EXPECT_FALSE(limiter.Fail(Ip("192.0.2.1"), "b", "", kStart).network_banned);
  EXPECT_EQ(limiter.Admit(Ip("192.0.2.1"), "d", kStart), AuthAdmission::kAdmitted);
  EXPECT_TRUE(limiter.Fail(Ip("192.0.2.1"), "c", "", kStart).network_banned);
  EXPECT_EQ(limiter.Admit(Ip("192.0.2.1"), "d", kStart), AuthAdmission::kNetworkBanned);
  EXPECT_TRUE(limiter.Banned(Ip("192.0.2.1"), kStart));
  EXPECT_FALSE(limiter.Banned(Ip("192.0.2.2"), kStart));
  EXPECT_EQ(limiter.networks_banned(kStart), 1u);
  EXPECT_TRUE(limiter.Banned(Ip("192.0.2.1"), kStart + seconds(899)));
  EXPECT_FALSE(limiter.Banned(Ip("192.0.2.1"), kStart + seconds(900)));
}

TEST(AuthLimiterTest, AUnixSocketIsNotBannedAndTheNamesTriedThereAre) {
  AuthLimiter limiter(Small(), kKey);
  for (int i = 0; i < 4; ++i)
    EXPECT_FALSE(limiter.Fail(IpAddress{}, "tim", std::to_string(i), kStart).network_banned);
  EXPECT_EQ(limiter.Admit(IpAddress{}, "ann", kStart), AuthAdmission::kAdmitted);
  EXPECT_FALSE(limiter.Banned(IpAddress{}, kStart));
  EXPECT_TRUE(limiter.Fail(IpAddress{}, "tim", "4", kStart).name_banned);
  EXPECT_EQ(limiter.Admit(IpAddress{}, "tim", kStart), AuthAdmission::kNameBanned);
}

TEST(AuthLimiterTest, EachBanOfARowIsTwiceAsLongUpToTheLongest) {
  AuthLimiter limiter(Small(), kKey);
  MonotonicTime now = kStart;
  for (const int64_t expected : {900, 1800, 3600, 7200, 14400, 28800, 57600, 86400, 86400}) {
    while (!limiter.Fail(Ip("192.0.2.1"), "", "", now).network_banned) continue;
    EXPECT_TRUE(limiter.Banned(Ip("192.0.2.1"), now + seconds(expected - 1))) << expected;
    now += seconds(expected);
    EXPECT_FALSE(limiter.Banned(Ip("192.0.2.1"), now)) << expected;
  }
  now += hours(25);
  while (!limiter.Fail(Ip("192.0.2.1"), "", "", now).network_banned) continue;
  EXPECT_FALSE(limiter.Banned(Ip("192.0.2.1"), now + seconds(900))) << "the row has ended";
}

TEST(AuthLimiterTest, AnIpv6ClientIsItsWholeSlash64) {
  AuthLimiter limiter(Small(), kKey);
  (void)limiter.Fail(Ip("2001:db8:1:2::1"), "a", "", kStart);
  (void)limiter.Fail(Ip("2001:db8:1:2:ffff::2"), "b", "", kStart);
  (void)limiter.Fail(Ip("2001:db8:1:2:3::3"), "c", "", kStart);
  EXPECT_TRUE(limiter.Banned(Ip("2001:db8:1:2:aaaa::9"), kStart));
  EXPECT_FALSE(limiter.Banned(Ip("2001:db8:1:3::1"), kStart));
}

TEST(AuthLimiterTest, FailuresAreForgivenAtASteadyRate) {
  AuthLimiter limiter(Small(), kKey);
  (void)limiter.Fail(Ip("192.0.2.1"), "a", "", kStart);
  (void)limiter.Fail(Ip("192.0.2.1"), "b", "", kStart);
  const AuthPenalty later = limiter.Fail(Ip("192.0.2.1"), "c", "", kStart + seconds(1200));
  EXPECT_FALSE(later.network_banned);
  EXPECT_EQ(later.delay, seconds(1));
}

TEST(AuthLimiterTest, TheSameWrongPasswordAgainIsNoOtherFailure) {
  AuthLimiter limiter(Small(), kKey);
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(limiter.Fail(Ip("192.0.2.1"), "tim", "old", kStart).network_banned);
  }
  EXPECT_FALSE(limiter.Fail(Ip("192.0.2.1"), "tim", "other", kStart).network_banned);
  // Of another name the same password is another attempt.
  EXPECT_TRUE(limiter.Fail(Ip("192.0.2.1"), "ann", "old", kStart).network_banned);
}

TEST(AuthLimiterTest, ABannedNameIsOpenToANetworkThatLoggedInToItLately) {
  AuthLimiter limiter(Small(), kKey);
  EXPECT_TRUE(limiter.Succeed(Ip("198.51.100.7"), "tim", kStart));
  EXPECT_FALSE(limiter.Succeed(Ip("198.51.100.7"), "tim", kStart + hours(1))) << "no news";
  MonotonicTime now = kStart + hours(2);
  for (int i = 0; i < 5; ++i) {
    (void)limiter.Fail(Ip("192.0.2." + std::to_string(i)), "tim", "", now);
  }
  EXPECT_EQ(limiter.names_banned(now), 1u);
  EXPECT_EQ(limiter.Admit(Ip("203.0.113.1"), "tim", now), AuthAdmission::kNameBanned);
  EXPECT_EQ(limiter.Admit(Ip("203.0.113.1"), "ann", now), AuthAdmission::kAdmitted);
  EXPECT_EQ(limiter.Admit(Ip("198.51.100.7"), "tim", now), AuthAdmission::kAdmitted);
  EXPECT_EQ(limiter.Admit(Ip("198.51.100.8"), "tim", now), AuthAdmission::kNameBanned);
}

TEST(AuthLimiterTest, AKnownNetworkIsForgottenAfterItsTime) {
  AuthLimiterOptions options = Small();
  options.known_time = minutes(10);
  AuthLimiter limiter(options, kKey);
  (void)limiter.Succeed(Ip("198.51.100.7"), "tim", kStart);
  const MonotonicTime now = kStart + minutes(10);
  for (int i = 0; i < 5; ++i) {
    (void)limiter.Fail(Ip("192.0.2." + std::to_string(i)), "tim", "", now);
  }
  EXPECT_EQ(limiter.Admit(Ip("198.51.100.7"), "tim", now), AuthAdmission::kNameBanned);
}

TEST(AuthLimiterTest, TrustedNetworksAreNotBannedButTheirNamesAreCounted) {
  AuthLimiterOptions options = Small();
  options.trusted_networks.push_back(*IpNetwork::Parse("10.0.0.0/8"));
  AuthLimiter limiter(options, kKey);
  for (int i = 0; i < 10; ++i) (void)limiter.Fail(Ip("10.1.1.1"), "tim", "", kStart);
  EXPECT_FALSE(limiter.Banned(Ip("10.1.1.1"), kStart));
  EXPECT_EQ(limiter.Admit(Ip("10.1.1.1"), "ann", kStart), AuthAdmission::kAdmitted);
  EXPECT_EQ(limiter.Admit(Ip("10.1.1.1"), "tim", kStart), AuthAdmission::kNameBanned);
}

TEST(AuthLimiterTest, WhatOneShardSeesTheOtherCountsToo) {
  AuthLimiter here(Small(), kKey), there(Small(), kKey);
  there.Learn(*here.Succeed(Ip("198.51.100.7"), "tim", kStart), kStart);
  for (const std::string_view name : {"a", "b", "c"}) {
    there.Learn(here.Fail(Ip("192.0.2.1"), name, "", kStart).news, kStart);
  }
  EXPECT_TRUE(there.Banned(Ip("192.0.2.1"), kStart));
  for (int i = 0; i < 5; ++i) {
    there.Learn(here.Fail(Ip("192.0.3." + std::to_string(i)), "tim", "", kStart).news, kStart);
  }
  EXPECT_EQ(there.Admit(Ip("198.51.100.7"), "tim", kStart), AuthAdmission::kAdmitted);
  EXPECT_EQ(there.Admit(Ip("198.51.100.9"), "tim", kStart), AuthAdmission::kNameBanned);
}

TEST(AuthLimiterTest, ManyNetworksAreHeldInTheMemoryOfFewAndABanOutlivesThem) {
  AuthLimiterOptions options = Small();
  options.entries_max = 8;  // one place: all fall together
  AuthLimiter limiter(options, kKey);
  for (int i = 0; i < 3; ++i) (void)limiter.Fail(Ip("192.0.2.1"), "", "", kStart);
  for (int i = 0; i < 5000; ++i) {
    const std::string ip = "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250);
    EXPECT_FALSE(limiter.Fail(Ip(ip), "", "", kStart).network_banned);
  }
  EXPECT_TRUE(limiter.Banned(Ip("192.0.2.1"), kStart));
}

TEST(AuthLimiterTest, NoNameAtAllIsCountedByNetworkAlone) {
  AuthLimiter limiter(Small(), kKey);
  for (int i = 0; i < 9; ++i)
    (void)limiter.Fail(Ip("192.0.2." + std::to_string(i)), "", "", kStart);
  EXPECT_EQ(limiter.names_banned(kStart), 0u);
  EXPECT_EQ(limiter.Admit(Ip("203.0.113.1"), "", kStart), AuthAdmission::kAdmitted);
}

}  // namespace
}  // namespace ringmail::session
