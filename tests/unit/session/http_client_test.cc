#include "ringmail/session/http_client.h"

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
#include "tests/sim/io/world.h"
#include "tests/support/io/tls_identities.h"

namespace ringmail::session {
namespace {

using namespace testing_tls;
using std::chrono::seconds;

// What the other side does with connections and requests.
struct Host {
  bool tls = true;
  size_t requests_per_connection = 100;  // then it closes, and does not say so
  size_t body_bytes = 5;
  size_t head_bytes = 0;  // of a field beside, by the connection's own hands
  bool silent = false;

  size_t connections = 0, open = 0;
  std::vector<HttpRequest> requests;
};

io::Task<void> ServeOne(io::Stream stream, Host* host) {
  if (host->tls) {
    auto context = io::TlsContext::MakeServer(
        {.identities = {{.certificate_pem = std::string(kEcdsaCertificate),
                         .private_key_pem = std::string(kEcdsaKey),
                         .ocsp_response = {}}}});
    CHECK(context.ok());
    const io::TlsResult shaken = co_await stream.StartTlsServer(*context, io::Now() + seconds(20));
    if (!shaken.ok()) co_return;
  }
  ++host->open;
  HttpServerConnection http(stream);
  for (size_t i = 0; i < host->requests_per_connection; ++i) {
    HttpRequest request;
    if (co_await http.ReadRequest(request, io::Now() + seconds(60)) != HttpStatus::kOk) break;
    host->requests.push_back(std::move(request));
    if (host->silent) {
      co_await io::SleepUntil(io::Now() + seconds(30));
      break;
    }
    if (host->head_bytes != 0) {
      // Lines of 100 octets, so that it is the head that is too long and no line of it.
      std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
      while (head.size() < host->head_bytes) head += "x: " + std::string(95, 'y') + "\r\n";
      stream.Write(head + "\r\n");
      if (co_await stream.Flush(io::Now() + seconds(5)) != io::StreamStatus::kOk) break;
      continue;
    }
    http.Respond(200, "text/plain", std::string(host->body_bytes, 'x'));
  }
  co_await stream.Close(io::Now() + seconds(1));
  --host->open;
}

io::Task<void> ServeAll(io::Listener* listener, Host* host, io::Gate* gate) {
  for (;;) {
    io::AcceptResult accepted = co_await listener->Accept();
    if (accepted.status != io::StreamStatus::kOk) co_return;
    ++host->connections;
    gate->Spawn(ServeOne(std::move(accepted.stream), host));
  }
}

struct Scene {
  Host host;
  HttpClientOptions options;
  std::string authorities{kAuthority};
  std::string name = "mx.example.org";
  // What the client does; `port` is the host's.
  io::Task<void> (*play)(HttpClient& client, Scene& scene);
  uint16_t port = 0;
  std::vector<HttpReply> replies;

  HttpCall Call(std::string method = "GET") const {
    HttpCall call;
    call.method = std::move(method);
    const auto url = HttpUrl::Parse(std::string(host.tls ? "https" : "http") + "://" + name + ":" +
                                    std::to_string(port) + "/a?b");
    CHECK(url.has_value());
    call.url = *url;
    return call;
  }

  static io::Task<void> Main(void* context) {
    Scene& self = *static_cast<Scene*>(context);
    auto listeners = io::OpenListeners({.endpoint = *io::Endpoint::Parse("127.0.0.1:0")}, 1);
    CHECK(listeners.ok());
    self.port = listeners->front().local().port;
    auto tls = io::TlsContext::MakeClient(
        {.authorities_pem = self.authorities, .alpn = {"http/1.1"}, .identity = {}});
    CHECK(tls.ok());
    self.options.tls = *tls;
    io::Gate gate;
    gate.Spawn(ServeAll(&listeners->front(), &self.host, &gate));
    {
      const auto client = HttpClient::Make(self.options);
      co_await self.play(*client, self);
    }
    listeners->front().Cancel();
    co_await gate.Close();
  }

  void Run() {
    sim::World world;
    world.SetHost("mx.example.org", std::vector{*IpAddress::Parse("127.0.0.1")});
    sim::Node& node = world.AddNode({.shards = 1});
    node.Start(&Scene::Main, this);
    ASSERT_TRUE(world.RunUntil([&] { return !node.running(); }));
  }
};

io::Task<void> Once(HttpClient& client, Scene& scene) {
  scene.replies.push_back(co_await client.Call(scene.Call(), io::Now() + seconds(10)));
}

io::Task<void> Twice(HttpClient& client, Scene& scene) {
  co_await Once(client, scene);
  co_await io::SleepUntil(io::Now() + seconds(2));
  co_await Once(client, scene);
}

TEST(HttpClient, AsksInsideTlsAndUsesTheConnectionAgain) {
  for (const bool tls : {true, false}) {
    Scene scene{.play = Twice};
    scene.host.tls = tls;
    scene.Run();
    ASSERT_EQ(scene.replies.size(), 2u);
    for (const HttpReply& one : scene.replies) {
      EXPECT_TRUE(one.ok()) << one.problem;
      EXPECT_EQ(one.head.code, 200);
      EXPECT_EQ(one.body, "xxxxx");
    }
    EXPECT_EQ(scene.host.connections, 1u);
    ASSERT_EQ(scene.host.requests.size(), 2u);
    EXPECT_EQ(scene.host.requests[0].target, "/a?b");
    EXPECT_EQ(*scene.host.requests[0].Find("user-agent"), "ringmail");
    EXPECT_EQ(*scene.host.requests[0].Find("host"), "mx.example.org:" + std::to_string(scene.port));
  }
}

TEST(HttpClient, BelievesNobodyWhomNobodyVouchesFor) {
  Scene scene{.authorities = std::string(kRsaCertificate), .play = Once};
  scene.Run();
  ASSERT_EQ(scene.replies.size(), 1u);
  EXPECT_EQ(scene.replies[0].status, HttpStatus::kFailed);
  EXPECT_NE(scene.replies[0].problem.find("no TLS with mx.example.org"), std::string::npos);
  EXPECT_TRUE(scene.host.requests.empty());
}

TEST(HttpClient, SaysWhichNameWasNotFound) {
  Scene scene{.name = "gone.example.org", .play = Once};
  scene.Run();
  ASSERT_EQ(scene.replies.size(), 1u);
  EXPECT_NE(scene.replies[0].problem.find("gone.example.org"), std::string::npos);
}

io::Task<void> TwiceRepeatable(HttpClient& client, Scene& scene) {
  for (int i = 0; i < 2; ++i) {
    HttpCall call = scene.Call("POST");
    call.body = "b";
    call.repeatable = true;
    scene.replies.push_back(co_await client.Call(std::move(call), io::Now() + seconds(10)));
    co_await io::SleepUntil(io::Now() + seconds(2));
  }
}

TEST(HttpClient, SendsAgainOnlyWhatMayComeTwice) {
  for (const bool repeatable : {true, false}) {
    Scene scene{.play = repeatable ? TwiceRepeatable : Twice};
    scene.host.requests_per_connection = 1;
    scene.Run();
    ASSERT_EQ(scene.replies.size(), 2u);
    EXPECT_TRUE(scene.replies[0].ok());
    EXPECT_EQ(scene.replies[1].ok(), repeatable) << scene.replies[1].problem;
    EXPECT_EQ(scene.host.connections, repeatable ? 2u : 1u);
  }
}

TEST(HttpClient, TakesAnAnswerOfTheLargestSizeAndNoneBeyond) {
  for (const size_t beyond : {0u, 1u}) {
    Scene scene{.play = Once};
    scene.options.body_bytes_max = 10'000;
    scene.host.body_bytes = 10'000 + beyond;
    scene.Run();
    ASSERT_EQ(scene.replies.size(), 1u);
    EXPECT_EQ(scene.replies[0].ok(), beyond == 0) << scene.replies[0].problem;
  }
}

TEST(HttpClient, TakesNoHeadWithoutEnd) {
  for (const bool beyond : {false, true}) {
    Scene scene{.play = Once};
    scene.host.head_bytes = beyond ? 60'000 : 5'000;
    scene.Run();
    ASSERT_EQ(scene.replies.size(), 1u);
    EXPECT_EQ(scene.replies[0].status, beyond ? HttpStatus::kRefused : HttpStatus::kOk);
  }
}

io::Task<void> OnceAndLater(HttpClient& client, Scene& scene) {
  co_await Once(client, scene);
  EXPECT_EQ(scene.host.open, 1u);
  co_await io::SleepUntil(io::Now() + seconds(20));
  EXPECT_EQ(scene.host.open, 0u);
  co_await Once(client, scene);
}

TEST(HttpClient, KeepsNoConnectionThatNobodyUsed) {
  Scene scene{.play = OnceAndLater};
  scene.Run();
  ASSERT_EQ(scene.replies.size(), 2u);
  EXPECT_TRUE(scene.replies[1].ok()) << scene.replies[1].problem;
  EXPECT_EQ(scene.host.connections, 2u);
}

TEST(HttpClient, WaitsNoLongerThanTheDeadline) {
  Scene scene{.play = Once};
  scene.host.silent = true;
  scene.Run();
  ASSERT_EQ(scene.replies.size(), 1u);
  EXPECT_EQ(scene.replies[0].status, HttpStatus::kTimedOut);
}

io::Task<void> StopIn(HttpClient* client, Nanoseconds time) {
  co_await io::SleepUntil(io::Now() + time);
  client->Stop();
}
io::Task<void> Stopped(HttpClient& client, Scene& scene) {
  io::Gate gate;
  gate.Spawn(StopIn(&client, seconds(3)));
  co_await Once(client, scene);
  co_await Once(client, scene);
  co_await gate.Close();
}

TEST(HttpClient, EndsTheCallUnderWayAndEveryLaterOneWhenStopped) {
  Scene scene{.play = Stopped};
  scene.host.silent = true;
  scene.Run();
  ASSERT_EQ(scene.replies.size(), 2u);
  EXPECT_EQ(scene.replies[0].status, HttpStatus::kCancelled);
  EXPECT_EQ(scene.replies[1].status, HttpStatus::kCancelled);
}

struct UrlCase {
  std::string_view text, host;
  uint16_t port;
  std::string_view target, authority;
};

TEST(HttpUrl, IsReadStrictly) {
  for (const UrlCase& one :
       {UrlCase{"https://Example.ORG", "example.org", 443, "/", "example.org"},
        UrlCase{"HTTP://a.example:8080/x?y=%20", "a.example", 8080, "/x?y=%20", "a.example:8080"},
        UrlCase{"https://a?q", "a", 443, "/?q", "a"},
        UrlCase{"https://192.0.2.1/", "192.0.2.1", 443, "/", "192.0.2.1"},
        UrlCase{"https://[2001:db8::1]:14000/dir", "2001:db8::1", 14000, "/dir",
                "[2001:db8::1]:14000"}}) {
    const auto url = HttpUrl::Parse(one.text);
    ASSERT_TRUE(url.has_value()) << one.text;
    EXPECT_EQ(url->host, one.host);
    EXPECT_EQ(url->port, one.port);
    EXPECT_EQ(url->target, one.target);
    EXPECT_EQ(url->Authority(), one.authority);
  }
  for (std::string_view wrong :
       {"", "example.org", "https:/a", "https:///x", "gopher://a/", "https://a:0/", "https://a:/",
        "https://a:65536/", "https://a:1x/", "https://u@a/", "https://a/#f", "https://a/ b",
        "https://a/\r\nX: y", "https://[::1/", "https://[192.0.2.1]/", "https://.a/", "https://-a/",
        "https://a\"/", "https://\xc3\xa4/"}) {
    EXPECT_FALSE(HttpUrl::Parse(wrong).has_value()) << wrong;
  }
  EXPECT_TRUE(HttpUrl::Parse("https://a/" + std::string(kHttpUrlBytesMax - 10, 'x')).has_value());
  EXPECT_FALSE(HttpUrl::Parse("https://a/" + std::string(kHttpUrlBytesMax - 9, 'x')).has_value());
}

}  // namespace
}  // namespace ringmail::session
