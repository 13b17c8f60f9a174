#include "ringmail/message/date.h"

#include <gtest/gtest.h>

#include <string>

#include "ringmail/message/trace.h"

namespace ringmail::message {
namespace {

// "seconds zone", with "?" where the zone is not known; "none" for no date.
std::string Read(std::string_view text) {
  const std::optional<DateTime> date = ParseDate(text);
  if (!date) return "none";
  return std::to_string(UnixSeconds(date->when)) + " " + std::to_string(date->zone_minutes) +
         (date->zone_unknown ? "?" : "");
}

TEST(ParseDateTest, ReadsTheExamplesOfRfc5322) {
  EXPECT_EQ(Read("Fri, 21 Nov 1997 09:55:06 -0600"), "880127706 -360");
  EXPECT_EQ(Read(" Tue, 1 Jul 2003 10:52:37 +0200"), "1057049557 120");
  EXPECT_EQ(Read("Thu, 13 Feb 1969 23:32:54 -0330"), "-27723426 -210");
  EXPECT_EQ(Read("Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n"
                 "               -0330 (Newfoundland Time)"),
            "-27723480 -210");
  EXPECT_EQ(Read("21 Nov 97 09:55:06 GMT"), "880106106 0");
  EXPECT_EQ(Read("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600"), "880127706 -360");
}

TEST(ParseDateTest, ReadsEveryObsoleteZone) {
  const std::pair<std::string_view, std::string_view> zones[] = {
      {"UT", "0"},     {"gmt", "0"},    {"EST", "-300"},   {"EDT", "-240"},     {"CST", "-360"},
      {"CDT", "-300"}, {"MST", "-420"}, {"MDT", "-360"},   {"PST", "-480"},     {"PDT", "-420"},
      {"A", "0?"},     {"M", "0?"},     {"Z", "0"},        {"CEST", "0?"},      {"", "0?"},
      {"-0000", "0?"}, {"+0000", "0"},  {"+02:00", "120"}, {"GMT+0200", "120"}, {"+9999", "0?"},
      {"+", "0?"},     {"+530", "330"}};
  for (const auto& [zone, minutes] : zones) {
    const std::string read = Read("1 Jan 1970 12:00 " + std::string(zone));
    EXPECT_EQ(read.substr(read.find(' ') + 1), minutes) << zone;
  }
}

TEST(ParseDateTest, ReadsYearsOfTwoAndThreeDigits) {
  EXPECT_EQ(Read("1 Jan 49 00:00 GMT"), Read("1 Jan 2049 00:00 GMT"));
  EXPECT_EQ(Read("1 Jan 50 00:00 GMT"), Read("1 Jan 1950 00:00 GMT"));
  EXPECT_EQ(Read("1 Jan 103 00:00 GMT"), Read("1 Jan 2003 00:00 GMT"));
}

TEST(ParseDateTest, ReadsWhatOldSendersWrote) {
  EXPECT_EQ(Read("Mon Nov 23 05:42:08 2026"), "1795412528 0?");
  EXPECT_EQ(Read("Mon Nov 23 05:42:08 GMT 2026"), "1795412528 0");
  EXPECT_EQ(Read("Mon Nov 23 05:42:08 2026 +0000"), "1795412528 0");
  EXPECT_EQ(Read("Monday, 23-Nov-26 05:42:08 GMT"), "1795412528 0");
  EXPECT_EQ(Read("23 November 2026 05.42.08 +0000"), "1795412528 0");
}

TEST(ParseDateTest, RefusesWhatIsNoDate) {
  for (const std::string_view text :
       {"", "now", "31 Jun 2026 00:00 GMT", "29 Feb 2025 00:00 GMT", "1 Foo 2026 00:00 GMT",
        "1 Jan 2026", "1 Jan 2026 24:00 GMT", "1 Jan 2026 10:60 GMT", "1 Jan 2026 10:00:61 GMT",
        "1 Jan 99999 00:00 GMT", "1 Jan 2262 00:00 GMT", "0 Jan 2026 00:00 GMT", "(", "Fri,"}) {
    EXPECT_EQ(Read(text), "none") << text;
  }
}

TEST(ParseDateTest, ReadsWhatAppendDateWrites) {
  for (int64_t seconds = -5'000'000'000; seconds < 9'000'000'000; seconds += 86399 * 101) {
    std::string text;
    AppendDate(FromUnixSeconds(seconds), text);
    EXPECT_EQ(Read(text), std::to_string(seconds) + " 0");
  }
}

}  // namespace
}  // namespace ringmail::message
