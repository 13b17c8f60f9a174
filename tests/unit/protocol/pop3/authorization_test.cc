// AUTHORIZATION: who comes in, how, and who does not; and the move to the account's shard.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "ringmail/codec/digest.h"
#include "ringmail/codec/hex.h"
#include "tests/unit/protocol/pop3/conversation.h"

namespace ringmail::pop3 {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Turns = std::vector<std::string>;

constexpr std::string_view kIn = "+OK 0 messages (0 octets)\r\n";
constexpr std::string_view kWrong = "-ERR [AUTH] Name or password is wrong\r\n";

class Pop3Authorization : public testing::Test, public Conversation {};

std::string Hex(std::string_view octets) {
  std::string hex(octets.size() * 2, '\0');
  (void)codec::HexEncode(octets, codec::HexCase::kLower, hex.data());
  return hex;
}

TEST_F(Pop3Authorization, TakesANameAndThenAPasswordThatHasSpaces) {
  EXPECT_EQ(Talk({"USER ann\r\n", "PASS secret word\r\n", "QUIT\r\n"}),
            (Turns{std::string(kGreeting), "+OK Now the password\r\n", std::string(kIn),
                   "+OK Goodbye\r\n"}));
  EXPECT_EQ(metrics().logins_accepted.value(), 1u);
  EXPECT_NE(log().find("event=login listener=pop3 client=192.0.2.7 account=ann messages=0"),
            std::string::npos)
      << log();
  EXPECT_EQ(log().find("secret"), std::string::npos);
}

TEST_F(Pop3Authorization, SaysTheSameOfAWrongPasswordAndOfAnUnknownName) {
  const Turns turns = Talk({"USER ann\r\n", "PASS wrong\r\n", "USER bob\r\n", "PASS wrong\r\n"});
  EXPECT_EQ(turns[1], turns[3]);
  EXPECT_EQ(turns[2], kWrong);
  EXPECT_EQ(turns[4], kWrong);
  EXPECT_EQ(metrics().logins_refused.value(), 2u);
}

TEST_F(Pop3Authorization, TakesAPasswordImmediatelyAfterAName) {
  const Turns turns = Talk(
      {"PASS secret word\r\n", "USER ann\r\n", "CAPA\r\n", "PASS secret word\r\n", "USER ann\r\n",
       "bare\n", "PASS secret word\r\n", "USER ann\r\nPASS wrong\r\n", "PASS secret word\r\n"});
  EXPECT_EQ(turns[1], "-ERR Say USER first\r\n");
  EXPECT_EQ(turns[4], "-ERR Say USER first\r\n");
  EXPECT_EQ(turns[9], "-ERR Say USER first\r\n");
}

TEST_F(Pop3Authorization, RefusesCommandsOfTheOtherState) {
  const Turns turns =
      Talk({"STAT\r\n", "LIST\r\n", "RETR 1\r\n", "DELE 1\r\n", "RSET\r\n", "NOOP\r\n", "UIDL\r\n",
            "TOP 1 1\r\n", std::string(kLogin), "USER ann\r\n", "PASS x\r\n", "APOP a b\r\n",
            "AUTH PLAIN\r\n", "STLS\r\n", "UTF8\r\n"});
  for (size_t i = 1; i <= 8; ++i) EXPECT_EQ(turns[i], "-ERR Log in first\r\n") << i;
  for (size_t i = 10; i < 16; ++i) EXPECT_EQ(turns[i], "-ERR You are logged in already\r\n") << i;
}

TEST_F(Pop3Authorization, RefusesArgumentsWhereThereAreNoneAndAsksForThoseThatAreMissing) {
  const Turns turns = Talk({"CAPA x\r\n", "QUIT now\r\n", "STLS x\r\n", "UTF8 x\r\n", "USER\r\n",
                            "PASS\r\n", "APOP\r\n", "AUTH\r\n", "USER \r\n", "CAPA \r\n"});
  EXPECT_EQ(turns[1], "-ERR Say CAPA\r\n");
  EXPECT_EQ(turns[2], "-ERR Say QUIT\r\n");
  EXPECT_EQ(turns[5], "-ERR Say USER name\r\n");
  EXPECT_EQ(turns[6], "-ERR Say PASS password\r\n");
  EXPECT_EQ(turns[7], "-ERR Say APOP name digest\r\n");
  EXPECT_EQ(turns[8], "-ERR Say AUTH mechanism [initial-response]\r\n");
  EXPECT_EQ(turns[9], "-ERR Say USER name\r\n");
  EXPECT_TRUE(turns[10].starts_with("+OK ")) << turns[10];
}

TEST_F(Pop3Authorization, TakesNoPasswordInTheClearUnlessItIsConfigured) {
  listener.plaintext = session::SaslPlaintext::kEncryptedOnly;
  const Turns turns = Talk({"USER ann\r\n", "AUTH PLAIN AGFubgBzZWNyZXQgd29yZA==\r\n", "CAPA\r\n"});
  EXPECT_EQ(turns[1], "-ERR Passwords are not taken in the clear: say STLS first\r\n");
  EXPECT_TRUE(turns[2].starts_with("-ERR That mechanism is not offered here")) << turns[2];
  EXPECT_EQ(turns[3].find("USER\r\n"), turns[3].find("UTF8 USER\r\n") + 5) << turns[3];
  EXPECT_EQ(turns[3].find("PLAIN"), std::string::npos);
}

TEST_F(Pop3Authorization, RefusesNamesAndPasswordsThatAreNoText) {
  const Turns turns = Talk({"USER j\xf6rg\r\n", "USER a\x01\r\n", "USER ann\r\nPASS \xff\r\n"});
  EXPECT_EQ(turns[1], "-ERR That is no name\r\n");
  EXPECT_EQ(turns[2], "-ERR That is no name\r\n");
  EXPECT_EQ(turns[3], "+OK Now the password\r\n-ERR That is no password\r\n");
}

TEST_F(Pop3Authorization, TakesNamesInUtf8BeforeUtf8WasSaid) {
  (void)house.Add("j\u00f6rg", "gr\u00fcn");
  EXPECT_EQ(Talk({"USER j\u00f6rg\r\nPASS gr\u00fcn\r\n"})[1],
            "+OK Now the password\r\n" + std::string(kIn));
}

TEST_F(Pop3Authorization, TakesPlainWithAnInitialResponseAndAfterAChallenge) {
  EXPECT_EQ(Talk({"AUTH PLAIN AGFubgBzZWNyZXQgd29yZA==\r\n"})[1], kIn);
  const Turns turns = Talk({"auth plain\r\n", "AGFubgBzZWNyZXQgd29yZA==\r\n"});
  EXPECT_EQ(turns[1], "+ \r\n");
  EXPECT_EQ(turns[2], kIn);
}

TEST_F(Pop3Authorization, TakesCramMd5) {
  listener.plaintext = session::SaslPlaintext::kEncryptedOnly;
  const std::string challenge = "<0123456789abcdef0123456789@pop.example.org>";
  const std::string answer =
      "ann " + Hex(codec::HmacMd5(codec::MakeHmacMd5Contexts("secret word"), challenge).view());
  const Turns turns = Talk({"AUTH CRAM-MD5\r\n", session::EncodeSasl(answer) + "\r\n"});
  EXPECT_EQ(turns[1], "+ " + session::EncodeSasl(challenge) + "\r\n");
  EXPECT_EQ(turns[2], kIn);
}

TEST_F(Pop3Authorization, ASpaceAtTheEndOfAuthIsNoResponse) {
  const Turns turns = Talk({"AUTH PLAIN \r\n", "AGFubgBzZWNyZXQgd29yZA==\r\n"});
  EXPECT_EQ(turns[1], "+ \r\n");
  EXPECT_EQ(turns[2], kIn);
}

TEST_F(Pop3Authorization, SaysWhatIsWrongWithAnExchange) {
  const Turns turns =
      Talk({"AUTH NOTHING\r\n", "AUTH SCRAM-SHA-256\r\n", "AUTH PLAIN !\r\n", "AUTH PLAIN *\r\n",
            "AUTH PLAIN\r\n", "*\r\n", "AUTH PLAIN\r\n", "not base64\r\n", "AUTH PLAIN\r\n",
            "bare\n\r\n", "AUTH PLAIN\r\n", std::string(kLineBytesMax + 1, 'A') + "\r\n",
            "AUTH PLAIN eA==\r\n", "AUTH PLAIN AGFubgB3cm9uZw==\r\n"});
  EXPECT_TRUE(turns[1].starts_with("-ERR That mechanism is not offered")) << turns[1];
  EXPECT_TRUE(turns[2].starts_with("-ERR That mechanism is not offered")) << turns[2];
  EXPECT_EQ(turns[3], "-ERR That is no base64\r\n");
  EXPECT_EQ(turns[4], turns[3]);
  EXPECT_EQ(turns[6], "-ERR Authentication cancelled\r\n");
  EXPECT_EQ(turns[8], "-ERR That is no base64\r\n");
  EXPECT_TRUE(turns[10].starts_with("-ERR That is no base64\r\n")) << turns[10];
  EXPECT_EQ(turns[12], "-ERR That is too long for a response\r\n");
  EXPECT_EQ(turns[13], "-ERR That is not what the mechanism asks for\r\n");
  EXPECT_EQ(turns[14], kWrong);
  EXPECT_EQ(metrics().logins_malformed.value(), 1u);
}

TEST_F(Pop3Authorization, EndsWithAClientThatLeavesWithinAnExchange) {
  EXPECT_EQ(Talk({"AUTH PLAIN\r\n"})[1], "+ \r\n");
  EXPECT_EQ(metrics().ends_lost.value(), 1u);
}

TEST_F(Pop3Authorization, TakesApopWhereTheGreetingHadATimestamp) {
  timestamp = "<1896.697170952@dbc.mtview.ca.us>";
  codec::Digester md5(codec::DigestKind::kMd5);
  md5.Feed(timestamp);
  md5.Feed("secret word");
  const std::string digest = Hex(md5.Finish().view());
  const Turns turns = Talk({"APOP ann " + std::string(32, '0') + "\r\n", "APOP ann short\r\n",
                            "APOP ann " + digest + "\r\n"});
  EXPECT_EQ(turns[0], "+OK ringmail ready " + timestamp + "\r\n");
  EXPECT_EQ(turns[1], kWrong);
  EXPECT_EQ(turns[2], "-ERR Say APOP name digest\r\n");
  EXPECT_EQ(turns[3], kIn);
}

TEST_F(Pop3Authorization, OffersNoApopOtherwise) {
  EXPECT_EQ(Talk({"APOP ann " + std::string(32, '0') + "\r\n"})[1],
            "-ERR APOP is not offered: the greeting had no timestamp\r\n");
}

TEST_F(Pop3Authorization, SaysThatItIsOurFaultWhereItIs) {
  house.unavailable = true;
  EXPECT_EQ(Talk({std::string(kLogin)})[1],
            "+OK Now the password\r\n-ERR [SYS/TEMP] Passwords cannot be checked at present\r\n");
  house.unavailable = false;
  house.open_fails = absl::UnavailableError("the log has failed");
  const Turns turns = Talk({std::string(kLogin), std::string(kLogin)});
  EXPECT_EQ(turns[1],
            "+OK Now the password\r\n-ERR [SYS/TEMP] The maildrop cannot be opened at present\r\n");
  // And the lock is free again.
  EXPECT_EQ(turns[2], turns[1]);
  EXPECT_NE(log().find("event=maildrop_failed"), std::string::npos);
}

TEST_F(Pop3Authorization, GivesAMaildropToOneSessionAtATime) {
  const MaildropLocks::Lock somebody = shared().locks.Take(house.resident("ann").id);
  const Turns turns = Talk({std::string(kLogin), "STAT\r\n", "QUIT\r\n"});
  EXPECT_EQ(turns[1], "+OK Now the password\r\n-ERR [IN-USE] Another session has the maildrop\r\n");
  EXPECT_EQ(turns[2], "-ERR Log in first\r\n");
  EXPECT_EQ(turns[3], "+OK Goodbye\r\n");
}

TEST_F(Pop3Authorization, FreesTheMaildropHoweverASessionEnds) {
  for (const char* last : {"QUIT\r\n", "", "GET /\r\n"}) {
    const Turns turns = Talk({std::string(kLogin), last});
    EXPECT_EQ(turns[1], "+OK Now the password\r\n" + std::string(kIn)) << last;
  }
}

TEST_F(Pop3Authorization, HoldsLoginsToTheDelay) {
  options.login_delay = seconds(60);
  EXPECT_EQ(Talk({std::string(kLogin), "CAPA\r\nQUIT\r\n"})[2].find("LOGIN-DELAY 60\r\n") ==
                std::string::npos,
            false);
  EXPECT_EQ(Talk({std::string(kLogin)})[1],
            "+OK Now the password\r\n-ERR [LOGIN-DELAY] Wait 60 seconds between two logins\r\n");
  EXPECT_EQ(Play({{.bytes = std::string(kLogin), .after = seconds(61)}})[1],
            "+OK Now the password\r\n" + std::string(kIn));
}

TEST_F(Pop3Authorization, EndsAfterTooManyLoginsThatWereRefused) {
  options.login_failures_max = 2;
  const Turns turns = Talk({"USER ann\r\nPASS x\r\n", "USER ann\r\nPASS x\r\n", "CAPA\r\n"});
  EXPECT_EQ(turns.size(), 3u);
  EXPECT_EQ(metrics().ends_abuse.value(), 1u);
}

TEST_F(Pop3Authorization, EndsAfterTooManyErrors) {
  options.errors_max = 3;
  const Turns turns = Talk({"A\r\n", "B\r\n", "C\r\n", "D\r\n"});
  ASSERT_EQ(turns.size(), 4u);
  EXPECT_EQ(turns[3], "-ERR Unknown command\r\n");
}

TEST_F(Pop3Authorization, EndsWithABrowser) {
  EXPECT_EQ(Talk({"POST / HTTP/1.1\r\nHost: x\r\n"})[1], "-ERR This is POP3, not HTTP\r\n");
}

TEST_F(Pop3Authorization, HoldsCommandLinesTo255Octets) {
  const std::string fits = "USER " + std::string(kCommandLineBytesMax - 7, 'a') + "\r\n";
  ASSERT_EQ(fits.size(), 255u);
  const Turns turns = Talk({fits, "USER a" + fits.substr(5), std::string(200'000, 'x') + "\r\n"});
  EXPECT_EQ(turns[1], "+OK Now the password\r\n");
  EXPECT_EQ(turns[2], "-ERR A command has 255 octets at most\r\n");
  EXPECT_TRUE(turns[3].starts_with("-ERR A command has 255 octets at most\r\n"));
}

TEST_F(Pop3Authorization, RefusesLinesThatEndInAnythingButCrLf) {
  const Turns turns = Talk({"CAPA\n\r\n", "CA\rPA\r\n", std::string("CA\0PA\r\n", 7)});
  for (size_t i = 1; i <= 3; ++i)
    EXPECT_TRUE(turns[i].starts_with("-ERR A line ends in CRLF")) << turns[i];
}

TEST_F(Pop3Authorization, SaysNothingWhenNothingComesInTime) {
  const Turns turns = Play(
      {{.bytes = "CAPA\r\n", .after = minutes(9)}, {.bytes = "QUIT\r\n", .after = minutes(11)}});
  ASSERT_EQ(turns.size(), 3u);
  EXPECT_EQ(turns[0], kGreeting);
  EXPECT_TRUE(turns[1].starts_with("+OK Capability"));
  EXPECT_EQ(turns[2], "");
  EXPECT_EQ(metrics().ends_timeout.value(), 1u);
}

TEST_F(Pop3Authorization, EndsAtShutdown) {
  shared().stopping = true;
  EXPECT_EQ(TalkWhole({"CAPA\r\n"}), kGreeting);
  EXPECT_EQ(metrics().ends_shutdown.value(), 1u);
}

TEST_F(Pop3Authorization, BeginsTlsAndForgetsNothingOfItsState) {
  listener.tls = ListenerTls::kStartTls;
  listener.plaintext = session::SaslPlaintext::kEncryptedOnly;
  // The scripted stream asks for nothing of it but that there is one.
  options.tls = std::shared_ptr<const io::TlsContext>(reinterpret_cast<const io::TlsContext*>(this),
                                                      [](const io::TlsContext*) {});
  const Turns turns = Talk({"CAPA\r\n", "STLS\r\n"});
  EXPECT_NE(turns[1].find("STLS\r\n"), std::string::npos);
  EXPECT_EQ(turns[2], "+OK Begin\r\n");
  EXPECT_EQ(metrics().tls_failed.value(), 1u);
  EXPECT_NE(log().find("event=tls_failed"), std::string::npos);
}

TEST_F(Pop3Authorization, RefusesStlsWhereItIsNotOfferedAndAfterUtf8) {
  EXPECT_EQ(Talk({"STLS\r\n"})[1], "-ERR TLS is not offered here\r\n");
  listener.tls = ListenerTls::kStartTls;
  EXPECT_EQ(Talk({"STLS\r\n"})[1], "-ERR TLS is not offered here\r\n");
  options.tls = std::shared_ptr<const io::TlsContext>(reinterpret_cast<const io::TlsContext*>(this),
                                                      [](const io::TlsContext*) {});
  EXPECT_EQ(Talk({"UTF8\r\n", "STLS\r\n"})[2], "-ERR STLS comes before UTF8\r\n");
}

TEST_F(Pop3Authorization, RunsNothingThatCameBehindStlsInTheClear) {
  listener.tls = ListenerTls::kStartTls;
  options.tls = std::shared_ptr<const io::TlsContext>(reinterpret_cast<const io::TlsContext*>(this),
                                                      [](const io::TlsContext*) {});
  const Turns turns = Talk({"STLS\r\nCAPA\r\n", "CAPA\r\n"});
  EXPECT_EQ(turns.size(), 2u);
  EXPECT_EQ(turns[1], "-ERR Something came behind STLS in the clear\r\n");
}

TEST_F(Pop3Authorization, SendsAwayWhoComesToAnImplicitListenerWithoutACertificate) {
  listener.tls = ListenerTls::kImplicit;
  EXPECT_EQ(TalkWhole({"CAPA\r\n"}), "");
  EXPECT_EQ(metrics().tls_failed.value(), 1u);
}

TEST_F(Pop3Authorization, SpeaksEnglishAndSaysSo) {
  const Turns turns = Talk(
      {"LANG\r\n", "LANG *\r\n", "LANG EN\r\n", "LANG de\r\n", std::string(kLogin), "LANG\r\n"});
  EXPECT_EQ(turns[1], "+OK Languages follow\r\nen English\r\n.\r\n");
  EXPECT_EQ(turns[2], "+OK en English it is\r\n");
  EXPECT_EQ(turns[3], turns[2]);
  EXPECT_TRUE(turns[4].starts_with("-ERR ")) << turns[4];
  EXPECT_EQ(turns[6], turns[1]);
}

TEST_F(Pop3Authorization, GoesOnOnTheShardOfTheAccountWithAllThatWasSentAhead) {
  house.Deliver("ann", Letter("one", 1));
  house.home = ShardIndex(3);
  (void)Play({{.bytes = "UTF8\r\nUSER ann\r\nPASS secret word\r\nSTAT\r\nDE"},
              {.bytes = "LE 1\r\nQUIT\r\n"}});
  std::optional<io::StillMove> move = io::TakeStillMove();
  ASSERT_TRUE(move);
  EXPECT_EQ(move->to, ShardIndex(3));
  EXPECT_EQ(move->place, kMovePlace);
  EXPECT_TRUE(static_cast<Baggage&>(*move->state).utf8);
  EXPECT_EQ(metrics().moved.value(), 1u);
  house.home = ShardIndex(0);
  const Turns turns = GoOn(*std::move(move));
  ASSERT_EQ(turns.size(), 2u);
  EXPECT_TRUE(turns[0].ends_with("+OK 1 messages (47 octets)\r\n+OK 1 47\r\n")) << turns[0];
  EXPECT_EQ(turns[1], "+OK Message 1 is deleted\r\n+OK 1 messages deleted, goodbye\r\n");
  EXPECT_EQ(house.messages("ann"), 0u);
}

TEST_F(Pop3Authorization, SaysThatItsShardIsFullAndGoesOn) {
  house.home = ShardIndex(3);
  io::RefuseStillMoves(true);
  const Turns turns = Talk({std::string(kLogin), "STAT\r\n", "QUIT\r\n"});
  EXPECT_EQ(turns[1],
            "+OK Now the password\r\n"
            "-ERR [SYS/TEMP] Your maildrop cannot take another session at present\r\n");
  EXPECT_EQ(turns[2], "-ERR Log in first\r\n");
  EXPECT_EQ(turns[3], "+OK Goodbye\r\n");
  EXPECT_EQ(metrics().move_refused.value(), 1u);
}

TEST_F(Pop3Authorization, StaysInAuthorizationOnTheShardWhereTheMaildropIsInUse) {
  house.home = ShardIndex(3);
  (void)Talk({std::string(kLogin), std::string(kLogin), "STAT\r\n"});
  std::optional<io::StillMove> move = io::TakeStillMove();
  ASSERT_TRUE(move);
  house.home = ShardIndex(0);
  Turns turns;
  {
    auto lock =
        std::make_unique<MaildropLocks::Lock>(shared().locks.Take(house.resident("ann").id));
    turns = GoOn(*std::move(move));
  }
  EXPECT_TRUE(turns[0].ends_with("-ERR [IN-USE] Another session has the maildrop\r\n"));
  EXPECT_TRUE(turns[1].ends_with("-ERR [IN-USE] Another session has the maildrop\r\n"));
  EXPECT_EQ(turns[2], "-ERR Log in first\r\n");
}

}  // namespace
}  // namespace ringmail::pop3
