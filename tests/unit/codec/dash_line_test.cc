#include "ringmail/codec/dash_line.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "ringmail/codec/kernel.h"

namespace ringmail::codec {
namespace {

class DashLineTest : public ::testing::TestWithParam<Kernel> {
 protected:
  void SetUp() override {
    before_ = ActiveKernel();
    if (!ForceKernel(GetParam())) GTEST_SKIP() << "this CPU lacks " << KernelName(GetParam());
  }
  void TearDown() override { ForceKernel(before_); }

 private:
  Kernel before_ = Kernel::kPortable;
};

INSTANTIATE_TEST_SUITE_P(Kernels, DashLineTest, ::testing::ValuesIn(kKernels),
                         [](const auto& test) { return std::string(KernelName(test.param)); });

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

TEST_P(DashLineTest, AndLinesAreAsTheDefinitionSays) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 600, 'x');
    for (char& c : text) c = "x-\n\r"[random() % 4];
    const size_t from = text.empty() ? 0 : random() % text.size();
    EXPECT_EQ(FindDashLine(text, from), text.find("\n--", from));
    const auto count = static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
    EXPECT_EQ(CountLf(text), count);
  }
}

}  // namespace
}  // namespace ringmail::codec
