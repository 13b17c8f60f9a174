// What a session does with content, by DATA and by BDAT.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "protocol/smtp/replies.h"
#include "ringmail/storage/content.h"
#include "tests/unit/protocol/smtp/conversation.h"

namespace ringmail::smtp {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Turns = std::vector<std::string>;

constexpr const char* kEhlo = "EHLO c\r\n";
constexpr const char* kEnvelopeGroup = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";
constexpr const char* kDataGroup = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";
constexpr const char* kBinaryGroup = "MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\n";

class SmtpContent : public testing::Test, public Conversation {
 protected:
  // What DATA with this content is answered.
  std::string SendData(std::string content) {
    return Talk({kEhlo, kDataGroup, std::move(content)}).at(3);
  }
};

TEST_F(SmtpContent, RemovesTheDotsThatTransparencyAddedAndRemembersWhereTheyWere) {
  EXPECT_EQ(SendData("..\r\na\r\n..b\r\n.\r\n"), "250 2.0.0 queued\r\n");
  EXPECT_EQ(door().messages.at(0).content, ".\r\na\r\n.b\r\n");
  EXPECT_EQ(door().messages.at(0).dot_lines, (std::vector<size_t>{0, 6}));
}

TEST_F(SmtpContent, MeansTheSameHoweverItIsCut) {
  const std::string content = "a\r\n..b\r\n...\r\n\r\n.c\r\nlast line\r\n.\r\n";
  EXPECT_EQ(SendData(content), "250 2.0.0 queued\r\n");
  const RecordedMessage whole = door().messages.at(0);
  for (size_t first = 1; first < content.size(); ++first) {
    for (size_t second = first; second < content.size(); second += 3) {
      NewRecord();
      Turns pieces{kEhlo, kDataGroup, content.substr(0, first)};
      if (second > first) pieces.push_back(content.substr(first, second - first));
      pieces.push_back(content.substr(second));
      (void)Talk(pieces);
      ASSERT_EQ(door().messages.size(), 1u) << first << " " << second;
      ASSERT_EQ(door().messages[0], whole) << first << " " << second;
    }
  }
}

TEST_F(SmtpContent, EndsAtCrlfDotCrlfAlone) {
  for (const std::string_view smuggled :
       {"\n.\r\n", "\r\n.\n", "\n.\n", "\r.\r\n", "\r\n.\r", "\r.\r"}) {
    NewRecord();
    const Turns turns =
        Talk({kEhlo, kDataGroup,
              "x" + std::string(smuggled) + "MAIL FROM:<evil@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n",
              "y\r\n.\r\n"});
    EXPECT_EQ(door().messages.size(), 0u);
    EXPECT_EQ(door().begun, 1u);
    EXPECT_EQ(turns[3], "");
    EXPECT_EQ(turns[4], kContentBareNewline);
  }
}

TEST_F(SmtpContent, RefusesBareLineEndsAtTheTrueEndAndGoesOn) {
  const Turns turns = Talk({kEhlo, kDataGroup, "a\nb\r\n.\r\n", kDataGroup, "ok\r\n.\r\n"});
  EXPECT_EQ(turns[3], kContentBareNewline);
  EXPECT_EQ(turns[5], "250 2.0.0 queued\r\n");
  EXPECT_EQ(door().messages.size(), 1u);
  EXPECT_EQ(metrics().messages_refused.value(), 1u);
}

TEST_F(SmtpContent, RefusesNul) {
  EXPECT_EQ(SendData(std::string("a\0b\r\n.\r\n", 8)), kContentNul);
}

TEST_F(SmtpContent, TakesLongLinesAndEightBitsAsTheyAre) {
  const std::string line(5000, 'x');
  EXPECT_EQ(SendData(line + "\xc3\xb6\r\n.\r\n"), "250 2.0.0 queued\r\n");
  EXPECT_EQ(door().messages.at(0).content, line + "\xc3\xb6\r\n");
  EXPECT_EQ(door().messages.at(0).flags, storage::kContent8Bit);
}

TEST_F(SmtpContent, MendsTheBareLfOfALegacyScannerSoThatItMeansOneThing) {
  listener.bare_newline = BareNewline::kLegacyScanner;
  const std::string content = "a\nb\n.\nc\r\n..d\n\n.e\r\n.\r\n";
  EXPECT_EQ(SendData(content), "250 2.0.0 queued\r\n");
  const RecordedMessage whole = door().messages.at(0);
  EXPECT_EQ(whole.content, "a\r\nb\r\n.\r\nc\r\n.d\r\n\r\n.e\r\n");
  // Each line that begins with a dot is known, so that the next hop gets it stuffed and cannot see
  // an end in it.
  EXPECT_EQ(whole.dot_lines, (std::vector<size_t>{6, 12, 18}));
  for (size_t cut = 1; cut < content.size(); ++cut) {
    NewRecord();
    (void)Talk({kEhlo, kDataGroup, content.substr(0, cut), content.substr(cut)});
    ASSERT_EQ(door().messages.size(), 1u) << cut;
    ASSERT_EQ(door().messages[0], whole) << cut;
  }
}

TEST_F(SmtpContent, RefusesTheBareCrOfALegacyScannerAllTheSame) {
  listener.bare_newline = BareNewline::kLegacyScanner;
  EXPECT_EQ(SendData("a\rb\r\n.\r\n"), kContentBareNewline);
}

TEST_F(SmtpContent, TakesAMessageAtTheLimitAndRefusesOneLarger) {
  limits.message_bytes_max = 1000;
  EXPECT_EQ(SendData(std::string(998, 'x') + "\r\n.\r\n"), "250 2.0.0 queued\r\n");
  NewRecord();
  EXPECT_EQ(SendData(std::string(999, 'x') + "\r\n.\r\n"), "552 5.3.4 too large\r\n");
  EXPECT_EQ(door().messages.size(), 0u);
}

TEST_F(SmtpContent, ReadsATooLargeMessageToItsEnd) {
  limits.message_bytes_max = 1000;
  const Turns turns = Talk({kEhlo, kDataGroup, std::string(999, 'x') + "\r\n",
                            std::string(50'000, 'y'), "\r\n.\r\n", "NOOP\r\n"});
  EXPECT_EQ(turns[5], "552 5.3.4 too large\r\n");
  EXPECT_EQ(turns[6], kOk);
}

TEST_F(SmtpContent, AnswersADiskThatIsFullAtTheEndOfContent) {
  door().drain_every_bytes = 10;
  door().drain_fault = absl::ResourceExhaustedError("disk");
  const Turns turns = Talk({kEhlo, kDataGroup, std::string(100, 'x'), "\r\n.\r\n", "NOOP\r\n"});
  EXPECT_EQ(turns[4], kNoSpace);
  EXPECT_EQ(turns[5], kOk);
}

TEST_F(SmtpContent, AnswersAStoreThatFailed) {
  door().drain_every_bytes = 10;
  door().drain_fault = absl::UnavailableError("disk");
  EXPECT_EQ(SendData(std::string(100, 'x') + "\r\n.\r\n"), kStoreFailed);
}

TEST_F(SmtpContent, SaysWhatTheDoorSays) {
  door().commit_reply = {.code = 451, .status = {4, 3, 0}, .text = "later\nmuch later"};
  EXPECT_EQ(SendData("x\r\n.\r\n"), "451-4.3.0 later\r\n451 4.3.0 much later\r\n");
  EXPECT_EQ(metrics().messages_accepted.value(), 0u);
}

TEST_F(SmtpContent, GivesUpContentThatStops) {
  std::vector<io::Happening> script;
  script.push_back({.bytes = kEhlo});
  script.push_back({.bytes = kDataGroup});
  script.push_back({.bytes = "x", .after = minutes(6)});
  EXPECT_EQ(Play(std::move(script)).back(),
            "421 4.4.2 mx.example.org Waited too long for content\r\n");
}

TEST_F(SmtpContent, GivesUpContentThatDrips) {
  std::vector<io::Happening> script;
  script.push_back({.bytes = kEhlo});
  script.push_back({.bytes = kDataGroup});
  for (int i = 0; i < 100; ++i) script.push_back({.bytes = "x", .after = seconds(60)});
  const Turns turns = Play(std::move(script));
  EXPECT_EQ(turns.back(), "421 4.4.2 mx.example.org Waited too long for content\r\n");
  EXPECT_LT(turns.size(), 12u);
}

TEST_F(SmtpContent, WaitsForASlowLineThatIsFastEnough) {
  options.content_bytes_per_second_min = 100;
  std::vector<io::Happening> script;
  script.push_back({.bytes = kEhlo});
  script.push_back({.bytes = kDataGroup});
  for (int i = 0; i < 20; ++i)
    script.push_back({.bytes = std::string(998, 'x') + "\r\n", .after = seconds(10)});
  script.push_back({.bytes = ".\r\n", .after = seconds(10)});
  script.push_back({.bytes = "QUIT\r\n"});
  const Turns turns = Play(std::move(script));
  EXPECT_EQ(turns.at(turns.size() - 2), "250 2.0.0 queued\r\n");
}

// --- BDAT

TEST_F(SmtpContent, TakesChunksOfAnySizeAndHoweverTheyAreCut) {
  const std::string good = std::string(kEnvelopeGroup) + "BDAT 5\r\na\r\n.b" +
                           "BDAT 0\r\nBDAT 5 LAST\r\n\r\n.\r\nNOOP\r\n";
  const std::string answers =
      "250 2.1.0 OK\r\n250 2.1.5 OK\r\n250 2.0.0 OK\r\n250 2.0.0 OK\r\n250 2.0.0 queued\r\n250 "
      "2.0.0 OK\r\n";
  for (size_t cut = 1; cut < good.size(); ++cut) {
    NewRecord();
    const Turns turns = Talk({kEhlo, good.substr(0, cut), good.substr(cut)});
    ASSERT_EQ(turns[2] + turns[3], answers) << cut;
    ASSERT_EQ(door().messages.size(), 1u);
    ASSERT_EQ(door().messages[0].content, "a\r\n.b\r\n.\r\n");
    ASSERT_EQ(door().messages[0].dot_lines, (std::vector<size_t>{3, 7})) << cut;
  }
}

TEST_F(SmtpContent, TakesAnEmptyMessageByBdat) {
  const Turns turns = Talk({kEhlo, std::string(kEnvelopeGroup) + "BDAT 0 LAST\r\n"});
  EXPECT_TRUE(turns[2].ends_with("250 2.0.0 queued\r\n"));
  EXPECT_EQ(door().messages.at(0).content, "");
}

TEST_F(SmtpContent, NeverTakesTheOctetsOfAChunkForCommands) {
  // Before EHLO, without MAIL, without a recipient, after a failure: always read and thrown away.
  Turns turns = Talk({"BDAT 6\r\nRSET\r\n", kEhlo, "BDAT 6\r\nRSET\r\n",
                      "MAIL FROM:<a@b>\r\nBDAT 6\r\nRSET\r\nBDAT 6 LAST\r\nRSET\r\nNOOP\r\n"});
  EXPECT_EQ(turns[1], kBdatNeedsEhlo);
  EXPECT_EQ(turns[3], kMailFirst);
  EXPECT_EQ(turns[4], "250 2.1.0 OK\r\n" + std::string(kRecipientFirst) + std::string(kBdatFailed) +
                          std::string(kOk));
}

TEST_F(SmtpContent, RefusesChunksWhereAllRecipientsWereRefused) {
  const Turns turns = Talk(
      {kEhlo, "MAIL FROM:<a@b>\r\nRCPT TO:<x@refused.example>\r\nBDAT 3\r\nabcBDAT 2 LAST\r\nde",
       kDataGroup});
  EXPECT_EQ(turns[2], "250 2.1.0 OK\r\n550 5.7.1 no relaying\r\n" + std::string(kNoRecipients) +
                          std::string(kBdatFailed));
  EXPECT_TRUE(turns[3].starts_with("250 2.1.0"));
}

TEST_F(SmtpContent, KeepsDataAndBdatApart) {
  const Turns turns =
      Talk({kEhlo, std::string(kEnvelopeGroup) + "BDAT 1\r\nx", "DATA\r\n", "RCPT TO:<e@f>\r\n",
            "MAIL FROM:<a@b>\r\n", "RSET\r\n", kDataGroup, "x\r\n.\r\n"});
  EXPECT_EQ(turns[3], "503 5.5.1 BDAT has begun the content: go on with BDAT, or RSET\r\n");
  EXPECT_EQ(turns[4], turns[3]);
  EXPECT_EQ(turns[5], turns[3]);
  EXPECT_EQ(turns[8], "250 2.0.0 queued\r\n");
}

TEST_F(SmtpContent, WantsBdatForBinaryContent) {
  const Turns turns = Talk({kEhlo, kBinaryGroup, "DATA\r\n", "BDAT 7 LAST\r\na\rb\nc\0d"});
  EXPECT_EQ(turns[3], kDataForBinary);
}

TEST_F(SmtpContent, TakesAnyOctetsAsBinary) {
  const std::string binary("a\rb\nc\0d", 7);
  const Turns turns = Talk({kEhlo, std::string(kBinaryGroup) + "BDAT 7 LAST\r\n" + binary});
  EXPECT_TRUE(turns[2].ends_with("250 2.0.0 queued\r\n"));
  EXPECT_EQ(door().messages.at(0).content, binary);
  EXPECT_EQ(door().messages.at(0).flags, storage::kContentBinary);
}

TEST_F(SmtpContent, RefusesBareLineEndsInChunksThatAreNotBinary) {
  for (const std::string_view text : {"a\nb\r\n", "a\rb\r\n", "abcd\r"}) {
    NewRecord();
    const Turns turns =
        Talk({kEhlo, std::string(kEnvelopeGroup) + "BDAT " + std::to_string(text.size()) +
                         " LAST\r\n" + std::string(text)});
    EXPECT_TRUE(turns[2].ends_with(kContentBareNewline)) << turns[2];
  }
}

TEST_F(SmtpContent, RefusesAChunkThatMakesTheMessageTooLargeAndThoseBehindIt) {
  limits.message_bytes_max = 10;
  const Turns turns =
      Talk({kEhlo, std::string(kEnvelopeGroup) + "BDAT 8\r\n12345678BDAT 3\r\nabcBDAT 1 LAST\r\nx",
            "MAIL FROM:<a@b>\r\n"});
  EXPECT_EQ(turns[2], "250 2.1.0 OK\r\n250 2.1.5 OK\r\n250 2.0.0 OK\r\n" + std::string(kTooLarge) +
                          std::string(kBdatFailed));
  EXPECT_EQ(turns[3], "250 2.1.0 OK\r\n");
}

TEST_F(SmtpContent, ClosesOnAChunkThatNobodyWouldReadToItsEnd) {
  const Turns turns = Talk({kEhlo, std::string(kEnvelopeGroup) + "BDAT 99999999999\r\n"});
  ASSERT_EQ(turns.size(), 3u);
  EXPECT_TRUE(turns[2].ends_with(kTooLarge));
}

TEST_F(SmtpContent, ClosesWhereItCannotKnowHowManyOctetsFollow) {
  const Turns turns = Talk({kEhlo, "BDAT\r\n", "BDAT x LAST\r\nRSET\r\n"});
  ASSERT_EQ(turns.size(), 4u);
  EXPECT_EQ(turns[2], kBdatSyntax);
  EXPECT_EQ(turns[3], kBdatSyntaxClosing);
}

TEST_F(SmtpContent, ThrowsAwayTheOctetsOfAChunkWithAWrongWord) {
  const Turns turns =
      Talk({kEhlo, std::string(kEnvelopeGroup) + "BDAT 6 FIRST\r\nRSET\r\nNOOP\r\n"});
  EXPECT_EQ(turns[2],
            "250 2.1.0 OK\r\n250 2.1.5 OK\r\n" + std::string(kBdatSyntax) + std::string(kOk));
}

TEST_F(SmtpContent, GivesUpAChunkThatDripsEvenOneThatIsThrownAway) {
  std::vector<io::Happening> script;
  script.push_back({.bytes = kEhlo});
  script.push_back({.bytes = "BDAT 1000\r\n"});
  for (int i = 0; i < 100; ++i) script.push_back({.bytes = "x", .after = seconds(60)});
  const Turns turns = Play(std::move(script));
  EXPECT_EQ(turns.back(), "421 4.4.2 mx.example.org Waited too long for content\r\n");
}

TEST_F(SmtpContent, SaysAtTheChunkThatTheDiskIsFull) {
  door().drain_every_bytes = 10;
  door().drain_fault = absl::ResourceExhaustedError("disk");
  const Turns turns = Talk({kEhlo, std::string(kEnvelopeGroup) + "BDAT 20\r\n" +
                                       std::string(20, 'x') + "BDAT 1 LAST\r\ny"});
  EXPECT_TRUE(turns[2].ends_with(std::string(kNoSpace) + std::string(kBdatFailed))) << turns[2];
}

}  // namespace
}  // namespace ringmail::smtp
