#include "ringmail/codec/utf8.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "support/codec/kernel_test.h"
#include "support/codec/utf8_reference.h"

namespace ringmail::codec {
namespace {

using Utf8Test = KernelTest;
INSTANTIATE_TEST_SUITE_P(Kernels, Utf8Test, ::testing::ValuesIn(kKernels), KernelTestName);

struct Verdict {
  bool valid, failed;
  friend bool operator==(const Verdict&, const Verdict&) = default;
};

Verdict Validate(std::string_view text, const std::vector<size_t>& cuts) {
  Utf8Validator validator;
  size_t at = 0;
  for (const size_t cut : cuts) {
    validator.Feed(text.substr(at, cut - at));
    at = cut;
  }
  validator.Feed(text.substr(at));
  return {validator.valid(), validator.failed()};
}

void HoldToReference(std::string_view text) {
  const size_t prefix = ReferenceUtf8ValidPrefix(text);
  ASSERT_EQ(Utf8ValidPrefix(text), prefix) << testing::PrintToString(text);
  ASSERT_EQ(Utf8Valid(text), prefix == text.size());
  ASSERT_EQ(Utf8CharacterBytes(text), ReferenceUtf8CharacterBytes(text));
}

// Characters of all lengths, ASCII for the greater part where `ascii` is large; now and then a
// fault.
std::string SomeText(std::mt19937_64& random, size_t bytes, unsigned ascii, unsigned faults) {
  constexpr uint32_t kPoints[] = {0x7F,   0x80,   0x7FF,   0x800,   0xFFF,   0x1000,  0xD7FF,
                                  0xE000, 0xFFFF, 0x10000, 0x3FFFF, 0x40000, 0xFFFFF, 0x10FFFF};
  std::string text;
  while (text.size() < bytes) {
    if (random() % ascii != 0) {
      text += static_cast<char>(random() % 128);
    } else if (faults != 0 && random() % faults == 0) {
      text += static_cast<char>(0x80 + random() % 128);
    } else {
      text += ReferenceUtf8(kPoints[random() % std::size(kPoints)]);
    }
  }
  return text.substr(0, bytes);
}

TEST_P(Utf8Test, EveryCodePointButSurrogatesIsValid) {
  for (uint32_t point = 0; point < 0x120000; ++point) {
    const bool valid = point < 0x110000 && !(point >= 0xD800 && point < 0xE000);
    ASSERT_EQ(Utf8Valid(ReferenceUtf8(point)), valid) << point;
  }
}

TEST_P(Utf8Test, EveryThreeOctetsWithinABlockAndOverItsEndAreJudgedAsTheReferenceJudgesThem) {
  // The second and third octets by their classes; each at places around the ends of blocks.
  constexpr uint8_t kOctets[] = {0,    0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                                 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE,
                                 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFF};
  for (const size_t place : {0u, 1u, 61u, 62u, 63u, 66u, 100u, 127u, 130u}) {
    std::string text(300, 'a');
    for (unsigned first = 0x80; first < 256; ++first) {
      text[place] = static_cast<char>(first);
      for (const uint8_t second : kOctets) {
        text[place + 1] = static_cast<char>(second);
        for (const uint8_t third : kOctets) {
          text[place + 2] = static_cast<char>(third);
          ASSERT_NO_FATAL_FAILURE(HoldToReference(text)) << place;
        }
      }
    }
  }
}

TEST_P(Utf8Test, EverySizeAtEveryAlignmentGivesWhatTheReferenceGives) {
  std::mt19937_64 random(1);
  for (size_t bytes = 0; bytes <= 512; ++bytes) {
    const std::string text = SomeText(random, bytes, 1 + bytes % 7, bytes % 3 == 0 ? 40 : 0);
    for (size_t alignment = 0; alignment < 64; ++alignment) {
      const std::string moved = std::string(alignment, '\xF0') + text;
      ASSERT_NO_FATAL_FAILURE(HoldToReference(std::string_view(moved).substr(alignment)))
          << bytes << " at " << alignment;
    }
  }
}

TEST_P(Utf8Test, EveryCutGivesWhatTheWholeGives) {
  std::mt19937_64 random(2);
  for (size_t bytes = 0; bytes <= 400; bytes += bytes < 12 ? 1 : 17) {
    for (const unsigned faults : {0u, 60u}) {
      const std::string text = SomeText(random, bytes, 2, faults);
      const Verdict want = {ReferenceUtf8ValidPrefix(text) == text.size(),
                            !ReferenceUtf8CanGoOn(text)};
      std::vector<size_t> every;
      for (size_t cut = 0; cut <= bytes; ++cut) {
        every.push_back(cut);
        ASSERT_EQ(Validate(text, {cut}), want) << bytes << " cut " << cut;
        ASSERT_EQ(Validate(text.substr(0, cut), {cut / 2}),
                  (Verdict{ReferenceUtf8ValidPrefix(text.substr(0, cut)) == cut,
                           !ReferenceUtf8CanGoOn(text.substr(0, cut))}));
      }
      ASSERT_EQ(Validate(text, every), want) << bytes;
    }
  }
}

TEST_P(Utf8Test, RandomTextGivesWhatTheReferenceGives) {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    std::mt19937_64 random(seed);
    const std::string text =
        SomeText(random, random() % 3000, 1 + static_cast<unsigned>(random() % 200),
                 random() % 2 == 0 ? 0 : static_cast<unsigned>(1 + random() % 300));
    ASSERT_NO_FATAL_FAILURE(HoldToReference(text)) << seed;
  }
}

TEST_P(Utf8Test, TruncatedAndOverlongAndLoneOctetsAreMalformed) {
  for (const std::string_view bad :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xE2\x82",
        "\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF",
        "\xFE", "\xE2\x28\xA1", "\xF0\x9F\x98", "\xC3\xC3"}) {
    for (size_t pad = 0; pad < 140; ++pad) {
      EXPECT_FALSE(Utf8Valid(std::string(pad, 'a') + std::string(bad)));
      EXPECT_FALSE(Utf8Valid(std::string(pad, 'a') + std::string(bad) + std::string(80, '0')));
    }
  }
}

TEST_P(Utf8Test, AnOctetOver127AnywhereIsNotAscii) {
  for (size_t bytes = 1; bytes < 200; ++bytes) {
    std::string text(bytes, '\x7F');
    EXPECT_TRUE(IsAscii(text));
    for (size_t at = 0; at < bytes; ++at) {
      text[at] = '\x80';
      ASSERT_FALSE(IsAscii(text));
      text[at] = '\0';
    }
  }
}

}  // namespace
}  // namespace ringmail::codec
