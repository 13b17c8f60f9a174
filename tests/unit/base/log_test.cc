#include "ringmail/base/log.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace ringmail {
namespace {

constexpr size_t kCapacity = 2 * kLogLineBytesMax;

std::string Drain(LogBuffer& buffer) {
  std::string out(kCapacity, '\0');
  out.resize(buffer.Pop(out));
  return out;
}

// What follows the time and level of the only line.
std::string Fields(LogBuffer& buffer) {
  const std::string line = Drain(buffer);
  const size_t event = line.find(" event=");
  return event == std::string::npos ? line : line.substr(event + 1);
}

TEST(LogLineTest, IsOneLineOfNamedFields) {
  LogBuffer buffer(kCapacity);
  buffer.set_now(FromUnixSeconds(1795412528) + std::chrono::microseconds(123456));
  LogLine(buffer, LogLevel::kInfo, "accepted")
      .Id(QueueId(0x1a2))
      .Field("from", "a@example.org")
      .Field("bytes", uint64_t{4096})
      .Field("change", -7)
      .Field("took", Nanoseconds(1'042'999'999));
  EXPECT_EQ(Drain(buffer),
            "time=2026-11-23T05:42:08.123456Z level=info event=accepted id=0000000000d2 "
            "from=a@example.org bytes=4096 change=-7 took=1.042\n");
}

TEST(LogLineTest, TimesBefore1970AndLeapDaysAreRight) {
  LogBuffer buffer(kCapacity);
  buffer.set_now(WallTime(Nanoseconds(-1)));
  LogLine(buffer, LogLevel::kError, "a");
  buffer.set_now(FromUnixSeconds(951782400));
  LogLine(buffer, LogLevel::kWarning, "b");
  EXPECT_EQ(Drain(buffer),
            "time=1969-12-31T23:59:59.999999Z level=error event=a\n"
            "time=2000-02-29T00:00:00.000000Z level=warning event=b\n");
}

TEST(LogLineTest, NegativeDurationsKeepTheirSign) {
  LogBuffer buffer(kCapacity);
  LogLine(buffer, LogLevel::kInfo, "e").Field("d", Nanoseconds(-5'000'000));
  EXPECT_EQ(Fields(buffer), "event=e d=-0.005\n");
}

TEST(LogLineTest, AHostilePeerForgesNeitherLineNorField) {
  LogBuffer buffer(kCapacity);
  LogLine(buffer, LogLevel::kInfo, "e")
      .Field("helo", "x\nlevel=error event=forged")
      .Field("quote", "say \"hi\" \\ bye")
      .Field("equals", "a=b")
      .Field("empty", "")
      .Field("control", std::string_view("\0\x1B[2J\x7F", 6));
  EXPECT_EQ(Fields(buffer),
            "event=e helo=\"x\\x0alevel=error event=forged\" quote=\"say \\\"hi\\\" \\\\ bye\" "
            "equals=\"a=b\" empty=\"\" control=\"\\x00\\x1b[2J\\x7f\"\n");
}

TEST(LogLineTest, Utf8StaysReadableAndBadUtf8IsEscaped) {
  LogBuffer buffer(kCapacity);
  LogLine(buffer, LogLevel::kInfo, "e")
      .Field("good", "grüße@例え.jp")
      .Field("bad", "\xC3(\xED\xA0\x80\xF5")
      .Field("c1", "\xC2\x9B");
  EXPECT_EQ(Fields(buffer),
            "event=e good=\"grüße@例え.jp\" bad=\"\\xc3(\\xed\\xa0\\x80\\xf5\" "
            "c1=\"\\xc2\\x9b\"\n");
}

TEST(LogLineTest, LongValuesAreCutAndMarkedButNotInsideACharacter) {
  for (size_t size = kLogValueBytesMax; size <= kLogValueBytesMax + 1; ++size) {
    LogBuffer buffer(kCapacity);
    LogLine(buffer, LogLevel::kInfo, "e").Field("v", std::string(size, 'a'));
    const bool cut = size > kLogValueBytesMax;
    EXPECT_EQ(Fields(buffer),
              "event=e v=" + std::string(kLogValueBytesMax, 'a') + (cut ? "…\n" : "\n"));
  }
  for (size_t lead = 0; lead < 4; ++lead) {
    LogBuffer buffer(kCapacity);
    std::string text(lead, 'a');
    while (text.size() < 600) text += "🎉";
    LogLine(buffer, LogLevel::kInfo, "e").Field("v", text);
    const std::string out = Fields(buffer);
    EXPECT_EQ(out.find("\\x"), std::string::npos) << lead;
    EXPECT_EQ(out.substr(out.size() - 5), "…\"\n");
  }
}

TEST(LogLineTest, AFieldThatDoesNotFitItsLineIsLeftOutWholeAndTheLineSaysSo) {
  LogBuffer buffer(kCapacity);
  {
    LogLine line(buffer, LogLevel::kInfo, "e");
    const std::string worst(kLogValueBytesMax, '\x01');
    line.Field("a", worst).Field("b", worst).Field("c", "fits");
  }
  const std::string out = Drain(buffer);
  EXPECT_LE(out.size(), kLogLineBytesMax);
  EXPECT_EQ(out.find(" b="), std::string::npos);
  EXPECT_NE(out.find(" c=fits truncated=true\n"), std::string::npos);
}

TEST(LogLineTest, LinesBelowTheLevelAreNotMade) {
  LogBuffer buffer(kCapacity);
  buffer.set_level(LogLevel::kWarning);
  LogLine(buffer, LogLevel::kInfo, "quiet").Id(QueueId(1)).Field("a", 1).Field("b", "c");
  EXPECT_EQ(Drain(buffer), "");
  LogLine(buffer, LogLevel::kWarning, "loud");
  EXPECT_NE(Drain(buffer), "");
}

TEST(LogBufferTest, ALineThatDoesNotFitIsDroppedWholeAndCounted) {
  LogBuffer buffer(kCapacity);
  const std::string half(kCapacity / 2, 'x');
  EXPECT_TRUE(buffer.Push(half));
  EXPECT_TRUE(buffer.Push(half));
  EXPECT_FALSE(buffer.Push("y"));
  EXPECT_EQ(buffer.dropped(), 1u);
  EXPECT_EQ(Drain(buffer), half + half);
  EXPECT_TRUE(buffer.Push("y"));
  EXPECT_EQ(Drain(buffer), "y");
}

TEST(LogBufferTest, BytesArriveInOrderAcrossThreadsAndTheEndOfTheRing) {
  LogBuffer buffer(kCapacity);
  constexpr int kLines = 100000;
  std::thread producer([&buffer] {
    for (int i = 0; i < kLines;) {
      if (buffer.Push("line " + std::to_string(i) + "\n")) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  std::string pending;
  int expected = 0;
  char room[777];
  while (expected < kLines) {
    const size_t count = buffer.Pop(room);
    if (count == 0) std::this_thread::yield();
    pending.append(room, count);
    size_t begin = 0;
    for (size_t end; (end = pending.find('\n', begin)) != std::string::npos; begin = end + 1) {
      ASSERT_EQ(pending.substr(begin, end - begin), "line " + std::to_string(expected));
      ++expected;
    }
    pending.erase(0, begin);
  }
  producer.join();
  EXPECT_TRUE(pending.empty());
}

TEST(LogBufferDeathTest, ACapacityThatIsNoPowerOfTwoIsABug) {
  EXPECT_DEATH(LogBuffer(kCapacity + 1), "CHECK failed");
  EXPECT_DEATH(LogBuffer(kCapacity / 2), "CHECK failed");
}

}  // namespace
}  // namespace ringmail
