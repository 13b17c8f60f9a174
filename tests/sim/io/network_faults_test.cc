// What a network does to connections when a driver says so, and what else of a machine may be slow,
// full or wrong.
#include <gtest/gtest.h>

#include <cerrno>

#include "ringmail/io/blocking.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/timer.h"
#include "tests/sim/io/world.h"

namespace ringmail {
namespace {

using io::StreamStatus;
using io::Task;
using Kind = sim::ConnectionFault::Kind;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// Sends back what it receives.
struct Echo {
  std::vector<io::Listener> listeners;
  io::Gate gate;
  uint64_t bytes = 0;
  int accepted = 0, receives = 0, inside = 0, inside_peak = 0;
  StreamStatus last = StreamStatus::kOk;
  bool leak = false;
};

Task<void> EchoSession(io::Stream stream, Echo* echo) {
  echo->inside_peak = std::max(echo->inside_peak, ++echo->inside);
  for (;;) {
    echo->last = co_await stream.Receive(io::Now() + hours(1));
    if (echo->last != StreamStatus::kOk) break;
    ++echo->receives;
    echo->bytes += stream.input().size();
    stream.Write(stream.input());
    stream.Consume(stream.input().size());
  }
  if (echo->last == StreamStatus::kEnd) co_await stream.Close(io::Now() + seconds(5));
  --echo->inside;
}

Task<void> EchoMain(void* context) {
  auto& echo = *static_cast<Echo*>(context);
  io::Listener& listener = echo.listeners[io::ThisShard().value];
  for (;;) {
    io::AcceptResult accepted = co_await listener.Accept();
    if (accepted.status != StreamStatus::kOk) co_return;
    ++echo.accepted;
    echo.gate.Spawn(EchoSession(std::move(accepted.stream), &echo));
    if (echo.leak) co_return;
  }
}

// Sends `rounds` lines, each after the answer to the one before.
struct Client {
  io::Endpoint to;
  int rounds = 5;
  size_t line_bytes = 10;
  Nanoseconds patience = hours(1);
  Nanoseconds pause{0};
  StreamStatus status = StreamStatus::kOk;
  int error = 0;
  int answered = 0;
  size_t received = 0;
  MonotonicTime connected{}, ended{};
  bool done = false;
};

Task<void> ClientMain(void* context) {
  auto& client = *static_cast<Client*>(context);
  auto connected = co_await io::Connect(client.to, {}, io::Now() + client.patience);
  client.status = connected.status;
  client.error = connected.error;
  client.connected = io::Now();
  io::Stream stream = std::move(connected.stream);
  while (client.status == StreamStatus::kOk && client.answered < client.rounds) {
    stream.Write(std::string(client.line_bytes, 'x'));
    size_t left = client.line_bytes;
    while (left > 0) {
      client.status = co_await stream.Receive(io::Now() + client.patience);
      if (client.status != StreamStatus::kOk) break;
      const size_t count = std::min(left, stream.input().size());
      left -= count;
      client.received += count;
      stream.Consume(stream.input().size());
    }
    if (left == 0) ++client.answered;
    if (client.pause.count() > 0) co_await io::SleepUntil(io::Now() + client.pause);
  }
  if (stream.open()) client.error = stream.error();
  client.ended = io::Now();
  client.done = true;
}

class NetworkFaults : public testing::Test {
 protected:
  explicit NetworkFaults(sim::WorldOptions options = {})
      : world(options),
        server(world.AddNode({.name = "server"})),
        other(world.AddNode({.name = "client"})) {
    client.to = {.ip = server.ip(), .port = 7};
  }
  ~NetworkFaults() override {
    other.Kill();
    server.Kill();
  }
  void Listen(uint32_t backlog = 4096) {
    sim::Node::MainThread main(server);
    auto listeners =
        io::OpenListeners({.endpoint = *io::Endpoint::Parse("0.0.0.0:7"), .backlog = backlog}, 1);
    ASSERT_TRUE(listeners.ok()) << listeners.status();
    echo.listeners = *std::move(listeners);
  }
  void Start() {
    Listen();
    server.Start(&EchoMain, &echo);
    other.Start(&ClientMain, &client);
  }
  bool Finish(Nanoseconds at_most = hours(3)) {
    return world.RunUntil([this] { return client.done; }, at_most);
  }

  Echo echo;
  Client client;
  sim::World world;
  sim::Node& server;
  sim::Node& other;
};

TEST_F(NetworkFaults, APathMayBeSlowInOneDirection) {
  world.SetPath(other, server, {.delay = milliseconds(300)});
  Start();
  ASSERT_TRUE(Finish());
  EXPECT_EQ(client.answered, 5);
  const Nanoseconds took = client.ended - sim::World::kStart;
  EXPECT_GT(took, milliseconds(6 * 300)) << "connect and five lines";
  EXPECT_LT(took, milliseconds(7 * 300));
}

TEST_F(NetworkFaults, APathMayCarryOneOctetAtATime) {
  world.SetPath(other, server, {.segment_bytes = 1});
  client.rounds = 1;
  client.line_bytes = 500;
  Start();
  ASSERT_TRUE(Finish());
  EXPECT_EQ(client.answered, 1);
  EXPECT_GT(echo.receives, 100);
}

TEST_F(NetworkFaults, APartitionStallsAConnectionWhichGoesOnWhenItHeals) {
  client.rounds = 100;
  client.pause = seconds(1);
  Start();
  ASSERT_TRUE(world.RunUntil([this] { return client.answered == 3; }));
  world.SetPathFor(server, other, {.lost = true}, minutes(2));
  world.RunFor(seconds(100));
  EXPECT_EQ(client.answered, 3);
  EXPECT_EQ(echo.bytes, 40u) << "the other direction still works";
  ASSERT_TRUE(Finish());
  EXPECT_EQ(client.answered, 100);
  EXPECT_EQ(client.status, StreamStatus::kOk);
}

TEST_F(NetworkFaults, AfterAPartitionOfAnHourTheSenderHasGivenUp) {
  client.patience = hours(2);
  client.pause = seconds(1);
  Start();
  ASSERT_TRUE(world.RunUntil([this] { return client.answered == 3; }));
  world.SetPaths(server, {.lost = true});
  ASSERT_TRUE(Finish());
  EXPECT_EQ(client.status, StreamStatus::kFailed);
  EXPECT_EQ(client.error, ETIMEDOUT);
  EXPECT_GT(client.ended - client.connected, minutes(15));
  EXPECT_LT(client.ended - client.connected, minutes(16));
  EXPECT_EQ(server.live_connections(), 1u) << "nobody has told the server";
}

TEST_F(NetworkFaults, ConnectsThroughAPartitionTimeOutOrComeThroughWhenItHeals) {
  world.SetPathFor(other, server, {.lost = true}, seconds(10));
  Start();
  ASSERT_TRUE(Finish());
  EXPECT_EQ(client.answered, 5);
  EXPECT_GE(client.connected - sim::World::kStart, seconds(10));
  EXPECT_LT(client.connected - sim::World::kStart, seconds(30));
  Client late{.to = client.to};
  world.SetPaths(server, {.lost = true});
  ASSERT_TRUE(world.RunUntil([this] { return !other.running(); }));
  other.Start(&ClientMain, &late);
  ASSERT_TRUE(world.RunUntil([&] { return late.done; }));
  EXPECT_EQ(late.status, StreamStatus::kFailed);
  EXPECT_EQ(late.error, ETIMEDOUT);
}

TEST_F(NetworkFaults, AConnectionIsResetAfterSoManyOctetsAndBothEndsSeeIt) {
  for (const uint64_t octets : {0u, 1u, 9u, 10u, 25u}) {
    SCOPED_TRACE(octets);
    sim::World fresh;
    sim::Node& a = fresh.AddNode();
    sim::Node& b = fresh.AddNode();
    Echo service;
    Client caller{.to = {.ip = b.ip(), .port = 7}, .pause = milliseconds(5)};
    {
      sim::Node::MainThread main(b);
      service.listeners = *io::OpenListeners({.endpoint = *io::Endpoint::Parse("0.0.0.0:7")}, 1);
    }
    fresh.SpoilLater(&a, &b, 0, {.kind = Kind::kReset, .after_octets = octets});
    b.Start(&EchoMain, &service);
    a.Start(&ClientMain, &caller);
    ASSERT_TRUE(fresh.RunUntil([&] { return caller.done; }));
    EXPECT_EQ(caller.status, StreamStatus::kFailed);
    EXPECT_EQ(caller.error, ECONNRESET);
    EXPECT_EQ(service.bytes, octets);
    EXPECT_EQ(service.last, StreamStatus::kFailed);
    b.Kill();
    a.Kill();
  }
}

TEST_F(NetworkFaults, TheNthConnectionFromNowOnIsChosenAndNoOther) {
  Listen();
  server.Start(&EchoMain, &echo);
  world.SpoilLater(nullptr, &server, 2, {.kind = Kind::kReset});
  for (int i = 0; i < 4; ++i) {
    Client caller{.to = client.to};
    other.Start(&ClientMain, &caller);
    ASSERT_TRUE(world.RunUntil([this] { return !other.running(); }));
    EXPECT_EQ(caller.status, i == 2 ? StreamStatus::kFailed : StreamStatus::kOk) << i;
  }
}

TEST_F(NetworkFaults, ALiveConnectionMayBeChosenAndReset) {
  client.rounds = 1000;
  client.pause = seconds(1);
  EXPECT_FALSE(world.SpoilOne(server, {}));
  Start();
  ASSERT_TRUE(world.RunUntil([this] { return client.answered == 3; }));
  const auto live = world.Connections(&other, &server);
  ASSERT_EQ(live.size(), 1u);
  EXPECT_EQ(live[0].port, 7);
  EXPECT_EQ(live[0].octets[0], 30u);
  EXPECT_EQ(world.Connections(&server, &other).size(), 0u);
  EXPECT_TRUE(world.SpoilOne(server, {.from_connector = false, .after_octets = 15}));
  ASSERT_TRUE(Finish());
  EXPECT_EQ(client.received, 45u);
  EXPECT_EQ(client.error, ECONNRESET);
}

TEST_F(NetworkFaults, AHalfClosedConnectionStillAnswers) {
  client.pause = seconds(1);
  world.SpoilLater(nullptr, nullptr, 0, {.kind = Kind::kEnd, .after_octets = 25});
  Start();
  ASSERT_TRUE(Finish());
  EXPECT_EQ(echo.bytes, 25u);
  EXPECT_EQ(echo.last, StreamStatus::kEnd);
  EXPECT_EQ(client.received, 25u) << "the answer to half a line comes back";
  EXPECT_NE(client.status, StreamStatus::kOk);
}

TEST_F(NetworkFaults, AStallOutlastsATimeoutAndThenEnds) {
  world.SpoilLater(nullptr, nullptr, 0,
                   {.kind = Kind::kStall, .after_octets = 20, .time = minutes(10)});
  Start();
  ASSERT_TRUE(world.RunUntil([this] { return client.answered == 2; }));
  world.RunFor(minutes(9));
  EXPECT_EQ(client.answered, 2);
  ASSERT_TRUE(Finish());
  EXPECT_EQ(client.answered, 5);
  EXPECT_GE(client.ended - client.connected, minutes(10));
  EXPECT_LT(client.ended - client.connected, minutes(11));
}

TEST_F(NetworkFaults, AConnectionMayVanish) {
  world.SpoilLater(nullptr, nullptr, 0, {.kind = Kind::kVanish, .after_octets = 20});
  client.patience = minutes(5);
  Start();
  ASSERT_TRUE(Finish());
  EXPECT_EQ(client.status, StreamStatus::kTimedOut);
  EXPECT_EQ(client.received, 10u);
}

TEST_F(NetworkFaults, APortMayRefuseOrStaySilent) {
  server.SetPort(7, sim::PortState::kRefusing);
  Start();
  ASSERT_TRUE(Finish());
  EXPECT_EQ(client.error, ECONNREFUSED);
  server.SetPort(7, sim::PortState::kFull);
  for (const Nanoseconds patience : {Nanoseconds(seconds(30)), Nanoseconds(hours(1))}) {
    Client stalled{.to = client.to, .patience = patience};
    ASSERT_TRUE(world.RunUntil([this] { return !other.running(); }));
    const MonotonicTime start = world.now();
    other.Start(&ClientMain, &stalled);
    ASSERT_TRUE(world.RunUntil([&] { return stalled.done; }));
    if (patience == seconds(30)) {
      EXPECT_EQ(stalled.status, StreamStatus::kTimedOut);
    } else {
      EXPECT_EQ(stalled.error, ETIMEDOUT);
      EXPECT_GE(stalled.ended - start, seconds(127));
      EXPECT_LT(stalled.ended - start, seconds(128));
    }
  }
  server.SetPort(7, sim::PortState::kOpen);
  Client last{.to = client.to};
  ASSERT_TRUE(world.RunUntil([this] { return !other.running(); }));
  other.Start(&ClientMain, &last);
  ASSERT_TRUE(world.RunUntil([&] { return last.done; }));
  EXPECT_EQ(last.answered, 5);
}

TEST_F(NetworkFaults, AMachineWithoutPowerIsSilentAndAnswersWithAResetOnceItIsBack) {
  client.rounds = 100;
  client.pause = seconds(10);
  Start();
  ASSERT_TRUE(world.RunUntil([this] { return client.answered == 2; }));
  server.Crash();
  Client knocking{.to = client.to, .patience = seconds(20)};
  sim::Node& third = world.AddNode();
  third.Start(&ClientMain, &knocking);
  world.RunFor(seconds(60));
  EXPECT_EQ(knocking.status, StreamStatus::kTimedOut);
  EXPECT_FALSE(client.done);
  Listen();
  server.Start(&EchoMain, &echo);
  ASSERT_TRUE(Finish());
  EXPECT_EQ(client.error, ECONNRESET);
  third.Kill();
}

// --- Others

struct Question {
  std::string name = "mx.example";
  Nanoseconds patience = minutes(1);
  StatusOr<std::vector<IpAddress>> answer = absl::UnknownError("none");
  Nanoseconds took{0};
};

Task<void> ResolveMain(void* context) {
  auto& question = *static_cast<Question*>(context);
  const MonotonicTime start = io::Now();
  question.answer = co_await io::ResolveHost(question.name, start + question.patience);
  question.took = io::Now() - start;
}

TEST_F(NetworkFaults, NamesAreAnsweredLateWronglyOrNotAtAll) {
  const auto ask = [this](Nanoseconds patience = minutes(1)) {
    Question question{.patience = patience};
    other.Start(&ResolveMain, &question);
    EXPECT_TRUE(world.RunUntil([this] { return !other.running(); }));
    return question;
  };
  EXPECT_EQ(ask().answer.status().code(), absl::StatusCode::kNotFound);
  world.SetHost("mx.example", std::vector<IpAddress>{server.ip()}, seconds(5));
  Question slow = ask();
  ASSERT_TRUE(slow.answer.ok());
  EXPECT_GE(slow.took, seconds(5));
  EXPECT_EQ(ask(seconds(2)).answer.status().code(), absl::StatusCode::kDeadlineExceeded);
  world.host_fault = [this](sim::Node& asking, const std::string& name,
                            StatusOr<std::vector<IpAddress>>& answer, Nanoseconds& latency) {
    EXPECT_EQ(&asking, &other);
    EXPECT_EQ(name, "mx.example");
    answer = std::vector<IpAddress>{other.ip()};
    latency = milliseconds(3);
  };
  Question lied = ask();
  ASSERT_TRUE(lied.answer.ok());
  EXPECT_EQ((*lied.answer)[0], other.ip());
  EXPECT_LT(lied.took, milliseconds(10));
  world.host_fault = nullptr;
  world.SetHost("mx.example", absl::UnavailableError("servfail"));
  EXPECT_EQ(ask().answer.status().code(), absl::StatusCode::kUnavailable);
}

struct Counters {
  uint64_t turns[2] = {};
};

Task<void> SpinMain(void* context) {
  auto& counters = *static_cast<Counters*>(context);
  const MonotonicTime end = io::Now() + milliseconds(10);
  while (io::Now() < end) {
    ++counters.turns[io::ThisShard().value];
    co_await io::Yield();
  }
}

TEST(SlowMachines, AShardMayBeSlowerThanTheRest) {
  sim::World world;
  sim::Node& node = world.AddNode({.shards = 2});
  node.SetShardSlowness(1, 10);
  Counters counters;
  node.Start(&SpinMain, &counters);
  ASSERT_TRUE(world.RunUntil([&] { return !node.running(); }));
  EXPECT_GT(counters.turns[0], 5000u);
  EXPECT_NEAR(static_cast<double>(counters.turns[0]) / static_cast<double>(counters.turns[1]), 10.0,
              0.5);
}

TEST(SlowMachines, APausedNodeMissesTimeAndGoesOn) {
  sim::World world;
  sim::Node& node = world.AddNode({.shards = 1});
  Counters counters;
  node.Start(&SpinMain, &counters);
  world.RunFor(milliseconds(1));
  const uint64_t before = counters.turns[0];
  node.Pause(seconds(7));
  world.RunFor(seconds(6));
  EXPECT_EQ(counters.turns[0], before);
  ASSERT_TRUE(world.RunUntil([&] { return !node.running(); }));
  EXPECT_GE(world.now() - sim::World::kStart, seconds(7));
}

struct Clocks {
  std::vector<WallTime> walls;
  std::vector<Nanoseconds> slept;
};

Task<void> ClockMain(void* context) {
  auto& clocks = *static_cast<Clocks*>(context);
  for (int i = 0; i < 3; ++i) {
    const MonotonicTime start = io::Now();
    co_await io::SleepUntil(start + minutes(10));
    clocks.slept.push_back(io::Now() - start);
    clocks.walls.push_back(io::WallNow());
  }
}

TEST(Clocks, TheWallClockJumpsAndTimersDoNotNotice) {
  sim::World world;
  sim::Node& node = world.AddNode();
  Clocks clocks;
  node.Start(&ClockMain, &clocks);
  world.RunFor(minutes(5));
  world.ShiftWallClock(hours(24 * 365));
  world.RunFor(minutes(10));
  world.ShiftWallClock(-hours(2 * 24 * 365));
  ASSERT_TRUE(world.RunUntil([&] { return !node.running(); }));
  for (const Nanoseconds slept : clocks.slept) {
    EXPECT_GE(slept, minutes(10));
    EXPECT_LT(slept, minutes(10) + milliseconds(2));
  }
  EXPECT_GT(clocks.walls[0] - FromUnixSeconds(1'767'225'600), hours(24 * 365));
  EXPECT_LT(clocks.walls[1], clocks.walls[0]);
}

// --- Limits

struct Crowd {
  io::Endpoint to;
  io::Gate gate;
  std::vector<Client> clients;
  int refused = 0;
};

Task<void> CrowdMain(void* context) {
  auto& crowd = *static_cast<Crowd*>(context);
  for (Client& client : crowd.clients) crowd.gate.Spawn(ClientMain(&client));
  co_await crowd.gate.Close();
  for (const Client& client : crowd.clients) crowd.refused += client.error == EMFILE ? 1 : 0;
}

TEST(Limits, AShardFullOfConnectionsLeavesTheRestWaiting) {
  sim::World world;
  sim::Node& server = world.AddNode({.connections_max = 3});
  sim::Node& other = world.AddNode();
  Echo echo;
  {
    sim::Node::MainThread main(server);
    echo.listeners = *io::OpenListeners({.endpoint = *io::Endpoint::Parse("0.0.0.0:7")}, 1);
  }
  server.Start(&EchoMain, &echo);
  Crowd crowd;
  for (int i = 0; i < 10; ++i) crowd.clients.push_back({.to = {.ip = server.ip(), .port = 7}});
  other.Start(&CrowdMain, &crowd);
  ASSERT_TRUE(world.RunUntil([&] { return !other.running(); }));
  for (const Client& client : crowd.clients) EXPECT_EQ(client.answered, 5);
  EXPECT_EQ(echo.inside_peak, 3);
  server.Kill();
}

TEST(Limits, AShardFullOfConnectionsOpensNoMore) {
  sim::World world;
  sim::Node& server = world.AddNode();
  sim::Node& other = world.AddNode({.connections_max = 4});
  Echo echo;
  {
    sim::Node::MainThread main(server);
    echo.listeners = *io::OpenListeners({.endpoint = *io::Endpoint::Parse("0.0.0.0:7")}, 1);
  }
  server.Start(&EchoMain, &echo);
  Crowd crowd;
  // Each stays for a while; the later ones come when there is no room.
  for (int i = 0; i < 6; ++i) {
    crowd.clients.push_back({.to = {.ip = server.ip(), .port = 7}, .pause = seconds(1)});
  }
  other.Start(&CrowdMain, &crowd);
  ASSERT_TRUE(world.RunUntil([&] { return !other.running(); }));
  EXPECT_EQ(crowd.refused, 2);
  server.Kill();
}

// --- Probes

TEST_F(NetworkFaults, WhatANodeHasIsCountedAndWhatItLeavesBehindToo) {
  client.pause = seconds(1);
  Start();
  ASSERT_TRUE(world.RunUntil([this] { return client.answered == 2; }));
  EXPECT_EQ(server.live_connections(), 1u);
  EXPECT_EQ(server.live_tasks(), 1u);
  EXPECT_EQ(server.live_listeners(), 1u);
  EXPECT_EQ(other.live_connections(), 1u);
  ASSERT_TRUE(world.RunUntil([this] { return !other.running(); }));
  EXPECT_EQ(other.leftovers().connections, 0u);
  world.RunFor(seconds(1));
  EXPECT_EQ(server.live_connections(), 0u);
  EXPECT_EQ(server.live_tasks(), 0u);
}

TEST_F(NetworkFaults, AProcessThatEndsWithASessionLeftIsFoundOut) {
  echo.leak = true;
  client.rounds = 1000;
  client.pause = seconds(1);
  Start();
  ASSERT_TRUE(world.RunUntil([this] { return !server.running(); }));
  EXPECT_EQ(server.leftovers().tasks, 1u);
  EXPECT_EQ(server.leftovers().connections, 1u);
}

// --- The trace

struct Told {
  uint64_t hash = 0, events = 0;
  std::string timeline;
};

Told TraceOf(uint64_t seed, size_t timeline, Nanoseconds jitter = milliseconds(2)) {
  sim::World world({.seed = seed, .network = {.jitter = jitter}, .timeline = timeline});
  sim::Node& server = world.AddNode({.name = "server"});
  sim::Node& other = world.AddNode({.name = "client"});
  Echo echo;
  {
    sim::Node::MainThread main(server);
    echo.listeners = *io::OpenListeners({.endpoint = *io::Endpoint::Parse("0.0.0.0:7")}, 1);
  }
  server.Start(&EchoMain, &echo);
  Client client{.to = {.ip = server.ip(), .port = 7}, .rounds = 20};
  other.Start(&ClientMain, &client);
  EXPECT_TRUE(world.RunUntil([&] { return client.done; }));
  server.Kill();
  return {world.trace_hash(), world.trace_events(), world.Timeline()};
}

TEST(TraceTest, ASeedHasOneHashAndEachItsOwn) {
  const Told first = TraceOf(1, 0);
  EXPECT_GT(first.events, 40u);
  EXPECT_EQ(first.hash, TraceOf(1, 0).hash);
  EXPECT_EQ(first.hash, TraceOf(1, 100).hash) << "looking changes nothing";
  EXPECT_NE(first.hash, TraceOf(2, 0).hash);
  EXPECT_NE(first.hash, TraceOf(1, 0, milliseconds(3)).hash);
}

TEST(TraceTest, TheTimelineTellsTheLastEventsInOrder) {
  const std::string all = TraceOf(1, 1000).timeline;
  EXPECT_NE(all.find("connect"), std::string::npos);
  EXPECT_NE(all.find("xxxxxxxxxx"), std::string::npos);
  EXPECT_LT(all.find("client"), all.find("xxxxxxxxxx"));
  const std::string last = TraceOf(1, 5).timeline;
  EXPECT_EQ(std::count(last.begin(), last.end(), '\n'), 5);
  EXPECT_EQ(all.substr(all.size() - last.size()), last);
}

}  // namespace
}  // namespace ringmail
