#include "ringmail/codec/ascii.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "support/codec/ascii_reference.h"
#include "support/codec/kernel_test.h"

namespace ringmail::codec {
namespace {

using AsciiTest = KernelTest;
INSTANTIATE_TEST_SUITE_P(Kernels, AsciiTest, ::testing::ValuesIn(kKernels), KernelTestName);

TEST_P(AsciiTest, EveryPlaceInEverySizeIsFoundWhateverTheCase) {
  for (const std::string_view needle : {"n", "Ne", "nEEdle", "[need-1]", "\xC3\xA4x"}) {
    for (size_t bytes = needle.size(); bytes <= 260; ++bytes) {
      for (size_t at = 0; at + needle.size() <= bytes; at += bytes < 140 ? 1 : 5) {
        std::string text(bytes, 'e');
        text.replace(at, needle.size(), at % 2 == 0 ? ReferenceLower(needle) : needle);
        ASSERT_EQ(AsciiFindNoCase(text, needle, 0), at) << bytes;
        ASSERT_EQ(AsciiFindNoCase(text, needle, at), at) << bytes;
        ASSERT_EQ(AsciiFindNoCase(text, needle, at + 1), std::string_view::npos) << bytes;
      }
    }
  }
}

TEST_P(AsciiTest, EverySizeAtEveryAlignmentIsSearchedToItsEnd) {
  std::mt19937_64 random(1);
  for (size_t bytes = 0; bytes <= 512; ++bytes) {
    const std::string text = RandomText(random, bytes, "abAB.", 0);
    const std::string_view needle = bytes % 3 == 0 ? "abA" : bytes % 3 == 1 ? "b.aBa" : "a";
    const size_t want = ReferenceFindNoCase(text, needle, 0);
    for (size_t alignment = 0; alignment < 64; ++alignment) {
      const std::string moved = std::string(alignment, 'a') + text;
      ASSERT_EQ(AsciiFindNoCase(std::string_view(moved).substr(alignment), needle, 0), want)
          << bytes << " at " << alignment;
    }
  }
}

TEST_P(AsciiTest, RandomTextGivesWhatTheReferenceGives) {
  for (uint64_t seed = 0; seed < 20000; ++seed) {
    std::mt19937_64 random(seed);
    const std::string text = RandomText(random, random() % 513, "aAbB@`[{", seed % 2 == 0 ? 30 : 0);
    const std::string needle = RandomText(random, random() % 6, "aAbB@`[{", 0);
    const size_t from = random() % 40;
    const std::string moved = std::string(random() % 64, 'a') + text;
    const std::string_view view = std::string_view(moved).substr(moved.size() - text.size());
    ASSERT_EQ(AsciiFindNoCase(view, needle, from), ReferenceFindNoCase(text, needle, from))
        << text << " " << needle;
  }
}

TEST_P(AsciiTest, EveryPairOfOctetsIsEqualWhereItsLettersAre) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const std::string x(1, static_cast<char>(a)), y(1, static_cast<char>(b));
      const bool equal = ReferenceLower(x) == ReferenceLower(y);
      ASSERT_EQ(AsciiEqualNoCase(x, y), equal) << a << " " << b;
      ASSERT_EQ(AsciiFindNoCase(std::string(70, '.') + x + std::string(70, '.'), y, 70) == 70,
                equal)
          << a << " " << b;
    }
  }
  EXPECT_TRUE(AsciiStartsWithNoCase("Content-Type: x", "content-type:"));
  EXPECT_FALSE(AsciiStartsWithNoCase("Content", "content-type:"));
  EXPECT_FALSE(AsciiEqualNoCase("a", "ab"));
}

TEST_P(AsciiTest, LettersAreLoweredInPlaceAndNothingElse) {
  std::string text;
  for (int octet = 0; octet < 256; ++octet) text += static_cast<char>(octet);
  const std::string want = ReferenceLower(text);
  AsciiLowerCopy(text, text.data());
  EXPECT_EQ(text, want);
}

}  // namespace
}  // namespace ringmail::codec
