#include "ringmail/message/flowed.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace ringmail::message {
namespace {

using Paragraphs = std::vector<FlowedParagraph>;

// RFC 3676 §4.5 and §5.
TEST(UnflowTest, ReadsTheExamplesOfRfc3676) {
  EXPECT_EQ(
      Unflow(">> Do what I mean, and not what \r\n>> I say.\r\n> Why \r\n> not?\r\nYes.\r\n", {}),
      (Paragraphs{{2, "Do what I mean, and not what I say."}, {1, "Why not?"}, {0, "Yes."}}));
  // Space-stuffing.
  EXPECT_EQ(Unflow(" > is no quotation\r\n From here\r\n  one blank\r\n", {}),
            (Paragraphs{{0, "> is no quotation"}, {0, "From here"}, {0, " one blank"}}));
}

TEST(UnflowTest, EndsAParagraphWhereTheDepthChangesAndAtASignature) {
  EXPECT_EQ(Unflow("> flowed \nother depth\n", {}),
            (Paragraphs{{1, "flowed"}, {0, "other depth"}}));
  EXPECT_EQ(Unflow("flowed \r\n-- \r\nname\r\n", {}),
            (Paragraphs{{0, "flowed"}, {0, "-- "}, {0, "name"}}));
  EXPECT_EQ(Unflow("at the end ", {}), (Paragraphs{{0, "at the end"}}));
  EXPECT_EQ(Unflow("a \r\n\r\nb", {}), (Paragraphs{{0, "a "}, {0, "b"}}));
  EXPECT_EQ(Unflow("", {}), Paragraphs{});
  EXPECT_EQ(Unflow("\r\n\n", {}), (Paragraphs{{0, ""}, {0, ""}}));
}

TEST(UnflowTest, TakesOutTheSpaceWithDelSp) {
  EXPECT_EQ(Unflow("\u6F22 \r\n\u5B57  \r\nx\r\n", {.delsp = true}),
            (Paragraphs{{0, "\u6F22\u5B57 x"}}));
  EXPECT_EQ(Unflow("end \r\n-- \r\n", {.delsp = true}), (Paragraphs{{0, "end"}, {0, "-- "}}));
}

TEST(UnflowTest, ShowsALineForEachParagraph) {
  EXPECT_EQ(UnflowText(">> a \r\n>> b\r\n>\r\nc \r\nd\r\n", {}), ">> a b\r\n>\r\nc d\r\n");
}

TEST(FlowedFormOfTest, IsThatOfTextPlainOnly) {
  EXPECT_FALSE(FlowedFormOf(ParseContentType("text/plain")));
  EXPECT_FALSE(FlowedFormOf(ParseContentType("text/html; format=flowed")));
  EXPECT_FALSE(FlowedFormOf(ParseContentType("text/plain; format=fixed")));
  ASSERT_TRUE(FlowedFormOf(ParseContentType("Text/Plain; Format=Flowed")));
  EXPECT_FALSE(FlowedFormOf(ParseContentType("text/plain; format=flowed"))->delsp);
  EXPECT_TRUE(FlowedFormOf(ParseContentType("text/plain; format=flowed; delsp=Yes"))->delsp);
}

TEST(FlowTest, IsReadAsWhatWasGiven) {
  std::mt19937_64 random(3676);
  for (int round = 0; round < 3000; ++round) {
    Paragraphs paragraphs;
    for (size_t n = random() % 4; n > 0; --n) {
      FlowedParagraph paragraph{.quote_depth = static_cast<uint32_t>(random() % 3), .text = {}};
      for (size_t words = random() % 40; words > 0; --words) {
        static constexpr std::string_view kWords[] = {
            "a", "-- ", "--",    ">",  "From ",
            " ", "\t",  "word ", "x ", "0123456789012345678901234567890123456789 "};
        paragraph.text += kWords[random() % std::size(kWords)];
      }
      while (paragraph.text != kSignatureSeparator && paragraph.text.ends_with(' ')) {
        paragraph.text.pop_back();
      }
      paragraphs.push_back(std::move(paragraph));
    }
    const std::string text = Flow(paragraphs);
    ASSERT_EQ(Unflow(text, {}), paragraphs) << text;
  }
}

TEST(FlowTest, BreaksLinesAtWords) {
  std::string words;
  for (int i = 0; i < 100; ++i) words += "word ";
  words += "end";
  const std::string text = Flow(Paragraphs{{1, words}, {0, std::string(200, 'x')}});
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find("\r\n", at);
    if (text[at] != 'x') {
      EXPECT_LE(end - at, 78u);
    }
    at = end + 2;
  }
  EXPECT_TRUE(text.ends_with("\r\n" + std::string(200, 'x') + "\r\n"));
}

}  // namespace
}  // namespace ringmail::message
