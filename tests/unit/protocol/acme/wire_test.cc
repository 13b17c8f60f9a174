#include "protocol/acme/wire.h"

#include <gtest/gtest.h>

#include <string>

#include "protocol/acme/limits.h"
#include "protocol/acme/responder.h"
#include "ringmail/codec/base64_text.h"
#include "ringmail/codec/digest.h"
#include "ringmail/codec/signature.h"

namespace ringmail::acme {
namespace {

std::string Decoded(std::string_view text) {
  const auto octets = codec::FromBase64(text, codec::Base64Form::kUrl, codec::Base64Padding::kNone);
  EXPECT_TRUE(octets.has_value()) << text;
  return octets.value_or("");
}

TEST(AcmeWire, SignsAsRfc7515Says) {
  const std::string key = io::MakePrivateKey();
  const auto point = io::PublicPointOf(key);
  ASSERT_TRUE(point.ok());
  const Envelope envelope = MakeEnvelope("https://ca/new", "n1", "", *point, "{}");
  const std::string header = Decoded(envelope.protected_header);
  EXPECT_EQ(header, R"({"alg":"ES256","nonce":"n1","url":"https://ca/new","jwk":)" +
                        KeyObject(*point) + "}");
  EXPECT_EQ(Decoded(envelope.payload), "{}");
  const auto signature = io::SignEs256(key, envelope.SigningInput());
  ASSERT_TRUE(signature.ok());
  EXPECT_TRUE(codec::VerifyP256(
      {.x = point->x, .y = point->y},
      codec::Digest(codec::DigestKind::kSha256, {envelope.SigningInput()}).view(), *signature));
}

TEST(AcmeWire, NamesTheAccountOnceThereIsOneAndReadsWithAnEmptyPayload) {
  const auto point = io::PublicPointOf(io::MakePrivateKey());
  ASSERT_TRUE(point.ok());
  const Envelope envelope = MakeEnvelope("https://ca/o/1", "n1", "https://ca/acct/1", *point, "");
  EXPECT_EQ(Decoded(envelope.protected_header),
            R"({"alg":"ES256","nonce":"n1","url":"https://ca/o/1","kid":"https://ca/acct/1"})");
  EXPECT_EQ(envelope.payload, "");
  EXPECT_EQ(envelope.Sealed("xyz"), R"({"protected":")" + envelope.protected_header +
                                        R"(","payload":"","signature":"eHl6"})");
}

// RFC 7638 §3.2: the members in the order of their names, and no white space.
TEST(AcmeWire, MakesTheThumbprintOfTheKeyAlone) {
  const io::PublicPoint point{.x = std::string(32, '\x01'), .y = std::string(32, '\x02')};
  EXPECT_EQ(KeyObject(point),
            R"({"crv":"P-256","kty":"EC","x":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",)"
            R"("y":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI"})");
  EXPECT_EQ(Thumbprint(point).size(), 43u);
  EXPECT_EQ(KeyAuthorization("token", "thumb"), "token.thumb");
}

TEST(AcmeWire, TakesOnlyUrlsOfHttps) {
  EXPECT_TRUE(GoodUrl("https://ca.example/acme/1?x=2"));
  for (std::string_view url : {"", "http://ca/x", "https://", "https://a b/", "ftp://ca/x",
                               "https://user@ca/", "https://ca/#x", "https://ca\r\n/x"}) {
    EXPECT_FALSE(GoodUrl(url)) << url;
  }
  EXPECT_TRUE(GoodUrl("https://ca/" + std::string(kUrlBytesMax - 11, 'a')));
  EXPECT_FALSE(GoodUrl("https://ca/" + std::string(kUrlBytesMax - 10, 'a')));
}

TEST(AcmeWire, TakesOnlyNoncesOfBase64Url) {
  EXPECT_TRUE(GoodNonce("oFvnlFP1wIhRlYS2jTaXbA"));
  EXPECT_TRUE(GoodNonce(std::string(kNonceBytesMax, 'a')));
  EXPECT_FALSE(GoodNonce(std::string(kNonceBytesMax + 1, 'a')));
  for (std::string_view nonce : {"", "a=", "a b", "a\"", "a\n"}) EXPECT_FALSE(GoodNonce(nonce));
}

TEST(AcmeWire, ReadsRetryAfterAsSecondsAndAsADate) {
  const WallTime now = FromUnixSeconds(784'111'770);  // Sun, 06 Nov 1994 08:49:30 GMT
  EXPECT_EQ(ParseRetryAfter("120", now), std::chrono::seconds(120));
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:49:37 GMT", now), std::chrono::seconds(7));
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:49:00 GMT", now), std::chrono::seconds(0));
  EXPECT_EQ(ParseRetryAfter("99999999999999999999999", now), kRetryAfterMax);
  for (std::string_view wrong :
       {"", "-1", "1.5", "soon", "12 ", "infinite-past", "infinite-future"})
    EXPECT_EQ(ParseRetryAfter(wrong, now), std::nullopt) << wrong;
}

TEST(AcmeWire, ShowsNoControlOfAProblem) {
  const Problem problem =
      ParseProblem(R"({"type":"urn:ietf:params:acme:error:caa","detail":"a\u001b[1m\nb"})");
  EXPECT_EQ(problem.type, "caa");
  EXPECT_EQ(problem.detail, "a [1m b");
  EXPECT_EQ(ParseProblem("<html>").type, "");
  const Problem large =
      ParseProblem(R"({"type":"x","detail":")" + std::string(10'000, 'x') + R"("})");
  EXPECT_EQ(large.type, "");
  EXPECT_EQ(large.detail.size(), kProblemBytesMax);
}

TEST(AcmeWire, PassesOverChallengesWhoseTokenIsNone) {
  const auto authorization = ParseAuthorizationObject(
      R"({"status":"pending","identifier":{"type":"dns","value":"a.example"},"challenges":[
          {"type":"http-01","url":"https://ca/1","token":"../../etc/passwd","status":"pending"},
          {"type":"http-01","url":"https://ca/2","token":"good_-Token","status":"processing"}]})");
  ASSERT_TRUE(authorization.has_value());
  ASSERT_EQ(authorization->challenges.size(), 1u);
  EXPECT_EQ(authorization->challenges[0].token, "good_-Token");
  EXPECT_TRUE(authorization->challenges[0].begun);
}

TEST(AcmeWire, KeepsWhatItKeeps) {
  const AcmeState state{.directory_url = "https://ca/dir",
                        .account_key = io::MakePrivateKey(),
                        .account_url = "https://ca/acct/1",
                        .order_url = "https://ca/o/1",
                        .certificate_key = io::MakePrivateKey(),
                        .order_names = "a.example b.example"};
  EXPECT_EQ(DecodeState(EncodeState(state)), state);
  EXPECT_EQ(DecodeState("no JSON"), std::nullopt);
  const auto certificate = DecodeCertificate(EncodeCertificate(
      {.directory_url = "d", .certificate_pem = "c\n", .private_key_pem = "k\n"}));
  ASSERT_TRUE(certificate.has_value());
  EXPECT_EQ(certificate->certificate_pem, "c\n");
  EXPECT_EQ(certificate->private_key_pem, "k\n");
}

TEST(AcmeWire, FindsTheTokenInTheOnePathThatThereIs) {
  EXPECT_EQ(TokenOf("/.well-known/acme-challenge/abc"), "abc");
  EXPECT_EQ(TokenOf("/.well-known/acme-challenge/abc?x"), "abc");
  EXPECT_EQ(TokenOf("/.well-known/acme-challenge/"), "");
  EXPECT_EQ(TokenOf("/"), "");
}

}  // namespace
}  // namespace ringmail::acme
