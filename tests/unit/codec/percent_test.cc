#include "ringmail/codec/percent.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "ringmail/codec/utf8.h"
#include "support/codec/kernel_test.h"
#include "support/codec/percent_reference.h"

namespace ringmail::codec {
namespace {

std::string Encode(std::string_view octets) {
  std::string out(3 * octets.size(), '#');
  out.resize(PercentEncode(octets, out.data()));
  EXPECT_EQ(PercentEncodedBytes(octets), out.size());
  return out;
}

std::string Decode(std::string_view text, unsigned departures) {
  std::string out(text.size(), '#');
  const PercentDecoded decoded = PercentDecode(text, out.data());
  EXPECT_EQ(decoded.departures, departures) << text;
  std::string in_place(text);
  const PercentDecoded again = PercentDecode(in_place, in_place.data());
  EXPECT_EQ(in_place.substr(0, again.bytes), out.substr(0, decoded.bytes));
  return out.substr(0, decoded.bytes);
}

TEST(PercentTest, TheExampleOfRfc2231IsSplitAndDecoded) {
  const auto value = SplitExtendedValue("us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A");
  ASSERT_TRUE(value);
  EXPECT_EQ(value->charset, "us-ascii");
  EXPECT_EQ(value->language, "en-us");
  EXPECT_EQ(Decode(value->text, 0), "This is ***fun***");
  EXPECT_EQ(Encode("This is ***fun***"), "This%20is%20%2A%2A%2Afun%2A%2A%2A");
}

TEST(PercentTest, CharsetAndLanguageMayBeEmptyAndTheTextMayHaveApostrophes) {
  const auto value = SplitExtendedValue("''it's");
  ASSERT_TRUE(value);
  EXPECT_EQ(value->charset, "");
  EXPECT_EQ(value->language, "");
  EXPECT_EQ(value->text, "it's");
  EXPECT_FALSE(SplitExtendedValue("utf-8'x"));
  EXPECT_FALSE(SplitExtendedValue(""));
}

TEST(PercentTest, EachDepartureIsNamedAndTheRestIsDecoded) {
  EXPECT_EQ(Decode("%c3%A9", kPercentLowerHex), "\xC3\xA9");
  EXPECT_EQ(Decode("100%", kPercentInvalidEscape), "100%");
  EXPECT_EQ(Decode("%4", kPercentInvalidEscape), "%4");
  EXPECT_EQ(Decode("%4g%41", kPercentInvalidEscape), "%4gA");
  EXPECT_EQ(Decode("a b", kPercentForeign), "a b");
  EXPECT_EQ(Decode("caf\xC3\xA9", kPercentForeign), "caf\xC3\xA9");
}

TEST(PercentTest, EverySizeAndRandomTextGiveWhatTheReferenceGives) {
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    std::mt19937_64 random(seed);
    const std::string text =
        RandomText(random, seed < 513 ? seed : random() % 600, "aF09%%gx'", seed % 2 == 0 ? 20 : 0);
    ASSERT_EQ(Encode(text), ReferencePercentEncode(text)) << seed;
    const ReferencePercent want = ReferencePercentDecode(text);
    ASSERT_EQ(Decode(text, want.departures), want.octets) << seed;
  }
}

TEST(PercentTest, WhatIsEncodedHasAttributeCharsOnlyAndDecodesToItself) {
  // RFC 2231 §7 and RFC 2045 §5.1, each octet by its name.
  const std::string outside = "*'%()<>@,;:\\\"/[]?=";
  for (int octet = 0; octet < 256; ++octet) {
    const std::string one(1, static_cast<char>(octet));
    const bool literal = octet > 32 && octet < 127 && outside.find(one[0]) == std::string::npos;
    EXPECT_EQ(Encode(one).size(), literal ? 1u : 3u) << octet;
  }
  for (uint64_t seed = 0; seed < 500; ++seed) {
    std::mt19937_64 random(seed);
    const std::string octets = RandomText(random, random() % 300, "abc %'*", 4);
    EXPECT_EQ(Decode(Encode(octets), 0), octets);
  }
}

TEST(PercentTest, AContinuationNeverCutsACharacter) {
  const std::string text = "Grüße 世界 🎉.pdf";
  for (size_t room = 12; room < 80; ++room) {
    std::string_view rest = text;
    std::string all;
    while (!rest.empty()) {
      std::string out(room + 8, '#');
      const EncodeStep step = PercentEncodeSome(rest, room, out.data());
      ASSERT_GT(step.consumed, 0u);
      ASSERT_LE(step.written, room);
      ASSERT_EQ(out.substr(room), "########");
      ASSERT_TRUE(Utf8Valid(rest.substr(0, step.consumed)));
      all += out.substr(0, step.written);
      rest.remove_prefix(step.consumed);
    }
    ASSERT_EQ(all, Encode(text));
  }
  char out[16];
  EXPECT_EQ(PercentEncodeSome("世", 8, out).consumed, 0u);
}

}  // namespace
}  // namespace ringmail::codec
