#include "ringmail/session/sasl.h"

#include <gtest/gtest.h>

#include "ringmail/codec/base64_text.h"

namespace ringmail::session {
namespace {

using credential::CredentialAnswer;
using credential::CredentialVerdict;

std::string Octets(std::string_view base64) {
  return *codec::FromBase64(base64, codec::Base64Form::kFlat, codec::Base64Padding::kRequired);
}

CredentialAnswer Keys(codec::DigestKind kind, std::string_view salt) {
  CredentialAnswer answer;
  answer.verdict = CredentialVerdict::kAccepted;
  answer.account = "user";
  answer.scram_keys.push_back(credential::DeriveScramKeys(kind, "pencil", Octets(salt), 4096));
  return answer;
}

TEST(SaslTest, ScramSha1IsTheExchangeOfRfc5802) {
  SaslServerOptions options;
  options.nonce = "3rfcNHYJY1ZVvWVs7j";
  const auto server = SaslServer::Make(SaslMechanism::kScramSha1, options);
  EXPECT_EQ(server->Begin("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL").kind, SaslStepKind::kAsk);
  EXPECT_EQ(server->Answer(Keys(codec::DigestKind::kSha1, "QSXCR+Q6sek8bf92")).challenge,
            "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096");
  EXPECT_EQ(server
                ->Respond("c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
                          "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=")
                .challenge,
            "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=");
  EXPECT_EQ(server->Respond("").kind, SaslStepKind::kSuccess);
  EXPECT_EQ(server->account(), "user");
}

TEST(SaslTest, ScramSha256OfBothSidesIsTheExchangeOfRfc7677) {
  SaslServerOptions options;
  options.nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  SaslClientOptions mine;
  mine.authentication_id = "user";
  mine.password.Set("pencil");
  mine.nonce = "rOprNGfwEbeRWgbNEkqO";
  const auto server = SaslServer::Make(SaslMechanism::kScramSha256, options);
  const auto client = SaslClient::Make(SaslMechanism::kScramSha256, mine);
  EXPECT_EQ(server->Begin(*client->InitialResponse()).kind, SaslStepKind::kAsk);
  const SaslStep first =
      server->Answer(Keys(codec::DigestKind::kSha256, "W22ZaJ0SNY7soEsUEjb6gQ=="));
  const auto last = client->Respond(first.challenge);
  ASSERT_TRUE(last);
  EXPECT_TRUE(last->ends_with(",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="));
  const SaslStep verdict = server->Respond(*last);
  EXPECT_EQ(verdict.challenge, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
  EXPECT_FALSE(client->success_is_proved());
  EXPECT_EQ(client->Respond(verdict.challenge), "");
  EXPECT_TRUE(client->success_is_proved());
}

TEST(SaslTest, PlainAsksForItsPasswordAndRefusesAnotherIdentity) {
  CredentialAnswer yes;
  yes.verdict = CredentialVerdict::kAccepted;
  yes.account = "tim";
  const auto server = SaslServer::Make(SaslMechanism::kPlain, {});
  EXPECT_EQ(server->Begin(std::string_view("\0tim\0tanstaaftanstaaf", 21)).kind,
            SaslStepKind::kAsk);
  EXPECT_EQ(server->question().password.view(), "tanstaaftanstaaf");
  EXPECT_EQ(server->Answer(yes).kind, SaslStepKind::kSuccess);
  const auto other = SaslServer::Make(SaslMechanism::kPlain, {});
  EXPECT_EQ(other->Begin(std::string_view("Ursel\0tim\0xipj3plmq", 19)).kind, SaslStepKind::kAsk);
  EXPECT_EQ(other->Answer(yes).failure, SaslFailure::kRefused);
}

TEST(SaslTest, CramMd5IsTheExchangeOfRfc2195) {
  SaslServerOptions options;
  options.nonce = "1896.697170952";
  options.hostname = "postoffice.reston.mci.net";
  const auto server = SaslServer::Make(SaslMechanism::kCramMd5, options);
  EXPECT_EQ(server->Begin(std::nullopt).challenge, "<1896.697170952@postoffice.reston.mci.net>");
  EXPECT_EQ(server->Respond("tim b913a602c7eda7a495b4e6e7334d3890").kind, SaslStepKind::kAsk);
  CredentialAnswer yes;
  yes.verdict = CredentialVerdict::kAccepted;
  yes.account = "tim";
  yes.cram_md5.push_back(codec::MakeHmacMd5Contexts("tanstaaftanstaaf"));
  EXPECT_EQ(server->Answer(yes).kind, SaslStepKind::kSuccess);
}

}  // namespace
}  // namespace ringmail::session
