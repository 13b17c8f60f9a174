#include "ringmail/credential/saslprep.h"

#include <gtest/gtest.h>

namespace ringmail::credential {
namespace {

std::optional<std::string> Query(std::string_view text) {
  return Saslprep(text, SaslprepUse::kQuery);
}

TEST(SaslprepTest, PreparesTheExamplesOfItsRfc) {
  // RFC 4013 §3.
  EXPECT_EQ(Query("I\u00adX"), "IX");
  EXPECT_EQ(Query("user"), "user");
  EXPECT_EQ(Query("USER"), "USER");
  EXPECT_EQ(Query("\u00aa"), "a");
  EXPECT_EQ(Query("\u2168"), "IX");
  EXPECT_EQ(Query("\x07"), std::nullopt);
  EXPECT_EQ(Query("\u0627\u0031"), std::nullopt);
}

TEST(SaslprepTest, OtherSpacesBecomeSpacesAndControlsAreRefused) {
  EXPECT_EQ(Query("a\u00a0b"), "a b");
  EXPECT_EQ(Query("a\u3000b"), "a b");
  EXPECT_EQ(Query("a\x7f"), std::nullopt);
  EXPECT_EQ(Query("a\u0085"), std::nullopt);
  EXPECT_EQ(Query("a\xff"), std::nullopt);
  EXPECT_EQ(Query(std::string_view("a\0b", 3)), std::nullopt);
}

TEST(SaslprepTest, WhatUnicodeLearntLaterMayBeAskedForAndNotKept) {
  EXPECT_EQ(Query("\u0221"), "\u0221");
  EXPECT_EQ(Saslprep("\u0221", SaslprepUse::kStored), std::nullopt);
}

TEST(SaslprepTest, TheLimitHolds) {
  EXPECT_TRUE(Query(std::string(kSaslprepBytesMax, 'a')));
  EXPECT_FALSE(Query(std::string(kSaslprepBytesMax + 1, 'a')));
  // The character that becomes most.
  EXPECT_EQ(Query("\ufdfa\ufdfa").value_or("").size(), 66u);
}

}  // namespace
}  // namespace ringmail::credential
