#include "ringmail/codec/dash_line.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "support/codec/dash_line_reference.h"
#include "support/codec/kernel_test.h"

namespace ringmail::codec {
namespace {

using DashLineTest = KernelTest;
INSTANTIATE_TEST_SUITE_P(Kernels, DashLineTest, ::testing::ValuesIn(kKernels), KernelTestName);

TEST_P(DashLineTest, IsFoundAtEveryPlaceOfEverySize) {
  for (size_t size = 0; size <= 200; ++size) {
    for (size_t at = 0; at + 3 <= size; ++at) {
      std::string text(size, '-');
      std::fill(text.begin(), text.begin() + static_cast<ptrdiff_t>(at), '\n');
      EXPECT_EQ(FindDashLine(text, 0), at == 0 ? std::string::npos : at - 1);
      text[at] = '\n';
      EXPECT_EQ(FindDashLine(text, 0), at);
      EXPECT_EQ(FindDashLine(text, at + 1), std::string::npos);
    }
  }
}

TEST_P(DashLineTest, EverySizeAtEveryAlignmentGivesWhatTheReferenceGives) {
  std::mt19937_64 random(1);
  for (size_t bytes = 0; bytes <= 512; ++bytes) {
    const std::string text = RandomText(random, bytes, bytes % 2 == 0 ? "xxxxxxx-\n" : "x-\n", 0);
    for (size_t alignment = 0; alignment < 64; ++alignment) {
      const std::string moved = std::string(alignment, '\n') + text;
      const std::string_view view = std::string_view(moved).substr(alignment);
      ASSERT_EQ(FindDashLine(view, 0), ReferenceDashLine(text, 0)) << bytes << " " << alignment;
      ASSERT_EQ(CountLf(view), ReferenceCountLf(text)) << bytes << " " << alignment;
    }
  }
  EXPECT_EQ(FindDashLine("\n--", 4), std::string::npos);
}

TEST_P(DashLineTest, AndLinesAreAsTheDefinitionSays) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 600, 'x');
    for (char& c : text) c = "x-\n\r"[random() % 4];
    const size_t from = text.empty() ? 0 : random() % text.size();
    EXPECT_EQ(FindDashLine(text, from), ReferenceDashLine(text, from));
    EXPECT_EQ(CountLf(text), ReferenceCountLf(text));
  }
}

}  // namespace
}  // namespace ringmail::codec
