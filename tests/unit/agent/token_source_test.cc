#include "agent/authenticator/token_source.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ringmail/base/check.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/session/http.h"
#include "tests/sim/io/world.h"
#include "tests/support/credential/tokens.h"
#include "tests/support/io/tls_identities.h"

namespace ringmail::agent {
namespace {

using namespace testing_tls;
using io::Task;
using std::chrono::seconds;

constexpr std::string_view kOneKey =
    "{\"keys\":[{\"kty\":\"OKP\",\"kid\":\"d1\",\"crv\":\"Ed25519\",\"x\":"
    "\"TMb9BCG9L_c2vJ916YLAsPlqqw3xtt7IzyAHnhpWEe4\"}]}";

// A server of tokens, what it answers, and what the source under test is asked.
struct Scene {
  uint16_t code = 200;
  std::string body{credential::kKeySet};
  seconds thinking{0};
  bool silent = false;
  std::vector<session::HttpRequest> requests;

  std::shared_ptr<credential::TokenPolicy> policy = std::make_shared<credential::TokenPolicy>();
  std::shared_ptr<TokenServerOptions> options = std::make_shared<TokenServerOptions>();
  bool introspects = false;
  std::string name = "mx.example.org";
  std::string authorities{kAuthority};
  Task<void> (*play)(Scene& scene) = nullptr;

  TokenMetrics metrics;
  std::shared_ptr<TokenSource> source;
  io::Gate gate;

  Scene() {
    policy->issuer = "https://id.example.org";
    policy->audiences = {"ringmail"};
    // The tokens are good for an hour, and some tests take days.
    policy->skew = seconds(1000 * 86'400);
  }

  static Task<void> ServeOne(io::Stream stream, Scene* self) {
    auto context = io::TlsContext::MakeServer(
        {.identities = {{.certificate_pem = std::string(kEcdsaCertificate),
                         .private_key_pem = std::string(kEcdsaKey),
                         .ocsp_response = {}}}});
    CHECK(context.ok());
    if (!(co_await stream.StartTlsServer(*context, io::Now() + seconds(20))).ok()) co_return;
    session::HttpServerConnection http(stream);
    for (;;) {
      session::HttpRequest request;
      if (co_await http.ReadRequest(request, io::Now() + seconds(60)) != session::HttpStatus::kOk)
        break;
      self->requests.push_back(std::move(request));
      if (self->silent) co_await io::SleepUntil(io::Now() + seconds(100));
      if (self->silent) break;
      co_await io::SleepUntil(io::Now() + self->thinking);
      http.Respond(self->code, "application/json", self->body);
    }
    co_await stream.Close(io::Now() + seconds(1));
  }

  static Task<void> ServeAll(io::Listener* listener, Scene* self) {
    for (;;) {
      io::AcceptResult accepted = co_await listener->Accept();
      if (accepted.status != io::StreamStatus::kOk) co_return;
      self->gate.Spawn(ServeOne(std::move(accepted.stream), self));
    }
  }

  static Task<void> Main(void* context) {
    Scene& self = *static_cast<Scene*>(context);
    auto listeners = io::OpenListeners({.endpoint = *io::Endpoint::Parse("127.0.0.1:0")}, 1);
    CHECK(listeners.ok());
    auto tls = io::TlsContext::MakeClient(
        {.authorities_pem = self.authorities, .alpn = {"http/1.1"}, .identity = {}});
    CHECK(tls.ok());
    const std::string url =
        "https://" + self.name + ":" + std::to_string(listeners->front().local().port) + "/t";
    self.options->tls = *tls;
    if (self.introspects) {
      self.options->introspection_url = url;
      self.options->client_id = "mail: one";
      self.options->client_secret.Set("a&b");
    } else {
      self.options->key_set_url = url;
    }
    self.gate.Spawn(ServeAll(&listeners->front(), &self));
    self.source = TokenSource::Make(self.policy, self.options, self.metrics);
    co_await self.play(self);
    self.source.reset();
    listeners->front().Cancel();
    co_await self.gate.Close();
  }

  void Run(Task<void> (*what)(Scene& scene)) {
    play = what;
    sim::World world;
    world.SetHost("mx.example.org", std::vector{*IpAddress::Parse("127.0.0.1")});
    sim::Node& node = world.AddNode({.shards = 1});
    node.Start(&Scene::Main, this);
    ASSERT_TRUE(world.RunUntil([&] { return !node.running(); }, std::chrono::hours(72)));
  }

  // The account, or what became of it.
  Task<std::string> Check(std::string_view text) {
    const codec::Secret token(text);
    const TokenAnswer answer = co_await source->Check(token);
    if (!answer.told) co_return "not told: " + answer.result.why;
    co_return answer.result.accepted ? answer.result.account : "no: " + answer.result.why;
  }
};

Task<void> CheckInto(Scene* scene, std::string token, std::vector<std::string>* out) {
  out->push_back(co_await scene->Check(token));
}

constexpr char kTim[] = "tim@example.org";
constexpr char kNoKey[] = "no: no key of its kid and alg";

TEST(TokenKeys, AreFetchedByTheFirstTokenAndKeptForTheRefreshTime) {
  Scene scene;
  scene.Run([](Scene& s) -> Task<void> {
    for (const auto token : {credential::kRs256, credential::kEs256, credential::kEdDsa})
      EXPECT_EQ(co_await s.Check(token), kTim);
    EXPECT_EQ(co_await s.Check(credential::kOtherIssuer), "no: another issuer");
    EXPECT_EQ(s.requests.size(), 1u);
    EXPECT_EQ(s.requests[0].method, "GET");
    EXPECT_EQ(s.requests[0].target, "/t");
    co_await io::SleepUntil(io::Now() + seconds(3590));
    EXPECT_EQ(co_await s.Check(credential::kEs256), kTim);
    EXPECT_EQ(s.requests.size(), 1u);
    co_await io::SleepUntil(io::Now() + seconds(20));
    s.body = kOneKey;
    EXPECT_EQ(co_await s.Check(credential::kEs256), kNoKey);
    EXPECT_EQ(s.requests.size(), 2u);
  });
}

TEST(TokenKeys, OfATokenWithAnUnknownKeyAreFetchedAgainButNotMoreOftenThanThePause) {
  Scene scene;
  scene.body = kOneKey;
  scene.Run([](Scene& s) -> Task<void> {
    EXPECT_EQ(co_await s.Check(credential::kEdDsa), kTim);
    s.body = credential::kKeySet;
    for (int i = 0; i < 100; ++i) EXPECT_EQ(co_await s.Check(credential::kOtherKid), kNoKey);
    EXPECT_EQ(co_await s.Check(credential::kEs256), kNoKey);
    EXPECT_EQ(s.requests.size(), 1u);
    co_await io::SleepUntil(io::Now() + kTokenKeysPause);
    EXPECT_EQ(co_await s.Check(credential::kEs256), kTim);
    EXPECT_EQ(s.requests.size(), 2u);
    // A signature that does not hold, of a key that there is, is no reason to ask.
    co_await io::SleepUntil(io::Now() + kTokenKeysPause);
    std::string forged(credential::kEs256);
    forged[forged.size() - 10] = forged[forged.size() - 10] == 'A' ? 'B' : 'A';
    EXPECT_EQ(co_await s.Check(forged), "no: the signature does not hold");
    EXPECT_EQ(co_await s.Check("no token"), "no: no JWT");
    EXPECT_EQ(s.requests.size(), 2u);
  });
}

TEST(TokenKeys, AreFetchedOnceForAllWhoWait) {
  Scene scene;
  scene.thinking = seconds(3);
  scene.Run([](Scene& s) -> Task<void> {
    std::vector<std::string> ended;
    io::Gate gate;
    for (int i = 0; i < 10; ++i) gate.Spawn(CheckInto(&s, std::string(credential::kEs256), &ended));
    co_await gate.Close();
    EXPECT_EQ(ended, std::vector<std::string>(10, kTim));
    EXPECT_EQ(s.requests.size(), 1u);
  });
}

TEST(TokenKeys, ThatCannotBeFetchedLeaveTheOldOnesInUseForADay) {
  Scene scene;
  scene.Run([](Scene& s) -> Task<void> {
    EXPECT_EQ(co_await s.Check(credential::kEs256), kTim);
    s.code = 503;
    co_await io::SleepUntil(io::Now() + kTokenKeysAgeMax - seconds(60));
    EXPECT_EQ(co_await s.Check(credential::kEs256), kTim);
    // Whether a new key is one of the issuer's cannot be told.
    EXPECT_EQ(co_await s.Check(credential::kOtherKid),
              "not told: the server of the key set answers 503");
    co_await io::SleepUntil(io::Now() + seconds(120));
    EXPECT_EQ(co_await s.Check(credential::kEs256),
              "not told: the server of the key set answers 503");
    s.code = 200;
    co_await io::SleepUntil(io::Now() + kTokenKeysPause);
    EXPECT_EQ(co_await s.Check(credential::kEs256), kTim);
    EXPECT_EQ(s.metrics.failures.value(), 2u);
  });
}

TEST(TokenKeys, ThatNeverCameAreNoReasonToRefuse) {
  for (const std::string_view body : {"", "{}", "{\"keys\":[]}", "[]"}) {
    Scene scene;
    scene.body = body;
    scene.Run([](Scene& s) -> Task<void> {
      for (int i = 0; i < 3; ++i)
        EXPECT_TRUE((co_await s.Check(credential::kEs256)).starts_with("not told: the key set: "));
      EXPECT_EQ(s.requests.size(), 1u);
    });
  }
}

TEST(TokenKeys, AreTakenOfTheLargestSizeAndNotBeyond) {
  for (const size_t beyond : {0u, 1u}) {
    Scene scene;
    scene.body.resize(credential::kTokenKeySetBytesMax + beyond, ' ');
    scene.Run(
        beyond == 0
        ? [](Scene& s) -> Task<void> { EXPECT_EQ(co_await s.Check(credential::kEs256), kTim); }
        : [](Scene& s) -> Task<void> {
            EXPECT_TRUE((co_await s.Check(credential::kEs256)).ends_with("is too long"));
          });
  }
}

TEST(TokenKeys, AreBelievedOfNobodyWhoIsNotVouchedFor) {
  Scene scene;
  scene.authorities = std::string(kRsaCertificate);
  scene.Run([](Scene& s) -> Task<void> {
    EXPECT_TRUE((co_await s.Check(credential::kEs256)).starts_with("not told: no TLS with "));
    EXPECT_TRUE(s.requests.empty());
  });
  Scene other;
  other.name = "127.0.0.1";  // which its certificate does not name
  other.Run([](Scene& s) -> Task<void> {
    EXPECT_TRUE((co_await s.Check(credential::kEs256)).starts_with("not told: no TLS with "));
    EXPECT_TRUE(s.requests.empty());
  });
}

Task<void> StopIn(Scene* scene, Nanoseconds time) {
  co_await io::SleepUntil(io::Now() + time);
  scene->source->Stop();
}

TEST(TokenSource, WaitsNoLongerThanItsTimeAndNotAtAllOnceStopped) {
  for (const bool introspects : {false, true}) {
    Scene scene;
    scene.introspects = introspects;
    scene.silent = true;
    scene.Run([](Scene& s) -> Task<void> {
      MonotonicTime began = io::Now();
      EXPECT_TRUE((co_await s.Check(credential::kEs256)).ends_with("did not answer in time"));
      EXPECT_LE(io::Now() - began, s.options->timeout + seconds(1));
      co_await io::SleepUntil(io::Now() + kTokenKeysPause);
      io::Gate gate;
      std::vector<std::string> ended;
      began = io::Now();
      for (uint32_t i = 0; i < 3 * kTokenCallsMax; ++i)
        gate.Spawn(CheckInto(&s, std::string(credential::kEs256), &ended));
      gate.Spawn(StopIn(&s, seconds(1)));
      co_await gate.Close();
      EXPECT_LE(io::Now() - began, seconds(2));
      for (const std::string& one : ended) EXPECT_TRUE(one.starts_with("not told: ")) << one;
      EXPECT_TRUE((co_await s.Check(credential::kEs256)).starts_with("not told: "));
    });
  }
}

constexpr char kActive[] = R"({"active":true,"iss":"https://id.example.org","aud":["ringmail"],)"
                           R"("email":"tim@example.org","scope":"a mail"})";

TEST(TokenIntrospection, IsAskedByFormAndRemembersBothAnswers) {
  Scene scene;
  scene.introspects = true;
  scene.body = kActive;
  scene.Run([](Scene& s) -> Task<void> {
    EXPECT_EQ(co_await s.Check("a+b/c= \xff"), kTim);
    EXPECT_EQ(co_await s.Check("a+b/c= \xff"), kTim);
    EXPECT_EQ(s.requests.size(), 1u);
    EXPECT_EQ(s.requests[0].method, "POST");
    EXPECT_EQ(s.requests[0].body, "token=a%2Bb%2Fc%3D%20%FF&token_type_hint=access_token");
    EXPECT_EQ(*s.requests[0].Find("content-type"), "application/x-www-form-urlencoded");
    // RFC 6749 §2.3.1: "mail%3A%20one:a%26b".
    EXPECT_EQ(*s.requests[0].Find("authorization"), "Basic bWFpbCUzQSUyMG9uZTphJTI2Yg==");
    s.body = R"({"active":false})";
    EXPECT_EQ(co_await s.Check("other"), "no: the authority says that it is not active");
    s.body = kActive;
    EXPECT_EQ(co_await s.Check("other"), "no: the authority says that it is not active");
    EXPECT_EQ(s.requests.size(), 2u);
    EXPECT_EQ(s.metrics.kept.value(), 2u);
    co_await io::SleepUntil(io::Now() + s.options->cache_time);
    s.body = R"({"active":false})";
    EXPECT_EQ(co_await s.Check("a+b/c= \xff"), "no: the authority says that it is not active");
    EXPECT_EQ(s.requests.size(), 3u);
  });
}

TEST(TokenIntrospection, IsRememberedNoLongerThanTheTokenLives) {
  Scene scene;
  scene.introspects = true;
  scene.policy->skew = seconds(0);
  scene.Run([](Scene& s) -> Task<void> {
    s.body = kActive;
    s.body.insert(s.body.size() - 1, ",\"exp\":" + std::to_string(UnixSeconds(io::WallNow()) + 10));
    EXPECT_EQ(co_await s.Check("token"), kTim);
    co_await io::SleepUntil(io::Now() + seconds(5));
    EXPECT_EQ(co_await s.Check("token"), kTim);
    EXPECT_EQ(s.requests.size(), 1u);
    co_await io::SleepUntil(io::Now() + seconds(6));
    EXPECT_EQ(co_await s.Check("token"), "no: it has expired");
    EXPECT_EQ(s.requests.size(), 2u);
  });
}

TEST(TokenIntrospection, ThatIsNoAnswerIsNoReasonToRefuseAndPausesTheNext) {
  struct Wrong {
    uint16_t code;
    std::string_view body;
  };
  for (const Wrong& one : {Wrong{401, "{}"}, Wrong{500, kActive}, Wrong{200, "{}"}, Wrong{200, ""},
                           Wrong{200, R"({"active":"true"})"}, Wrong{302, kActive}}) {
    Scene scene;
    scene.introspects = true;
    scene.code = one.code;
    scene.body = one.body;
    scene.Run([](Scene& s) -> Task<void> {
      for (int i = 0; i < 3; ++i)
        EXPECT_TRUE((co_await s.Check("token")).starts_with("not told: the server of tokens "));
      EXPECT_EQ(s.requests.size(), 1u);
      EXPECT_EQ(s.metrics.failures.value(), 1u);
      s.code = 200;
      s.body = kActive;
      co_await io::SleepUntil(io::Now() + kTokenFailurePause);
      EXPECT_EQ(co_await s.Check("token"), kTim);
    });
  }
}

TEST(TokenIntrospection, OfManyTokensIsAskedAFewAtATimeAndOnceForEach) {
  Scene scene;
  scene.introspects = true;
  scene.body = kActive;
  scene.thinking = seconds(1);
  scene.Run([](Scene& s) -> Task<void> {
    std::vector<std::string> ended;
    io::Gate gate;
    const MonotonicTime began = io::Now();
    for (uint32_t i = 0; i < 4 * kTokenCallsMax; ++i)
      gate.Spawn(CheckInto(&s, "token " + std::to_string(i / 2), &ended));
    co_await gate.Close();
    EXPECT_EQ(ended, std::vector<std::string>(4 * kTokenCallsMax, kTim));
    EXPECT_LE(s.requests.size(), 4 * kTokenCallsMax);
    EXPECT_GE(io::Now() - began, seconds(2));
  });
}

TEST(TokenIntrospection, LetsSoManyWaitAndNotOneMore) {
  Scene scene;
  scene.introspects = true;
  scene.silent = true;
  scene.Run([](Scene& s) -> Task<void> {
    std::vector<std::string> ended;
    io::Gate gate;
    for (uint32_t i = 0; i < kTokenCallsMax + kTokenCallsWaitingMax; ++i)
      gate.Spawn(CheckInto(&s, "token " + std::to_string(i), &ended));
    EXPECT_EQ(ended.size(), 0u);
    EXPECT_EQ(co_await s.Check("beyond"), "not told: too many tokens wait");
    co_await gate.Close();
    EXPECT_EQ(ended.size(), size_t{kTokenCallsMax} + kTokenCallsWaitingMax);
  });
}

TEST(TokenIntrospection, ForgetsTheOldestBeyondItsRoom) {
  Scene scene;
  scene.introspects = true;
  scene.body = kActive;
  scene.options->cache_time = seconds(86'400);
  scene.Run([](Scene& s) -> Task<void> {
    for (size_t i = 0; i <= kTokensKept; ++i)
      EXPECT_EQ(co_await s.Check("token " + std::to_string(i)), kTim);
    EXPECT_EQ(s.requests.size(), kTokensKept + 1);
    EXPECT_EQ(co_await s.Check("token 1"), kTim);
    EXPECT_EQ(s.requests.size(), kTokensKept + 1);
    EXPECT_EQ(co_await s.Check("token 0"), kTim);
    EXPECT_EQ(s.requests.size(), kTokensKept + 2);
  });
}

}  // namespace
}  // namespace ringmail::agent
