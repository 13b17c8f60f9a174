#include "ringmail/codec/data_scan.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "ringmail/codec/kernel.h"
#include "support/codec/data_scan_reference.h"

namespace ringmail::codec {
namespace {

class DataScanTest : public ::testing::TestWithParam<Kernel> {
 protected:
  void SetUp() override {
    before_ = ActiveKernel();
    if (!ForceKernel(GetParam())) GTEST_SKIP() << "this CPU lacks " << KernelName(GetParam());
  }
  void TearDown() override { ForceKernel(before_); }

 private:
  Kernel before_ = Kernel::kPortable;
};

INSTANTIATE_TEST_SUITE_P(Kernels, DataScanTest, ::testing::ValuesIn(kKernels),
                         [](const auto& test) { return std::string(KernelName(test.param)); });

testing::AssertionResult Same(const ReferenceScan& got, const ReferenceScan& want) {
  if (got.end != want.end) return testing::AssertionFailure() << "end is " << got.end;
  if (got.consumed != want.consumed) {
    return testing::AssertionFailure() << "consumed " << got.consumed << " not " << want.consumed;
  }
  if (got.content != want.content) {
    return testing::AssertionFailure()
           << "content of " << got.content.size() << " octets, not " << want.content.size();
  }
  if (got.dot_lines != want.dot_lines) return testing::AssertionFailure() << "other dot-lines";
  if (got.flags != want.flags) {
    return testing::AssertionFailure() << "flags " << int{got.flags} << " not " << int{want.flags};
  }
  return testing::AssertionSuccess();
}

// Mostly text, with line ends, dots and what must be flagged; `odd` of 1000 octets are of the
// latter kinds.
std::string RandomInput(std::mt19937_64& random, size_t bytes, unsigned odd) {
  static constexpr std::string_view kPieces[] = {
      "\r\n", "\r\n.", "\r\n..", ".", "\r", "\n", "\r\n.\r", std::string_view("\0", 1), "\xC3\xA9"};
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

ReferenceScan Scan(std::string_view input) { return ScanInPieces<DataScanner>(input, {}); }

TEST_P(DataScanTest, OnlyDotOnItsOwnLineEndsData) {
  const ReferenceScan scan = Scan("Subject: a\r\n\r\nhello\r\n.\r\nQUIT\r\n");
  EXPECT_TRUE(scan.end);
  EXPECT_EQ(scan.content, "Subject: a\r\n\r\nhello\r\n");
  EXPECT_EQ(scan.consumed, 24u);
  EXPECT_EQ(scan.flags, 0);
}

TEST_P(DataScanTest, ADotAsTheFirstLineEndsAnEmptyMessage) {
  const ReferenceScan scan = Scan(".\r\nQUIT");
  EXPECT_TRUE(scan.end);
  EXPECT_EQ(scan.content, "");
  EXPECT_EQ(scan.consumed, 3u);
}

TEST_P(DataScanTest, RemovesOneDotAndSaysWhichLinesStillBeginWithOne) {
  const ReferenceScan scan = Scan("..\r\n.a\r\n...b\r\nc.\r\n.\r\n");
  EXPECT_TRUE(scan.end);
  EXPECT_EQ(scan.content, ".\r\na\r\n..b\r\nc.\r\n");
  EXPECT_EQ(scan.dot_lines, (std::vector<size_t>{0, 6}));
}

TEST_P(DataScanTest, TextWithoutDotLinesIsOneRunOfTheInputItself) {
  std::string text;
  while (text.size() < 16384) text += "a line of text, 38 octets and its end.\r\n";
  DataScanner scanner;
  DataScanner::Step step;
  scanner.Feed(text, step);
  ASSERT_EQ(step.run_count, 1u);
  EXPECT_EQ(step.runs[0].bytes.data(), text.data());
  EXPECT_EQ(step.runs[0].bytes.size(), text.size());
  EXPECT_EQ(step.consumed, text.size());
}

struct Smuggle {
  const char* name;
  std::string_view sequence;
  uint8_t flags;
};
constexpr Smuggle kSmuggles[] = {
    {"LF . CRLF", "\n.\r\n", kDataBareLf},
    {"LF . LF", "\n.\n", kDataBareLf},
    {"CRLF . LF", "\r\n.\n", kDataBareLf},
    {"CR . CRLF", "\r.\r\n", kDataBareCr},
    {"CR . CR", "\r.\r", kDataBareCr},
    {"CRLF . CR", "\r\n.\rX", kDataBareCr},
    {"CRLF . CR CRLF", "\r\n.\r\r\n", kDataBareCr},
    {"CR CRLF . LF", "\r\r\n.\n", kDataBareCr | kDataBareLf},
    {"LF CR . CRLF", "\n\r.\r\n", kDataBareLf | kDataBareCr},
    {"CRLF NUL . CRLF", std::string_view("\r\n\0.\r\n", 6), kDataNul},
    {"CRLF . NUL CRLF", std::string_view("\r\n.\0\r\n", 6), kDataNul},
    {"CRLF . SP CRLF", "\r\n. \r\n", 0},
    {"CRLF .. CRLF", "\r\n..\r\n", 0},
};

TEST_P(DataScanTest, NothingButCrlfDotCrlfEndsDataWhereverItStandsAndHoweverItIsCut) {
  for (const Smuggle& smuggle : kSmuggles) {
    for (size_t before = 0; before < 140; ++before) {
      std::string text(before, 'a');
      text += smuggle.sequence;
      text += "MAIL FROM:<a@b>\r\n";
      text.append(130, 'b');
      for (size_t cut = 0; cut <= before + 8; ++cut) {
        const ReferenceScan scan = ScanInPieces<DataScanner>(text, {cut});
        ASSERT_FALSE(scan.end) << smuggle.name;
        ASSERT_EQ(scan.consumed, text.size()) << smuggle.name;
        ASSERT_EQ(scan.flags, smuggle.flags) << smuggle.name << " after " << before;
      }
    }
  }
}

TEST_P(DataScanTest, TheEndIsFoundWhereverItStandsAndHoweverItIsCut) {
  for (size_t before = 0; before < 140; ++before) {
    const std::string content = std::string(before, 'a') + "\r\n";
    const std::string text = content + ".\r\n\n\r\x80.QUIT" + std::string(100, '\n');
    for (size_t cut = 0; cut <= before + 5; ++cut) {
      for (size_t second = cut; second <= before + 5; ++second) {
        const ReferenceScan scan = ScanInPieces<DataScanner>(text, {cut, second});
        ASSERT_TRUE(scan.end);
        ASSERT_EQ(scan.content, content);
        ASSERT_EQ(scan.consumed, content.size() + 3);
        ASSERT_EQ(scan.flags, 0) << "what follows the end is not content";
      }
    }
  }
}

TEST_P(DataScanTest, LinesAreLimitedTo998OctetsNotCountingTheirEndOrTheDotOfTransparency) {
  for (const std::string_view begin : {"", "\r\n", "a\r\n", "\r\nbcd\r\n"}) {
    for (size_t pad = 0; pad < 64; ++pad) {
      const std::string lead = std::string(pad, 'p') + std::string(begin);
      const size_t same_line = begin.empty() ? pad : 0;
      for (const size_t octets : {size_t{997}, size_t{998}, size_t{999}}) {
        const std::string text = lead + std::string(octets - same_line, 'x') + "\r\nshort\r\n";
        const bool too_long = (Scan(text).flags & kDataLineTooLong) != 0;
        ASSERT_EQ(too_long, octets > 998) << octets << " after " << pad;
      }
    }
  }
  EXPECT_EQ(Scan("." + std::string(998, 'x') + "\r\n").flags, 0);
  EXPECT_EQ(Scan("." + std::string(999, 'x') + "\r\n").flags, kDataLineTooLong);
  EXPECT_EQ(Scan(".." + std::string(998, 'x') + "\r\n").flags, kDataLineTooLong);
  EXPECT_EQ(Scan(std::string(998, 'x') + "\r").flags, 0) << "the CR may be that of the line's end";
  EXPECT_EQ(Scan(std::string(998, 'x') + "\ra").flags, kDataLineTooLong | kDataBareCr);
}

TEST_P(DataScanTest, MoreDotLinesThanRunsAreFedAgain) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "..\r\n";
  text += ".\r\n";
  DataScanner scanner;
  DataScanner::Step step;
  scanner.Feed(text, step);
  EXPECT_EQ(step.run_count, DataScanner::kRunsMax);
  EXPECT_EQ(step.consumed, 4 * DataScanner::kRunsMax);
  EXPECT_TRUE(Same(Scan(text), ReferenceDataScan(text)));
}

TEST_P(DataScanTest, EverySizeAtEveryAlignmentGivesWhatTheReferenceGives) {
  std::mt19937_64 random(1);
  std::string room(1024, 'r');
  for (size_t bytes = 0; bytes <= 512; ++bytes) {
    const std::string text = RandomInput(random, bytes, 150);
    const ReferenceScan want = ReferenceDataScan(text);
    const ReferenceScan content = ReferenceContentScan(text);
    for (size_t alignment = 0; alignment < 64; ++alignment) {
      text.copy(room.data() + alignment, bytes);
      const std::string_view moved = std::string_view(room).substr(alignment, bytes);
      ASSERT_TRUE(Same(ScanInPieces<DataScanner>(moved, {}), want)) << bytes << " " << alignment;
      ASSERT_TRUE(Same(ScanInPieces<ContentScanner>(moved, {}), content)) << bytes;
    }
  }
}

TEST_P(DataScanTest, EveryCutGivesWhatTheReferenceGives) {
  std::mt19937_64 random(2);
  for (size_t bytes = 0; bytes <= 512; bytes += bytes < 140 ? 1 : 31) {
    for (const unsigned odd : {30u, 300u, 900u}) {
      const std::string text = RandomInput(random, bytes, odd);
      const ReferenceScan want = ReferenceDataScan(text);
      const ReferenceScan content = ReferenceContentScan(text);
      std::vector<size_t> every;
      for (size_t cut = 0; cut <= bytes; ++cut) {
        every.push_back(cut);
        ASSERT_TRUE(Same(ScanInPieces<DataScanner>(text, {cut}), want)) << bytes << " cut " << cut;
        ASSERT_TRUE(Same(ScanInPieces<ContentScanner>(text, {cut}), content)) << bytes;
        // The verdict on each beginning of the text is the reference's too.
        const std::string_view begin = std::string_view(text).substr(0, cut);
        ASSERT_TRUE(Same(ScanInPieces<DataScanner>(begin, {}), ReferenceDataScan(begin))) << cut;
      }
      ASSERT_TRUE(Same(ScanInPieces<DataScanner>(text, every), want)) << bytes << " octet by octet";
      ASSERT_TRUE(Same(ScanInPieces<ContentScanner>(text, every), content)) << bytes;
    }
  }
}

TEST_P(DataScanTest, RandomMessagesInRandomPiecesGiveWhatTheReferenceGives) {
  for (uint64_t seed = 0; seed < 600; ++seed) {
    std::mt19937_64 random(seed);
    const std::string text = RandomInput(random, random() % 8192, random() % 4 == 0 ? 100 : 2);
    std::vector<size_t> cuts;
    for (size_t at = 0; at < text.size(); at += random() % 1500) cuts.push_back(at);
    ASSERT_TRUE(Same(ScanInPieces<DataScanner>(text, cuts), ReferenceDataScan(text))) << seed;
    ASSERT_TRUE(Same(ScanInPieces<ContentScanner>(text, cuts), ReferenceContentScan(text))) << seed;
  }
}

TEST_P(DataScanTest, ContentThatEndsInCrIsBareCrOnceItIsTheEnd) {
  ContentScanner scanner;
  DataScanner::Step step;
  scanner.Feed("a\r\n" + std::string(998, 'b') + "\r", step);
  EXPECT_EQ(scanner.flags(), 0);
  EXPECT_EQ(scanner.final_flags(), kDataBareCr | kDataLineTooLong);
  EXPECT_FALSE(scanner.at_line_start());
  scanner.Feed("\n", step);
  EXPECT_EQ(scanner.final_flags(), 0);
  EXPECT_TRUE(scanner.at_line_start());
}

TEST(DataScanDeathTest, FeedingBeyondTheEndIsABug) {
  DataScanner scanner;
  DataScanner::Step step;
  scanner.Feed(".\r\n", step);
  EXPECT_DEATH(scanner.Feed("a", step), "CHECK failed");
}

}  // namespace
}  // namespace ringmail::codec
