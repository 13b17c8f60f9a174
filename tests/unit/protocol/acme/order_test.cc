#include "protocol/acme/order.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/acme/limits.h"

namespace ringmail::acme {
namespace {

using Kind = Step::Kind;
using Outcome = AcmeResult::Outcome;

constexpr std::string_view kDirectoryJson =
    R"({"newNonce":"https://ca/nonce","newAccount":"https://ca/account","newOrder":"https://ca/new",
        "meta":{"termsOfService":"https://ca/terms"}})";
constexpr std::string_view kNewOrderJson =
    R"({"status":"pending","finalize":"https://ca/o/1/f","authorizations":["https://ca/z/1"]})";
constexpr std::string_view kAuthorizationJson =
    R"({"status":"pending","identifier":{"type":"dns","value":"mx.example.org"},"challenges":[
        {"type":"dns-01","url":"https://ca/c/1","token":"tttt","status":"pending"},
        {"type":"http-01","url":"https://ca/c/2","token":"tokenA","status":"pending"}]})";
constexpr std::string_view kValidAuthorizationJson =
    R"({"status":"valid","identifier":{"type":"dns","value":"mx.example.org"},"challenges":[]})";
constexpr std::string_view kReadyJson =
    R"({"status":"ready","finalize":"https://ca/o/1/f","authorizations":["https://ca/z/1"]})";
constexpr std::string_view kValidJson =
    R"({"status":"valid","finalize":"https://ca/o/1/f","authorizations":["https://ca/z/1"],
        "certificate":"https://ca/cert"})";

OrderOptions Options() {
  return {.directory_url = "https://ca/dir",
          .contacts = {"mailto:admin@example.org"},
          .names = {"mx.example.org"},
          .challenge = ChallengeKind::kHttp01,
          .thumbprint = "thumb",
          .request_der = "csr"};
}

Reply Good(std::string_view body, std::string_view location = {}) {
  return {.code = 200, .body = std::string(body), .nonce = "n2", .location = std::string(location)};
}
Reply Bad(uint16_t code, std::string_view type) {
  return {.code = code,
          .body = R"({"type":"urn:ietf:params:acme:error:)" + std::string(type) +
                  R"(","detail":"why"})",
          .nonce = "n3"};
}

// One line of a conversation: what is to be asked, and what it is answered.
struct Turn {
  std::string_view url;
  Reply reply;
};

// Runs `turns`, and does by the way whatever needs no answer. Returns the step behind them.
Step Play(Order& order, const std::vector<Turn>& turns) {
  size_t at = 0;
  for (int i = 0; i < 1000; ++i) {
    Step step = order.Next();
    if (step.kind == Kind::kCertificate || step.kind == Kind::kFailed) {
      EXPECT_EQ(at, turns.size()) << "ended before " << (at < turns.size() ? turns[at].url : "");
      return step;
    }
    if (step.kind != Kind::kSend) {
      order.Done();
      continue;
    }
    if (at == turns.size()) return step;
    EXPECT_EQ(step.request.url, turns[at].url) << "turn " << at;
    order.Took(turns[at].reply, FromUnixSeconds(1'000'000));
    ++at;
  }
  ADD_FAILURE() << "no end";
  return {};
}

std::vector<Turn> UpToOrder() {
  return {{"https://ca/dir", {.code = 200, .body = std::string(kDirectoryJson)}},
          {"https://ca/nonce", {.code = 200, .nonce = "n1"}},
          {"https://ca/account", {.code = 201, .nonce = "n2", .location = "https://ca/acct/1"}},
          {"https://ca/new",
           {.code = 201,
            .body = std::string(kNewOrderJson),
            .nonce = "n2",
            .location = "https://ca/o/1"}}};
}

std::vector<Turn> Whole() {
  std::vector<Turn> turns = UpToOrder();
  for (Turn& one : std::vector<Turn>{{"https://ca/o/1", Good(kNewOrderJson)},
                                     {"https://ca/z/1", Good(kAuthorizationJson)},
                                     {"https://ca/c/2", Good("{}")},
                                     {"https://ca/z/1", Good(kAuthorizationJson)},
                                     {"https://ca/z/1", Good(kValidAuthorizationJson)},
                                     {"https://ca/o/1", Good(kReadyJson)},
                                     {"https://ca/o/1/f", Good(kValidJson)},
                                     {"https://ca/cert", Good("PEM")}}) {
    turns.push_back(std::move(one));
  }
  return turns;
}

TEST(AcmeOrder, GoesFromTheDirectoryToTheCertificate) {
  Order order(Options());
  const Step end = Play(order, Whole());
  EXPECT_EQ(end.kind, Kind::kCertificate);
  EXPECT_EQ(end.certificate_pem, "PEM");
  EXPECT_EQ(order.account_url(), "https://ca/acct/1");
}

TEST(AcmeOrder, SavesTheAccountAndTheOrderBeforeItGoesOn) {
  Order order(Options());
  std::vector<Turn> turns = UpToOrder();
  const std::vector<Turn> account(turns.begin(), turns.begin() + 3);
  for (const Turn& one : account) order.Took(one.reply, {});
  EXPECT_EQ(order.Next().kind, Kind::kSave);
  EXPECT_EQ(order.account_url(), "https://ca/acct/1");
  order.Done();
  order.Took(turns[3].reply, {});
  EXPECT_EQ(order.Next().kind, Kind::kSave);
  EXPECT_EQ(order.order_url(), "https://ca/o/1");
}

TEST(AcmeOrder, AnswersTheChallengeThatWasChosen) {
  for (const ChallengeKind kind : {ChallengeKind::kHttp01, ChallengeKind::kTlsAlpn01}) {
    OrderOptions options = Options();
    options.challenge = kind;
    Order order(options);
    for (const Turn& one : UpToOrder()) {
      while (order.Next().kind != Kind::kSend) order.Done();
      order.Took(one.reply, {});
    }
    while (order.Next().kind != Kind::kSend) order.Done();
    order.Took(Good(kNewOrderJson), {});
    order.Took(Good(kAuthorizationJson), {});
    const Step step = order.Next();
    if (kind == ChallengeKind::kTlsAlpn01) {
      ASSERT_EQ(step.kind, Kind::kFailed);  // it is not offered
      EXPECT_EQ(step.failure.outcome, Outcome::kRefused);
      continue;
    }
    ASSERT_EQ(step.kind, Kind::kAnswer);
    ASSERT_EQ(step.answers.size(), 1u);
    EXPECT_EQ(step.answers[0].name, "mx.example.org");
    EXPECT_EQ(step.answers[0].token, "tokenA");
    EXPECT_EQ(step.answers[0].key_authorization, "tokenA.thumb");
  }
}

// RFC 8555 §6.5: after "badNonce" the same request goes out with the nonce of that answer.
TEST(AcmeOrder, TriesEveryRequestAgainAfterBadNonce) {
  const std::vector<Turn> whole = Whole();
  for (size_t at = 2; at < whole.size(); ++at) {
    std::vector<Turn> turns = whole;
    turns.insert(turns.begin() + static_cast<std::ptrdiff_t>(at),
                 {whole[at].url, Bad(400, "badNonce")});
    Order order(Options());
    EXPECT_EQ(Play(order, turns).kind, Kind::kCertificate) << "at " << whole[at].url;
  }
  Order order(Options());
  for (size_t i = 0; i < 2; ++i) order.Took(whole[i].reply, {});
  EXPECT_EQ(order.Next().request.nonce, "n1");
  order.Took(Bad(400, "badNonce"), {});
  EXPECT_EQ(order.Next().request.nonce, "n3");
}

// Each request begins anew: an authority that refuses a third of all nonces is not broken.
TEST(AcmeOrder, CountsBadNoncesOfOneRequestAlone) {
  const std::vector<Turn> whole = Whole();
  std::vector<Turn> turns;
  for (size_t at = 0; at < whole.size(); ++at) {
    for (uint32_t i = 0; at >= 2 && i < kBadNoncesMax; ++i)
      turns.push_back({whole[at].url, Bad(400, "badNonce")});
    turns.push_back(whole[at]);
  }
  Order order(Options());
  EXPECT_EQ(Play(order, turns).kind, Kind::kCertificate);
}

TEST(AcmeOrder, GivesUpOnAnAuthorityThatTakesNoNonce) {
  const std::vector<Turn> begin = UpToOrder();
  std::vector<Turn> turns(begin.begin(), begin.begin() + 2);
  for (uint32_t i = 0; i <= kBadNoncesMax; ++i)
    turns.push_back({"https://ca/account", Bad(400, "badNonce")});
  Order order(Options());
  const Step end = Play(order, turns);
  ASSERT_EQ(end.kind, Kind::kFailed);
  EXPECT_EQ(end.failure.outcome, Outcome::kLater);
}

TEST(AcmeOrder, FetchesANonceWhereAnAnswerBroughtNone) {
  std::vector<Turn> turns = Whole();
  turns[4].reply.nonce.clear();
  turns.insert(turns.begin() + 5, {"https://ca/nonce", {.code = 204, .nonce = "n9"}});
  Order order(Options());
  EXPECT_EQ(Play(order, turns).kind, Kind::kCertificate);
}

TEST(AcmeOrder, TakesUpTheOrderThatARestartInterrupted) {
  OrderOptions options = Options();
  options.account_url = "https://ca/acct/1";
  options.order_url = "https://ca/o/1";
  const Turn directory{"https://ca/dir", {.code = 200, .body = std::string(kDirectoryJson)}};
  const Turn nonce{"https://ca/nonce", {.code = 200, .nonce = "n1"}};
  const Turn download{"https://ca/cert", Good("PEM")};
  const std::vector<Turn> whole = Whole();
  // Wherever it stands by now.
  for (const std::vector<Turn>& rest : {std::vector<Turn>{{"https://ca/o/1", Good(kValidJson)}},
                                        std::vector<Turn>{{"https://ca/o/1", Good(kReadyJson)},
                                                          {"https://ca/o/1/f", Good(kValidJson)}},
                                        std::vector<Turn>(whole.begin() + 4, whole.end() - 1)}) {
    std::vector<Turn> turns = {directory, nonce};
    turns.insert(turns.end(), rest.begin(), rest.end());
    turns.push_back(download);
    Order order(options);
    EXPECT_EQ(Play(order, turns).kind, Kind::kCertificate);
  }
}

TEST(AcmeOrder, BeginsAnewWhereWhatWasKeptIsGone) {
  OrderOptions options = Options();
  options.account_url = "https://ca/acct/1";
  options.order_url = "https://ca/o/0";
  const std::vector<Turn> whole = Whole();
  const std::vector<Turn> begin = {whole[0], whole[1]};
  struct Case {
    std::vector<Turn> turns;
    std::ptrdiff_t from;  // of the whole
  };
  for (const Case& one :
       {Case{{{"https://ca/o/0", Bad(404, "malformed")}}, 3},
        Case{{{"https://ca/o/0",
               Good(R"({"status":"invalid","finalize":"https://ca/f","authorizations":[]})")}},
             3},
        Case{{{"https://ca/o/0", Bad(400, "accountDoesNotExist")}}, 2}}) {
    std::vector<Turn> turns = begin;
    turns.insert(turns.end(), one.turns.begin(), one.turns.end());
    turns.insert(turns.end(), whole.begin() + one.from, whole.end());
    Order order(options);
    EXPECT_EQ(Play(order, turns).kind, Kind::kCertificate);
  }
}

struct Failure {
  std::string_view name;
  Reply reply;
  Outcome outcome;
  int64_t retry_after;
};

TEST(AcmeOrder, KnowsWhatMayComeRightLaterAndWhatMustBeLookedAt) {
  Reply limited = Bad(429, "rateLimited");
  limited.retry_after = "3600";
  Reply busy{.code = 503, .body = "<html>", .nonce = {}, .location = {}, .retry_after = "120"};
  for (const Failure& one :
       {Failure{"a rate limit", limited, Outcome::kLater, 3600},
        Failure{"a server that is down", busy, Outcome::kLater, 120},
        Failure{"a server's fault", Bad(500, "serverInternal"), Outcome::kLater, 0},
        Failure{"a name it does not serve", Bad(400, "rejectedIdentifier"), Outcome::kRefused, 0},
        Failure{"new terms", Bad(403, "userActionRequired"), Outcome::kRefused, 0},
        Failure{"CAA", Bad(403, "caa"), Outcome::kRefused, 0}}) {
    std::vector<Turn> turns = UpToOrder();
    turns.back().reply = one.reply;
    Order order(Options());
    const Step end = Play(order, turns);
    ASSERT_EQ(end.kind, Kind::kFailed) << one.name;
    EXPECT_EQ(end.failure.outcome, one.outcome) << one.name;
    EXPECT_EQ(end.failure.retry_after.count(), one.retry_after) << one.name;
    EXPECT_FALSE(end.failure.problem.empty());
  }
}

TEST(AcmeOrder, SaysWhyANameWasNotProvedAndForgetsTheOrder) {
  std::vector<Turn> turns(Whole());
  turns.resize(7);
  turns.push_back({"https://ca/z/1", Good(R"({"status":"invalid","identifier":{"type":"dns",
      "value":"mx.example.org"},"challenges":[{"type":"http-01","url":"https://ca/c/2",
      "token":"tokenA","status":"invalid","error":{"type":"urn:ietf:params:acme:error:connection",
      "detail":"Connection refused"}}]})")});
  Order order(Options());
  const Step end = Play(order, turns);
  ASSERT_EQ(end.kind, Kind::kFailed);
  EXPECT_EQ(end.failure.outcome, Outcome::kRefused);
  EXPECT_NE(end.failure.problem.find("Connection refused"), std::string::npos);
  EXPECT_EQ(order.order_url(), "");
  EXPECT_EQ(order.account_url(), "https://ca/acct/1");
}

TEST(AcmeOrder, WaitsAsLongAsItIsToldWithinReason) {
  for (const auto& [retry_after, wait] : {std::pair("7", 7), std::pair("0", 1), std::pair("", 1)}) {
    std::vector<Turn> turns(Whole());
    turns.resize(7);
    Order order(Options());
    (void)Play(order, turns);
    Reply pending = Good(kAuthorizationJson);
    pending.retry_after = retry_after;
    order.Took(pending, {});
    const Step step = order.Next();
    ASSERT_EQ(step.kind, Kind::kWait);
    EXPECT_EQ(step.wait.count(), wait);
  }
}

TEST(AcmeOrder, DoesNotLookForEver) {
  std::vector<Turn> turns(Whole());
  turns.resize(7);
  Order order(Options());
  (void)Play(order, turns);
  for (uint32_t i = 0; i < kPollsMax; ++i) {
    ASSERT_EQ(order.Next().kind, Kind::kSend);
    order.Took(Good(kAuthorizationJson), {});
    ASSERT_EQ(order.Next().kind, Kind::kWait) << i;
    EXPECT_LE(order.Next().wait, kPollPauseMax);
    order.Done();
  }
  order.Took(Good(kAuthorizationJson), {});
  EXPECT_EQ(order.Next().kind, Kind::kFailed);
}

TEST(AcmeOrder, BelievesNothingThatIsNotAcme) {
  const std::vector<Turn> whole = Whole();
  for (size_t at = 0; at + 1 < whole.size(); ++at) {
    if (at == 1 || at == 2 || at == 6) continue;  // their bodies say nothing that is needed
    for (std::string_view body :
         {"", "[]", "{}", "<html>", R"({"status":"pending","finalize":"http://plain/"})"}) {
      std::vector<Turn> turns(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(at) + 1);
      turns.back().reply.body = body;
      Order order(Options());
      EXPECT_EQ(Play(order, turns).kind, Kind::kFailed) << whole[at].url << " " << body;
    }
  }
}

TEST(AcmeOrder, AsksNoExternalAccountOfAnybody) {
  Order order(Options());
  order.Took({.code = 200, .body = R"({"newNonce":"https://ca/n","newAccount":"https://ca/a",
                  "newOrder":"https://ca/o","meta":{"externalAccountRequired":true}})"},
             {});
  ASSERT_EQ(order.Next().kind, Kind::kFailed);
  EXPECT_EQ(order.Next().failure.outcome, Outcome::kRefused);
}

}  // namespace
}  // namespace ringmail::acme
