// Words of a command line, and where a message is cut for TOP.
#include "protocol/pop3/wire.h"

#include <string>

#include "gtest/gtest.h"

namespace ringmail::pop3 {
namespace {

TEST(Pop3Wire, PartsAVerbFromAllThatStandsBehindTheFirstSpace) {
  EXPECT_EQ(SplitCommand("STAT").verb, "STAT");
  EXPECT_EQ(SplitCommand("STAT").argument, "");
  EXPECT_EQ(SplitCommand("PASS  two  words ").argument, " two  words ");
  EXPECT_EQ(SplitCommand("").verb, "");
  EXPECT_EQ(SplitCommand(" LIST").verb, "");
}

TEST(Pop3Wire, TakesTwoWordsPartedByOneSpaceAndNothingElse) {
  ASSERT_TRUE(SplitTwo("1 10"));
  EXPECT_EQ(SplitTwo("1 10")->first, "1");
  EXPECT_EQ(SplitTwo("1 10")->second, "10");
  for (const char* wrong : {"", "1", "1 ", " 1", "1  2", "1 2 ", "1 2 3"})
    EXPECT_FALSE(SplitTwo(wrong)) << wrong;
}

TEST(Pop3Wire, TakesNumbersOf32BitsInDigits) {
  EXPECT_EQ(ParseNumber("0"), 0u);
  EXPECT_EQ(ParseNumber("0000000001"), 1u);
  EXPECT_EQ(ParseNumber("4294967295"), 4294967295u);
  for (const char* wrong : {"", "4294967296", "9999999999", "00000000001", "-1", "+1", "1a", " 1"})
    EXPECT_FALSE(ParseNumber(wrong)) << wrong;
}

TEST(Pop3Wire, TakesADigestOf32DigitsInLowerCase) {
  EXPECT_TRUE(ParseApop("mrose c4c9334bac560ecc979e58001b3e22fb"));
  for (const char* wrong :
       {"mrose", "mrose c4c9334bac560ecc979e58001b3e22f", "mrose C4C9334BAC560ECC979E58001B3E22FB",
        "mrose c4c9334bac560ecc979e58001b3e22fb ", "mrose c4c9334bac560ecc979e58001b3e22fg",
        "m\x01 c4c9334bac560ecc979e58001b3e22fb"})
    EXPECT_FALSE(ParseApop(wrong)) << wrong;
}

TEST(Pop3Wire, TakesNamesAndPasswordsInUtf8WithoutControls) {
  EXPECT_TRUE(ValidCredential("j\u00f6rg@example.org"));
  EXPECT_TRUE(ValidCredential("two words"));
  for (const char* wrong : {"", "a\tb", "a\x7f", "j\xf6rg", "\xc3"})
    EXPECT_FALSE(ValidCredential(wrong)) << wrong;
}

TEST(Pop3Wire, KnowsABrowserByItsMethod) {
  EXPECT_TRUE(BeginsHttp("POST"));
  EXPECT_TRUE(BeginsHttp("get"));
  EXPECT_FALSE(BeginsHttp("RETR"));
}

// What of `message` is cut out for TOP, in pieces of `piece_bytes`.
std::string Cut(std::string_view message, uint32_t lines, size_t piece_bytes) {
  MessageCut cut(lines);
  std::string out;
  for (size_t at = 0; at < message.size() && !cut.done(); at += piece_bytes) {
    const std::string_view piece = message.substr(at, piece_bytes);
    out += piece.substr(0, cut.Feed(piece));
  }
  return out;
}

TEST(Pop3MessageCut, GivesTheHeaderTheEmptyLineAndSoManyLinesHoweverItIsCut) {
  const std::string_view message = "A: 1\r\nB: 2\r\n\r\none\r\n\r\nthree\r\n";
  for (size_t piece = 1; piece <= message.size(); ++piece) {
    EXPECT_EQ(Cut(message, 0, piece), "A: 1\r\nB: 2\r\n\r\n") << piece;
    EXPECT_EQ(Cut(message, 1, piece), "A: 1\r\nB: 2\r\n\r\none\r\n") << piece;
    EXPECT_EQ(Cut(message, 2, piece), "A: 1\r\nB: 2\r\n\r\none\r\n\r\n") << piece;
    EXPECT_EQ(Cut(message, 3, piece), message) << piece;
    EXPECT_EQ(Cut(message, 4'000'000'000, piece), message) << piece;
  }
}

TEST(Pop3MessageCut, TakesAMessageWithoutAHeaderAndOneWithoutABody) {
  EXPECT_EQ(Cut("\r\nbody\r\n", 0, 100), "\r\n");
  EXPECT_EQ(Cut("\r\nbody\r\n", 1, 1), "\r\nbody\r\n");
  EXPECT_EQ(Cut("A: 1\r\n", 5, 2), "A: 1\r\n");
  EXPECT_EQ(Cut("A: 1", 5, 1), "A: 1");
}

// Found by the fuzzer: of a line with two CRs, each in a piece of its own, both were taken for its
// end.
TEST(Pop3MessageCut, TakesNoLineOfBareCrsForTheEndOfTheHeader) {
  const std::string_view message = "A: 1\r\n\r\r\nB: 2\r\n\r\nbody\r\n";
  for (size_t piece = 1; piece <= message.size(); ++piece)
    EXPECT_EQ(Cut(message, 0, piece), "A: 1\r\n\r\r\nB: 2\r\n\r\n") << piece;
}

TEST(Pop3MessageCut, SaysHowMuchOfAPieceIsHeader) {
  MessageCut cut(9);
  (void)cut.Feed("A: 1\r");
  EXPECT_EQ(cut.header_bytes(), 5u);
  EXPECT_TRUE(cut.in_header());
  (void)cut.Feed("\n\r\nbody\r\n");
  EXPECT_EQ(cut.header_bytes(), 3u);
  EXPECT_FALSE(cut.in_header());
  (void)cut.Feed("more");
  EXPECT_EQ(cut.header_bytes(), 0u);
}

}  // namespace
}  // namespace ringmail::pop3
