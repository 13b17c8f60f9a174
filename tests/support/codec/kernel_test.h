// A test that runs once for each kernel, and is skipped by name where the CPU lacks it.
#pragma once

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "ringmail/codec/kernel.h"

namespace ringmail::codec {

class KernelTest : public ::testing::TestWithParam<Kernel> {
 protected:
  void SetUp() override {
    before_ = ActiveKernel();
    if (!ForceKernel(GetParam())) GTEST_SKIP() << "this CPU lacks " << KernelName(GetParam());
  }
  void TearDown() override { ForceKernel(before_); }

 private:
  Kernel before_ = Kernel::kPortable;
};

inline std::string KernelTestName(const ::testing::TestParamInfo<Kernel>& test) {
  return std::string(KernelName(test.param));
}

// Octets of `alphabet`, one in `odd` of them any octet at all (0: none).
inline std::string RandomText(std::mt19937_64& random, size_t bytes, std::string_view alphabet,
                              unsigned odd) {
  std::string text(bytes, '\0');
  for (char& octet : text) {
    octet = odd != 0 && random() % odd == 0 ? static_cast<char>(random())
                                            : alphabet[random() % alphabet.size()];
  }
  return text;
}

}  // namespace ringmail::codec
