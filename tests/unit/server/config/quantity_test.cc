#include "server/config/quantity.h"

#include <gtest/gtest.h>

namespace ringmail::server {
namespace {

TEST(QuantityTest, SizesHaveAUnitAndMayBeWrittenWithASpace) {
  EXPECT_EQ(ParseBytes("0B"), 0u);
  EXPECT_EQ(ParseBytes("50MiB"), 50u << 20);
  EXPECT_EQ(ParseBytes("50 MiB"), 50u << 20);
  EXPECT_EQ(ParseBytes("1kB"), 1000u);
  EXPECT_EQ(ParseBytes("2TB"), 2'000'000'000'000u);
}

TEST(QuantityTest, WhatIsNoSizeIsRefused) {
  for (const char* text : {"", "50", "MiB", "50mib", "-1B", "1.5MiB", "50MiBB", " 1B", "1 B "}) {
    EXPECT_FALSE(ParseBytes(text)) << text;
  }
}

TEST(QuantityTest, SizesBeyondTwoToThe63AreRefusedAndNotWrapped) {
  EXPECT_EQ(ParseBytes("9223372036854775808B"), uint64_t{1} << 63);
  EXPECT_FALSE(ParseBytes("9223372036854775809B"));
  EXPECT_FALSE(ParseBytes("18446744073709551617B"));
  EXPECT_EQ(ParseBytes("8388608TiB"), uint64_t{1} << 63);
  EXPECT_FALSE(ParseBytes("8388609TiB"));
}

TEST(QuantityTest, DurationsHaveAUnit) {
  EXPECT_EQ(ParseSeconds("90s"), 90u);
  EXPECT_EQ(ParseSeconds("5m"), 300u);
  EXPECT_EQ(ParseSeconds("4h"), 14'400u);
  EXPECT_EQ(ParseSeconds("5d"), 432'000u);
  EXPECT_EQ(ParseSeconds("1w"), 604'800u);
  for (const char* text : {"", "5", "m", "5min", "5M", "-5m", "1h30m"})
    EXPECT_FALSE(ParseSeconds(text)) << text;
}

TEST(QuantityTest, WhatIsFormattedParsesToTheSame) {
  for (uint64_t value :
       {0ull, 1ull, 59ull, 60ull, 3600ull, 86'400ull, 604'801ull, 1ull << 40, (1ull << 20) + 1}) {
    EXPECT_EQ(ParseBytes(FormatBytes(value)), value);
    EXPECT_EQ(ParseSeconds(FormatSeconds(value)), value);
  }
  EXPECT_EQ(FormatBytes(50u << 20), "50MiB");
  EXPECT_EQ(FormatSeconds(432'000), "5d");
}

}  // namespace
}  // namespace ringmail::server
