// AUTH within a session: what no conversation in a file can show.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "protocol/smtp/limits.h"
#include "protocol/smtp/replies.h"
#include "protocol/smtp/session.h"
#include "tests/support/one_account.h"
#include "tests/unit/protocol/smtp/conversation.h"

namespace ringmail::smtp {
namespace {

using Turns = std::vector<std::string>;

constexpr std::string_view kPlain = "AGJvYkBleGFtcGxlLm9yZwBzZWNyZXQ=";  // bob, "secret"

class SmtpAuth : public testing::Test, public Conversation {
 public:
  SmtpAuth() {
    options.authenticator = &account;
    listener.auth = ListenerAuth::kAlways;
    listener.protocol = ListenerProtocol::kSubmission;
  }
  OneAccount account;
};

std::string Plain() { return "AUTH PLAIN " + std::string(kPlain) + "\r\n"; }

TEST_F(SmtpAuth, TheDoorIsToldForWhomAMessageIs) {
  const Turns turns = Talk({"EHLO c.example\r\n", Plain(), "MAIL FROM:<bob@example.org>\r\n",
                            "RCPT TO:<c@d>\r\n", "DATA\r\n", "x\r\n.\r\n"});
  EXPECT_EQ(turns[2], kAuthDone);
  ASSERT_EQ(door().messages.size(), 1u);
  EXPECT_EQ(door().messages[0].with_protocol, "ESMTPA");
  EXPECT_EQ(door().messages[0].account, "bob@example.org");
  EXPECT_EQ(metrics().auth_accepted.value(), 1u);
  EXPECT_NE(log().find("event=authenticated"), std::string::npos);
}

TEST_F(SmtpAuth, LmtpHasItsOwnNamesInTheTraceField) {
  listener.protocol = ListenerProtocol::kLmtp;
  const std::vector<std::string> message = {"MAIL FROM:<bob@example.org>\r\n", "RCPT TO:<c@d>\r\n",
                                            "DATA\r\n", "x\r\n.\r\n"};
  std::vector<std::string> script = {"LHLO c.example\r\n"};
  script.insert(script.end(), message.begin(), message.end());
  script.push_back(Plain());
  script.insert(script.end(), message.begin(), message.end());
  script.push_back("MAIL FROM:<bob@example.org> SMTPUTF8\r\n");
  script.insert(script.end(), message.begin() + 1, message.end());
  (void)Talk(script);
  ASSERT_EQ(door().messages.size(), 3u);
  EXPECT_EQ(door().messages[0].with_protocol, "LMTP");
  EXPECT_EQ(door().messages[1].with_protocol, "LMTPA");
  EXPECT_EQ(door().messages[2].with_protocol, "UTF8LMTPA");
}

TEST_F(SmtpAuth, NoSecretReachesTheLog) {
  (void)Talk({"EHLO c\r\n", "AUTH PLAIN " + std::string(kPlain) + " x\r\n",
              "AUTH NONE " + std::string(kPlain) + "\r\n",
              "auth  plain " + std::string(kPlain).substr(1) + "\r\n", "AUTH LOGIN\r\n", "Ym9i\r\n",
              "c2VjcmV0\r\n", "AUTH PLAIN\r\n", std::string(kPlain).substr(4) + "\r\n"});
  EXPECT_GE(metrics().replies_permanent.value(), 5u);
  EXPECT_NE(log().find("event=refused"), std::string::npos);
  for (const std::string_view secret : {"AGJv", "GJvY", "c2VjcmV0", "secret", "ZWNyZXQ"})
    EXPECT_EQ(log().find(secret), std::string::npos) << log();
}

TEST_F(SmtpAuth, ScramProvesBothSides) {
  session::SaslClientOptions options;
  options.authentication_id = "bob@example.org";
  options.password.Set("secret");
  options.nonce = "client-nonce";
  const auto client = session::SaslClient::Make(session::SaslMechanism::kScramSha256, options);
  const std::string first = *client->InitialResponse();
  // The script is fixed, so the challenges are those that the fixed nonces make.
  const std::vector<std::string> opening = {
      "EHLO c\r\n", "AUTH SCRAM-SHA-256 " + session::EncodeSasl(first) + "\r\n"};
  const auto challenge = [](const std::string& turn) {
    EXPECT_TRUE(turn.starts_with("334 ")) << turn;
    std::string octets;
    (void)session::DecodeSaslResponse(std::string_view(turn).substr(4, turn.size() - 6), octets);
    return octets;
  };
  const auto final_response = client->Respond(challenge(Talk(opening)[2]));
  ASSERT_TRUE(final_response);
  std::vector<std::string> whole = opening;
  whole.push_back(session::EncodeSasl(*final_response) + "\r\n");
  const Turns shown = Talk(whole);
  ASSERT_TRUE(client->Respond(challenge(shown[3])));
  EXPECT_TRUE(client->success_is_proved());
  whole.push_back("\r\n");
  EXPECT_EQ(Talk(whole)[4], kAuthDone);
}

TEST_F(SmtpAuth, WhatCannotBeCheckedNowIsNoFaultOfTheClient) {
  account.available = false;
  const Turns turns = Talk({"EHLO c\r\n", Plain(), "MAIL FROM:<bob@example.org>\r\n"});
  EXPECT_EQ(turns[2], kAuthUnavailable);
  EXPECT_EQ(turns[3], kAuthRequired);
  EXPECT_EQ(metrics().auth_unavailable.value(), 1u);
}

TEST_F(SmtpAuth, ALineOfTheLimitIsReadAndOneOctetMoreIsNot) {
  const std::string most(kAuthResponseBytesMax - 2, 'A');  // whole groups of base64
  static_assert((kAuthResponseBytesMax - 2) % 4 == 0);
  const Turns turns =
      Talk({"EHLO c\r\n", "AUTH PLAIN " + most + "\r\n", "AUTH PLAIN " + most + "AAA\r\n",
            "AUTH PLAIN\r\n", most + "\r\n", "AUTH PLAIN\r\n", most + "AAA\r\n", "NOOP\r\n"});
  EXPECT_EQ(turns[2], kAuthMalformed);
  EXPECT_EQ(turns[3], kAuthTooLong);
  EXPECT_EQ(turns[5], kAuthMalformed);
  EXPECT_EQ(turns[7], kAuthTooLong);
  EXPECT_EQ(turns[8], kOk);
}

TEST_F(SmtpAuth, OtherCommandsKeepTheirOwnLimit) {
  const Turns turns = Talk({"NOOP " + std::string(kCommandLineBytesMax - 2 - 5, 'x') + "\r\n",
                            "NOOP " + std::string(kCommandLineBytesMax - 2 - 4, 'x') + "\r\n",
                            std::string(kCommandLineBytesMax, 'x') + "\r\n"});
  EXPECT_EQ(turns[1], kOk);
  EXPECT_EQ(turns[2], kLineTooLong);
  EXPECT_EQ(turns[3], kLineTooLong);
}

TEST_F(SmtpAuth, AnExchangeHasTheDeadlineOfACommand) {
  const Turns turns = Play({{.bytes = "EHLO c\r\n"},
                            {.bytes = "AUTH PLAIN\r\n"},
                            {.bytes = "AA", .after = std::chrono::seconds(200)},
                            {.bytes = "==\r\n", .after = std::chrono::seconds(200)}});
  EXPECT_TRUE(turns.back().starts_with("421 4.4.2 ")) << turns.back();
  EXPECT_EQ(metrics().ends_timeout.value(), 1u);
}

TEST_F(SmtpAuth, AClientThatLeavesInTheMiddleIsGone) {
  (void)Talk({"EHLO c\r\n", "AUTH PLAIN\r\n", "AA"});
  EXPECT_EQ(metrics().ends_lost.value(), 1u);
  EXPECT_EQ(metrics().auth_given_up.value() + metrics().auth_refused.value(), 0u);
}

TEST_F(SmtpAuth, ErrorsOfAuthenticationAreErrors) {
  options.errors_max = 3;
  const Turns turns =
      Talk({"EHLO c\r\n", "AUTH PLAIN AAA=\r\n", "AUTH PLAIN AAA=\r\n", "AUTH PLAIN AAA=\r\n"});
  EXPECT_EQ(turns[4], std::string(kAuthRefused) + "421 4.7.0 mx.example.org Too many errors\r\n");
}

TEST_F(SmtpAuth, APipelinedResponseIsTheResponse) {
  const Turns turns = Talk({"EHLO c\r\n", "AUTH PLAIN\r\n" + std::string(kPlain) + "\r\nNOOP\r\n"});
  EXPECT_EQ(turns[2], "334 \r\n" + std::string(kAuthDone) + std::string(kOk));
}

TEST_F(SmtpAuth, WithoutAnybodyToAskItIsNotOffered) {
  options.authenticator = nullptr;
  const Turns turns = Talk({"EHLO c\r\n", Plain(), "MAIL FROM:<a@b>\r\n"});
  EXPECT_EQ(turns[1].find("AUTH"), std::string::npos);
  EXPECT_EQ(turns[2], kAuthNotOffered);
  EXPECT_EQ(turns[3], kAuthRequired);
}

TEST_F(SmtpAuth, InTheClearWhereItIsForTlsItIsNotEvenTried) {
  listener.auth = ListenerAuth::kEncrypted;
  const Turns turns = Talk({"EHLO c\r\n", Plain(), "AUTH NONSENSE\r\n"});
  EXPECT_EQ(turns[1].find("AUTH"), std::string::npos);
  EXPECT_EQ(turns[2], kAuthNeedsTls);
  EXPECT_EQ(turns[3], kAuthNeedsTls);
}

}  // namespace
}  // namespace ringmail::smtp
