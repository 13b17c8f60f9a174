#include "ringmail/credential/token.h"

#include <gtest/gtest.h>

#include <string>

#include "ringmail/codec/base64_text.h"
#include "tests/support/credential/tokens.h"

namespace ringmail::credential {
namespace {

const WallTime kNow = FromUnixSeconds(1767225600 + 1800);

TokenPolicy Policy() {
  TokenPolicy policy;
  policy.issuer = "https://id.example.org";
  policy.audiences = {"other", "ringmail"};
  auto keys = TokenKeys::Parse(kKeySet);
  EXPECT_TRUE(keys.ok()) << keys.status();
  if (keys.ok()) policy.keys = *std::move(keys);
  return policy;
}

std::string Why(std::string_view token, const TokenPolicy& policy = Policy(), WallTime now = kNow) {
  const TokenResult result = VerifyToken(policy, token, now);
  EXPECT_EQ(result.accepted, result.why.empty());
  EXPECT_EQ(result.accepted, !result.account.empty());
  return result.why;
}

std::string Url(std::string_view octets) {
  return codec::ToBase64(octets, codec::Base64Form::kUrl, codec::Base64Padding::kNone);
}

TEST(TokenTest, EachAlgorithmProvesTheAccount) {
  for (const std::string_view token : {kRs256, kEs256, kEdDsa, kNoKid, kTextAudience}) {
    const TokenResult result = VerifyToken(Policy(), token, kNow);
    EXPECT_TRUE(result.accepted) << result.why;
    EXPECT_EQ(result.account, "tim@example.org");
  }
}

TEST(TokenTest, AnotherClaimMayNameTheAccount) {
  TokenPolicy policy = Policy();
  policy.account_claim = "sub";
  EXPECT_EQ(VerifyToken(policy, kNoEmail, kNow).account, "tim");
  EXPECT_EQ(Why(kNoEmail), "no email");
}

TEST(TokenTest, WhatClaimsHaveToSayIsHeldToThem) {
  EXPECT_EQ(Why(kOtherIssuer), "another issuer");
  EXPECT_EQ(Why(kOtherAudience), "for another audience");
  EXPECT_EQ(Why(kNoExpiry), "no exp");
  EXPECT_EQ(Why(kUnverified), "an address that is not verified");
  TokenPolicy scoped = Policy();
  scoped.scope = "mail";
  EXPECT_EQ(Why(kScoped, scoped), "");
  EXPECT_EQ(Why(kEdDsa, scoped), "without the scope");
  scoped.scope = "ma";
  EXPECT_EQ(Why(kScoped, scoped), "without the scope");
}

TEST(TokenTest, ItIsGoodFromItsBeginToItsEndGiveOrTakeTheSkew) {
  const int64_t begin = 1767225600, end = begin + 3600;
  EXPECT_EQ(Why(kEdDsa, Policy(), FromUnixSeconds(begin - 61)), "it is not valid yet");
  EXPECT_EQ(Why(kEdDsa, Policy(), FromUnixSeconds(begin - 60)), "");
  EXPECT_EQ(Why(kEdDsa, Policy(), FromUnixSeconds(end + 59)), "");
  EXPECT_EQ(Why(kEdDsa, Policy(), FromUnixSeconds(end + 60)), "it has expired");
}

TEST(TokenTest, NoOtherAlgorithmAndNoOtherKeyProvesAnything) {
  const std::string payload(kEdDsa.substr(kEdDsa.find('.')));
  EXPECT_EQ(Why(Url(R"({"alg":"none"})") + payload), "alg is none of RS256, ES256, EdDSA");
  EXPECT_EQ(Why(Url(R"({"alg":"HS256","kid":"s1"})") + payload),
            "alg is none of RS256, ES256, EdDSA");
  // RFC 8725 §3.1: the key says what it is for, not the token.
  EXPECT_EQ(Why(Url(R"({"alg":"RS256","kid":"d1"})") + payload), "no key of its kid and alg");
  EXPECT_EQ(Why(kOtherKid), "no key of its kid and alg");
  EXPECT_EQ(Why(kCritical), "an unknown extension (crit)");
  EXPECT_EQ(Why(kTwoIssuers), "the claims are no JSON object");
}

TEST(TokenTest, OneOctetChangedAnywhereIsNoToken) {
  for (const std::string_view token : {kRs256, kEs256, kEdDsa}) {
    for (size_t i = 0; i < token.size(); ++i) {
      std::string text(token);
      text[i] = text[i] == 'A' ? 'B' : 'A';
      EXPECT_NE(Why(text), "") << i;
    }
  }
}

TEST(TokenTest, WhatIsNoTokenIsRefused) {
  for (const std::string_view text :
       {"", ".", "..", "...", "a.b.c", "e30.e30.e30", "\xff.\xff.\xff"}) {
    EXPECT_NE(Why(text), "") << text;
  }
  EXPECT_EQ(Why(std::string(kTokenBytesMax, 'a')), "no JWT");
  EXPECT_EQ(Why(std::string(kTokenBytesMax + 1, 'a')), "longer than 8192 octets");
  std::string deep = R"({"alg":)";
  for (int i = 0; i < 40; ++i) deep += '[';
  EXPECT_EQ(Why(Url(deep) + ".e30.e30"), "the header is no JSON object");
}

TEST(TokenKeysTest, KeysOfOtherKindsAreIgnoredAndBrokenOnesAreNot) {
  const auto keys = TokenKeys::Parse(kKeySet);
  ASSERT_TRUE(keys.ok());
  EXPECT_EQ(keys->keys.size(), 3u);
  EXPECT_EQ(keys->ignored, 1u);
  for (const std::string_view text :
       {"", "[]", "{}", R"({"keys":[]})", R"({"keys":{}})", R"({"keys":[1]})",
        R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA"}]})",
        R"({"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]})",
        R"({"keys":[{"kty":"oct","k":"AAAA"}]})",
        R"({"keys":[{"kty":"EC","crv":"P-256","x":"AA"}]})"}) {
    EXPECT_FALSE(TokenKeys::Parse(text).ok()) << text;
  }
}

TEST(TokenKeysTest, APrivateKeyIsRefusedByName) {
  const auto keys =
      TokenKeys::Parse(R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"mine","d":"x","x":"y"}]})");
  EXPECT_EQ(keys.status().message(), "key \"mine\": it is a private key");
}

// RFC 8037 §A.4: its signature holds; its payload is no claims.
TEST(TokenTest, TheSignatureOfRfc8037Holds) {
  TokenPolicy policy = Policy();
  policy.keys = *TokenKeys::Parse(
      R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})");
  EXPECT_EQ(Why("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PP"
                "Ot7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
                policy),
            "the claims are no JSON object");
}

TEST(TokenTest, SaysWhereAnotherKeyMightHold) {
  EXPECT_TRUE(VerifyToken(Policy(), kOtherKid, kNow).unknown_key);
  for (const std::string_view token : {kEs256, kOtherIssuer, kNoKid, std::string_view("a.b")})
    EXPECT_FALSE(VerifyToken(Policy(), token, kNow).unknown_key);
  TokenPolicy policy = Policy();
  policy.keys.keys.clear();
  EXPECT_TRUE(VerifyToken(policy, kEs256, kNow).unknown_key);
  EXPECT_TRUE(VerifyToken(policy, kNoKid, kNow).unknown_key);
}

std::string Told(std::string_view more, const TokenPolicy& policy) {
  const std::string json = R"({"active":true,"email":"tim@example.org")" + std::string(more) + "}";
  const Introspection read = ReadIntrospection(policy, json, kNow);
  EXPECT_TRUE(read.understood);
  EXPECT_EQ(read.result.accepted, read.result.why.empty());
  return read.result.accepted ? read.result.account : read.result.why;
}

TEST(TokenIntrospectionTest, HoldsWhatIsToldToThePolicy) {
  TokenPolicy policy;
  EXPECT_EQ(Told("", policy), "tim@example.org");
  EXPECT_EQ(Told(R"(,"exp":1)", policy), "it has expired");
  EXPECT_EQ(Told(R"(,"nbf":4000000000)", policy), "it is not valid yet");
  EXPECT_EQ(Told(R"(,"email_verified":false)", policy), "an address that is not verified");
  policy.scope = "mail";
  EXPECT_EQ(Told("", policy), "without the scope");
  EXPECT_EQ(Told(R"(,"scope":"a mail")", policy), "tim@example.org");
  policy.scope.clear();
  policy.issuer = "https://id.example.org";
  EXPECT_EQ(Told("", policy), "another issuer");
  EXPECT_EQ(Told(R"(,"iss":"https://id.example.org")", policy), "tim@example.org");
  policy.issuer.clear();
  policy.audiences = {"ringmail"};
  EXPECT_EQ(Told("", policy), "for another audience");
  EXPECT_EQ(Told(R"(,"aud":"ringmail")", policy), "tim@example.org");
  policy.account_claim = "username";
  EXPECT_EQ(Told(R"(,"aud":"ringmail")", policy), "no username");
}

TEST(TokenIntrospectionTest, TellsWhenTheTokenEnds) {
  EXPECT_EQ(ReadIntrospection({}, R"({"active":true,"email":"a","exp":1767229200})", kNow).ends,
            FromUnixSeconds(1767229200));
  for (const std::string_view exp : {"1e300", "-1"}) {
    const std::string json = R"({"active":true,"email":"a","exp":)" + std::string(exp) + "}";
    EXPECT_EQ(ReadIntrospection({}, json, kNow).ends, WallTime::max()) << exp;
  }
}

TEST(TokenIntrospectionTest, IsNotUnderstoodWhereItIsNoneAndRefusesWhatIsNotActive) {
  for (const std::string_view json : {"", "[]", "{}", R"({"active":1})", R"({"active":"true"})",
                                      R"({"active":true,"active":true})", R"({"active":true)"}) {
    const Introspection read = ReadIntrospection({}, json, kNow);
    EXPECT_FALSE(read.understood || read.result.accepted) << json;
  }
  const Introspection read =
      ReadIntrospection({}, R"({"active":false,"email":"tim@example.org"})", kNow);
  EXPECT_TRUE(read.understood);
  EXPECT_FALSE(read.result.accepted);
  EXPECT_EQ(read.result.account, "");
  std::string large = R"({"active":true,"email":"tim@example.org"})";
  large.resize(kTokenIntrospectionBytesMax, ' ');
  EXPECT_TRUE(ReadIntrospection({}, large, kNow).result.accepted);
  EXPECT_FALSE(ReadIntrospection({}, large + " ", kNow).understood);
}

}  // namespace
}  // namespace ringmail::credential
