#include "ringmail/codec/kernel.h"

#include <gtest/gtest.h>

namespace ringmail::codec {
namespace {

TEST(KernelTest, NamesAreReadBack) {
  for (const Kernel kernel : kKernels) {
    EXPECT_EQ(ParseKernelName(KernelName(kernel)), kernel);
  }
  EXPECT_EQ(ParseKernelName("AVX2"), std::nullopt);
  EXPECT_EQ(ParseKernelName(""), std::nullopt);
}

TEST(KernelTest, AForcedKernelIsUsedAndAnUnsupportedOneRefused) {
  const Kernel before = ActiveKernel();
  EXPECT_TRUE(KernelSupported(before));
  for (const Kernel kernel : kKernels) {
    const Kernel current = ActiveKernel();
    EXPECT_EQ(ForceKernel(kernel), KernelSupported(kernel));
    EXPECT_EQ(ActiveKernel(), KernelSupported(kernel) ? kernel : current);
  }
  EXPECT_TRUE(ForceKernel(before));
}

}  // namespace
}  // namespace ringmail::codec
