#include "protocol/acme/responder.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "protocol/acme/limits.h"
#include "ringmail/base/check.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/shard.h"
#include "tests/sim/io/world.h"
#include "tests/support/io/tls_identities.h"

namespace ringmail::acme {
namespace {

using namespace testing_tls;
using std::chrono::seconds;

struct Scene {
  ResponderTls tls = ResponderTls::kNone;
  std::string said;               // by the client, as it is
  std::vector<std::string> alpn;  // of a client inside TLS
  std::string server_name = "mx.example.org";
  size_t idle_clients = 0;  // that came before and say nothing
  std::vector<IpNetwork> proxies = {};

  std::string heard;
  io::TlsResult shaken;
  std::vector<std::string> chain;

  static io::Task<void> Main(void* context) {
    Scene& self = *static_cast<Scene*>(context);
    auto listeners = io::OpenListeners({.endpoint = *io::Endpoint::Parse("127.0.0.1:0")}, 1);
    CHECK(listeners.ok());
    const io::Endpoint at = listeners->front().local();
    const ChallengeAnswer answer{
        .name = "mx.example.org", .token = "tokenA", .key_authorization = "tokenA.thumb"};
    io::TlsServerOptions options;
    options.identities.push_back({.certificate_pem = std::string(kEcdsaCertificate),
                                  .private_key_pem = std::string(kEcdsaKey),
                                  .ocsp_response = {}});
    auto challenge = ChallengeIdentity(answer, io::WallNow());
    CHECK(challenge.ok());
    options.challenges.push_back(*std::move(challenge));
    auto server = io::TlsContext::MakeServer(options);
    CHECK(server.ok());
    {
      Responder responder(
          {.answers = std::make_shared<const std::vector<ChallengeAnswer>>(1, answer),
           .tls = *server});
      responder.Listen(std::move(listeners->front()), {.tls = self.tls, .proxies = self.proxies});
      std::vector<io::Stream> idle;
      for (size_t i = 0; i < self.idle_clients; ++i) {
        io::ConnectResult one = co_await io::Connect(at, {}, io::Now() + seconds(5));
        CHECK(one.status == io::StreamStatus::kOk);
        idle.push_back(std::move(one.stream));
      }
      co_await self.Ask(at);
      EXPECT_LE(responder.session_count(), kResponderSessionsMax);
      EXPECT_TRUE(responder.Unlisten(at));
      EXPECT_FALSE(responder.Unlisten(at));
      co_await responder.Stop(io::Now() + seconds(30));
      EXPECT_EQ(responder.session_count(), 0u);
    }
  }

  io::Task<void> Ask(io::Endpoint at) {
    io::ConnectResult connected = co_await io::Connect(at, {}, io::Now() + seconds(5));
    CHECK(connected.status == io::StreamStatus::kOk);
    io::Stream& stream = connected.stream;
    if (tls == ResponderTls::kImplicit) {
      auto client = io::TlsContext::MakeClient({.alpn = alpn, .identity = {}});
      CHECK(client.ok());
      shaken = co_await stream.StartTlsClient(
          *client, {.server_name = server_name, .trust = io::TlsTrust::kAnybody, .session = {}},
          io::Now() + seconds(5));
      if (shaken.ok()) chain = stream.TlsPeerChain();
    } else {
      stream.Write(said);
    }
    while (co_await stream.Receive(io::Now() + seconds(30)) == io::StreamStatus::kOk) {
      heard += stream.input();
      stream.Consume(stream.input().size());
    }
    co_await stream.Close(io::Now() + seconds(1));
  }

  void Run() {
    sim::World world;
    sim::Node& node = world.AddNode({.shards = 1});
    node.Start(&Scene::Main, this);
    ASSERT_TRUE(world.RunUntil([&] { return !node.running(); }));
  }
};

std::string Get(std::string_view target, std::string_view method = "GET") {
  return std::string(method) + " " + std::string(target) +
         " HTTP/1.1\r\nHost: mx.example.org\r\nUser-Agent: an authority\r\n\r\n";
}

TEST(AcmeResponder, SaysTheKeyAuthorizationToWhoKnowsTheToken) {
  Scene scene{.said = Get("/.well-known/acme-challenge/tokenA")};
  scene.Run();
  EXPECT_TRUE(scene.heard.starts_with("HTTP/1.1 200 OK\r\n")) << scene.heard;
  EXPECT_TRUE(scene.heard.ends_with("\r\n\r\ntokenA.thumb")) << scene.heard;
}

TEST(AcmeResponder, SaysNothingElse) {
  struct Case {
    std::string said;
    std::string_view code;
  };
  for (const Case& one : {Case{Get("/.well-known/acme-challenge/tokenB"), "404"},
                          Case{Get("/.well-known/acme-challenge/"), "404"}, Case{Get("/"), "404"},
                          Case{Get("/.well-known/acme-challenge/tokenA", "POST"), "405"},
                          Case{"GET / HTTP/1.1\r\n\r\n", "400"},
                          Case{"GET /" + std::string(5000, 'x') + " HTTP/1.1\r\n", "431"}}) {
    Scene scene{.said = one.said};
    scene.Run();
    EXPECT_EQ(scene.heard.substr(0, 12), "HTTP/1.1 " + std::string(one.code)) << one.said;
    EXPECT_EQ(scene.heard.find("thumb"), std::string::npos);
  }
}

TEST(AcmeResponder, ShowsTheChallengeToWhoAsksByAcmeTlsAlone) {
  Scene scene{.tls = ResponderTls::kImplicit, .alpn = {"acme-tls/1"}};
  scene.Run();
  ASSERT_TRUE(scene.shaken.ok()) << scene.shaken.problem;
  EXPECT_EQ(scene.shaken.alpn, "acme-tls/1");
  ASSERT_EQ(scene.chain.size(), 1u);
  // RFC 8737 §6.1, id-pe-acmeIdentifier.
  EXPECT_NE(scene.chain[0].find("\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x1f"), std::string::npos);
  EXPECT_EQ(scene.heard, "");
}

TEST(AcmeResponder, ShowsTheCertificateToEverybodyElse) {
  struct Case {
    std::vector<std::string> alpn;
    std::string_view name;
  };
  for (const Case& one : {Case{{}, "mx.example.org"}, Case{{"h2", "acme-tls/1"}, "mx.example.org"},
                          Case{{"acme-tls/1"}, "other.example.org"}}) {
    Scene scene{
        .tls = ResponderTls::kImplicit, .alpn = one.alpn, .server_name = std::string(one.name)};
    scene.Run();
    ASSERT_TRUE(scene.shaken.ok()) << scene.shaken.problem;
    EXPECT_EQ(scene.shaken.alpn, "");
    ASSERT_FALSE(scene.chain.empty());
    EXPECT_EQ(scene.chain[0].find("\x2b\x06\x01\x05\x05\x07\x01\x1f"), std::string::npos);
  }
}

TEST(AcmeResponder, BehindAProxyWantsItsHeader) {
  const std::string get = Get("/.well-known/acme-challenge/tokenA");
  Scene behind{.said = "PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n" + get,
               .proxies = {*IpNetwork::Parse("127.0.0.0/8")}};
  behind.Run();
  EXPECT_TRUE(behind.heard.ends_with("\r\n\r\ntokenA.thumb")) << behind.heard;
  Scene without{.said = get, .proxies = {*IpNetwork::Parse("127.0.0.0/8")}};
  without.Run();
  EXPECT_EQ(without.heard, "");
  // From elsewhere it is no header, and no HTTP either.
  Scene elsewhere{.said = "PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n" + get,
                  .proxies = {*IpNetwork::Parse("10.0.0.0/8")}};
  elsewhere.Run();
  EXPECT_EQ(elsewhere.heard.find("thumb"), std::string::npos);
}

TEST(AcmeResponder, HasRoomForSoManyAtOnceAndClosesTheNext) {
  Scene last{.said = Get("/"), .idle_clients = kResponderSessionsMax - 1};
  last.Run();
  EXPECT_TRUE(last.heard.starts_with("HTTP/1.1 404"));
  Scene beyond{.said = Get("/"), .idle_clients = kResponderSessionsMax};
  beyond.Run();
  EXPECT_EQ(beyond.heard, "");
}

}  // namespace
}  // namespace ringmail::acme
