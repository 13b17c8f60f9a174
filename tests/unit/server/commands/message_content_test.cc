#include "server/commands/message_content.h"

#include <gtest/gtest.h>

namespace ringmail::server {
namespace {

TEST(MessageContentTest, LinesEndInCrlfAndDotLinesAreKnown) {
  const MessageContent content("a\n.b\r\n..\n\nc.\n.");
  EXPECT_EQ(content.bytes(), "a\r\n.b\r\n..\r\n\r\nc.\r\n.\r\n");
  EXPECT_EQ(content.dot_lines(), (std::vector<uint32_t>{3, 7, 17}));
  EXPECT_EQ(content.flags(), 0);
}

TEST(MessageContentTest, ManyDotLinesAreAllKnown) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += ".x\n";
  EXPECT_EQ(MessageContent(text).dot_lines().size(), 1000u);
}

TEST(MessageContentTest, FlagsSayWhatTheServerMustTake) {
  EXPECT_EQ(MessageContent("ä\n").flags(), storage::kContent8Bit);
  EXPECT_EQ(MessageContent("a\rb\n").flags(), storage::kContentBinary);
  EXPECT_EQ(MessageContent(std::string_view("a\0b\n", 4)).flags(), storage::kContentBinary);
  EXPECT_EQ(MessageContent(std::string(999, 'x') + "\n").flags(), storage::kContentBinary);
  EXPECT_EQ(MessageContent("").bytes(), "");
}

}  // namespace
}  // namespace ringmail::server
