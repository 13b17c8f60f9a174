#include "ringmail/codec/dots.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "ringmail/codec/kernel.h"
#include "support/codec/dots_reference.h"

namespace ringmail::codec {
namespace {

class DotsTest : public ::testing::TestWithParam<Kernel> {
 protected:
  void SetUp() override {
    before_ = ActiveKernel();
    if (!ForceKernel(GetParam())) GTEST_SKIP() << "this CPU lacks " << KernelName(GetParam());
  }
  void TearDown() override { ForceKernel(before_); }

 private:
  Kernel before_ = Kernel::kPortable;
};

INSTANTIATE_TEST_SUITE_P(Kernels, DotsTest, ::testing::ValuesIn(kKernels),
                         [](const auto& test) { return std::string(KernelName(test.param)); });

std::string RandomText(std::mt19937_64& random, size_t bytes, unsigned odd) {
  static constexpr std::string_view kPieces[] = {
      "\r\n", "\r\n.", "\r\n..", ".", "\r", "\n", "\r\n.\r", std::string_view("\0", 1), "\xC3"};
  std::string text;
  while (text.size() < bytes) {
    if (random() % 1000 < odd) {
      text += kPieces[random() % std::size(kPieces)];
    } else {
      text += static_cast<char>('a' + random() % 26);
    }
  }
  text.resize(bytes);
  return text;
}

std::string Stuff(std::string_view in, const std::vector<size_t>& cuts) {
  DotStuffer stuffer;
  std::string all;
  size_t at = 0;
  const auto piece = [&](size_t end) {
    const size_t room = 2 * (end - at);
    std::string out(room + 64, '#');
    const size_t written = stuffer.Feed(in.substr(at, end - at), out.data());
    EXPECT_EQ(out.substr(room), std::string(64, '#'));
    all += out.substr(0, written);
    at = end;
  };
  for (const size_t cut : cuts) piece(cut);
  piece(in.size());
  return all;
}

struct Unstuffed {
  std::string content;
  size_t consumed = 0;
  bool end = false;
  bool operator==(const Unstuffed&) const = default;
};

Unstuffed Unstuff(std::string_view in, const std::vector<size_t>& cuts) {
  DotUnstuffer unstuffer;
  Unstuffed result;
  size_t at = 0;
  const auto piece = [&](size_t end) {
    if (result.end) return;
    const size_t room = end - at + 1;
    std::string out(room + 64, '#');
    const DotUnstuffer::Step step = unstuffer.Feed(in.substr(at, end - at), out.data());
    EXPECT_EQ(out.substr(room), std::string(64, '#'));
    result.content += out.substr(0, step.written);
    result.consumed = at + step.consumed;
    result.end = step.end;
    at = end;
  };
  for (const size_t cut : cuts) piece(cut);
  piece(in.size());
  return result;
}

Unstuffed ReferenceUnstuff(std::string_view in) {
  const ReferenceScan scan = ReferenceDataScan(in);
  return {scan.content, scan.consumed, scan.end};
}

LineFacts Facts(std::string_view in, const std::vector<size_t>& cuts) {
  LineScanner scanner;
  size_t at = 0;
  for (const size_t cut : cuts) {
    scanner.Feed(in.substr(at, cut - at));
    at = cut;
  }
  scanner.Feed(in.substr(at));
  return scanner.facts();
}

void HoldToReference(std::string_view text, const std::vector<size_t>& cuts) {
  ASSERT_EQ(Stuff(text, cuts), ReferenceStuff(text));
  ASSERT_EQ(Unstuff(text, cuts), ReferenceUnstuff(text));
  const LineFacts facts = Facts(text, cuts);
  ASSERT_EQ(facts.lines, ReferenceLines(text));
  ASSERT_EQ(facts.line_bytes_max, ReferenceLongestLine(text));
  ASSERT_EQ(facts.high_octets, static_cast<size_t>(std::count_if(text.begin(), text.end(),
                                                                 [](char c) { return c < 0; })));
  // One more octet judges the CR that may stand last; without it the flags are the scanner's.
  ContentScanner scanner;
  DataScanner::Step step;
  for (std::string_view rest = text; !rest.empty(); rest.remove_prefix(step.consumed)) {
    scanner.Feed(rest, step);
  }
  ASSERT_EQ(facts.flags, scanner.final_flags());
}

TEST_P(DotsTest, EverySizeAtEveryAlignmentGivesWhatTheReferenceGives) {
  std::mt19937_64 random(1);
  for (size_t bytes = 0; bytes <= 512; ++bytes) {
    const std::string text = RandomText(random, bytes, bytes % 2 == 0 ? 30 : 200);
    for (size_t alignment = 0; alignment < 64; ++alignment) {
      const std::string moved = std::string(alignment, '\n') + text;
      ASSERT_NO_FATAL_FAILURE(HoldToReference(std::string_view(moved).substr(alignment), {}))
          << bytes << " at " << alignment;
    }
  }
}

TEST_P(DotsTest, EveryCutGivesWhatTheWholeGives) {
  std::mt19937_64 random(2);
  for (size_t bytes = 0; bytes <= 512; bytes += bytes < 140 ? 3 : 31) {
    for (const unsigned odd : {20u, 300u, 900u}) {
      const std::string text = RandomText(random, bytes, odd);
      std::vector<size_t> every;
      for (size_t cut = 0; cut <= bytes; ++cut) {
        every.push_back(cut);
        ASSERT_NO_FATAL_FAILURE(HoldToReference(text, {cut})) << bytes << " cut " << cut;
      }
      ASSERT_NO_FATAL_FAILURE(HoldToReference(text, every)) << bytes;
    }
  }
}

TEST_P(DotsTest, WhatWasStuffedIsUnstuffedToItself) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    std::mt19937_64 random(seed);
    const std::string text =
        RandomText(random, random() % 8192, random() % 2 == 0 ? 10 : 400) + "\r\n";
    const std::string sent = Stuff(text, {}) + ".\r\nQUIT\r\n";
    const Unstuffed got = Unstuff(sent, {});
    ASSERT_TRUE(got.end) << seed;
    ASSERT_EQ(got.content, text) << seed;
    ASSERT_EQ(got.consumed, sent.size() - 6) << seed;
  }
}

TEST_P(DotsTest, ABodyIsUnstuffedInPlace) {
  std::mt19937_64 random(3);
  for (size_t bytes = 0; bytes < 1000; ++bytes) {
    std::string text = RandomText(random, bytes, 100);
    const Unstuffed want = ReferenceUnstuff(text);
    DotUnstuffer unstuffer;
    const DotUnstuffer::Step step = unstuffer.Feed(text, text.data());
    ASSERT_EQ(text.substr(0, step.written), want.content) << bytes;
    ASSERT_EQ(step.end, want.end);
  }
}

TEST_P(DotsTest, TheLongestLineIsTakenOutOfLinesOfEveryLength) {
  std::mt19937_64 random(5);
  for (size_t count = 0; count < 2000; ++count) {
    std::string text;
    const size_t longest = random() % 200;
    while (text.size() < 1000) text += std::string(random() % (longest + 1), 'x') + "\r\n";
    ASSERT_NO_FATAL_FAILURE(HoldToReference(text, {random() % text.size()})) << text;
  }
}

TEST_P(DotsTest, DotsOnEveryLineAreUnstuffedInPlaceAndApart) {
  std::mt19937_64 random(6);
  for (size_t count = 0; count < 3000; ++count) {
    std::string text;
    while (text.size() < count) text += ".." + std::string(random() % 40, 'x') + "\r\n";
    const Unstuffed want = ReferenceUnstuff(text);
    ASSERT_EQ(Unstuff(text, {}), want) << count;
    DotUnstuffer unstuffer;
    const DotUnstuffer::Step step = unstuffer.Feed(text, text.data());
    ASSERT_EQ(text.substr(0, step.written), want.content) << count;
  }
}

TEST_P(DotsTest, TheKindOfContentIsThatOfRfc2045) {
  const auto kind = [](std::string_view text) {
    LineScanner scanner;
    scanner.Feed(text);
    return scanner.kind();
  };
  EXPECT_EQ(kind(""), ContentKind::k7Bit);
  EXPECT_EQ(kind("a\r\n.\r\n"), ContentKind::k7Bit);
  EXPECT_EQ(kind("caf\xC3\xA9\r\n"), ContentKind::k8Bit);
  EXPECT_EQ(kind("a\n"), ContentKind::kBinary);
  EXPECT_EQ(kind("a\r"), ContentKind::kBinary);
  EXPECT_EQ(kind(std::string_view("\0", 1)), ContentKind::kBinary);
  EXPECT_EQ(kind(std::string(998, 'x') + "\r\n"), ContentKind::k7Bit);
  EXPECT_EQ(kind(std::string(999, 'x') + "\r\n"), ContentKind::kBinary);
}

}  // namespace
}  // namespace ringmail::codec
