#include "server/commands/mbox.h"

#include <gtest/gtest.h>

namespace ringmail::server {
namespace {

std::vector<std::string> Split(std::string_view text) {
  std::deque<std::string> unquoted;
  std::vector<std::string> messages;
  for (const std::string_view one : SplitMbox(text, unquoted)) messages.emplace_back(one);
  return messages;
}

using Messages = std::vector<std::string>;

TEST(MboxTest, AFileThatIsNoMboxIsOneMessage) {
  EXPECT_EQ(Split("Subject: x\n\nFrom here on\n\nFrom there\n"),
            Messages{"Subject: x\n\nFrom here on\n\nFrom there\n"});
  EXPECT_EQ(Split(""), Messages{""});
}

TEST(MboxTest, AMessageEndsBeforeAFromLineThatAnEmptyLinePrecedes) {
  EXPECT_EQ(Split("From a\nS: 1\n\none\n\nFrom b\nS: 2\n\ntwo\nFrom here\n\n"),
            (Messages{"S: 1\n\none\n", "S: 2\n\ntwo\nFrom here\n"}));
}

TEST(MboxTest, CrlfDoesAsWellAndTheLastLineMayHaveNoEnd) {
  EXPECT_EQ(Split("From a\r\nS: 1\r\n\r\none\r\n\r\nFrom b\r\nS: 2\r\n\r\ntwo"),
            (Messages{"S: 1\r\n\r\none\r\n", "S: 2\r\n\r\ntwo"}));
}

TEST(MboxTest, OneQuoteIsTakenOffQuotedFromLines) {
  EXPECT_EQ(Split("From a\n\n>From x\n>>From y\n> From z\n>Fromage\n\nFrom b\n\nplain\n"),
            (Messages{"\nFrom x\n>From y\n> From z\n>Fromage\n", "\nplain\n"}));
}

TEST(MboxTest, WithoutAnEmptyLineAFromLineMustLookLikeOneAndAHeaderFollow) {
  EXPECT_EQ(Split("From - \nS: 1\n\none\nFrom - \nS: 2\n\ntwo\n"
                  "From a@b Thu Nov 21 13:20:54 1996\nS: 3\n\nx\n"),
            (Messages{"S: 1\n\none\n", "S: 2\n\ntwo\n", "S: 3\n\nx\n"}));
  EXPECT_EQ(Split("From -\nS: 1\n\none\nFrom here on\nNote: this\nFrom a\nno field\n"),
            Messages{"S: 1\n\none\nFrom here on\nNote: this\nFrom a\nno field\n"});
}

TEST(MboxTest, AContentLengthCountsWhereWhatStandsThereBearsItOut) {
  EXPECT_EQ(Split("From -\nContent-Length: 13\n\n\nFrom x\nS: y\n\nFrom -\nS: 2\n\n\n"),
            (Messages{"Content-Length: 13\n\n\nFrom x\nS: y\n", "S: 2\n\n"}));
  EXPECT_EQ(Split("From -\nContent-Length: 9\n\n\nFrom x\nS: y\n\nFrom -\nS: 2\n\n"),
            (Messages{"Content-Length: 9\n\n", "S: y\n", "S: 2\n"}));
  EXPECT_EQ(Split("From -\nContent-Length: 99999999999999999999999\n\nx\n"),
            Messages{"Content-Length: 99999999999999999999999\n\nx\n"});
  EXPECT_EQ(Split("From -\nContent-Length: 0\n\n"), Messages{"Content-Length: 0\n\n"});
}

TEST(MboxTest, AMessageOfNothingIsAMessage) {
  EXPECT_EQ(Split("From a\n"), Messages{""});
  EXPECT_EQ(Split("From a\n\nFrom b\n\n"), (Messages{"", ""}));
}

}  // namespace
}  // namespace ringmail::server
