#include "ringmail/codec/hex.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "support/codec/hex_reference.h"
#include "support/codec/kernel_test.h"

namespace ringmail::codec {
namespace {

using HexTest = KernelTest;
INSTANTIATE_TEST_SUITE_P(Kernels, HexTest, ::testing::ValuesIn(kKernels), KernelTestName);

std::string Encode(std::string_view octets, HexCase hex_case) {
  std::string out(2 * octets.size() + 64, '#');
  const size_t written = HexEncode(octets, hex_case, out.data());
  EXPECT_EQ(written, 2 * octets.size());
  EXPECT_EQ(out.substr(written), std::string(64, '#'));
  return out.substr(0, written);
}

TEST_P(HexTest, EverySizeAndEveryAlignmentGivesWhatTheReferenceGives) {
  std::mt19937_64 random(1);
  for (size_t bytes = 0; bytes <= 512; ++bytes) {
    const std::string octets = RandomText(random, bytes, "x", 1);
    const std::string lower = ReferenceHexEncode(octets, HexCase::kLower),
                      upper = ReferenceHexEncode(octets, HexCase::kUpper);
    for (size_t alignment = 0; alignment < 64; ++alignment) {
      const std::string moved = std::string(alignment, 'f') + octets;
      const std::string_view view = std::string_view(moved).substr(alignment);
      ASSERT_EQ(Encode(view, HexCase::kLower), lower) << bytes;
      ASSERT_EQ(Encode(view, HexCase::kUpper), upper) << bytes;
      const std::string text = std::string(alignment, 'f') + (bytes % 2 == 0 ? lower : upper);
      std::string out(bytes + 64, '#');
      ASSERT_EQ(HexDecode(std::string_view(text).substr(alignment), out.data()), bytes);
      ASSERT_EQ(out, octets + std::string(64, '#'));
    }
    std::string in_place = upper;
    ASSERT_EQ(HexDecode(in_place, in_place.data()), bytes);
    ASSERT_EQ(in_place.substr(0, bytes), octets);
  }
}

TEST_P(HexTest, RandomTextGivesWhatTheReferenceGives) {
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    std::mt19937_64 random(seed);
    const std::string text =
        RandomText(random, random() % 600, "0123456789abcdefABCDEF", seed % 3 == 0 ? 300 : 0);
    std::string out(text.size(), '#');
    const auto written = HexDecode(text, out.data());
    const auto want = ReferenceHexDecode(text);
    ASSERT_EQ(written.has_value(), want.has_value()) << seed;
    if (want) ASSERT_EQ(out.substr(0, *written), *want) << seed;
  }
}

TEST_P(HexTest, EveryOctetThatIsNoDigitIsRefusedWhereverItStands) {
  std::string out(200, '#');
  for (int octet = 0; octet < 256; ++octet) {
    const bool digit = isxdigit(octet) != 0;
    EXPECT_EQ(HexDigitValue(static_cast<char>(octet)) < 16, digit) << octet;
    for (size_t at = 0; at < 140; ++at) {
      std::string text(140, 'a');
      text[at] = static_cast<char>(octet);
      ASSERT_EQ(HexDecode(text, out.data()).has_value(), digit) << octet << " at " << at;
    }
  }
  EXPECT_EQ(HexDecode("abc", out.data()), std::nullopt);
}

}  // namespace
}  // namespace ringmail::codec
