#include "tests/dialog/dialog.h"

#include <gtest/gtest.h>

#include "tests/dialog/sim_runner.h"
#include "tests/dialog/toy_server.h"

namespace ringmail::dialog {
namespace {

std::string RunText(const std::string& text) {
  const auto dialog = Parse("t.dialog", "title: t\n" + text);
  EXPECT_TRUE(dialog.ok()) << dialog.status();
  if (!dialog.ok()) return "does not parse";
  ToyServer server;
  return Run(*dialog, server, {});
}

TEST(DialogFormatTest, NamesFileAndLineOfWhatItDoesNotUnderstand) {
  for (const char* wrong : {"X: y", "wait", "wait 5", "wait 5 s", "expect-x y", "connection",
                            "closed now", "config: a", "S: a\nconfig: a = b"}) {
    const auto dialog = Parse("t.dialog", std::string("title: t\nC: a\n") + wrong + "\n");
    ASSERT_FALSE(dialog.ok()) << wrong;
    EXPECT_EQ(Std(dialog.status().message()).substr(0, 9), "t.dialog:") << dialog.status();
  }
  EXPECT_FALSE(Parse("t.dialog", "C: no title\n").ok());
  EXPECT_FALSE(Parse("t.dialog", "title: nothing else\n").ok());
}

TEST(DialogFormatTest, MatchesPatterns) {
  const Variables variables{{"host", "mx.example.org"}};
  const auto matches = [&](std::string_view pattern, std::string_view line) {
    return Matches(pattern, line, variables).value_or(false);
  };
  EXPECT_TRUE(matches("250 OK", "250 OK"));
  EXPECT_FALSE(matches("250 OK", "250 OK "));
  EXPECT_TRUE(matches("250{*}", "250"));
  EXPECT_FALSE(matches("250{+}", "250"));
  EXPECT_TRUE(matches("{*}OK{*}", "250 OK, OK"));
  EXPECT_TRUE(matches("250 {d} of {d}", "250 12 of 345"));
  EXPECT_FALSE(matches("250 {d} of {d}", "250 x of 345"));
  EXPECT_TRUE(matches("220 {host} {*}", "220 mx.example.org ready"));
  EXPECT_TRUE(matches("{{{d}}}", "{7}"));
  EXPECT_FALSE(Matches("{unknown}", "x", variables).ok());
  EXPECT_FALSE(Matches("{", "x", variables).ok());
  EXPECT_FALSE(Matches("\\q", "x", variables).ok());
}

TEST(DialogFormatTest, ExpandsWhatTheClientSays) {
  EXPECT_EQ(*Expand("a\\x00\\0\\r{3*xy}{{b", {}), std::string("a\0\0\rxyxyxy{b", 12));
  EXPECT_FALSE(Expand("{*}", {}).ok());
  EXPECT_FALSE(Expand("{99999999999*x}", {}).ok());
}

TEST(DialogRunnerTest, SaysWhereAConversationWentOtherwise) {
  const auto fails = [](const std::string& text, const std::string& what) {
    const std::string wrong = RunText(text);
    EXPECT_NE(wrong.find(what), std::string::npos) << text << " → " << wrong;
  };
  fails("S: 221 no\n", "t.dialog:2: the server said: 220 toy.example");
  fails("S: 220 {*}\nC: ECHO a\nS: 250 b\n", "t.dialog:4: the server said: 250 a");
  fails("S: 220 {*}\nC: ECHO a\n", "the server said more");
  fails("S: 220 {*}\nS: 250 b\n", "t.dialog:3: no answer");
  fails("S: 220 {*}\nC: QUIT\nS: 221 bye\nC: ECHO\nS: 250\n", "the server closed");
  fails("S: 220 {*}\nclosed\n", "the server did not close");
  fails("S: 220 {*}\nC: ECHO a\nquiet 1s\n", "where it should be quiet: 250 a");
  fails("S: 220 {*}\nC: SLEEP 60\nS: 250 slept\n", "no answer");
  fails("S: 220 {*}\nexpect-echoes: 1\n", "t.dialog:3: there were 0 echoes");
  fails("S: 220 {*}\nexpect-miracles: 1\n", "nothing is known");
  fails("config: color = red\nS: 220 {*}\n", "does not take color = red");
  fails("S: {nobody}\n", "no variable");
}

TEST(DialogRunnerTest, HoldsAConversationThatGoesAsWritten) {
  EXPECT_EQ(
      RunText("S: 220 {*}\npatience 2m\nC: SLEEP 60\nS: 250 slept\nC: QUIT\nS: 221 bye\nclosed\n"),
      "");
}

}  // namespace
}  // namespace ringmail::dialog

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  ringmail::dialog::RegisterDialogs(argv[1],
                                    [] { return std::make_unique<ringmail::dialog::ToyServer>(); });
  return RUN_ALL_TESTS();
}
