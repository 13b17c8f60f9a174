#include "ringmail/agent/authenticator.h"

#include <gtest/gtest.h>

#include "ringmail/codec/base64_text.h"
#include "ringmail/codec/digest.h"
#include "ringmail/codec/hex.h"
#include "ringmail/io/gate.h"
#include "tests/support/credential/tokens.h"
#include "tests/unit/agent/authenticator_world.h"

namespace ringmail::agent {
namespace {

using io::Task;
using session::SaslFailure;
using session::SaslMechanism;
using session::SaslStepKind;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr session::SaslChannel kEncrypted = {.encrypted = true};

// What a login ended in: the account's address, or the failure.
std::string Ended(const AuthStep& step) {
  if (step.kind == SaslStepKind::kSuccess) {
    EXPECT_NE(step.account_id.value, 0u);
    return step.account;
  }
  EXPECT_EQ(step.kind, SaslStepKind::kFailure);
  EXPECT_EQ(step.account, "");
  if (step.failure == SaslFailure::kRefused) return "refused";
  if (step.failure == SaslFailure::kUnavailable) return "unavailable";
  return step.failure == SaslFailure::kMalformed ? "malformed" : "none";
}

struct Timed {
  std::string ended;
  Nanoseconds took{0};
};
Task<Timed> LogIn(Authenticator& authenticator, std::string_view name, std::string_view password,
                  IpAddress from = kHome) {
  const MonotonicTime began = io::Now();
  const AuthStep step = co_await authenticator.LogIn(name, password, Client(from));
  co_return Timed{Ended(step), io::Now() - began};
}

// A whole exchange between our client and the authenticator.
Task<std::string> Exchange(Authenticator& authenticator, SaslMechanism mechanism,
                           std::string_view name, std::string_view password,
                           session::SaslChannel channel = kEncrypted) {
  session::SaslClientOptions mine;
  mine.authentication_id = name;
  mine.password.Set(password);
  mine.nonce = "rOprNGfwEbeRWgbNEkqO";
  mine.channel = channel;
  const auto offered = authenticator.Offered(channel, session::SaslPlaintext::kEncryptedOnly);
  mine.server_offers_plus = offered.Has(SaslMechanism::kScramSha256Plus);
  const auto client = session::SaslClient::Make(mechanism, mine);
  EXPECT_TRUE(client != nullptr && offered.Has(mechanism));
  if (client == nullptr || !offered.Has(mechanism)) co_return "not offered";
  const auto exchange = authenticator.Begin(mechanism, offered, channel, Client());
  const auto first = client->InitialResponse();
  std::optional<std::string_view> begun;
  if (first) begun = *first;
  AuthStep step = co_await exchange->Begin(begun);
  while (step.kind == SaslStepKind::kChallenge) {
    const auto response = client->Respond(step.challenge);
    if (!response) co_return "aborted";
    step = co_await exchange->Respond(*response);
  }
  if (step.kind == SaslStepKind::kSuccess) EXPECT_TRUE(client->success_is_proved());
  co_return Ended(step);
}

TEST(Authenticator, EveryMechanismOfPasswordsLetsTheOwnerIn) {
  AuthWorld w;
  ASSERT_TRUE(w.Do(1, [](AuthWorld& world, Authenticator& a) -> Task<void> {
    co_await world.Add("tim@example.org", "pencil");
    const session::SaslChannel bound = {.encrypted = true, .tls_exporter = "0123456789abcdef"};
    for (const SaslMechanism one :
         {SaslMechanism::kPlain, SaslMechanism::kLogin, SaslMechanism::kScramSha256,
          SaslMechanism::kScramSha1, SaslMechanism::kScramSha256Plus,
          SaslMechanism::kScramSha1Plus}) {
      EXPECT_EQ(co_await Exchange(a, one, "tim@example.org", "pencil", bound), "tim@example.org")
          << session::SaslMechanismName(one);
      EXPECT_EQ(co_await Exchange(a, one, "tim@example.org", "pencils", bound), "refused");
      EXPECT_EQ(co_await Exchange(a, one, "nobody@example.org", "pencil", bound), "refused");
    }
    EXPECT_EQ((co_await LogIn(a, "Tim@Example.ORG", "pencil")).ended, "tim@example.org");
  }));
}

TEST(Authenticator, FailuresOfAllReasonsLookAlikeAndTakeOneTime) {
  AuthWorld w;
  ASSERT_TRUE(w.Do(1, [](AuthWorld& world, Authenticator& a) -> Task<void> {
    co_await world.Add("tim@example.org", "pencil");
    storage::AccountEntry away{.address = "away@example.org", .enabled = false};
    away.credentials = {{storage::CredentialKind::kPassword, "", "{PLAIN}pencil", {}}};
    co_await world.Put(away);
    co_await world.Put({.address = "empty@example.org"});
    co_await world.AddStored("broken@example.org", "{NOSUCH}x");
    int network = 1;
    for (const std::string_view name :
         {"tim@example.org", "nobody@example.org", "away@example.org", "empty@example.org",
          "broken@example.org", "no name", "tim@elsewhere.example"}) {
      const std::string_view password = name == "tim@example.org" ? "wrong" : "pencil";
      const IpAddress from = *IpAddress::Parse("203.0.113." + std::to_string(network++));
      const Timed timed = co_await LogIn(a, name, password, from);
      EXPECT_EQ(timed.ended, "refused") << name;
      EXPECT_GE(timed.took, seconds(1)) << name;
      EXPECT_LT(timed.took, seconds(1) + milliseconds(5)) << name;
    }
    const Timed good = co_await LogIn(a, "tim@example.org", "pencil");
    EXPECT_EQ(good.ended, "tim@example.org");
    EXPECT_LT(good.took, milliseconds(100));
    const std::string metrics = world.Metrics();
    for (const std::string_view reason :
         {"wrong", "disabled", "no_credential", "unusable_hash", "name"}) {
      EXPECT_NE(metrics.find("reason=\"" + std::string(reason) + "\"} 1\n"), std::string::npos)
          << reason;
    }
    EXPECT_NE(metrics.find("reason=\"no_account\"} 2\n"), std::string::npos);
  }));
}

TEST(Authenticator, ANameWithoutADomainIsOfTheDefaultDomain) {
  AuthWorld w;
  w.options_of_all.default_domain = "example.org";
  ASSERT_TRUE(w.Do(1, [](AuthWorld& world, Authenticator& a) -> Task<void> {
    co_await world.Add("tim@example.org", "pencil");
    EXPECT_EQ((co_await LogIn(a, "tim", "pencil")).ended, "tim@example.org");
    EXPECT_EQ(co_await Exchange(a, SaslMechanism::kScramSha256, "tim", "pencil"),
              "tim@example.org");
  }));
}

TEST(Authenticator, NulsAndEmptyWordsAreRefusedAndTakenApartByNobody) {
  AuthWorld w;
  ASSERT_TRUE(w.Do(1, [](AuthWorld& world, Authenticator& a) -> Task<void> {
    co_await world.Add("tim@example.org", "pencil");
    EXPECT_EQ((co_await LogIn(a, std::string_view("\0tim@example.org", 16), "pencil")).ended,
              "refused");
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", std::string_view("pencil\0", 7))).ended,
              "refused");
    EXPECT_EQ((co_await LogIn(a, "", "")).ended, "refused");
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", "")).ended, "refused");
  }));
}

TEST(Authenticator, ImportedHashesAreReplacedAtTheFirstLogin) {
  AuthWorld w;
  ASSERT_TRUE(w.Do(1, [](AuthWorld& world, Authenticator& a) -> Task<void> {
    // SHA-1 of "pencil", as Dovecot's doveadm pw writes it, and an app password beside it.
    const auto digest = codec::Digest(codec::DigestKind::kSha1, {"pencil"});
    const std::string stored = "{SHA}" + codec::ToBase64(digest.view(), codec::Base64Form::kFlat,
                                                         codec::Base64Padding::kRequired);
    storage::AccountEntry account{.address = "tim@example.org", .display_name = "Tim"};
    account.credentials = {{storage::CredentialKind::kPassword, "", stored, {}},
                           {storage::CredentialKind::kAppPassword,
                            "phone",
                            credential::StoreAppPassword("abcd", {"0123456789abcdef", 4096}),
                            {}}};
    co_await world.Put(account);
    EXPECT_EQ(co_await Exchange(a, SaslMechanism::kScramSha256, "tim@example.org", "pencil"),
              "refused")
        << "there are no keys yet";
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", "wrong")).ended, "refused");
    EXPECT_EQ(world.Account("tim@example.org")->credentials, account.credentials);
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", "pencil")).ended, "tim@example.org");
    co_await io::SleepUntil(io::Now() + seconds(1));
    const auto after = world.Account("tim@example.org");
    EXPECT_EQ(after->display_name, "Tim");
    EXPECT_EQ(after->credentials.size(), 4u);
    EXPECT_TRUE(after->credentials[0].secret.starts_with("{ARGON2ID}"));
    for (const SaslMechanism one :
         {SaslMechanism::kPlain, SaslMechanism::kScramSha256, SaslMechanism::kScramSha1}) {
      EXPECT_EQ(co_await Exchange(a, one, "tim@example.org", "pencil"), "tim@example.org");
    }
    // Both are served by one salt.
    EXPECT_EQ(co_await Exchange(a, SaslMechanism::kScramSha256, "tim@example.org", "abcd"),
              "tim@example.org");
    EXPECT_NE(world.Metrics().find("ringmail_auth_upgraded_total 1\n"), std::string::npos);
  }));
}

TEST(Authenticator, AnUpgradeThatCannotBeStoredRefusesNobody) {
  AuthWorld w;
  ASSERT_TRUE(w.Do(1, [](AuthWorld& world, Authenticator& a) -> Task<void> {
    co_await world.AddStored("tim@example.org", "{PLAIN}pencil");
    io::Gate gate;
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", "pencil")).ended, "tim@example.org");
    // Changed while the new hash is being stored.
    co_await world.AddStored("tim@example.org", "{PLAIN}crayon");
    co_await io::SleepUntil(io::Now() + seconds(1));
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", "pencil")).ended, "refused");
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", "crayon")).ended, "tim@example.org");
  }));
}

int Known(const AuthWorld& world) {
  constexpr std::string_view kName = "ringmail_auth_passwords_known_total ";
  const std::string metrics = world.Metrics();
  const size_t at = metrics.find("\n" + std::string(kName));
  EXPECT_NE(at, std::string::npos);
  return std::stoi(metrics.substr(at + 1 + kName.size()));
}

TEST(Authenticator, APasswordThatWasRightIsBelievedForAWhile) {
  AuthWorld w;
  w.options_of_all.password_cache = seconds(600);
  ASSERT_TRUE(w.Do(1, [](AuthWorld& world, Authenticator& a) -> Task<void> {
    co_await world.Add("tim@example.org", "pencil");
    co_await world.Add("tom@example.org", "pencil");
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", "pencil")).ended, "tim@example.org");
    EXPECT_EQ(Known(world), 0);
    EXPECT_EQ((co_await LogIn(a, "Tim@example.org", "pencil")).ended, "tim@example.org");
    EXPECT_EQ(co_await Exchange(a, SaslMechanism::kPlain, "tim@example.org", "pencil"),
              "tim@example.org");
    EXPECT_EQ(Known(world), 2);
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", "pencils")).ended, "refused");
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", "pencils")).ended, "refused");
    EXPECT_EQ((co_await LogIn(a, "tom@example.org", "pencil")).ended, "tom@example.org");
    EXPECT_EQ(Known(world), 2) << "neither what was wrong nor another's";
    // Asked for all the time, it is checked again when its time is over.
    const MonotonicTime learned = io::Now();
    while (io::Now() - learned < seconds(620)) {
      co_await io::SleepUntil(io::Now() + seconds(20));
      EXPECT_EQ((co_await LogIn(a, "tom@example.org", "pencil")).ended, "tom@example.org");
    }
    EXPECT_GE(Known(world), 2 + 14);
    EXPECT_LE(Known(world), 2 + 30);
    const int before = Known(world);
    co_await io::SleepUntil(io::Now() + seconds(601));
    EXPECT_EQ((co_await LogIn(a, "tom@example.org", "pencil")).ended, "tom@example.org");
    EXPECT_EQ(Known(world), before);
  }));
}

TEST(Authenticator, WhatIsBelievedEndsWithThePasswordAndTheAccount) {
  AuthWorld w;
  ASSERT_TRUE(w.Do(1, [](AuthWorld& world, Authenticator& a) -> Task<void> {
    co_await world.Add("tim@example.org", "pencil");
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", "pencil")).ended, "tim@example.org");
    storage::AccountEntry account = *world.Account("tim@example.org");
    account.enabled = false;
    co_await world.Put(account);
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", "pencil")).ended, "refused");
    account.enabled = true;
    co_await world.Put(account);
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", "pencil")).ended, "tim@example.org");
    EXPECT_EQ(Known(world), 1);
    co_await world.Add("tim@example.org", "crayon");
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", "pencil")).ended, "refused");
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", "crayon")).ended, "tim@example.org");
    EXPECT_EQ(Known(world), 1);
  }));
}

TEST(Authenticator, WithoutTimeNothingIsBelieved) {
  AuthWorld w;
  ASSERT_TRUE(w.Do(1, [](AuthWorld& world, Authenticator& a) -> Task<void> {
    co_await world.Add("tim@example.org", "pencil");
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", "pencil")).ended, "tim@example.org");
    AuthenticatorOptions options = TestOptions();
    options.password_cache = seconds(0);
    a.Reconfigure(options);
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ((co_await LogIn(a, "tim@example.org", "pencil")).ended, "tim@example.org");
    EXPECT_EQ(Known(world), 0);
  }));
}

TEST(Authenticator, ReadablePasswordsStayReadableWhereTheyAreAskedFor) {
  AuthWorld w;
  w.options_of_all.readable_passwords = true;
  ASSERT_TRUE(w.Do(1, [](AuthWorld& world, Authenticator& a) -> Task<void> {
    co_await world.AddStored("tim@example.org", "{PLAIN}tanstaaf");
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", "tanstaaf")).ended, "tim@example.org");
    co_await io::SleepUntil(io::Now() + seconds(1));
    const auto account = world.Account("tim@example.org");
    EXPECT_EQ(account->credentials.size(), 3u);
    EXPECT_EQ(account->credentials[0].secret, "{PLAIN}tanstaaf");
    EXPECT_EQ(co_await Exchange(a, SaslMechanism::kCramMd5, "tim@example.org", "tanstaaf"),
              "tim@example.org");
    EXPECT_EQ(co_await Exchange(a, SaslMechanism::kCramMd5, "tim@example.org", "x"), "refused");
    EXPECT_EQ(co_await Exchange(a, SaslMechanism::kCramMd5, "eve@example.org", "x"), "refused");
    EXPECT_EQ(co_await Exchange(a, SaslMechanism::kScramSha1, "tim@example.org", "tanstaaf"),
              "tim@example.org");
    // RFC 1939 §7, its example.
    EXPECT_TRUE(a.KnowsApop());
    const std::string_view stamp = "<1896.697170952@dbc.mtview.ca.us>";
    const std::string_view digest = "c4c9334bac560ecc979e58001b3e22fb";
    EXPECT_EQ(Ended(co_await a.Apop(stamp, "tim@example.org", digest, Client())),
              "tim@example.org");
    EXPECT_EQ(Ended(co_await a.Apop("<x@y>", "tim@example.org", digest, Client())), "refused");
    EXPECT_EQ(Ended(co_await a.Apop(stamp, "eve@example.org", digest, Client())), "refused");
    EXPECT_EQ(Ended(co_await a.Apop(stamp, "tim@example.org", "", Client())), "refused");
  }));
}

TEST(Authenticator, WithoutReadablePasswordsNothingThatNeedsThemIsOffered) {
  AuthWorld w;
  ASSERT_TRUE(w.Do(1, [](AuthWorld& world, Authenticator& a) -> Task<void> {
    co_await world.AddStored("tim@example.org", "{PLAIN}tanstaaf");
    EXPECT_FALSE(a.KnowsApop());
    EXPECT_FALSE(
        a.Offered(kEncrypted, session::SaslPlaintext::kAlways).Has(SaslMechanism::kCramMd5));
    const auto clear = a.Offered({}, session::SaslPlaintext::kEncryptedOnly);
    EXPECT_EQ(clear.Names(), "SCRAM-SHA-256 SCRAM-SHA-1");
    EXPECT_EQ(Ended(co_await a.Apop("<1896.697170952@dbc.mtview.ca.us>", "tim@example.org",
                                    "c4c9334bac560ecc979e58001b3e22fb", Client())),
              "refused");
  }));
}

TEST(Authenticator, ACertificateProvesItsOwnAccountAlone) {
  AuthWorld w;
  w.options_of_all.certificates = true;
  ASSERT_TRUE(w.Do(1, [](AuthWorld& world, Authenticator& a) -> Task<void> {
    co_await world.Add("tim@example.org", "pencil");
    co_await world.Put({.address = "away@example.org", .enabled = false});
    const auto run = [](Authenticator& by, std::string_view certificate,
                        std::string_view asked) -> Task<std::string> {
      const session::SaslChannel channel = {.encrypted = true, .certificate_identity = certificate};
      const auto offered = by.Offered(channel, session::SaslPlaintext::kEncryptedOnly);
      if (!offered.Has(SaslMechanism::kExternal)) co_return "not offered";
      const auto exchange = by.Begin(SaslMechanism::kExternal, offered, channel, Client());
      co_return Ended(co_await exchange->Begin(asked));
    };
    EXPECT_EQ(co_await run(a, "", ""), "not offered");
    EXPECT_EQ(co_await run(a, "tim@example.org", ""), "tim@example.org");
    EXPECT_EQ(co_await run(a, "tim@example.org", "Tim@Example.org"), "tim@example.org");
    EXPECT_EQ(co_await run(a, "tim@example.org", "eve@example.org"), "refused");
    EXPECT_EQ(co_await run(a, "away@example.org", ""), "refused");
    EXPECT_EQ(co_await run(a, "nobody@example.org", ""), "refused");
  }));
}

TEST(Authenticator, TokensProveTheAccountThatTheyNameAndNoOther) {
  AuthWorld w;
  credential::TokenPolicy policy;
  policy.issuer = "https://id.example.org";
  policy.audiences = {"ringmail"};
  policy.keys = *credential::TokenKeys::Parse(credential::kKeySet);
  w.options_of_all.tokens = std::make_shared<const credential::TokenPolicy>(std::move(policy));
  ASSERT_TRUE(w.Do(1, [](AuthWorld& world, Authenticator& a) -> Task<void> {
    co_await world.Add("tim@example.org", "pencil");
    co_await world.Add("ann@example.org", "pencil");
    for (const SaslMechanism one : {SaslMechanism::kOauthBearer, SaslMechanism::kXoauth2}) {
      EXPECT_EQ(co_await Exchange(a, one, "tim@example.org", credential::kEs256),
                "tim@example.org");
      EXPECT_EQ(co_await Exchange(a, one, "Tim@example.org", credential::kRs256),
                "tim@example.org");
      EXPECT_EQ(co_await Exchange(a, one, "ann@example.org", credential::kEdDsa), "refused");
      EXPECT_EQ(co_await Exchange(a, one, "tim@example.org", credential::kOtherIssuer), "refused");
      EXPECT_EQ(co_await Exchange(a, one, "nobody@example.org", credential::kStranger), "refused");
    }
  }));
}

TEST(Authenticator, WhoFailsTooOftenIsBannedOnEveryShard) {
  AuthWorld w;
  w.options_of_all.limiter.network_failures_max = 4;
  ASSERT_TRUE(w.Do(3, [](AuthWorld& world, Authenticator& a) -> Task<void> {
    co_await world.Add("tim@example.org", "pencil");
    for (int i = 0; i < 4; ++i) {
      EXPECT_FALSE(a.Banned(kStrange));
      (void)co_await LogIn(a, "tim@example.org", "guess" + std::to_string(i), kStrange);
    }
    EXPECT_TRUE(a.Banned(kStrange));
    const Timed banned = co_await LogIn(a, "tim@example.org", "pencil", kStrange);
    EXPECT_EQ(banned.ended, "unavailable");
    EXPECT_GE(banned.took, seconds(15));
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", "pencil")).ended, "tim@example.org");
    struct Look {
      static void Run(io::ShardMessage& message) {
        *message.Pointer<int>(1) += message.Pointer<Authenticator>(0)->Banned(kStrange) ? 1 : 0;
      }
    };
    int banned_on = 0;
    for (uint16_t shard = 1; shard < 3; ++shard) {
      io::ShardMessage message{.run = &Look::Run};
      message.SetPointer(0, world.authenticators[shard]);
      message.SetPointer(1, &banned_on);
      co_await io::Post(ShardIndex(shard), message);
    }
    co_await io::SleepUntil(io::Now() + seconds(1));
    EXPECT_EQ(banned_on, 2);
    co_await io::SleepUntil(io::Now() + seconds(900));
    EXPECT_FALSE(a.Banned(kStrange));
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", "pencil", kStrange)).ended, "tim@example.org");
  }));
}

TEST(Authenticator, ABannedNameIsRefusedToStrangersWhetherItExistsOrNotAndNotToItsOwner) {
  AuthWorld w;
  w.options_of_all.limiter.name_failures_max = 3;
  ASSERT_TRUE(w.Do(1, [](AuthWorld& world, Authenticator& a) -> Task<void> {
    co_await world.Add("tim@example.org", "pencil");
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", "pencil")).ended, "tim@example.org");
    for (const std::string_view name : {"tim@example.org", "nobody@example.org"}) {
      for (int i = 0; i < 3; ++i) {
        const IpAddress from = *IpAddress::Parse("203.0.113." + std::to_string(i));
        EXPECT_EQ((co_await LogIn(a, name, "guess" + std::to_string(i), from)).ended, "refused");
      }
      const Timed banned = co_await LogIn(a, name, "pencil", kStrange);
      EXPECT_EQ(banned.ended, "unavailable");
    }
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", "pencil")).ended, "tim@example.org");
  }));
}

TEST(Authenticator, ATokenOfNobodyBansNoName) {
  AuthWorld w;
  w.options_of_all.limiter.name_failures_max = 2;
  w.options_of_all.limiter.network_failures_max = 0;
  w.options_of_all.tokens = std::make_shared<const credential::TokenPolicy>();
  ASSERT_TRUE(w.Do(1, [](AuthWorld& world, Authenticator& a) -> Task<void> {
    co_await world.Add("tim@example.org", "pencil");
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(co_await Exchange(a, SaslMechanism::kXoauth2, "tim@example.org", "abc"), "refused");
    }
    EXPECT_EQ((co_await LogIn(a, "tim@example.org", "pencil", kStrange)).ended, "tim@example.org");
  }));
}

TEST(Authenticator, WhatIsTooMuchAtATimeIsToldToComeAgain) {
  AuthWorld w;
  w.options_of_all.checks_max = 1;
  w.options_of_all.checks_waiting_max = 2;
  ASSERT_TRUE(w.Do(1, [](AuthWorld& world, Authenticator& a) -> Task<void> {
    co_await world.Add("tim@example.org", "pencil");
    std::vector<std::string> ended;
    struct One {
      static Task<void> Run(Authenticator* by, std::vector<std::string>* out) {
        out->push_back((co_await LogIn(*by, "tim@example.org", "pencil")).ended);
      }
    };
    io::Gate gate;
    for (int i = 0; i < 5; ++i) gate.Spawn(One::Run(&a, &ended));
    co_await gate.Close();
    EXPECT_EQ(std::count(ended.begin(), ended.end(), "tim@example.org"), 3);
    EXPECT_EQ(std::count(ended.begin(), ended.end(), "unavailable"), 2);
  }));
}

TEST(Authenticator, PenaltiesEndWhenTheServerDoes) {
  AuthWorld w;
  ASSERT_TRUE(w.Do(1, [](AuthWorld&, Authenticator& a) -> Task<void> {
    struct One {
      static Task<void> Run(Authenticator* by, Timed* out) {
        *out = co_await LogIn(*by, "nobody@example.org", "x");
      }
    };
    Timed timed;
    io::Gate gate;
    gate.Spawn(One::Run(&a, &timed));
    co_await io::SleepUntil(io::Now() + milliseconds(100));
    EXPECT_EQ(timed.ended, "");
    a.EndPenalties();
    co_await gate.Close();
    EXPECT_EQ(timed.ended, "refused");
    EXPECT_LT(timed.took, milliseconds(200));
    EXPECT_LT((co_await LogIn(a, "nobody@example.org", "x")).took, milliseconds(5));
  }));
}

TEST(Authenticator, AnAccountThatGoesDuringAnExchangeIsNotLetIn) {
  AuthWorld w;
  ASSERT_TRUE(w.Do(1, [](AuthWorld& world, Authenticator& a) -> Task<void> {
    co_await world.Add("tim@example.org", "pencil");
    session::SaslClientOptions mine;
    mine.authentication_id = "tim@example.org";
    mine.password.Set("pencil");
    mine.nonce = "abc";
    const auto client = session::SaslClient::Make(SaslMechanism::kScramSha256, mine);
    const auto offered = a.Offered(kEncrypted, session::SaslPlaintext::kEncryptedOnly);
    const auto exchange = a.Begin(SaslMechanism::kScramSha256, offered, kEncrypted, Client());
    const std::string first = *client->InitialResponse();
    AuthStep step = co_await exchange->Begin(first);
    const std::string last = *client->Respond(step.challenge);
    auto account = *world.Account("tim@example.org");
    account.enabled = false;
    co_await world.Put(account);
    step = co_await exchange->Respond(last);
    EXPECT_TRUE(client->Respond(step.challenge));
    EXPECT_EQ(Ended(co_await exchange->Respond("")), "refused");
  }));
}

}  // namespace
}  // namespace ringmail::agent
