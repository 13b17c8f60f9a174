#include "ringmail/base/ids.h"

#include <gtest/gtest.h>

#include <random>
#include <type_traits>

namespace ringmail {
namespace {

static_assert(!std::is_convertible_v<QueueId, ContentId>);
static_assert(!std::is_convertible_v<LogId, ShardIndex>);
static_assert(!std::is_convertible_v<uint64_t, QueueId>);

TEST(QueueIdTest, IsWrittenAsTwelveDigitsOfBase32) {
  EXPECT_EQ(QueueId(0x1a2).ToString(), "0000000000d2");
  EXPECT_EQ(QueueId::Make(LogId(1023), ~uint64_t{0}).ToString(), "vvvvvvvvvvvv");
  EXPECT_EQ(QueueId::Make(LogId(1), 0).ToString(), "010000000000");
}

TEST(QueueIdTest, WhatIsWrittenIsReadBack) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 10000; ++i) {
    const auto log = static_cast<uint16_t>(random() % kLogCountMax);
    const uint64_t sequence = 1 + (random() >> (14 + random() % 50)) % ((uint64_t{1} << 50) - 1);
    const QueueId id = QueueId::Make(LogId(log), sequence);
    ASSERT_EQ(id.log().value, log);
    ASSERT_EQ(id.sequence(), sequence);
    ASSERT_EQ(QueueId::Parse(id.ToString()), id);
  }
}

TEST(QueueIdTest, OtherTextIsNoId) {
  for (const char* text : {"", "0000000000d", "0000000000d20", "0000000000D2", "0000000000w2",
                           "00000000 0d2", "000000000000", "-000000000d2"}) {
    EXPECT_EQ(QueueId::Parse(text), std::nullopt) << text;
  }
}

TEST(QueueIdTest, TextSortsAsTheIdsDo) {
  EXPECT_LT(QueueId(9).ToString(), QueueId(10).ToString());
  EXPECT_LT(QueueId(31).ToString(), QueueId(32).ToString());
  EXPECT_LT(QueueId(9), QueueId(10));
}

TEST(QueueIdDeathTest, AnIdBeyondSixtyBitsIsABug) {
  EXPECT_DEATH(QueueId(~uint64_t{0}).ToString(), "CHECK failed");
}

}  // namespace
}  // namespace ringmail
