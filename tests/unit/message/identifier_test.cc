#include "ringmail/message/identifier.h"

#include <gtest/gtest.h>

namespace ringmail::message {
namespace {

using Ids = std::vector<std::string>;

TEST(MessageIdTest, AreReadWithoutTheirBrackets) {
  EXPECT_EQ(ParseMessageIds("<1234@local.machine.example>"), Ids{"1234@local.machine.example"});
  EXPECT_EQ(ParseMessageIds(" <a@b>\r\n <c@d>"), (Ids{"a@b", "c@d"}));
  EXPECT_EQ(ParseMessageIds("<a@b><c@[d]>,<e@f>"), (Ids{"a@b", "c@[d]", "e@f"}));
}

TEST(MessageIdTest, AreReadInTheirObsoleteForms) {
  EXPECT_EQ(ParseMessageIds("  : <1234   @   local(blah)  .machine .example>"),
            Ids{"1234@local.machine.example"});
  EXPECT_EQ(ParseMessageIds("Your message of \"Fri <x@y>\" <a@b>"), Ids{"a@b"});
  EXPECT_EQ(ParseMessageIds("<\"a>b\"@c>"), Ids{"\"a>b\"@c"});
}

TEST(MessageIdTest, AreReadWhereNothingIsRight) {
  EXPECT_EQ(ParseMessageIds("a@b c@d"), (Ids{"a@b", "c@d"}));
  EXPECT_EQ(ParseMessageIds("<a@b"), Ids{"a@b"});
  EXPECT_EQ(ParseMessageIds("<<a@b>>"), Ids{"a@b"});
  EXPECT_EQ(ParseMessageIds("none"), Ids{});
  EXPECT_EQ(ParseMessageIds("<>"), Ids{});
}

}  // namespace
}  // namespace ringmail::message
