#include "ringmail/message/jmap_body.h"

#include <gtest/gtest.h>

#include <string>

#include "ringmail/message/preview.h"
#include "ringmail/message/section.h"

namespace ringmail::message {
namespace {

struct Message {
  explicit Message(std::string octets) : text(std::move(octets)), content(text) {
    TreeBuilder builder({});
    builder.Start(tree);
    builder.Feed(text);
    builder.Finish();
  }
  MessageView view() const { return {tree, content}; }
  std::string Lists() const {
    const JmapBodyLists lists = FindBodyLists(view());
    std::string out;
    for (const auto* list : {&lists.text_body, &lists.html_body, &lists.attachments}) {
      for (const PartIndex part : *list) out += SectionNumber(tree, part) + " ";
      out += "| ";
    }
    return out;
  }
  std::string text;
  Tree tree;
  ContentView content;
};

std::string Multipart(const std::string& subtype, const std::string& boundary,
                      const std::vector<std::string>& parts) {
  std::string out = "Content-Type: multipart/" + subtype + "; boundary=" + boundary + "\r\n\r\n";
  for (const std::string& part : parts) out += "--" + boundary + "\r\n" + part + "\r\n";
  return out + "--" + boundary + "--\r\n";
}
std::string Leaf(const std::string& type, const std::string& disposition) {
  std::string out = "Content-Type: " + type + "\r\n";
  if (!disposition.empty()) out += "Content-Disposition: " + disposition + "\r\n";
  return out + "\r\n" + type;
}

// RFC 8621 §4.1.4: its example, parts A to K.
TEST(JmapBodyListsTest, AreThoseOfTheExampleInRfc8621) {
  const std::string text = Multipart(
      "mixed", "m",
      {Leaf("text/plain", "inline"),
       Multipart(
           "mixed", "n",
           {Multipart("alternative", "o",
                      {Multipart("mixed", "p",
                                 {Leaf("text/plain", "inline"), Leaf("image/jpeg", "inline"),
                                  Leaf("text/plain", "inline")}),
                       Multipart("related", "q", {Leaf("text/html", ""), Leaf("image/jpeg", "")})}),
            Leaf("image/jpeg", "attachment"), Leaf("application/x-excel", ""),
            Leaf("message/rfc822", "")}),
       Leaf("text/plain", "inline")});
  const Message message(text);
  // A; B C D; E F; G H J; K.
  EXPECT_EQ(message.Lists(),
            "1 2.1.1.1 2.1.1.2 2.1.1.3 3 | 1 2.1.2.1 3 | 2.1.1.2 2.1.2.2 2.2 2.3 2.4 | ");
  EXPECT_TRUE(HasAttachment(message.view()));
}

TEST(JmapBodyListsTest, GiveOneKindForBothWhereOnlyOneIsThere) {
  EXPECT_EQ(Message(Leaf("text/html", "")).Lists(), "1 | 1 | | ");
  EXPECT_EQ(Message(Multipart("alternative", "a", {Leaf("text/html", "")})).Lists(), "1 | 1 | | ");
  EXPECT_EQ(Message(Leaf("application/pdf", "")).Lists(), "| | 1 | ");
}

// RFC 8621 §4.1.2.4, its example.
TEST(JmapHeaderFormTest, GroupsAreThoseOfTheExample) {
  const std::string value =
      " \"  James Smythe\" <james@example.com>, Friends:\r\n"
      "  jane@example.com, =?UTF-8?Q?John_Sm=C3=AEth?=\r\n   <john@example.com>;";
  const std::vector<JmapGroup> groups = JmapGroupedAddresses(value);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_FALSE(groups[0].name);
  EXPECT_EQ(groups[0].addresses, (std::vector<JmapAddress>{{"James Smythe", "james@example.com"}}));
  EXPECT_EQ(groups[1].name, "Friends");
  EXPECT_EQ(groups[1].addresses,
            (std::vector<JmapAddress>{{std::nullopt, "jane@example.com"},
                                      {"John Sm\u00EEth", "john@example.com"}}));
  EXPECT_EQ(JmapAddresses(value).size(), 3u);
  EXPECT_EQ(JmapGroupedAddresses("g:a@b;, c@d, e@f").size(), 2u);
}

TEST(JmapHeaderFormTest, OthersAreThoseOfRfc8621) {
  EXPECT_EQ(JmapText(" e\u0301t\u00E9"), "\u00E9t\u00E9");
  EXPECT_EQ(JmapDate("Thu, 30 Oct 2014 14:12:00 +0800"), "2014-10-30T14:12:00+08:00");
  EXPECT_EQ(JmapDate("30 Oct 2014 06:12 GMT"), "2014-10-30T06:12:00Z");
  EXPECT_FALSE(JmapDate("never"));
  EXPECT_EQ(JmapMessageIds("<a@b> <c@d>"), (std::vector<std::string>{"a@b", "c@d"}));
  EXPECT_FALSE(JmapMessageIds("x"));
  EXPECT_EQ(JmapUrls("<mailto:a@b>, <http://c>"),
            (std::vector<std::string>{"mailto:a@b", "http://c"}));
  EXPECT_EQ(JmapRaw(" a\xFF"), " a\uFFFD");
}

TEST(PreviewTest, IsTheFirstWords) {
  EXPECT_EQ(
      PreviewText(Message("A: b\r\n\r\n  Hello,\r\n\r\n> quoted\r\nworld \u00E9\r\n").view(), 200),
      "Hello, world \u00E9");
  EXPECT_EQ(PreviewText(Message("A: b\r\n\r\n> quoted only").view(), 200), "> quoted only");
  EXPECT_EQ(PreviewText(Message("A: b\r\n\r\nab cd").view(), 4), "ab c");
  EXPECT_EQ(PreviewText(Message(Leaf("image/png", "")).view(), 200), "");
  EXPECT_EQ(PreviewText(Message("Content-Type: text/html; charset=iso-8859-1\r\n"
                                "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                                "<html><head><title>no</title><style>no</style></head>"
                                "<!-- no --><p class=3D\"a>b\">Caf=E9 &amp; t&#xE9;a</p>")
                            .view(),
                        200),
            "Caf\u00E9 & t\u00E9a");
}

TEST(HtmlTextTest, EndsOnWhateverItIsGiven) {
  EXPECT_EQ(HtmlText("a < b & c &x; &#; &#99999999;"), "a < b & c &x; &#; \uFFFD");
  EXPECT_EQ(HtmlText("<script>x"), " ");
  EXPECT_EQ(HtmlText("<!--"), " ");
  EXPECT_EQ(HtmlText("<a href='"), " ");
}

}  // namespace
}  // namespace ringmail::message
