// The service in a simulated world: who is admitted, moves between shards, reload, and the end.
#include "protocol/pop3/service.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "ringmail/base/check.h"
#include "ringmail/io/runtime.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/io/tls.h"
#include "tests/sim/io/world.h"
#include "tests/support/io/tls_identities.h"
#include "tests/support/pop3/house.h"

namespace ringmail::pop3 {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// What a client says, each piece after the answer to the one before.
struct Client {
  std::vector<std::string> pieces;
  Nanoseconds start{0}, pause{0};
  bool implicit_tls = false;
  std::string header = {};       // in front of everything
  Nanoseconds deaf{0};           // takes nothing of what is sent, for so long
  size_t tls_before = SIZE_MAX;  // the piece before which TLS begins
  std::string heard;
  bool ended = false, done = false;
};

class Pop3ServiceTest : public testing::Test {
 protected:
  Pop3ServiceTest() : server_(world_.AddNode({.name = "pop", .shards = 2})) {
    options_.hostname = "pop.example.org";
    listener_options_.plaintext = session::SaslPlaintext::kAlways;
    for (int i = 0; i < 3; ++i) house_.Deliver("ann", Letter("x", 1));
  }
  ~Pop3ServiceTest() override {
    if (server_.running()) server_.Kill();
  }

  void Start() {
    {
      sim::Node::MainThread main(server_);
      auto opened = io::OpenListeners({.endpoint = {.ip = server_.ip(), .port = 110}}, 1);
      CHECK(opened.ok());
      listener_ = std::move(opened->front());
    }
    server_.Start(&Pop3ServiceTest::Main, this);
  }

  void Run(std::vector<Client*> clients) {
    Begin(clients);
    ASSERT_TRUE(world_.RunUntil([&] {
      for (const Client* one : clients)
        if (!one->done) return false;
      return true;
    }));
  }
  void Begin(const std::vector<Client*>& clients) {
    for (Client* one : clients) {
      contexts_.push_back(std::make_unique<Context>(Context{this, one}));
      world_.AddNode({.name = "client"}).Start(&Pop3ServiceTest::Speak, contexts_.back().get());
    }
  }

  static io::Task<void> Main(void* context) {
    auto& self = *static_cast<Pop3ServiceTest*>(context);
    const bool first = io::ThisShard() == ShardIndex(0);
    {
      Service service(self.house_.MakeMaildrops(), self.house_, self.options_);
      self.services_[io::ThisShard().value] = &service;
      if (first) service.Listen(std::move(self.listener_), self.listener_options_);
      if (first) {
        while (true) {
          const io::Signal signal = co_await io::NextSignal(kNever);
          if (signal == io::Signal::kTerminate) break;
          if (signal == io::Signal::kReload) service.Reconfigure(self.reloaded_);
        }
        self.stopping_ = true;
      } else {
        while (!self.stopping_) co_await io::SleepUntil(io::Now() + milliseconds(10));
      }
      co_await service.Stop(io::Now() + self.grace_);
      // Each service lives until all have stopped: sessions may be on their way.
      ++self.stopped_;
      while (self.stopped_ < 2) co_await io::SleepUntil(io::Now() + milliseconds(10));
      self.services_[io::ThisShard().value] = nullptr;
    }
  }

  struct Context {
    Pop3ServiceTest* test;
    Client* client;
  };
  static io::Task<void> Speak(void* context) {
    const auto [test, client] = *static_cast<Context*>(context);
    co_await io::SleepUntil(io::Now() + client->start);
    io::ConnectResult result =
        co_await io::Connect({.ip = test->server_.ip(), .port = 110}, {}, io::Now() + seconds(10));
    CHECK(result.status == io::StreamStatus::kOk);
    io::Stream stream = std::move(result.stream);
    stream.Write(client->header);
    if (client->implicit_tls) co_await BeginTls(&stream);
    for (size_t i = 0; !client->ended && i <= client->pieces.size(); ++i) {
      if (i > 0) {
        co_await io::SleepUntil(io::Now() + client->pause);
        if (client->tls_before == i - 1) co_await BeginTls(&stream);
        stream.Write(client->pieces[i - 1]);
      }
      if (i > 0 && client->deaf > Nanoseconds(0)) {
        (void)co_await stream.Flush(io::Now() + seconds(1));
        co_await io::SleepUntil(io::Now() + client->deaf);
      }
      while (true) {
        const io::StreamStatus status = co_await stream.Receive(io::Now() + milliseconds(20));
        if (status == io::StreamStatus::kTimedOut) break;
        client->ended = status != io::StreamStatus::kOk;
        if (client->ended) break;
        client->heard += stream.input();
        stream.Consume(stream.input().size());
      }
    }
    if (!client->pieces.empty() && client->pieces.back().empty()) {
      // Waits for the end, whenever it comes.
      client->ended = co_await stream.Receive(io::Now() + seconds(3600)) == io::StreamStatus::kEnd;
    }
    co_await stream.Close(io::Now() + seconds(1));
    client->done = true;
  }

  static io::Task<void> BeginTls(io::Stream* stream) {
    auto context =
        io::TlsContext::MakeClient({.authorities_pem = std::string(testing_tls::kAuthority)});
    CHECK(context.ok());
    const io::TlsResult result = co_await stream->StartTlsClient(
        *context, {.server_name = "mx.example.org"}, io::Now() + seconds(20));
    EXPECT_TRUE(result.ok()) << result.problem;
  }
  void HaveCertificate(ListenerTls tls) {
    auto context = io::TlsContext::MakeServer(
        {.identities = {{.certificate_pem = std::string(testing_tls::kEcdsaCertificate),
                         .private_key_pem = std::string(testing_tls::kEcdsaKey)}}});
    CHECK(context.ok());
    options_.tls = *std::move(context);
    listener_options_.tls = tls;
    listener_options_.plaintext = session::SaslPlaintext::kEncryptedOnly;
  }

  sim::World world_;
  sim::Node& server_;
  House house_;
  Pop3Options options_, reloaded_;
  Pop3ListenerOptions listener_options_;
  Nanoseconds grace_ = seconds(30);
  io::Listener listener_;
  Service* services_[2] = {};
  bool stopping_ = false;
  uint32_t stopped_ = 0;
  std::vector<std::unique_ptr<Context>> contexts_;
};

constexpr std::string_view kLogin = "USER ann\r\nPASS secret word\r\n";
std::string Login(std::string_view more) { return std::string(kLogin).append(more); }

TEST_F(Pop3ServiceTest, ServesASessionOnTheShardOfItsAccountWhichItMovesTo) {
  house_.home = ShardIndex(1);
  Start();
  Client client{.pieces = {Login("STAT\r\nRETR 1\r\n"), "DELE 2\r\n", "QUIT\r\n"}};
  Run({&client});
  EXPECT_EQ(client.heard,
            "+OK ringmail ready\r\n+OK Now the password\r\n+OK 3 messages (135 octets)\r\n"
            "+OK 3 135\r\n+OK 45 octets\r\n" +
                Letter("x", 1) +
                ".\r\n+OK Message 2 is deleted\r\n+OK 1 messages deleted, goodbye\r\n");
  EXPECT_TRUE(client.ended);
  EXPECT_EQ(house_.messages("ann"), 2u);
  world_.RunFor(seconds(10));
  EXPECT_EQ(services_[0]->session_count(), 0u);
  EXPECT_EQ(services_[1]->session_count(), 0u);
}

TEST_F(Pop3ServiceTest, TakesPasswordsOnceTlsProtectsThemAndMovesWithIt) {
  HaveCertificate(ListenerTls::kStartTls);
  house_.home = ShardIndex(1);
  Start();
  Client client{
      .pieces = {"USER ann\r\n", "STLS\r\n", "CAPA\r\n", Login("STLS\r\n"), "RETR 1\r\nQUIT\r\n"},
      .tls_before = 2};
  Run({&client});
  EXPECT_TRUE(client.heard.starts_with(
      "+OK ringmail ready\r\n-ERR Passwords are not taken in the clear: say STLS first\r\n"
      "+OK Begin\r\n+OK Capability list follows\r\nTOP\r\nUIDL\r\nUSER\r\nSASL PLAIN LOGIN "
      "CRAM-MD5\r\nRESP-CODES\r\n"))
      << client.heard;
  EXPECT_TRUE(
      client.heard.ends_with("+OK 3 messages (135 octets)\r\n-ERR You are logged in "
                             "already\r\n+OK 45 octets\r\n" +
                             Letter("x", 1) + ".\r\n+OK Goodbye\r\n"))
      << client.heard;
}

TEST_F(Pop3ServiceTest, SpeaksTlsFromTheFirstOctetOnAnImplicitListener) {
  HaveCertificate(ListenerTls::kImplicit);
  Start();
  Client client{.pieces = {"STLS\r\n" + Login("DELE 1\r\n"), "QUIT\r\n"}, .implicit_tls = true};
  Run({&client});
  EXPECT_EQ(client.heard,
            "+OK ringmail ready\r\n-ERR TLS protects this session already\r\n"
            "+OK Now the password\r\n+OK 3 messages (135 octets)\r\n+OK Message 1 is deleted\r\n"
            "+OK 1 messages deleted, goodbye\r\n");
  EXPECT_EQ(house_.messages("ann"), 2u);
}

TEST_F(Pop3ServiceTest, DeletesNothingWhereTlsIsCutOff) {
  HaveCertificate(ListenerTls::kImplicit);
  Start();
  Client client{.pieces = {Login("DELE 1\r\n")}, .implicit_tls = true};
  Run({&client});
  world_.RunFor(seconds(10));
  EXPECT_EQ(house_.messages("ann"), 3u);
}

TEST_F(Pop3ServiceTest, GivesAMaildropToOneOfTwoSessionsWhereverTheyCameIn) {
  house_.home = ShardIndex(1);
  Start();
  Client first{.pieces = {Login(""), "QUIT\r\n"}, .pause = seconds(2)};
  Client second{.pieces = {Login(""), "QUIT\r\n"}, .start = seconds(3)};
  Client third{.pieces = {Login(""), "QUIT\r\n"}, .start = seconds(10)};
  Run({&first, &second, &third});
  EXPECT_NE(first.heard.find("+OK 3 messages"), std::string::npos);
  EXPECT_NE(second.heard.find("-ERR [IN-USE]"), std::string::npos) << second.heard;
  EXPECT_NE(third.heard.find("+OK 3 messages"), std::string::npos);
}

TEST_F(Pop3ServiceTest, TurnsAwayTheSessionBeyondTheLimitOfTheShard) {
  options_.sessions_max = 1;
  Start();
  Client first{.pieces = {"CAPA\r\n", "QUIT\r\n"}, .pause = seconds(2)};
  Client second{.pieces = {"CAPA\r\n"}, .start = seconds(1)};
  Client third{.pieces = {"QUIT\r\n"}, .start = seconds(8)};
  Run({&first, &second, &third});
  EXPECT_EQ(second.heard, "-ERR [SYS/TEMP] Too many sessions; try again later\r\n");
  EXPECT_TRUE(second.ended);
  EXPECT_EQ(third.heard, "+OK ringmail ready\r\n+OK Goodbye\r\n");
}

TEST_F(Pop3ServiceTest, TurnsAwayTheSessionBeyondTheLimitOfANetworkThatIsNotTrusted) {
  options_.sessions_per_network_max = 1;
  options_.network_bits_v4 = 24;  // all of the simulated world
  reloaded_ = options_;
  reloaded_.trusted_networks = {*IpNetwork::Parse("10.0.0.0/8")};
  Start();
  Client first{.pieces = {"CAPA\r\n"}, .pause = seconds(3)};
  Client second{.pieces = {"CAPA\r\n"}, .start = seconds(1)};
  Run({&first, &second});
  EXPECT_EQ(second.heard,
            "-ERR [SYS/TEMP] Too many sessions from your network; try again later\r\n");
  server_.Send(io::Signal::kReload);
  Client third{.pieces = {"CAPA\r\n"}, .pause = seconds(3)};
  Client fourth{.pieces = {"CAPA\r\n"}, .start = seconds(1)};
  Run({&third, &fourth});
  EXPECT_TRUE(fourth.heard.starts_with("+OK ringmail ready\r\n")) << fourth.heard;
}

TEST_F(Pop3ServiceTest, TurnsAwayAClientThatIsBanned) {
  house_.banned = true;
  Start();
  Client client{.pieces = {"CAPA\r\n"}};
  Run({&client});
  EXPECT_EQ(client.heard, "-ERR [SYS/TEMP] Too many refused logins; try again later\r\n");
  EXPECT_TRUE(client.ended);
}

TEST_F(Pop3ServiceTest, KeepsASessionThatItsShardDoesNotAdmitWhereItIs) {
  house_.home = ShardIndex(1);
  options_.sessions_max = 1;
  Start();
  Client first{.pieces = {Login(""), "", "QUIT\r\n"}, .pause = seconds(5)};
  Client second{.pieces = {Login(""), "QUIT\r\n"}, .start = seconds(6), .pause = milliseconds(10)};
  (void)house_.Add("ben", "p");
  Run({&first, &second});
  EXPECT_NE(second.heard.find("-ERR [SYS/TEMP] Your maildrop cannot take another session"),
            std::string::npos)
      << second.heard;
  EXPECT_TRUE(second.heard.ends_with("+OK Goodbye\r\n")) << second.heard;
}

TEST_F(Pop3ServiceTest, EndsSessionsThatWaitAtShutdownAndDeletesNothing) {
  house_.home = ShardIndex(1);
  Start();
  Client moved{.pieces = {Login("DELE 1\r\n"), ""}};
  Client fresh{.pieces = {"CAPA\r\n", ""}};
  Begin({&moved, &fresh});
  world_.RunFor(seconds(5));
  server_.Send(io::Signal::kTerminate);
  ASSERT_TRUE(world_.RunUntil([this] { return stopped_ == 2; }, seconds(60)));
  ASSERT_TRUE(world_.RunUntil([&] { return moved.done && fresh.done; }, seconds(60)));
  EXPECT_TRUE(moved.ended);
  EXPECT_TRUE(fresh.ended);
  EXPECT_TRUE(moved.heard.ends_with("+OK Message 1 is deleted\r\n")) << moved.heard;
  EXPECT_EQ(house_.messages("ann"), 3u);
}

// What the client does not take refers to the message until the stream is closed; the simulated
// network checks that it stays what it was.
TEST_F(Pop3ServiceTest, EndsASessionThatTakesNothingAndKeepsTheMessageUntilThen) {
  const std::string line = "." + std::string(200, 'b') + "\r\n";
  std::string big = "Subject: x\r\n\r\n", stuffed = big;
  for (int i = 0; i < 20'000; ++i) {
    big += line;
    stuffed += "." + line;
  }
  house_.Deliver("ann", big);
  house_.piece_bytes = 256u << 10;
  options_.send_timeout = seconds(30);
  for (const bool tls : {false, true}) {
    if (tls) {
      server_.Kill();
      HaveCertificate(ListenerTls::kImplicit);
    }
    Start();
    // It listens again after the server has given up, and before the server has closed.
    Client client{.pieces = {Login("DELE 1\r\nRETR 4\r\nQUIT\r\n")},
                  .implicit_tls = tls,
                  .deaf = seconds(32)};
    Begin({&client});
    world_.RunFor(seconds(20));
    EXPECT_EQ(services_[0]->session_count(), 1u);
    world_.RunFor(seconds(40));
    EXPECT_EQ(services_[0]->session_count(), 0u);
    EXPECT_EQ(house_.messages("ann"), 4u);
    const size_t begin = client.heard.find("Subject: x");
    ASSERT_NE(begin, std::string::npos);
    const std::string came = client.heard.substr(begin);
    EXPECT_GT(came.size(), 100'000u);
    EXPECT_EQ(came, stuffed.substr(0, came.size()));
  }
}

TEST_F(Pop3ServiceTest, DeletesNothingForAClientThatIsGone) {
  Start();
  Client client{.pieces = {Login("DELE 1\r\nDELE 2\r\n")}};
  Run({&client});
  world_.RunFor(seconds(30));
  EXPECT_EQ(services_[0]->session_count(), 0u);
  EXPECT_EQ(house_.messages("ann"), 3u);
}

// --- Behind a proxy

constexpr std::string_view kHeader = "PROXY TCP4 192.0.2.7 198.51.100.2 1234 110\r\n";

TEST_F(Pop3ServiceTest, AClientBehindAProxyIsWhoTheHeaderSaysAlsoForTheLimitOfItsNetwork) {
  listener_options_.proxies = {*IpNetwork::Parse("10.0.0.0/8")};
  options_.sessions_per_network_max = 1;
  house_.home = ShardIndex(1);
  Start();
  Client first{.pieces = {Login(""), "QUIT\r\n"}, .pause = seconds(3)};
  first.header = kHeader;
  Client second{.pieces = {"CAPA\r\n"}, .start = seconds(1)};
  second.header = kHeader;
  Client other{.pieces = {"QUIT\r\n"}, .start = seconds(1)};
  other.header = "PROXY TCP4 192.0.2.8 198.51.100.2 1234 110\r\n";
  Run({&first, &second, &other});
  EXPECT_NE(first.heard.find("+OK 3 messages"), std::string::npos) << first.heard;
  EXPECT_EQ(second.heard,
            "-ERR [SYS/TEMP] Too many sessions from your network; try again later\r\n");
  EXPECT_EQ(other.heard, "+OK ringmail ready\r\n+OK Goodbye\r\n");
  EXPECT_NE(server_.log().find("client=192.0.2.7"), std::string::npos) << server_.log();
}

TEST_F(Pop3ServiceTest, AProxysHeaderComesBeforeImplicitTls) {
  HaveCertificate(ListenerTls::kImplicit);
  listener_options_.proxies = {*IpNetwork::Parse("10.0.0.0/8")};
  Start();
  Client client{.pieces = {"QUIT\r\n"}, .implicit_tls = true, .header = std::string(kHeader)};
  Run({&client});
  EXPECT_EQ(client.heard, "+OK ringmail ready\r\n+OK Goodbye\r\n");
}

TEST_F(Pop3ServiceTest, AProxyThatSaysNothingHearsNothing) {
  listener_options_.proxies = {*IpNetwork::Parse("10.0.0.0/8")};
  Start();
  Client client{.pieces = {"CAPA\r\n"}};
  Run({&client});
  EXPECT_EQ(client.heard, "");
  EXPECT_TRUE(client.ended);
  EXPECT_NE(server_.log().find("the PROXY header is missing"), std::string::npos) << server_.log();
}

TEST_F(Pop3ServiceTest, AHeaderFromWhoIsNoProxyIsAnUnknownCommand) {
  listener_options_.proxies = {*IpNetwork::Parse("192.0.2.0/24")};
  Start();
  Client client{.pieces = {"QUIT\r\n"}, .header = std::string(kHeader)};
  Run({&client});
  EXPECT_TRUE(client.heard.starts_with("+OK ringmail ready\r\n-ERR")) << client.heard;
}

TEST_F(Pop3ServiceTest, AStopDoesNotWaitForAHeader) {
  listener_options_.proxies = {*IpNetwork::Parse("10.0.0.0/8")};
  Start();
  Client client{.pieces = {""}, .header = "PROXY TC"};
  Begin({&client});
  world_.RunFor(seconds(1));
  server_.Send(io::Signal::kTerminate);
  ASSERT_TRUE(world_.RunUntil([this] { return stopped_ == 2; }, seconds(2)));
  world_.RunFor(seconds(10));
  EXPECT_EQ(client.heard, "");
}

}  // namespace
}  // namespace ringmail::pop3
