#include "ringmail/codec/body_scan.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "ringmail/codec/kernel.h"
#include "support/codec/body_scan_reference.h"

namespace ringmail::codec {
namespace {

class BodyScanTest : public ::testing::TestWithParam<Kernel> {
 protected:
  void SetUp() override {
    before_ = ActiveKernel();
    if (!ForceKernel(GetParam())) GTEST_SKIP() << "this CPU lacks " << KernelName(GetParam());
  }
  void TearDown() override { ForceKernel(before_); }

 private:
  Kernel before_ = Kernel::kPortable;
};

INSTANTIATE_TEST_SUITE_P(Kernels, BodyScanTest, ::testing::ValuesIn(kKernels),
                         [](const auto& test) { return std::string(KernelName(test.param)); });

void ExpectAsDefined(const BodyScanner& scanner, std::string_view text) {
  const ReferenceBody expected = ReferenceBodyScan(text);
  ASSERT_EQ(scanner.lines(), expected.lines) << ::testing::PrintToString(text);
  ASSERT_EQ(int{scanner.flags()}, int{expected.flags}) << ::testing::PrintToString(text);
}

std::string RandomText(std::mt19937_64& random, std::string_view octets, size_t bytes) {
  std::string text(bytes, ' ');
  for (char& c : text) c = octets[random() % octets.size()];
  return text;
}

constexpr std::string_view kOctets[] = {"x-\n\r", std::string_view("xyzw-\r\n\0\x80", 9),
                                        "xxxxxxxxxxxxxxxxxxxxxxxxx\r\n"};

TEST_P(BodyScanTest, AnyTextCutAnywhereIsAsTheDefinitionSays) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 6000; ++round) {
    std::string text = RandomText(random, kOctets[round % 3], random() % 513);
    if (round % 5 == 0) text.insert(text.size() / 2, std::string(960 + random() % 60, 'l'));
    BodyScanner scanner;
    for (size_t at = 0; at < text.size();) {
      const size_t bytes = 1 + random() % (round % 2 == 0 ? 7 : 400);
      scanner.Feed(std::string_view(text).substr(at, bytes));
      at += bytes;
    }
    ExpectAsDefined(scanner, text);
  }
}

TEST_P(BodyScanTest, ALineOfDashesIsFoundAtEveryPlaceOfEverySize) {
  for (size_t size = 0; size <= 200; ++size) {
    for (size_t at = 0; at + 3 <= size; ++at) {
      std::string text(size, 'x');
      text.replace(at, 3, "\n--");
      BodyScanner scanner;
      ASSERT_EQ(scanner.FeedUntilDashes(text), at);
      ExpectAsDefined(scanner, text.substr(0, at));
      if (at == 0) continue;
      text[at - 1] = '\r';
      BodyScanner after_cr;
      ASSERT_EQ(after_cr.FeedUntilDashes(text), at);
      ExpectAsDefined(after_cr, text.substr(0, at - 1));
    }
  }
}

TEST_P(BodyScanTest, WhatComesBeforeALineOfDashesIsReadWithoutItsLineEnd) {
  std::mt19937_64 random(12);
  for (int round = 0; round < 20000; ++round) {
    const std::string before = RandomText(random, kOctets[round % 3], random() % 90);
    // From 1,024 octets on a kernel may begin with what comes before an aligned block.
    const std::string tail(round % 4 == 0 ? 1024 + random() % 64 : 0, 'z');
    const std::string text = RandomText(random, kOctets[round % 3], random() % 300) + tail;
    BodyScanner scanner;
    scanner.Feed(before);
    const size_t lf = scanner.FeedUntilDashes(text);
    ASSERT_EQ(lf, text.find("\n--")) << ::testing::PrintToString(text);
    std::string read = before + text.substr(0, lf);
    if (lf != std::string::npos && read.ends_with('\r')) read.pop_back();
    ExpectAsDefined(scanner, read);
  }
}

TEST_P(BodyScanTest, ALineIsTooLongFrom999OctetsWhateverEndsIt) {
  for (const std::string_view end : {"\r\n", "\n", "", "\r\nx\r\n"}) {
    for (size_t shift = 0; shift < 70; ++shift) {
      for (const size_t bytes : {998u, 999u}) {
        const std::string text =
            std::string(shift, 'y') + "\r\n" + std::string(bytes, 'x') + std::string(end);
        BodyScanner scanner;
        scanner.Feed(text);
        EXPECT_EQ((scanner.flags() & kDataLineTooLong) != 0, bytes == 999);
        ExpectAsDefined(scanner, text);
      }
    }
  }
}

TEST_P(BodyScanTest, ANewBodyIsJudgedByItselfAndTheLinesAreCountedOn) {
  BodyScanner scanner;
  scanner.Feed("a\x80\n\r");
  scanner.Begin();
  EXPECT_EQ(scanner.flags(), 0);
  scanner.Feed("\r\nb");
  EXPECT_EQ(scanner.flags(), 0);
  EXPECT_EQ(scanner.lines(), 2u);
}

}  // namespace
}  // namespace ringmail::codec
