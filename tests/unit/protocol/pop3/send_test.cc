// RETR and TOP: octets, dots and ends, however content is cut; what cannot be read; UTF-8.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "ringmail/codec/dots.h"
#include "tests/unit/protocol/pop3/conversation.h"

namespace ringmail::pop3 {
namespace {

using Turns = std::vector<std::string>;

class Pop3Send : public testing::Test, public Conversation {
 protected:
  // The answer to one command, with one message in the maildrop.
  std::string Say(const std::string& command) { return TalkLoggedIn({command + "\r\n"})[0]; }
};

TEST_F(Pop3Send, SendsAMessageWithItsSize) {
  house.Deliver("ann", Letter("x", 2));
  EXPECT_EQ(Say("RETR 1"),
            "+OK 53 octets\r\nFrom: bob@example.net\r\nSubject: x\r\n\r\nline 1\r\nline "
            "2\r\n.\r\n");
  EXPECT_EQ(metrics().messages_sent.value(), 1u);
  EXPECT_EQ(metrics().message_bytes.sum(), 53u);
}

TEST_F(Pop3Send, StuffsADotBeforeEachDotThatBeginsALineHoweverContentIsCut) {
  const std::string text =
      ".\r\n..\r\n\r\n.a\r\nb.\r\n.\r\n" + std::string(200, 'x') + "\r\n.\r\n.";
  house.Deliver("ann", text);
  std::string stuffed(2 * text.size(), '\0');
  codec::DotStuffer stuffer;
  stuffed.resize(stuffer.Feed(text, stuffed.data()));
  for (size_t piece = 1; piece <= text.size() + 1; piece = piece < 20 ? piece + 1 : piece * 3) {
    house.piece_bytes = piece;
    EXPECT_EQ(Say("RETR 1"),
              "+OK " + std::to_string(text.size()) + " octets\r\n" + stuffed + "\r\n.\r\n")
        << piece;
    EXPECT_EQ(Say("TOP 1 100"), "+OK Top of message follows\r\n" + stuffed + "\r\n.\r\n") << piece;
  }
}

TEST_F(Pop3Send, EndsTheLastLineWhereTheMessageDoesNot) {
  house.Deliver("ann", "A: 1\r\n\r\nno end");
  house.Deliver("ann", "");
  EXPECT_EQ(Say("RETR 1"), "+OK 14 octets\r\nA: 1\r\n\r\nno end\r\n.\r\n");
  EXPECT_EQ(Say("RETR 2"), "+OK 0 octets\r\n.\r\n");
  EXPECT_EQ(Say("TOP 2 5"), "+OK Top of message follows\r\n.\r\n");
}

TEST_F(Pop3Send, SendsTheHeaderAndSoManyLinesOfTheBody) {
  house.Deliver("ann", Letter("x", 3));
  const std::string header = "From: bob@example.net\r\nSubject: x\r\n\r\n";
  for (const size_t piece : {1u, 7u, 64u << 10}) {
    house.piece_bytes = piece;
    EXPECT_EQ(Say("TOP 1 0"), "+OK Top of message follows\r\n" + header + ".\r\n");
    EXPECT_EQ(Say("TOP 1 2"),
              "+OK Top of message follows\r\n" + header + "line 1\r\nline 2\r\n.\r\n");
    EXPECT_EQ(Say("TOP 1 4294967295"),
              "+OK Top of message follows\r\n" + header + "line 1\r\nline 2\r\nline 3\r\n.\r\n");
  }
  EXPECT_EQ(metrics().messages_sent.value(), 0u);
}

TEST_F(Pop3Send, ReadsOfABigMessageNoMoreThanTopNeeds) {
  house.Deliver("ann", Letter("x", 100'000));
  house.piece_bytes = 1000;
  (void)Say("TOP 1 10");
  EXPECT_EQ(house.pieces, 1u);
}

TEST_F(Pop3Send, HoldsNoMoreOfABigMessageThanAPieceAndWhatIsWritten) {
  house.Deliver("ann", Letter("x", 100'000));
  const std::string whole = Say("RETR 1");
  EXPECT_GT(whole.size(), 1'000'000u);
  EXPECT_GE(house.pieces, 17u);
}

TEST_F(Pop3Send, SaysWhyAMessageCannotBeReadAndGoesOn) {
  house.Deliver("ann", Letter("x", 1));
  house.message_fails = absl::UnavailableError("busy");
  EXPECT_EQ(
      TalkLoggedIn({"RETR 1\r\n", "STAT\r\n"}),
      (Turns{"-ERR [SYS/TEMP] The message cannot be read at present\r\n", "+OK 1 45\r\n", ""}));
  house.message_fails = absl::DataLossError("damaged");
  EXPECT_EQ(Say("TOP 1 1"), "-ERR [SYS/PERM] The message is damaged\r\n");
  house.message_fails = absl::NotFoundError("gone");
  EXPECT_EQ(Say("RETR 1"), "-ERR Message 1 is not there any more\r\n");
  house.message_fails = absl::OkStatus();
  house.fails_after_pieces = 0;
  EXPECT_EQ(Say("RETR 1"), "-ERR [SYS/PERM] The message is damaged\r\n");
  EXPECT_EQ(metrics().messages_failed.value(), 4u);
  EXPECT_NE(log().find("event=message_unreadable account=ann uid=1"), std::string::npos) << log();
}

TEST_F(Pop3Send, EndsWithoutAnEndWhereAMessageIsDamagedInItsMiddle) {
  house.Deliver("ann", Letter("x", 100));
  house.piece_bytes = 100;
  house.fails_after_pieces = 2;
  const Turns turns = TalkLoggedIn({"DELE 1\r\nRSET\r\nRETR 1\r\n", "QUIT\r\n"});
  ASSERT_EQ(turns.size(), 1u);
  EXPECT_FALSE(turns[0].ends_with("\r\n.\r\n"));
  EXPECT_EQ(metrics().ends_damage.value(), 1u);
  EXPECT_EQ(metrics().messages_sent.value(), 0u);
}

TEST_F(Pop3Send, SendsNoBinaryMessage) {
  house.Deliver("ann", std::string("A: 1\r\n\r\n\n.\n\0\r\n", 14), storage::kContentBinary);
  EXPECT_EQ(Say("RETR 1"), "-ERR [SYS/PERM] The message is binary (RFC 3030)\r\n");
  EXPECT_EQ(Say("TOP 1 0"), "-ERR [SYS/PERM] The message is binary (RFC 3030)\r\n");
}

constexpr std::string_view kUtf8Letter =
    "Subject: gr\u00fc\u00df\r\nX: .\u00fc\r\n.\u00fc: 1\r\n\r\n.\u00fc body\r\n";

TEST_F(Pop3Send, SendsAHeaderInUtf8ToWhoHasSaidUtf8) {
  house.Deliver("ann", std::string(kUtf8Letter));
  options.utf8_header = Utf8Header::kRefused;
  const Turns turns = Talk({"UTF8\r\n", std::string(kLogin), "RETR 1\r\n"});
  EXPECT_EQ(turns[1], "+OK Headers come in UTF-8\r\n");
  EXPECT_EQ(turns[3],
            "+OK 45 octets\r\nSubject: gr\u00fc\u00df\r\nX: .\u00fc\r\n..\u00fc: 1\r\n\r\n..\u00fc "
            "body\r\n.\r\n");
}

TEST_F(Pop3Send, SendsOthersASurrogateOfTheSameSize) {
  house.Deliver("ann", std::string(kUtf8Letter));
  for (const size_t piece : {1u, 2u, 5u, 11u, 30u, 1000u}) {
    house.piece_bytes = piece;
    EXPECT_EQ(Say("RETR 1"),
              "+OK 45 octets\r\nSubject: gr????\r\nX: .??\r\n..??: 1\r\n\r\n..\u00fc body\r\n.\r\n")
        << piece;
    EXPECT_EQ(Say("TOP 1 0"),
              "+OK Top of message follows\r\nSubject: gr????\r\nX: .??\r\n..??: 1\r\n\r\n.\r\n")
        << piece;
  }
}

TEST_F(Pop3Send, RefusesOthersAHeaderInUtf8WhereItIsConfigured) {
  options.utf8_header = Utf8Header::kRefused;
  house.Deliver("ann", std::string(kUtf8Letter));
  house.Deliver("ann", "Subject: x\r\n\r\n\u00fc\r\n");
  for (const size_t piece : {1u, 1000u}) {
    house.piece_bytes = piece;
    EXPECT_TRUE(Say("RETR 1").starts_with("-ERR [UTF8] ")) << piece;
    EXPECT_TRUE(Say("TOP 1 1").starts_with("-ERR [UTF8] ")) << piece;
    EXPECT_EQ(Say("RETR 2"), "+OK 18 octets\r\nSubject: x\r\n\r\n\u00fc\r\n.\r\n") << piece;
  }
}

TEST_F(Pop3Send, GivesUpAMessageThatTheClientDoesNotTake) {
  house.Deliver("ann", Letter("x", 1));
  Settings settings(options);
  io::Connection connection({{.bytes = std::string(kLogin) + "RETR 1\r\nDELE 1\r\nQUIT\r\n"}});
  connection.flush_status = io::StreamStatus::kFailed;
  auto baggage = std::make_unique<Baggage>();
  baggage->listener = std::make_shared<const Pop3ListenerOptions>(listener);
  {
    Session session(shared(), settings, std::move(baggage), io::Stream(&connection));
    io::RunStill(session.Run());
  }
  EXPECT_EQ(metrics().ends_lost.value(), 1u);
  EXPECT_EQ(house.messages("ann"), 1u);
}

}  // namespace
}  // namespace ringmail::pop3
