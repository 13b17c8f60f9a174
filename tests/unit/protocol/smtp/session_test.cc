// A session's commands and their order, its replies, limits and ends.
#include "protocol/smtp/session.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "protocol/smtp/limits.h"
#include "protocol/smtp/replies.h"
#include "tests/unit/protocol/smtp/conversation.h"

namespace ringmail::smtp {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Turns = std::vector<std::string>;

class SmtpSession : public testing::Test, public Conversation {};

TEST_F(SmtpSession, TakesAMessageTypedByHand) {
  const Turns turns =
      Talk({"helo client.example\r\n", "mail from:<a@b.example>\r\n", "rcpt to:<c@d.example>\r\n",
            "data\r\n", "Subject: x\r\n", "\r\nbody\r\n", ".\r\n", "quit\r\n"});
  EXPECT_EQ(turns, (Turns{std::string(kGreeting), "250 mx.example.org\r\n", "250 2.1.0 OK\r\n",
                          "250 2.1.5 OK\r\n", std::string(kSendContent), "", "",
                          "250 2.0.0 queued\r\n", std::string(kBye)}));
  ASSERT_EQ(door().messages.size(), 1u);
  const RecordedMessage& message = door().messages[0];
  EXPECT_EQ(message.reverse_path, "a@b.example");
  EXPECT_EQ(message.recipients.at(0).path, "c@d.example");
  EXPECT_EQ(message.content, "Subject: x\r\n\r\nbody\r\n");
  EXPECT_EQ(message.helo, "client.example");
  EXPECT_EQ(message.with_protocol, "SMTP");
  EXPECT_EQ(message.client, *IpAddress::Parse("192.0.2.7"));
}

TEST_F(SmtpSession, AnswersAGroupOfCommandsInOneTurn) {
  const Turns turns =
      Talk({"EHLO c.example\r\n",
            "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<x@refused.example>\r\nDATA\r\n",
            "x\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<e@f>\r\nDATA\r\n", "y\r\n.\r\nQUIT\r\n"});
  ASSERT_EQ(turns.size(), 5u);
  EXPECT_EQ(turns[2], "250 2.1.0 OK\r\n250 2.1.5 OK\r\n550 5.7.1 no relaying\r\n" +
                          std::string(kSendContent));
  EXPECT_EQ(turns[3],
            "250 2.0.0 queued\r\n250 2.1.0 OK\r\n250 2.1.5 OK\r\n" + std::string(kSendContent));
  EXPECT_EQ(turns[4], "250 2.0.0 queued\r\n" + std::string(kBye));
  ASSERT_EQ(door().messages.size(), 2u);
  EXPECT_EQ(door().messages[1].with_protocol, "ESMTP");
}

TEST_F(SmtpSession, KeepsWhatMailAndRcptSaidBesideThePaths) {
  (void)Talk({"EHLO c\r\n",
              "MAIL FROM:<j\u00f6@b> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=e1\r\n"
              "RCPT TO:<c@d> NOTIFY=FAILURE ORCPT=rfc822;z@d\r\nDATA\r\n",
              "x\r\n.\r\n"});
  ASSERT_EQ(door().messages.size(), 1u);
  const RecordedMessage& message = door().messages[0];
  EXPECT_EQ(message.parameters.body, message::BodyType::k8BitMime);
  EXPECT_EQ(message.parameters.declared_bytes, 10u);
  EXPECT_EQ(message.parameters.dsn_return, message::DsnReturn::kFull);
  EXPECT_EQ(message.parameters.envelope_id, "e1");
  EXPECT_TRUE(message.parameters.smtp_utf8);
  EXPECT_EQ(message.with_protocol, "UTF8SMTP");
  EXPECT_EQ(message.recipients.at(0).notify, message::kNotifyFailure);
  EXPECT_EQ(message.recipients.at(0).original_recipient, "rfc822;z@d");
}

TEST_F(SmtpSession, HoldsCommandsToTheirOrder) {
  const Turns turns =
      Talk({"MAIL FROM:<a@b>\r\n", "DATA\r\n", "HELO c\r\n", "RCPT TO:<c@d>\r\n", "DATA\r\n",
            "MAIL FROM:<a@b>\r\n", "MAIL FROM:<a@b>\r\n", "DATA\r\n",
            "RCPT TO:<x@refused.example>\r\n", "DATA\r\n", "RSET\r\n", "RCPT TO:<c@d>\r\n"});
  EXPECT_EQ(turns[1], "503 5.5.1 Say EHLO (LMTP: LHLO) and your host name first\r\n");
  EXPECT_EQ(turns[2], turns[1]);
  EXPECT_EQ(turns[4], kMailFirst);
  EXPECT_EQ(turns[5], kMailFirst);
  EXPECT_EQ(turns[6], "250 2.1.0 OK\r\n");
  EXPECT_EQ(turns[7], "503 5.5.1 A message is begun already: RSET gives it up\r\n");
  EXPECT_EQ(turns[8], kRecipientFirst);
  EXPECT_EQ(turns[10], kNoRecipients);
  EXPECT_EQ(turns[11], kOk);
  EXPECT_EQ(turns[12], kMailFirst);
}

TEST_F(SmtpSession, AnswersTheCommandsThatAreAlwaysAllowedBeforeHello) {
  const Turns turns = Talk({"NOOP x\r\n", "RSET\r\n", "VRFY a\r\n", "EXPN l\r\n", "HELP\r\n",
                            "HELP data\r\n", "HELP me\r\n", "VRFY\r\n", "EXPN\r\n", "QUIT\r\n"});
  EXPECT_EQ(turns[1], kOk);
  EXPECT_EQ(turns[2], kOk);
  EXPECT_EQ(turns[3], kVerifyLater);
  EXPECT_EQ(turns[4], kNotExpanded);
  EXPECT_TRUE(turns[5].starts_with("214-2.0.0 mx.example.org"));
  EXPECT_EQ(turns[6],
            "214-2.0.0 DATA\r\n214 2.0.0 Then the message; a line with only a dot ends it. (RFC "
            "5321 4.1.1.4)\r\n");
  EXPECT_TRUE(turns[7].starts_with("504 5.5.4 "));
  EXPECT_EQ(turns[8], kVrfySyntax);
  EXPECT_EQ(turns[9], kExpnSyntax);
  EXPECT_EQ(turns[10], kBye);
}

TEST_F(SmtpSession, RefusesArgumentsWhereThereAreNone) {
  const Turns turns = Talk({"EHLO c\r\n", "RSET x\r\n", "QUIT now\r\n", "MAIL FROM:<a@b>\r\n",
                            "RCPT TO:<c@d>\r\n", "DATA x\r\n", "QUIT\r\n"});
  EXPECT_EQ(turns[2], kNoArgument);
  EXPECT_EQ(turns[3], kNoArgument);
  EXPECT_EQ(turns[6], kNoArgument);
}

TEST_F(SmtpSession, SaysWhatIsWrongWithAPath) {
  const Turns turns =
      Talk({"EHLO c\r\n", "MAIL a@b\r\n", "MAIL FROM:a@b\r\n", "MAIL FROM: <a@b>\r\n",
            "MAIL FROM:<j\u00f6@b>\r\n", "MAIL FROM:<" + std::string(65, 'x') + "@b>\r\n",
            "MAIL FROM:<a@b> AUTH=<>\r\n", "MAIL FROM:<a@b>\r\n", "RCPT c@d\r\n", "RCPT TO:<>\r\n",
            "RCPT TO: <c@d>\r\n", "RCPT TO:<c@[1.2.3]>\r\n", "RCPT TO:<\u00f6@d>\r\n",
            "RCPT TO:<c@d> X=1\r\n"});
  EXPECT_EQ(turns[2], kMailSyntax);
  EXPECT_EQ(turns[3], "501 5.1.7 That is no address; say <local-part@domain>, or <> for none\r\n");
  EXPECT_EQ(turns[4], kMailSyntax);
  EXPECT_TRUE(turns[5].starts_with("553 5.6.7 ")) << turns[5];
  EXPECT_EQ(turns[6], "501 5.1.7 The local part is over 64 octets\r\n");
  EXPECT_EQ(turns[7], "555 5.5.4 Parameter not recognized: AUTH\r\n");
  EXPECT_EQ(turns[9], kRcptSyntax);
  EXPECT_TRUE(turns[10].starts_with("501 5.1.3 ")) << turns[10];
  EXPECT_EQ(turns[11], kRcptSyntax);
  EXPECT_TRUE(turns[12].starts_with("501 5.1.3 ")) << turns[12];
  EXPECT_TRUE(turns[13].starts_with("553 5.6.7 ")) << turns[13];
  EXPECT_EQ(turns[14], "555 5.5.4 Parameter not recognized: X=1\r\n");
}

TEST_F(SmtpSession, TakesPostmasterQuotedLocalPartsLiteralsAndSourceRoutes) {
  const Turns turns = Talk({"EHLO [192.0.2.7]\r\n", "MAIL FROM:<\"a b\"@[IPv6:2001:db8::1]>\r\n",
                            "RCPT TO:<Postmaster>\r\n", "RCPT TO:<@hop.example:c@d.example>\r\n",
                            "RCPT TO:<\"x\\\"y\"@d.example>\r\n", "DATA\r\n", ".\r\n"});
  ASSERT_EQ(door().messages.size(), 1u);
  EXPECT_EQ(door().messages[0].reverse_path, "\"a b\"@[IPv6:2001:db8::1]");
  EXPECT_EQ(door().messages[0].recipients.at(1).path, "c@d.example");
  EXPECT_EQ(door().messages[0].recipients.size(), 3u);
  EXPECT_EQ(door().messages[0].content, "");
}

TEST_F(SmtpSession, OffersNoParametersToThoseWhoSaidHelo) {
  const Turns turns = Talk({"HELO c\r\n", "MAIL FROM:<a@b> SIZE=1\r\n", "MAIL FROM:<a@b>\r\n"});
  EXPECT_EQ(turns[2], kParametersNeedEhlo);
  EXPECT_EQ(turns[3], "250 2.1.0 OK\r\n");
}

TEST_F(SmtpSession, EndsTheTransactionAtASecondEhlo) {
  const Turns turns =
      Talk({"EHLO c\r\n", "MAIL FROM:<a@b>\r\n", "EHLO c\r\n", "RCPT TO:<c@d>\r\n"});
  EXPECT_EQ(turns[4], kMailFirst);
}

TEST_F(SmtpSession, RefusesWhatWasSentPastData) {
  const Turns turns =
      Talk({"EHLO c\r\n", "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nMAIL FROM:<evil@b>\r\n",
            "RCPT TO:<c@d>\r\n"});
  ASSERT_EQ(turns.size(), 3u);
  EXPECT_EQ(turns[2], "250 2.1.0 OK\r\n250 2.1.5 OK\r\n" + std::string(kPipelinedPast));
  EXPECT_EQ(door().messages.size(), 0u);
  EXPECT_EQ(metrics().ends_unsynchronized.value(), 1u);
}

TEST_F(SmtpSession, NeverTakesContentForCommandsWhereDataWasOutOfOrder) {
  const Turns turns = Talk({"EHLO c\r\n", "DATA\r\nMAIL FROM:<evil@b>\r\n"});
  ASSERT_EQ(turns.size(), 3u);
  EXPECT_EQ(turns[2], kPipelinedPast);
}

TEST_F(SmtpSession, RefusesWhatWasSentPastEhlo) {
  const Turns turns = Talk({"EHLO c\r\nMAIL FROM:<a@b>\r\n"});
  ASSERT_EQ(turns.size(), 2u);
  EXPECT_EQ(turns[1], kPipelinedPast);
}

TEST_F(SmtpSession, RefusesLinesThatDoNotEndInCrlf) {
  const Turns turns = Talk({"NOOP\n", "NO\rOP\r\n", std::string("NO\0OP\r\n", 7), "NOOP\r\n"});
  EXPECT_EQ(turns[1], kLineBareNewline);
  EXPECT_EQ(turns[2], kLineBareNewline);
  EXPECT_EQ(turns[3], kLineNul);
  EXPECT_EQ(turns[4], kOk);
}

TEST_F(SmtpSession, NeverRunsACommandBehindABareLineEnd) {
  (void)Talk({"EHLO c\r\n", "NOOP\nMAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\n", "x\r\n.\r\n"});
  EXPECT_EQ(door().begun, 0u);
}

TEST_F(SmtpSession, TakesALineAtTheLimitAndRefusesOneLonger) {
  const std::string at_max = "NOOP " + std::string(kCommandLineBytesMax - 7, 'x') + "\r\n";
  ASSERT_EQ(at_max.size(), kCommandLineBytesMax);
  const Turns turns = Talk({at_max, "NOOP x" + at_max.substr(5), "NOOP\r\n"});
  EXPECT_EQ(turns[1], kOk);
  EXPECT_EQ(turns[2], kLineTooLong);
  EXPECT_EQ(turns[3], kOk);
}

TEST_F(SmtpSession, ReadsCommandsThatArriveAByteAtATime) {
  std::vector<std::string> pieces;
  for (const char c : std::string("EHLO c\r\n")) pieces.emplace_back(1, c);
  for (const char c : std::string("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"))
    pieces.emplace_back(1, c);
  for (const char c : std::string("..x\r\n.\r\n")) pieces.emplace_back(1, c);
  (void)Talk(pieces);
  ASSERT_EQ(door().messages.size(), 1u);
  EXPECT_EQ(door().messages[0].content, ".x\r\n");
  EXPECT_EQ(door().messages[0].dot_lines, (std::vector<size_t>{0}));
}

TEST_F(SmtpSession, WaitsFiveMinutesForAWholeLineHoweverItDrips) {
  std::vector<io::Happening> script;
  script.push_back({.bytes = "N", .after = minutes(3)});
  script.push_back({.bytes = "O", .after = minutes(3)});
  const Turns turns = Play(std::move(script));
  EXPECT_EQ(turns.back(), "421 4.4.2 mx.example.org Waited too long for a command\r\n");
  EXPECT_EQ(metrics().ends_timeout.value(), 1u);
}

TEST_F(SmtpSession, WaitsFourMinutesAndFiftyNineSecondsWithoutComplaint) {
  std::vector<io::Happening> script;
  for (int i = 0; i < 3; ++i) script.push_back({.bytes = "NOOP\r\n", .after = seconds(299)});
  const Turns turns = Play(std::move(script));
  EXPECT_EQ(turns[3], kOk);
  EXPECT_EQ(metrics().ends_lost.value(), 1u);
}

TEST_F(SmtpSession, TurnsAwayWhoSpeaksBeforeTheGreeting) {
  listener.greeting_delay = seconds(2);
  std::vector<io::Happening> script;
  script.push_back({.bytes = "EHLO c\r\n", .after = seconds(1)});
  const Turns turns = Play(std::move(script));
  EXPECT_EQ(turns.back(), "554 mx.example.org You spoke before the greeting\r\n");
}

TEST_F(SmtpSession, GreetsWhoWaited) {
  listener.greeting_delay = seconds(2);
  std::vector<io::Happening> script;
  script.push_back({.bytes = "EHLO c\r\n", .after = seconds(3)});
  script.push_back({.bytes = "QUIT\r\n"});
  const Turns turns = Play(std::move(script));
  EXPECT_EQ(turns[1], kGreeting);
  EXPECT_EQ(turns.back(), kBye);
}

TEST_F(SmtpSession, EndsAfterTheLastErrorThatIsAllowed) {
  options.errors_max = 3;
  const Turns turns = Talk({"FOO\r\n", "BAR\r\n", "BAZ\r\n", "NOOP\r\n"});
  ASSERT_EQ(turns.size(), 4u);
  EXPECT_EQ(turns[2], kUnknownCommand);
  EXPECT_EQ(turns[3],
            std::string(kUnknownCommand) + "421 4.7.0 mx.example.org Too many errors\r\n");
}

TEST_F(SmtpSession, ForgivesErrorsAfterAMessage) {
  options.errors_max = 2;
  const Turns turns = Talk({"EHLO c\r\n", "FOO\r\n", "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n",
                            "x\r\n.\r\n", "FOO\r\n", "NOOP\r\n"});
  EXPECT_EQ(turns[6], kOk);
}

TEST_F(SmtpSession, CountsRefusedRecipientsByThemselves) {
  options.errors_max = 1;
  options.refused_recipients_max = 3;
  const Turns turns = Talk({"EHLO c\r\n", "MAIL FROM:<a@b>\r\n", "RCPT TO:<x@refused.example>\r\n",
                            "RCPT TO:<x@later.example>\r\n", "RCPT TO:<x@refused.example>\r\n"});
  EXPECT_EQ(turns[3], "550 5.7.1 no relaying\r\n");
  EXPECT_EQ(turns[4], "450 4.2.1 busy\r\n");
  EXPECT_EQ(
      turns[5],
      "550 5.7.1 no relaying\r\n421 4.7.0 mx.example.org Too many recipients were refused\r\n");
}

TEST_F(SmtpSession, AsksForARecipientBeforeItTakesOneAndAnswersInOrder) {
  const Turns turns =
      Talk({"EHLO c\r\n",
            "MAIL FROM:<a@b>\r\nRCPT TO:<c@asked.example>\r\n"
            "RCPT TO:<x@refused.example>\r\nRCPT TO:<d@asked.example> NOTIFY=NEVER\r\n"
            "DATA\r\n",
            "x\r\n.\r\n"});
  EXPECT_EQ(turns[2], "250 2.1.0 OK\r\n250 2.1.5 OK\r\n550 5.7.1 no relaying\r\n250 2.1.5 OK\r\n" +
                          std::string(kSendContent));
  ASSERT_EQ(door().messages.size(), 1u);
  ASSERT_EQ(door().messages[0].recipients.size(), 2u);
  EXPECT_EQ(door().messages[0].recipients[1].path, "d@asked.example");
  EXPECT_EQ(door().messages[0].recipients[1].notify, message::kNotifyNever);
}

TEST_F(SmtpSession, EndsASessionThatOnlyKeepsTheLineBusy) {
  options.idle_commands_max = 3;
  const Turns turns = Talk({"NOOP\r\n", "NOOP\r\n", "NOOP\r\n", "NOOP\r\n"});
  EXPECT_EQ(turns[4],
            "250 2.0.0 OK\r\n421 4.7.0 mx.example.org Too many commands without a message\r\n");
}

TEST_F(SmtpSession, SaysTheLimitOnTransactionsAndHoldsToIt) {
  options.transactions_max = 1;
  const Turns turns =
      Talk({"EHLO c\r\n", "MAIL FROM:<a@b>\r\n", "RSET\r\n", "MAIL FROM:<a@b>\r\n"});
  EXPECT_NE(turns[1].find("LIMITS MAILMAX=1 "), std::string::npos);
  EXPECT_EQ(turns[2], "250 2.1.0 OK\r\n");
  EXPECT_TRUE(turns[4].starts_with("421 4.7.0 mx.example.org Enough")) << turns[4];
}

TEST_F(SmtpSession, TakesAsManyRecipientsAsItSaysAndNotOneMore) {
  limits.recipients_max = 100;
  std::string group = "MAIL FROM:<a@b>\r\n";
  for (int i = 0; i < 101; ++i) group += "RCPT TO:<c@d>\r\n";
  const Turns turns = Talk({"EHLO c\r\n", group});
  EXPECT_NE(turns[2].find("452 4.5.3 "), std::string::npos);
  EXPECT_EQ(turns[2].find("452 4.5.3 "),
            turns[2].size() - std::string("452 4.5.3 too many\r\n").size());
}

TEST_F(SmtpSession, ClosesOnHttp) {
  const Turns turns = Talk({"POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@b>\r\n"});
  ASSERT_EQ(turns.size(), 2u);
  EXPECT_EQ(turns[1], "421 4.7.0 mx.example.org This is SMTP, not HTTP\r\n");
}

TEST_F(SmtpSession, RefusesADeclaredSizeThatIsTooLarge) {
  limits.message_bytes_max = 1000;
  const Turns turns = Talk({"EHLO c\r\n", "MAIL FROM:<a@b> SIZE=1001\r\n", "RCPT TO:<c@d>\r\n",
                            "MAIL FROM:<a@b> SIZE=1000\r\n"});
  EXPECT_EQ(turns[2], "552 5.3.4 too large\r\n");
  EXPECT_EQ(turns[3], kMailFirst);
  EXPECT_EQ(turns[4], "250 2.1.0 OK\r\n");
}

TEST_F(SmtpSession, EndsWithoutAWordToAPeerThatIsGone) {
  std::vector<io::Happening> script;
  script.push_back({.bytes = "EHLO c\r\n"});
  script.push_back({.bytes = "QU"});
  script.push_back({.status = io::StreamStatus::kFailed});
  EXPECT_EQ(Play(std::move(script)).back(), "");
  EXPECT_EQ(metrics().ends_lost.value(), 1u);
}

TEST_F(SmtpSession, GivesUpTheMessageThatAPeerLeavesUnfinished) {
  (void)Talk({"EHLO c\r\n", "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", "half of i"});
  EXPECT_EQ(door().messages.size(), 0u);
  EXPECT_EQ(door().ended, 1u);
}

TEST_F(SmtpSession, WritesOneLineForEachThingThatHappens) {
  (void)Talk({"EHLO c.example\r\n", "FOO \"bar\r\n", "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n",
              "xyz\r\n.\r\n", "QUIT\r\n"});
  EXPECT_NE(log().find("event=connect listener=smtp client=192.0.2.7\n"), std::string::npos)
      << log();
  EXPECT_NE(log().find("event=refused listener=smtp client=192.0.2.7 helo=c.example command=\"FOO "
                       "\\\"bar\" reply=\"500 "),
            std::string::npos)
      << log();
  EXPECT_NE(log().find("from=a@b recipients=1 bytes=5 client=192.0.2.7 helo=c.example "
                       "protocol=ESMTP listener=smtp\n"),
            std::string::npos)
      << log();
  EXPECT_NE(log().find("event=disconnect listener=smtp client=192.0.2.7 why=quit commands=6 "
                       "transactions=1 messages=1"
                       " errors=0 seconds=0.000\n"),
            std::string::npos)
      << log();
}

}  // namespace
}  // namespace ringmail::smtp
