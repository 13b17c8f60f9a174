#include "server/commands/tunnel.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

namespace ringmail::server {
namespace {

TEST(TunnelCommandTest, HelpNamesTheCommandAndItsExitCodes) {
  std::string out;
  std::string errors;
  EXPECT_EQ(TunnelCommand(std::array<std::string_view, 1>{"--help"}, out, errors), 0);
  EXPECT_NE(out.find("usage: ringmail tunnel"), std::string::npos);
  EXPECT_NE(out.find("Exit codes:"), std::string::npos);
  EXPECT_EQ(errors, "");
}

TEST(TunnelCommandTest, WithoutArgumentsItDoesItsWork) {
  std::string out;
  std::string errors;
  EXPECT_EQ(TunnelCommand({}, out, errors), 0);
  EXPECT_EQ(out, "done\n");
  EXPECT_EQ(errors, "");
}

TEST(TunnelCommandTest, AnUnknownArgumentIsNamedAndIsWrongUse) {
  std::string out;
  std::string errors;
  EXPECT_EQ(TunnelCommand(std::array<std::string_view, 1>{"--wrong"}, out, errors), 2);
  EXPECT_NE(errors.find("'--wrong'"), std::string::npos);
}

}  // namespace
}  // namespace ringmail::server
