#include "ringmail/codec/crc32c.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "support/codec/crc32c_reference.h"
#include "support/codec/kernel_test.h"

namespace ringmail::codec {
namespace {

using Crc32cTest = KernelTest;
INSTANTIATE_TEST_SUITE_P(Kernels, Crc32cTest, ::testing::ValuesIn(kKernels), KernelTestName);

TEST_P(Crc32cTest, GivesTheValuesOfRfc3720AppendixB4) {
  EXPECT_EQ(Crc32c(0, std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(0, std::string(32, '\xFF')), 0x62A8AB43u);
  std::string up, down;
  for (int i = 0; i < 32; ++i) {
    up += static_cast<char>(i);
    down += static_cast<char>(31 - i);
  }
  EXPECT_EQ(Crc32c(0, up), 0x46DD794Eu);
  EXPECT_EQ(Crc32c(0, down), 0x113FDB5Cu);
  EXPECT_EQ(Crc32c(0, "123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c(0, ""), 0u);
}

TEST_P(Crc32cTest, EverySizeAtEveryAlignmentGivesWhatTheDefinitionGives) {
  std::mt19937_64 random(3);
  std::string room(16384 * 2, '\0');
  for (char& c : room) c = static_cast<char>(random());
  for (size_t bytes = 0; bytes <= 512; ++bytes) {
    for (size_t alignment = 0; alignment < 64; ++alignment) {
      const std::string_view text = std::string_view(room).substr(alignment, bytes);
      ASSERT_EQ(Crc32c(7, text), ReferenceCrc32c(7, text)) << bytes << " at " << alignment;
    }
  }
  for (int i = 0; i < 200; ++i) {
    const std::string_view text = std::string_view(room).substr(random() % 64, random() % 32000);
    ASSERT_EQ(Crc32c(0, text), ReferenceCrc32c(0, text)) << text.size();
  }
}

TEST_P(Crc32cTest, PiecesGiveTheChecksumOfTheWhole) {
  std::mt19937_64 random(4);
  std::string text(20000, '\0');
  for (char& c : text) c = static_cast<char>(random());
  const uint32_t whole = Crc32c(0, text);
  for (size_t cut = 0; cut <= text.size(); cut += 97) {
    const std::string_view view = text;
    ASSERT_EQ(Crc32c(Crc32c(0, view.substr(0, cut)), view.substr(cut)), whole);
  }
}

}  // namespace
}  // namespace ringmail::codec
