#include "ringmail/message/section.h"

#include <gtest/gtest.h>

#include <string>

namespace ringmail::message {
namespace {

// RFC 9051 §6.4.5, its example of a complex message, with a word for each part.
constexpr std::string_view kText =
    "Subject: root\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
    "--a\r\nContent-Type: text/plain\r\n\r\none\r\n"
    "--a\r\nContent-Type: application/octet-stream\r\n\r\ntwo\r\n"
    "--a\r\nContent-Type: message/rfc822\r\n\r\n"
    "Subject: three\r\nTo: x\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: text/plain\r\n\r\nthree-one\r\n"
    "--b\r\nContent-Type: application/octet-stream\r\n\r\nthree-two\r\n--b--\r\n"
    "--a\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
    "--c\r\nContent-Type: image/gif\r\nContent-ID: <i>\r\n\r\nfour-one\r\n"
    "--c\r\nContent-Type: message/rfc822\r\n\r\nSubject: four-two\r\n\r\nfour-two-one\r\n"
    "--c--\r\n--a--\r\n";

class SectionTest : public ::testing::Test {
 protected:
  SectionTest() : content_(kText) {
    TreeBuilder builder({});
    builder.Start(tree_);
    builder.Feed(kText);
    builder.Finish();
  }
  std::string Get(std::string_view spec) {
    const std::optional<Section> section = ParseSection(spec);
    if (!section) return "syntax";
    const auto found = FindSection({tree_, content_}, *section);
    if (!found) return "NIL";
    std::string out, scratch;
    for (const Extent& extent : found->extents) out += content_.Read(extent, scratch);
    out += found->tail;
    EXPECT_EQ(out.size(), found->bytes());
    return out;
  }
  Tree tree_;
  ContentView content_;
};

TEST_F(SectionTest, NumbersLeadToParts) {
  EXPECT_EQ(Get(""), kText);
  EXPECT_EQ(Get("1"), "one");
  EXPECT_EQ(Get("2"), "two");
  EXPECT_EQ(Get("3.1"), "three-one");
  EXPECT_EQ(Get("3.2"), "three-two");
  EXPECT_EQ(Get("4.1"), "four-one");
  EXPECT_EQ(Get("4.2"), "Subject: four-two\r\n\r\nfour-two-one");
  EXPECT_EQ(Get("4.2.1"), "four-two-one");
  for (const std::string_view none : {"5", "1.1", "3.3", "4.2.2", "4.2.1.1", "4.1.1"}) {
    EXPECT_EQ(Get(none), "NIL") << none;
  }
}

TEST_F(SectionTest, TextsAreThoseOfTheMessageOrThePart) {
  EXPECT_EQ(Get("HEADER"),
            "Subject: root\r\nMIME-Version: 1.0\r\n"
            "Content-Type: multipart/mixed; boundary=a\r\n\r\n");
  EXPECT_EQ(Get("4.2.HEADER"), "Subject: four-two\r\n\r\n");
  EXPECT_EQ(Get("4.2.TEXT"), "four-two-one");
  EXPECT_EQ(Get("4.1.MIME"), "Content-Type: image/gif\r\nContent-ID: <i>\r\n\r\n");
  EXPECT_EQ(Get("3.HEADER.FIELDS (SUBJECT \"mime-version\" X)"),
            "Subject: three\r\nMIME-Version: 1.0\r\n\r\n");
  EXPECT_EQ(Get("3.HEADER.FIELDS.NOT (Subject Content-Type)"),
            "To: x\r\nMIME-Version: 1.0\r\n\r\n");
  EXPECT_EQ(Get("1.HEADER"), "NIL");
  EXPECT_EQ(Get("1.TEXT"), "NIL");
}

TEST_F(SectionTest, SyntaxIsThatOfRfc9051) {
  for (const std::string_view bad :
       {"0", "1.", ".1", "MIME", "HEADER.FIELDS", "HEADER.FIELDS ()", "HEADER.FIELDS (a",
        "HEADER.FIELDS (a  b)", "HEADER x", "TEXTS", "1.2.X", "4294967296", "1 2"}) {
    EXPECT_EQ(Get(bad), "syntax") << bad;
  }
  std::string deep = "1";
  for (size_t i = 1; i < kSectionDepthMax; ++i) deep += ".1";
  EXPECT_TRUE(ParseSection(deep));
  EXPECT_FALSE(ParseSection(deep + ".1"));
}

TEST_F(SectionTest, EveryPartIsWhereItsNumberLeads) {
  const std::vector<std::string> numbers = {"",    "1", "2",   "3",   "",     "3.1",
                                            "3.2", "4", "4.1", "4.2", "4.2.1"};
  ASSERT_EQ(tree_.parts.size(), numbers.size());
  for (PartIndex part = 0; part < tree_.parts.size(); ++part) {
    const std::string number = SectionNumber(tree_, part);
    if (part == 4) continue;  // the message within 3, which is a multipart
    EXPECT_EQ(number, numbers[part]);
    EXPECT_EQ(FindPart(tree_, ParseSection(number)->path), part) << number;
  }
}

}  // namespace
}  // namespace ringmail::message
