#include "server/config/nearest.h"

#include <gtest/gtest.h>

#include <array>

namespace ringmail::server {
namespace {

TEST(NearestTest, DistanceCountsInsertionsDeletionsReplacementsAndSwaps) {
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("abc", ""), 3u);
  EXPECT_EQ(EditDistance("abc", "abc"), 0u);
  EXPECT_EQ(EditDistance("abc", "axc"), 1u);
  EXPECT_EQ(EditDistance("abc", "acb"), 1u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(EditDistance("Message-Size", "message_size"), 0u);
}

TEST(NearestTest, NamesTheOneThatWasMeantOrNone) {
  constexpr std::array<std::string_view, 4> kNames = {"hostname", "data_dir", "listener",
                                                      "command_timeout"};
  EXPECT_EQ(Nearest("hostnmae", kNames), "hostname");
  EXPECT_EQ(Nearest("datadir", kNames), "data_dir");
  EXPECT_EQ(Nearest("listeners", kNames), "listener");
  EXPECT_EQ(Nearest("timeout", kNames), "command_timeout");
  EXPECT_EQ(Nearest("certificate", kNames), "");
  EXPECT_EQ(Nearest(std::string(1000, 'h'), kNames), "");
}

}  // namespace
}  // namespace ringmail::server
