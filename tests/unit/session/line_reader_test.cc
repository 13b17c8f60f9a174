#include "ringmail/session/line_reader.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ringmail/io/shard.h"
#include "tests/support/io/still_io.h"

namespace ringmail::session {
namespace {

using io::Connection;
using io::Happening;
using io::Stream;

constexpr size_t kMax = 20;

struct Reading {
  Stream* stream;
  LineReader* reader;
  std::vector<std::pair<LineStatus, std::string>> lines;
};

io::Task<void> ReadAll(Reading* reading) {
  for (;;) {
    Line line = reading->reader->TryLine(*reading->stream);
    if (line.status == LineStatus::kNeedMore) {
      EXPECT_TRUE(reading->stream->input().empty()) << "a waiting stream holds no buffer";
      line = co_await reading->reader->ReadLine(*reading->stream, kNever);
    }
    if (line.status == LineStatus::kStream) co_return;
    reading->lines.emplace_back(line.status, line.text);
  }
}

using Lines = std::vector<std::pair<LineStatus, std::string>>;

Lines Read(std::vector<Happening> script, LineEnds ends = LineEnds::kStrict) {
  Connection connection(std::move(script));
  Stream stream(&connection);
  LineReader reader(kMax, ends);
  Reading reading{&stream, &reader, {}};
  io::RunStill(ReadAll(&reading));
  return reading.lines;
}

struct Moving {
  std::vector<Happening> script;
  Lines lines;
};

// Reads each line with another reader and, as far as the reader can tell, another stream.
io::Task<void> ReadAndMove(Moving* moving) {
  Connection connection(moving->script);
  Stream stream(&connection);
  auto reader = std::make_unique<LineReader>(kMax);
  for (;;) {
    Line line = reader->TryLine(stream);
    // What it has carried off by then is all there is of the beginning of the line.
    if (line.status == LineStatus::kNeedMore) {
      reader->Release(stream);
      reader = std::make_unique<LineReader>(std::move(*reader));
      line = co_await reader->ReadLine(stream, io::Now() + std::chrono::seconds(1));
    }
    if (line.status == LineStatus::kStream && line.stream == io::StreamStatus::kTimedOut) continue;
    if (line.status == LineStatus::kStream) co_return;
    moving->lines.emplace_back(line.status, line.text);
    reader->Release(stream);
    reader = std::make_unique<LineReader>(std::move(*reader));
  }
}

TEST(LineReaderTest, AReaderThatMovesGoesOnInTheMiddleOfALine) {
  const std::string text =
      "one\r\ntwo two two two two two two two two two\r\nthree\nfour\r\nfi\rve\r\nsix\r\n";
  const Lines expected = Read({{.bytes = text}});
  ASSERT_EQ(expected.size(), 6u);
  for (size_t step = 1; step <= text.size(); ++step) {
    Moving moving;
    for (size_t at = 0; at < text.size(); at += step) {
      // Later than the reader's patience: it moves between any two pieces.
      moving.script.push_back({.bytes = text.substr(at, step), .after = std::chrono::seconds(2)});
    }
    io::RunStill(ReadAndMove(&moving));
    EXPECT_EQ(moving.lines, expected) << step;
  }
}

// The same bytes must mean the same however they arrive.
Lines ReadCutEverywhere(const std::string& bytes, LineEnds ends = LineEnds::kStrict) {
  const Lines whole = Read({{.bytes = bytes}}, ends);
  for (size_t first = 1; first < bytes.size(); ++first) {
    EXPECT_EQ(Read({{.bytes = bytes.substr(0, first)}, {.bytes = bytes.substr(first)}}, ends),
              whole)
        << "cut at " << first;
    const size_t second = first + (bytes.size() - first) / 2;
    if (second == first) continue;
    EXPECT_EQ(Read({{.bytes = bytes.substr(0, first)},
                    {.bytes = bytes.substr(first, second - first)},
                    {.bytes = bytes.substr(second)}},
                   ends),
              whole)
        << "cut at " << first << " and " << second;
  }
  return whole;
}

TEST(LineReaderTest, GivesLinesWithoutTheirEndHoweverTheyArrive) {
  const Lines lines = ReadCutEverywhere("EHLO a\r\n\r\nQUIT\r\nno end");
  EXPECT_EQ(
      lines,
      (Lines{{LineStatus::kLine, "EHLO a"}, {LineStatus::kLine, ""}, {LineStatus::kLine, "QUIT"}}));
}

TEST(LineReaderTest, TakesALineOfTheLimitAndRefusesOneOctetMore) {
  const std::string full(kMax, 'x');
  EXPECT_EQ(ReadCutEverywhere(full + "\r\n"), (Lines{{LineStatus::kLine, full}}));
  EXPECT_EQ(ReadCutEverywhere(full + "x\r\nNOOP\r\n"),
            (Lines{{LineStatus::kTooLong, ""}, {LineStatus::kLine, "NOOP"}}));
}

TEST(LineReaderTest, ThrowsTheRestOfALongLineAwayAndGoesOnBehindIt) {
  EXPECT_EQ(ReadCutEverywhere(std::string(300, 'x') + "\r\nNOOP\r\n"),
            (Lines{{LineStatus::kTooLong, ""}, {LineStatus::kLine, "NOOP"}}));
}

TEST(LineReaderTest, TellsAnEndlessLineAgainAndAgainSoThatAnErrorBudgetEndsIt) {
  std::vector<Happening> script(10, {.bytes = std::string(kLineDiscardBytes / 2, 'x')});
  EXPECT_GE(Read(script).size(), 4u);
}

TEST(LineReaderTest, RefusesABareCarriageReturnAndNul) {
  EXPECT_EQ(ReadCutEverywhere("a\rb\r\nNOOP\r\n"),
            (Lines{{LineStatus::kBareCr, ""}, {LineStatus::kLine, "NOOP"}}));
  EXPECT_EQ(ReadCutEverywhere("a\r\r\nNOOP\r\n"),
            (Lines{{LineStatus::kBareCr, ""}, {LineStatus::kLine, "NOOP"}}));
  EXPECT_EQ(ReadCutEverywhere(std::string("a\0b\r\nNOOP\r\n", 11)),
            (Lines{{LineStatus::kNul, ""}, {LineStatus::kLine, "NOOP"}}));
}

TEST(LineReaderTest, RefusesABareLineFeedWithAllUpToTheNextCrlf) {
  // To a strict relay before us "NOOP\nMAIL" is one line: MAIL is never a command of its own.
  EXPECT_EQ(ReadCutEverywhere("NOOP\nMAIL\nRCPT\r\nQUIT\r\n"),
            (Lines{{LineStatus::kBareLf, ""},
                   {LineStatus::kBareLf, ""},
                   {LineStatus::kBareLf, ""},
                   {LineStatus::kLine, "QUIT"}}));
}

TEST(LineReaderTest, HidesNothingBehindALongLineThatEndsInABareLineFeed) {
  EXPECT_EQ(
      ReadCutEverywhere(std::string(kMax * 2, 'x') + "\nMAIL\r\nQUIT\r\n"),
      (Lines{{LineStatus::kTooLong, ""}, {LineStatus::kBareLf, ""}, {LineStatus::kLine, "QUIT"}}));
}

TEST(LineReaderTest, TakesABareLineFeedFromALegacyClientAndStillNoBareCarriageReturn) {
  EXPECT_EQ(ReadCutEverywhere("NOOP\nQUIT\r\na\rb\nRSET\n", LineEnds::kLegacyBareLf),
            (Lines{{LineStatus::kLine, "NOOP"},
                   {LineStatus::kLine, "QUIT"},
                   {LineStatus::kBareCr, ""},
                   {LineStatus::kLine, "RSET"}}));
}

io::Task<void> ReadContent(Reading* reading, std::string* content) {
  const Line line = co_await reading->reader->ReadLine(*reading->stream, kNever);
  EXPECT_EQ(line.text, "DATA");
  EXPECT_TRUE(reading->reader->input_waits(*reading->stream));
  reading->reader->Release(*reading->stream);
  *content = reading->stream->input();
  EXPECT_FALSE(reading->reader->input_waits(*reading->stream) && content->empty());
}

TEST(LineReaderTest, LeavesWhatFollowsALineToOthers) {
  for (size_t cut = 1; cut < 6; ++cut) {
    const std::string bytes = "DATA\r\ncontent";
    Connection connection({{.bytes = bytes.substr(0, cut)}, {.bytes = bytes.substr(cut)}});
    Stream stream(&connection);
    LineReader reader(kMax);
    Reading reading{&stream, &reader, {}};
    std::string content;
    io::RunStill(ReadContent(&reading, &content));
    EXPECT_EQ(content, "content");
  }
}

io::Task<void> ReadLate(Reading* reading, std::vector<io::StreamStatus>* statuses) {
  for (int i = 0; i < 2; ++i) {
    const Line line =
        co_await reading->reader->ReadLine(*reading->stream, io::Now() + std::chrono::seconds(5));
    statuses->push_back(line.stream);
    if (line.status == LineStatus::kLine) reading->lines.emplace_back(line.status, line.text);
  }
}

TEST(LineReaderTest, HoldsAWholeLineToOneDeadlineAndLosesNothingByIt) {
  Connection connection({{.bytes = "NO", .after = std::chrono::seconds(3)},
                         {.bytes = "O", .after = std::chrono::seconds(3)},
                         {.bytes = "P\r\n"}});
  Stream stream(&connection);
  LineReader reader(kMax);
  Reading reading{&stream, &reader, {}};
  std::vector<io::StreamStatus> statuses;
  io::RunStill(ReadLate(&reading, &statuses));
  EXPECT_EQ(statuses, (std::vector{io::StreamStatus::kTimedOut, io::StreamStatus::kOk}));
  EXPECT_EQ(reading.lines, (Lines{{LineStatus::kLine, "NOOP"}}));
}

}  // namespace
}  // namespace ringmail::session
