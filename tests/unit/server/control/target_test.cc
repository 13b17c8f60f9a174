#include "server/control/target.h"

#include <gtest/gtest.h>

namespace ringmail::server {
namespace {

TEST(TargetTest, PathAndQueryAreSplitAndDecoded) {
  const auto target = ParseTarget("/v1/queue/a%2Fb?sender=a%40b%26c&held=true&x");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->segments, (std::vector<std::string>{"v1", "queue", "a/b"}));
  EXPECT_EQ(*target->Find("sender"), "a@b&c");
  EXPECT_EQ(*target->Find("held"), "true");
  EXPECT_EQ(*target->Find("x"), "");
  EXPECT_EQ(target->Find("y"), nullptr);
}

TEST(TargetTest, WhatIsMalformedIsRefused) {
  for (const char* text : {"", "v1", "*", "http://x/", "//", "/a//b", "/%", "/%4", "/%zz", "/a?%=1",
                           "/a?=1", "/a?b=%f"}) {
    EXPECT_FALSE(ParseTarget(text)) << text;
  }
  EXPECT_TRUE(ParseTarget("/"));
  EXPECT_TRUE(ParseTarget("/%41"));
}

TEST(TargetTest, WhatIsEncodedDecodesToTheSame) {
  std::string octets;
  for (int i = 1; i < 256; ++i) octets += static_cast<char>(i);
  const auto target = ParseTarget("/x?y=" + PercentEncode(octets));
  ASSERT_TRUE(target);
  EXPECT_EQ(*target->Find("y"), octets);
}

}  // namespace
}  // namespace ringmail::server
