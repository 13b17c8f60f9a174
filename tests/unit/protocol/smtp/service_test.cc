// The service: who is admitted, how it reloads and how it stops. And the sink.
#include "ringmail/protocol/smtp.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "protocol/smtp/replies.h"
#include "ringmail/base/check.h"
#include "ringmail/io/file.h"
#include "ringmail/io/runtime.h"
#include "ringmail/protocol/smtp_sink.h"
#include "tests/unit/protocol/smtp/recording_door.h"
#include "tests/unit/protocol/smtp/town.h"

namespace ringmail::smtp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kGroup = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";

class SmtpServiceTest : public testing::Test, public Town {};

TEST_F(SmtpServiceTest, TakesMessagesOfManyClientsAtOnce) {
  StartServer();
  std::vector<ClientScript> clients(8);
  std::vector<ClientScript*> all;
  for (ClientScript& client : clients) {
    client.pieces = {"EHLO c\r\n", kGroup, std::string(20'000, 'x') + "\r\n.\r\n", "QUIT\r\n"};
    all.push_back(&client);
  }
  RunClients(all);
  EXPECT_EQ(Record().messages.size(), 8u);
  for (const ClientScript& client : clients) {
    ASSERT_EQ(client.answers.size(), 5u);
    EXPECT_EQ(client.answers[3], "250 2.0.0 queued\r\n");
    EXPECT_EQ(client.answers[4], kBye);
    EXPECT_TRUE(client.ended);
  }
  RunFor(seconds(10));
  EXPECT_EQ(service->session_count(), 0u);
}

TEST_F(SmtpServiceTest, TurnsAwayTheSessionBeyondTheLimitOfTheShardAndTakesTheNextOnceThereIsRoom) {
  options.sessions_max = 2;
  StartServer();
  ClientScript first, second, third, fourth;
  for (ClientScript* client : {&first, &second}) client->pieces = {"EHLO c\r\n", "QUIT\r\n"};
  first.pause = second.pause = seconds(2);
  third.start = seconds(1);
  fourth.start = seconds(6);
  RunClients({&first, &second, &third, &fourth});
  EXPECT_TRUE(third.answers.at(0).starts_with("421 mx.example.org Too many sessions;"))
      << third.answers[0];
  EXPECT_TRUE(third.ended);
  EXPECT_TRUE(first.answers.at(0).starts_with("220 "));
  EXPECT_TRUE(second.answers.at(0).starts_with("220 "));
  EXPECT_TRUE(fourth.answers.at(0).starts_with("220 ")) << fourth.answers[0];
}

TEST_F(SmtpServiceTest, TurnsAwayTheSessionBeyondTheLimitOfANetwork) {
  options.sessions_per_network_max = 1;
  options.network_bits_v4 = 24;  // all of the simulated world
  StartServer();
  ClientScript first, second;
  first.pieces = {"EHLO c\r\n"};
  first.pause = seconds(3);
  second.start = seconds(1);
  RunClients({&first, &second});
  EXPECT_TRUE(
      second.answers.at(0).starts_with("421 mx.example.org Too many sessions from your network;"));
}

TEST_F(SmtpServiceTest, HoldsNoNetworkThatIsTrustedToThatLimit) {
  options.sessions_per_network_max = 1;
  options.network_bits_v4 = 24;
  options.trusted_networks = {*IpNetwork::Parse("10.0.0.0/8")};
  StartServer();
  ClientScript first, second;
  first.pieces = {"EHLO c\r\n"};
  first.pause = seconds(3);
  second.start = seconds(1);
  RunClients({&first, &second});
  EXPECT_TRUE(second.answers.at(0).starts_with("220 "));
}

// What a proxy says is whom the door hears of, and whom the limits are for.
TEST_F(SmtpServiceTest, AClientBehindAProxyIsWhoTheHeaderSays) {
  options.sessions_per_network_max = 1;
  listener_options.proxies = {*IpNetwork::Parse("10.0.0.0/8")};
  StartServer();
  const std::string header = "PROXY TCP4 192.0.2.7 198.51.100.2 1234 25\r\n";
  ClientScript first, second, other, none;
  first.pieces = {header, "EHLO c\r\n", kGroup, "x\r\n.\r\n"};
  second.start = seconds(3);
  second.pieces = {header};
  other.start = seconds(3);
  other.pieces = {"PROXY TCP6 2001:db8::1 2001:db8::2 1 25\r\nEHLO c\r\n"};
  none.pieces = {"EHLO c\r\n"};
  first.pause = seconds(1);
  RunClients({&first, &second, &other, &none});
  ASSERT_EQ(Record().messages.size(), 1u);
  EXPECT_EQ(Record().messages[0].client.ToString(), "192.0.2.7");
  EXPECT_TRUE(first.answers.at(0).empty()) << "nothing is said before the header";
  EXPECT_TRUE(first.answers.at(1).starts_with("220 "));
  EXPECT_TRUE(second.answers.at(1).starts_with("421 ")) << second.answers[1];
  EXPECT_TRUE(other.answers.at(1).starts_with("220 ")) << other.answers[1];
  EXPECT_TRUE(none.ended);
  EXPECT_EQ(none.answers.at(1), "");
}

TEST_F(SmtpServiceTest, TellsAnIdleSessionThatItStopsAndLetsAMessageThatIsUnderWayFinish) {
  StartServer();
  ClientScript idle, begun, sending;
  idle.pieces = {"EHLO c\r\n", "wait"};
  begun.pieces = {"EHLO c\r\n", "MAIL FROM:<a@b>\r\n"};
  begun.pause = milliseconds(10);
  sending.pieces = {"EHLO c\r\n", kGroup, "first half\r\n", "second half\r\n.\r\n", "NOOP\r\n"};
  sending.pause = seconds(2);
  StartClients({&idle, &begun});
  StartClients({&sending});
  RunFor(milliseconds(6500));  // `sending` is within its content
  server.Send(io::Signal::kTerminate);
  ASSERT_TRUE(world.RunUntil([this] { return stopped; }, seconds(60)));
  RunFor(seconds(3));
  EXPECT_TRUE(
      idle.answers.back().ends_with("421 4.3.2 mx.example.org Shutting down; try again later\r\n"))
      << idle.answers.back();
  EXPECT_TRUE(idle.ended);
  ASSERT_GE(sending.answers.size(), 5u);
  EXPECT_EQ(sending.answers[4],
            "250 2.0.0 queued\r\n421 4.3.2 mx.example.org Shutting down; try again later\r\n");
  EXPECT_EQ(Record().messages.size(), 1u);
}

TEST_F(SmtpServiceTest, CutsAMessageThatIsStillUnderWayAtTheDeadline) {
  grace = seconds(5);
  StartServer();
  ClientScript sending;
  sending.pieces = {"EHLO c\r\n", kGroup, "first half\r\n", "wait"};
  StartClients({&sending});
  RunFor(seconds(1));
  const MonotonicTime before = world.now();
  server.Send(io::Signal::kTerminate);
  ASSERT_TRUE(world.RunUntil([this] { return stopped; }, seconds(60)));
  EXPECT_GE(world.now() - before, seconds(5));
  EXPECT_LT(world.now() - before, seconds(7));
  EXPECT_EQ(Record().messages.size(), 0u);
  EXPECT_EQ(Record().begun, Record().ended);
}

TEST_F(SmtpServiceTest, KeepsItsOptionsForASessionThatBeganBeforeAReload) {
  at_reload = [this](SmtpService& reloaded) {
    SmtpOptions changed = options;
    changed.hostname = "new.example.org";
    reloaded.Reconfigure(changed);
  };
  StartServer();
  ClientScript before, after;
  before.pieces = {"EHLO c\r\n", "HELO c\r\n"};
  before.pause = seconds(2);
  after.start = seconds(2);
  StartClients({&before});
  StartClients({&after});
  RunFor(seconds(1));
  server.Send(io::Signal::kReload);
  ASSERT_TRUE(world.RunUntil([&] { return before.done && after.done; }));
  EXPECT_EQ(before.answers.at(2), "250 mx.example.org\r\n");
  EXPECT_TRUE(after.answers.at(0).starts_with("220 new.example.org "));
}

TEST_F(SmtpServiceTest, TakesNoNewClientsAtAListenerThatWasTakenAwayAndKeepsTheOldOnes) {
  bool first_time = false, second_time = true;
  at_reload = [&](SmtpService& reloaded) {
    first_time = reloaded.Unlisten(*io::Endpoint::Parse("0.0.0.0:25"));
    second_time = reloaded.Unlisten(*io::Endpoint::Parse("0.0.0.0:25"));
  };
  StartServer();
  ClientScript before, after;
  before.pieces = {"EHLO c\r\n", "NOOP\r\n"};
  before.pause = seconds(2);
  after.start = seconds(2);
  StartClients({&before});
  StartClients({&after});
  RunFor(seconds(1));
  server.Send(io::Signal::kReload);
  ASSERT_TRUE(world.RunUntil([&] { return before.done && after.done; }));
  EXPECT_TRUE(first_time);
  EXPECT_FALSE(second_time);
  EXPECT_EQ(before.answers.at(2), kOk);
  EXPECT_FALSE(after.connected);
}

TEST_F(SmtpServiceTest, SinkTakesEverythingAndCounts) {
  sink_instead = true;
  StartServer();
  ClientScript data, chunks;
  data.pieces = {"EHLO c\r\n",
                 std::string("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n"),
                 "..x\r\n.\r\n" + std::string(kGroup), ".\r\n", "QUIT\r\n"};
  chunks.pieces = {"EHLO c\r\n",
                   "MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\nBDAT 3\r\na\nbBDAT 2 "
                   "LAST\r\nxyQUIT\r\n"};
  RunClients({&data, &chunks});
  EXPECT_EQ(data.answers.at(3).substr(0, kOk.size()), kOk);
  EXPECT_EQ(data.answers.at(4), kOk);
  EXPECT_TRUE(
      chunks.answers.at(2).ends_with(std::string(kOk) + std::string(kOk) + std::string(kBye)));
  RunFor(seconds(10));
  const SinkCounts& counts = sink->counts();
  EXPECT_EQ(counts.connections, 2u);
  EXPECT_EQ(counts.transactions, 3u);
  EXPECT_EQ(counts.recipients, 4u);
  EXPECT_EQ(counts.messages, 3u);
  EXPECT_EQ(counts.bytes, 4u + 5u);
  EXPECT_EQ(counts.failures, 0u);
  EXPECT_EQ(counts.open, 0u);
  server.Send(io::Signal::kTerminate);
  EXPECT_TRUE(world.RunUntil([this] { return stopped; }, seconds(60)));
}

struct Contents {
  std::string eml, envelope;
  bool done = false;
};

io::Task<void> ReadKept(void* context) {
  auto& contents = *static_cast<Contents*>(context);
  for (const bool envelope : {false, true}) {
    auto file = co_await io::File::Open(envelope ? "/kept/1.envelope" : "/kept/1.eml",
                                        io::OpenMode::kRead, io::Access::kBuffered);
    CHECK(file.ok());
    std::string& text = envelope ? contents.envelope : contents.eml;
    text.resize(4096);
    auto count = co_await file->Read(0, {text.data(), text.size()});
    CHECK(count.ok());
    text.resize(*count);
  }
  contents.done = true;
}

TEST_F(SmtpServiceTest, SinkKeepsMessagesAsFiles) {
  sink_instead = true;
  sink_options.directory = "/kept";
  StartServer();
  ClientScript client;
  client.pieces = {"EHLO c.example\r\n", "MAIL FROM:<a@b> RET=FULL\r\nRCPT TO:<c@d>\r\nDATA\r\n",
                   "..x\r\n.\r\n", "QUIT\r\n"};
  RunClients({&client});
  EXPECT_EQ(client.answers.at(3), kOk);
  server.Kill();
  Contents contents;
  server.Start(&ReadKept, &contents);
  ASSERT_TRUE(world.RunUntil([&contents] { return contents.done; }));
  EXPECT_EQ(contents.eml, ".x\r\n");
  EXPECT_EQ(contents.envelope, "HELO c.example\r\nMAIL FROM:<a@b> RET=FULL\r\nRCPT TO:<c@d>\r\n");
}

}  // namespace
}  // namespace ringmail::smtp
