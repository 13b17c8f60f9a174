#include "server/commands/arguments.h"

#include <gtest/gtest.h>

namespace ringmail::server {
namespace {

constexpr Option kOptions[] = {
    {.name = "--config", .value_name = "FILE", .about = "the configuration"},
    {.name = "--to",
     .value_name = "ADDRESS",
     .about = "a recipient",
     .repeatable = true,
     .needed = true},
    {.name = "--json", .about = "as JSON"},
};
constexpr ExitCode kExitCodes[] = {ExitCode::kOk, ExitCode::kUsage};
constexpr Usage kUsage = {.name = "try",
                          .operands = "DIR",
                          .operands_min = 1,
                          .operands_max = 1,
                          .about = "Tries.\n",
                          .options = kOptions,
                          .exit_codes = kExitCodes};

class ArgumentsTest : public testing::Test {
 protected:
  std::optional<int> Read(std::vector<std::string_view> words) {
    return arguments_.Read(kUsage, words, out_, errors_);
  }
  Arguments arguments_;
  std::string out_, errors_;
};

TEST_F(ArgumentsTest, ReadsOptionsInBothFormsFlagsAndOperands) {
  EXPECT_EQ(Read({"--to", "a@b", "dir", "--to=c@d=e", "--json", "--config", "-"}), std::nullopt);
  EXPECT_EQ(arguments_.All("--to"), (std::vector<std::string_view>{"a@b", "c@d=e"}));
  EXPECT_TRUE(arguments_.Has("--json"));
  EXPECT_EQ(arguments_.Get("--config"), "-");
  EXPECT_EQ(arguments_.operands(), std::vector<std::string_view>{"dir"});
}

TEST_F(ArgumentsTest, AfterTwoHyphensEverythingIsAnOperand) {
  EXPECT_EQ(Read({"--to", "a", "--", "--json"}), std::nullopt);
  EXPECT_EQ(arguments_.operands(), std::vector<std::string_view>{"--json"});
  EXPECT_FALSE(arguments_.Has("--json"));
}

TEST_F(ArgumentsTest, HelpNamesEveryOptionAndExitCode) {
  EXPECT_EQ(Read({"--help"}), 0);
  EXPECT_EQ(out_,
            "usage: ringmail try [--config FILE] --to ADDRESS... [--json] DIR\n"
            "\n"
            "Tries.\n"
            "\n"
            "  --config FILE  the configuration\n"
            "  --to ADDRESS   a recipient\n"
            "  --json         as JSON\n"
            "  --help         says this\n"
            "\n"
            "Exit codes:\n"
            "  0  done\n"
            "  2  wrong arguments\n");
  EXPECT_EQ(errors_, "");
}

struct WrongUse {
  std::vector<std::string_view> words;
  std::string_view said;
};

TEST(ArgumentsWrongUseTest, EveryWrongUseIsNamedAndEndsWithTwo) {
  const WrongUse wrong[] = {
      {{"--jsn", "--to", "a", "d"}, "unknown option '--jsn'; did you mean '--json'?"},
      {{"-x", "--to", "a", "d"}, "unknown option '-x'"},
      {{"--json=1", "--to", "a", "d"}, "--json takes no value"},
      {{"--to", "a", "d", "--config"}, "--config needs FILE"},
      {{"--to", "a", "d", "--config=x", "--config=y"}, "--config is given twice"},
      {{"d"}, "--to is needed"},
      {{"--to", "a"}, "DIR is needed"},
      {{"--to", "a", "d", "e"}, "unknown argument 'e'"},
  };
  for (const WrongUse& one : wrong) {
    Arguments arguments;
    std::string out, errors;
    EXPECT_EQ(arguments.Read(kUsage, one.words, out, errors), 2);
    EXPECT_EQ(out, "");
    EXPECT_EQ(errors.rfind("ringmail try: " + std::string(one.said), 0), 0u) << errors;
    EXPECT_NE(errors.find("(see ringmail try --help)\n"), std::string::npos);
  }
}

TEST(ParseCountTest, TakesDigitsAloneWithinTheRange) {
  EXPECT_EQ(ParseCount("10", 1, 10), 10u);
  EXPECT_FALSE(ParseCount("11", 1, 10));
  EXPECT_FALSE(ParseCount("0", 1, 10));
  for (const char* text : {"", "+1", "-1", "1x", " 1", "99999999999999999999"})
    EXPECT_FALSE(ParseCount(text, 0, ~0ull)) << text;
}

}  // namespace
}  // namespace ringmail::server
