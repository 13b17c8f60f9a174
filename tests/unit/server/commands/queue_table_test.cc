#include "server/commands/queue_table.h"

#include <gtest/gtest.h>

namespace ringmail::server {
namespace {

TEST(QueueTableTest, NothingThatAPeerSaidSteersTheTerminal) {
  constexpr std::string_view kMessage =
      R"({"id":"1","state":"held\u0007","from":"a\u001b[31m@b","recipients":[)"
      R"({"address":"c@d","state":"x\u009b","reply":"550 \u009b2J \u001b]0;x\u0007 ü","host":"mx\u007f"}]})";
  std::string table, details;
  EXPECT_TRUE(WriteTable("{\"messages\":[" + std::string(kMessage) + "]}", true, table).good);
  EXPECT_TRUE(WriteDetails(kMessage, details));
  for (const std::string& out : {table, details}) {
    for (const char* order : {"\x1b", "\x07", "\x7f", "\xc2\x9b"}) {
      EXPECT_EQ(out.find(order), std::string::npos) << out;
    }
    EXPECT_NE(out.find("550   2J"), std::string::npos) << out;
    EXPECT_NE(out.find("ü"), std::string::npos) << out;
  }
}

}  // namespace
}  // namespace ringmail::server
