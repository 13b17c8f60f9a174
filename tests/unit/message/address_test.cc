#include "ringmail/message/address.h"

#include <gtest/gtest.h>

#include <string>

namespace ringmail::message {
namespace {

// One entry a "|": name <route:spec>, [ for a group, ] for its end.
std::string Read(std::string_view text) {
  std::string out;
  for (const Address& address : ParseAddressList(text)) {
    if (!out.empty()) out += "|";
    if (address.kind == AddressKind::kGroup) out += "[" + address.name;
    if (address.kind == AddressKind::kGroupEnd) out += "]";
    if (address.kind == AddressKind::kMailbox) {
      out += address.name + "<" + (address.route.empty() ? "" : address.route + ":") +
             AddrSpec(address) + ">";
    }
  }
  return out;
}

TEST(AddressListTest, ReadsTheExamplesOfRfc5322) {
  EXPECT_EQ(Read("John Doe <jdoe@machine.example>"), "John Doe<jdoe@machine.example>");
  EXPECT_EQ(Read("\"Joe Q. Public\" <john.q.public@example.com>"),
            "Joe Q. Public<john.q.public@example.com>");
  EXPECT_EQ(Read("Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>"),
            "Mary Smith<mary@x.test>|<jdoe@example.org>|Who?<one@y.test>");
  EXPECT_EQ(Read("<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>"),
            "<boss@nil.test>|Giant; \"Big\" Box<sysservices@example.net>");
  EXPECT_EQ(Read("A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;"),
            "[A Group|Ed Jones<c@a.test>|<joe@where.test>|John<jdoe@one.test>|]");
  EXPECT_EQ(Read("Undisclosed recipients:;"), "[Undisclosed recipients|]");
}

TEST(AddressListTest, ReadsTheExamplesOfRfc5322AppendixA5AndA6) {
  EXPECT_EQ(Read("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>"),
            "Pete<pete@silly.test>");
  EXPECT_EQ(Read("A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
                 "         joe@example.org,\r\n"
                 "  John <jdoe@one.test> (my dear friend); (the end of the group)"),
            "[A Group|Chris Jones<c@public.example>|<joe@example.org>|John<jdoe@one.test>|]");
  EXPECT_EQ(Read("(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;"),
            "[Hidden recipients|]");
  EXPECT_EQ(Read("Joe Q. Public <john.q.public@example.com>"),
            "Joe Q. Public<john.q.public@example.com>");
  EXPECT_EQ(Read("Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example"),
            "Mary Smith<@node.test:mary@example.net>|<jdoe@test.example>");
  EXPECT_EQ(Read("John Doe <jdoe@machine(comment).  example>"), "John Doe<jdoe@machine.example>");
}

TEST(AddressListTest, TakesACommentForANameWhereThereIsNone) {
  EXPECT_EQ(Read("joe@example.org (Joe \\(the\\) Public)"), "Joe (the) Public<joe@example.org>");
  EXPECT_EQ(Read("a@b (x), c@d"), "x<a@b>|<c@d>");
}

TEST(AddressListTest, QuotesALocalPartOnlyWhereItMust) {
  EXPECT_EQ(Read("\"john doe\"@example.org"), "<\"john doe\"@example.org>");
  EXPECT_EQ(Read("\"john\".\"doe\"@example.org"), "<john.doe@example.org>");
  EXPECT_EQ(Read("john . doe@example.org"), "<john.doe@example.org>");
  EXPECT_EQ(Read("<\"a\\\"b\"@[192.0.2.1]>"), "<\"a\\\"b\"@[192.0.2.1]>");
}

TEST(AddressListTest, ReadsInternationalAddresses) {
  EXPECT_EQ(Read("Jos\u00E9 <jos\u00E9@b\u00FCcher.example>"),
            "Jos\u00E9<jos\u00E9@b\u00FCcher.example>");
}

TEST(AddressListTest, KeepsAnEncodedWordWithSpecialsWhole) {
  EXPECT_EQ(Read("=?utf-8?Q?Doe,_John?= <j@d>"), "=?utf-8?Q?Doe,_John?=<j@d>");
}

TEST(AddressListTest, MakesTheBestOfListsThatFollowNoRule) {
  EXPECT_EQ(Read("a@b <c@d>"), "a@b<c@d>");
  EXPECT_EQ(Read("a@b; c@d"), "<a@b>|<c@d>");
  EXPECT_EQ(Read("root"), "<root>");
  EXPECT_EQ(Read("<>"), "<>");
  EXPECT_EQ(Read("John <j@d"), "John<j@d>");
  EXPECT_EQ(Read("John Doe j@d"), "John Doe<j@d>");
  EXPECT_EQ(Read("[list] Name <j@d>"), "[list] Name<j@d>");
  EXPECT_EQ(Read("\"unterminated <j@d>"), "<\"unterminated <j@d>\">");
  EXPECT_EQ(Read("a@b@c"), "<a@b>");
  EXPECT_EQ(Read("g: a@b"), "[g|<a@b>|]");
  EXPECT_EQ(Read(",,;;"), "");
  EXPECT_EQ(Read(""), "");
  EXPECT_EQ(Read(std::string(100000, '(')), "");
}

}  // namespace
}  // namespace ringmail::message
