#include "tests/sim/io/world.h"

#include <gtest/gtest.h>

#include "ringmail/io/file.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/timer.h"

namespace ringmail {
namespace {

using io::StreamStatus;
using io::Task;

struct Echo {
  sim::Node* node = nullptr;
  std::vector<io::Listener> listeners;
  io::Gate gate;
  uint64_t bytes = 0;
};

Task<void> EchoSession(io::Stream stream, Echo* echo) {
  while (co_await stream.Receive(io::Now() + std::chrono::seconds(30)) == StreamStatus::kOk) {
    echo->bytes += stream.input().size();
    stream.Write(stream.input());
    stream.Consume(stream.input().size());
  }
  co_await stream.Close(io::Now() + std::chrono::seconds(5));
}

Task<void> EchoMain(void* context) {
  auto& echo = *static_cast<Echo*>(context);
  io::Listener& listener = echo.listeners[io::ThisShard().value];
  for (;;) {
    io::AcceptResult accepted = co_await listener.Accept();
    if (accepted.status != StreamStatus::kOk) co_return;
    echo.gate.Spawn(EchoSession(std::move(accepted.stream), &echo));
  }
}

void StartEcho(sim::Node& node, Echo& echo) {
  sim::Node::MainThread main(node);
  auto listeners =
      io::OpenListeners({.endpoint = *io::Endpoint::Parse("0.0.0.0:7")}, node.options().shards);
  ASSERT_TRUE(listeners.ok()) << listeners.status();
  echo.listeners = *std::move(listeners);
  node.Start(&EchoMain, &echo);
}

struct Client {
  io::Endpoint to;
  std::string sent, received;
  StreamStatus status = StreamStatus::kOk;
  int error = 0;
  bool done = false;
  size_t expected = 0;  // octets; 0: as many as were sent
};

Task<void> ClientMain(void* context) {
  auto& client = *static_cast<Client*>(context);
  auto connected = co_await io::Connect(client.to, {}, io::Now() + std::chrono::seconds(10));
  client.status = connected.status;
  client.error = connected.error;
  if (connected.status == StreamStatus::kOk) {
    io::Stream stream = std::move(connected.stream);
    stream.Write(client.sent);
    if (client.expected == 0) client.expected = client.sent.size();
    while (client.received.size() < client.expected) {
      client.status = co_await stream.Receive(io::Now() + std::chrono::seconds(10));
      if (client.status != StreamStatus::kOk) {
        client.error = stream.error();
        break;
      }
      client.received += stream.input();
      stream.Consume(stream.input().size());
    }
  }
  client.done = true;
}

TEST(WorldTest, TwoNodesTalkOverTheNetwork) {
  sim::World world;
  Echo echo;
  Client client;
  sim::Node& server = world.AddNode({.name = "server", .shards = 2});
  sim::Node& other = world.AddNode({.name = "client"});
  StartEcho(server, echo);
  client.to = {.ip = server.ip(), .port = 7};
  client.sent = std::string(100'000, 'x');
  other.Start(&ClientMain, &client);
  ASSERT_TRUE(world.RunUntil([&] { return client.done; }));
  EXPECT_EQ(client.received, client.sent);
  server.Kill();
}

TEST(WorldTest, SegmentsOfOneOctetArriveInOrder) {
  sim::World world(
      {.network = {.jitter = std::chrono::milliseconds(3), .segment_bytes = 1, .window_bytes = 7}});
  Echo echo;
  Client client;
  sim::Node& server = world.AddNode({.name = "server"});
  StartEcho(server, echo);
  client.to = {.ip = server.ip(), .port = 7};
  for (int i = 0; i < 300; ++i) client.sent += static_cast<char>(i);
  sim::Node& other = world.AddNode();
  other.Start(&ClientMain, &client);
  ASSERT_TRUE(world.RunUntil([&] { return client.done; }));
  EXPECT_EQ(client.received, client.sent);
  server.Kill();
}

std::string RunOnce(uint64_t seed) {
  sim::World world(
      {.seed = seed, .network = {.jitter = std::chrono::milliseconds(3), .segment_bytes = 100}});
  Echo echo;
  Client client;
  sim::Node& server = world.AddNode({.name = "server", .shards = 3});
  StartEcho(server, echo);
  client.to = {.ip = server.ip(), .port = 7};
  client.sent = std::string(10'000, 'x');
  sim::Node& other = world.AddNode();
  other.Start(&ClientMain, &client);
  EXPECT_TRUE(world.RunUntil([&] { return client.done; }));
  server.Kill();
  return std::to_string(world.now().time_since_epoch().count()) + " " +
         std::to_string(world.RandomUint64());
}

TEST(WorldTest, ASeedGivesTheSameRunEachTime) {
  EXPECT_EQ(RunOnce(7), RunOnce(7));
  EXPECT_NE(RunOnce(7), RunOnce(8));
}

TEST(WorldTest, AKilledNodeClosesItsConnectionsAndFreesItsPort) {
  sim::World world;
  sim::Node& server = world.AddNode();
  sim::Node& other = world.AddNode();
  for (int run = 0; run < 2; ++run) {
    Echo echo;
    StartEcho(server, echo);
    Client client{.to = {.ip = server.ip(), .port = 7}, .sent = "hello", .expected = 10};
    other.Start(&ClientMain, &client);
    ASSERT_TRUE(world.RunUntil([&] { return echo.bytes == 5; }));
    server.Kill();
    EXPECT_FALSE(server.running());
    ASSERT_TRUE(world.RunUntil([&] { return client.done; }));
    EXPECT_EQ(client.status, StreamStatus::kEnd);
  }
}

TEST(WorldTest, ANodeWithoutPowerSaysNothing) {
  sim::World world;
  sim::Node& server = world.AddNode();
  sim::Node& other = world.AddNode();
  Echo echo;
  StartEcho(server, echo);
  Client client{.to = {.ip = server.ip(), .port = 7}, .sent = "hello", .expected = 10};
  other.Start(&ClientMain, &client);
  ASSERT_TRUE(world.RunUntil([&] { return echo.bytes == 5; }));
  server.Crash();
  ASSERT_TRUE(world.RunUntil([&] { return client.done; }));
  EXPECT_EQ(client.status, StreamStatus::kTimedOut);
}

TEST(WorldTest, NobodyListensIsRefusedAndNoHostIsUnreachable) {
  sim::World world;
  sim::Node& a = world.AddNode();
  sim::Node& b = world.AddNode();
  Client client{.to = {.ip = b.ip(), .port = 25}};
  a.Start(&ClientMain, &client);
  ASSERT_TRUE(world.RunUntil([&] { return client.done; }));
  EXPECT_EQ(client.error, ECONNREFUSED);
  Client lost{.to = *io::Endpoint::Parse("192.0.2.1:25")};
  world.RunUntilIdle();
  a.Start(&ClientMain, &lost);
  ASSERT_TRUE(world.RunUntil([&] { return lost.done; }));
  EXPECT_EQ(lost.error, EHOSTUNREACH);
  Client silent{.to = {.ip = b.ip(), .port = 25}};
  world.SetUnreachable(b.ip(), true);
  world.RunUntilIdle();
  a.Start(&ClientMain, &silent);
  ASSERT_TRUE(world.RunUntil([&] { return silent.done; }));
  EXPECT_EQ(silent.status, StreamStatus::kTimedOut);
}

struct Writes {
  Status durable, lost, sync;
  bool done = false;
};

Task<void> WriteMain(void* context) {
  auto& writes = *static_cast<Writes*>(context);
  (void)co_await io::CreateDirectory("/data");
  (void)co_await io::SyncDirectory("/");
  auto file = co_await io::File::Open("/data/log", io::OpenMode::kCreate, io::Access::kDirect);
  if (!file.ok()) co_return;
  writes.sync = co_await io::SyncDirectory("/data");
  io::DmaBuffer buffer(io::kBlockBytes);
  std::fill_n(buffer.data(), buffer.size(), 'd');
  writes.durable =
      co_await file->Write(0, {buffer.data(), buffer.size()}, io::Durability::kDurable, &buffer);
  std::fill_n(buffer.data(), buffer.size(), 'l');
  writes.lost =
      co_await file->Write(4096, {buffer.data(), buffer.size()}, io::Durability::kNone, &buffer);
  (void)co_await io::File::Open("/data/never synced", io::OpenMode::kCreate, io::Access::kBuffered);
  writes.done = true;
  co_await io::SleepUntil(io::Now() + std::chrono::hours(1));
}

TEST(WorldTest, ACrashKeepsWhatWasDurableAndMayLoseTheRest) {
  for (const auto loss : {sim::DiskLoss::kEverything, sim::DiskLoss::kNothing}) {
    sim::World world;
    sim::Node& node = world.AddNode();
    Writes writes;
    node.Start(&WriteMain, &writes);
    ASSERT_TRUE(world.RunUntil([&] { return writes.done; }));
    EXPECT_TRUE(writes.durable.ok() && writes.lost.ok() && writes.sync.ok());
    const bool keep = loss == sim::DiskLoss::kNothing;
    EXPECT_EQ(node.disk().Contents("/data/log")->size(), 8192u);
    EXPECT_EQ(node.disk().DurableContents("/data/log")->size(), 4096u);
    node.Crash(loss);
    EXPECT_EQ(*node.disk().Contents("/data/log"),
              std::string(4096, 'd') + (keep ? std::string(4096, 'l') : ""));
    EXPECT_EQ(node.disk().Contents("/data/never synced").has_value(), keep);
  }
}

struct Overwrites {
  bool done = false;
};

// Old content durable; new content over it, sector by sector different, not durable; then one
// durable write in the midst.
Task<void> OverwriteMain(void* context) {
  auto file = co_await io::File::Open("/log", io::OpenMode::kReadWrite, io::Access::kBuffered);
  for (uint64_t i = 0; i < 8; ++i) {
    (void)co_await file->Write(i * 4096, std::string(4096, 'n'), io::Durability::kNone);
  }
  (void)co_await file->Write(3 * 4096, std::string(4096, 'D'), io::Durability::kDurable);
  static_cast<Overwrites*>(context)->done = true;
  co_await io::SleepUntil(kNever);
}

TEST(WorldTest, ARandomCrashTearsWritesAtSectorsAndNeverADurableOne) {
  bool lost = false, kept = false, torn = false, holed = false;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    sim::World world({.seed = seed});
    sim::Node& node = world.AddNode();
    node.disk().Put("/log", std::string(8 * 4096, 'o'));
    Overwrites overwrites;
    node.Start(&OverwriteMain, &overwrites);
    ASSERT_TRUE(world.RunUntil([&] { return overwrites.done; }));
    node.Crash(sim::DiskLoss::kRandom);
    const std::string content = *node.disk().Contents("/log");
    ASSERT_EQ(content.size(), 8u * 4096) << "seed " << seed;
    EXPECT_EQ(content.substr(3 * 4096, 4096), std::string(4096, 'D')) << "seed " << seed;
    for (size_t block = 0; block < 8; ++block) {
      if (block == 3) continue;
      const std::string_view bytes = std::string_view(content).substr(block * 4096, 4096);
      size_t sectors = 0;
      for (size_t sector = 0; sector < 8; ++sector) {
        const std::string_view octets = bytes.substr(sector * 512, 512);
        const bool fresh = octets == std::string(512, 'n');
        EXPECT_TRUE(fresh || octets == std::string(512, 'o')) << "seed " << seed;
        if (fresh) ++sectors;
      }
      lost = lost || sectors == 0;
      kept = kept || sectors == 8;
      torn = torn || (sectors > 0 && sectors < 8);
      // Not only its beginning: a drive writes the sectors of a request in its own order.
      holed = holed || (sectors > 0 && bytes.substr(0, 512) == std::string(512, 'o'));
    }
  }
  EXPECT_TRUE(holed);
  EXPECT_TRUE(lost && kept && torn);
}

Task<void> RenameMain(void* context) {
  (void)co_await io::Rename("/new", "/current");
  auto file = co_await io::File::Open("/after", io::OpenMode::kCreate, io::Access::kBuffered);
  co_await file->Close();
  static_cast<Overwrites*>(context)->done = true;
  co_await io::SleepUntil(kNever);
}

TEST(WorldTest, ACrashNeverLosesBothNamesOfARenameAndKeepsTheOrderOfChanges) {
  bool before = false, between = false, after = false;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    sim::World world({.seed = seed});
    sim::Node& node = world.AddNode();
    node.disk().Put("/current", "old");
    node.disk().Put("/new", "new");
    Overwrites overwrites;
    node.Start(&RenameMain, &overwrites);
    ASSERT_TRUE(world.RunUntil([&] { return overwrites.done; }));
    node.Crash(sim::DiskLoss::kRandom);
    const bool renamed = !node.disk().Contents("/new").has_value();
    EXPECT_EQ(node.disk().Contents("/current"), renamed ? "new" : "old") << "seed " << seed;
    const bool created = node.disk().Contents("/after").has_value();
    EXPECT_TRUE(renamed || !created) << "seed " << seed;
    before = before || !renamed;
    between = between || (renamed && !created);
    after = after || created;
  }
  EXPECT_TRUE(before && between && after);
}

Task<void> FillMain(void* context) {
  auto file = co_await io::File::Open("/big", io::OpenMode::kCreate, io::Access::kBuffered);
  EXPECT_TRUE((co_await file->Write(0, std::string(8192, 'x'), io::Durability::kNone)).ok());
  EXPECT_EQ((co_await file->Write(8192, "x", io::Durability::kNone)).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(*co_await io::FreeBytes("/"), 0u);
  EXPECT_TRUE((co_await io::Remove("/big")).ok());
  EXPECT_EQ(*co_await io::FreeBytes("/"), 0u) << "it is still open";
  co_await file->Close();
  EXPECT_EQ(*co_await io::FreeBytes("/"), 8192u);
  static_cast<Overwrites*>(context)->done = true;
}

TEST(WorldTest, SpaceComesBackWithTheLastHandleOfARemovedFile) {
  sim::World world;
  sim::Node& node = world.AddNode({.disk = {.capacity_bytes = 8192}});
  Overwrites overwrites;
  node.Start(&FillMain, &overwrites);
  ASSERT_TRUE(world.RunUntil([&] { return overwrites.done; }));
}

TEST(WorldTest, AKilledProcessLosesNothingThatWasWritten) {
  sim::World world;
  sim::Node& node = world.AddNode();
  Writes writes;
  node.Start(&WriteMain, &writes);
  ASSERT_TRUE(world.RunUntil([&] { return writes.done; }));
  node.Kill();
  EXPECT_EQ(node.disk().Contents("/data/log")->size(), 8192u);
  EXPECT_TRUE(node.disk().Contents("/data/never synced").has_value());
}

TEST(WorldTest, AFullDiskRefusesAndASpoiltRequestFails) {
  sim::World world;
  sim::Node& full = world.AddNode({.disk = {.capacity_bytes = 4096}});
  Writes writes;
  full.Start(&WriteMain, &writes);
  ASSERT_TRUE(world.RunUntil([&] { return writes.done; }));
  EXPECT_TRUE(writes.durable.ok());
  EXPECT_EQ(writes.lost.code(), absl::StatusCode::kResourceExhausted);
  sim::Node& spoilt = world.AddNode();
  spoilt.disk().fault = [](const sim::DiskRequest& request) {
    return request.operation == sim::DiskOperation::kWrite ? EIO : 0;
  };
  Writes failed;
  spoilt.Start(&WriteMain, &failed);
  ASSERT_TRUE(world.RunUntil([&] { return failed.done; }));
  EXPECT_EQ(failed.durable.code(), absl::StatusCode::kUnavailable);
}

struct Sleeper {
  Nanoseconds slept{0};
  io::Signal signal = io::Signal::kNone;
};

Task<void> SleepMain(void* context) {
  auto& sleeper = *static_cast<Sleeper*>(context);
  const MonotonicTime start = io::Now();
  co_await io::SleepUntil(start + std::chrono::hours(24 * 5));
  sleeper.slept = io::Now() - start;
  sleeper.signal = co_await io::NextSignal(kNever);
}

TEST(WorldTest, FiveDaysPassAtOnceAndSignalsArrive) {
  sim::World world;
  Sleeper sleeper;
  sim::Node& node = world.AddNode();
  node.Start(&SleepMain, &sleeper);
  world.RunUntilIdle(std::chrono::hours(24 * 6));
  EXPECT_GE(sleeper.slept, std::chrono::hours(24 * 5));
  EXPECT_LT(sleeper.slept, std::chrono::hours(24 * 5) + std::chrono::milliseconds(2));
  node.Send(io::Signal::kTerminate);
  ASSERT_TRUE(world.RunUntil([&] { return !node.running(); }));
  EXPECT_EQ(sleeper.signal, io::Signal::kTerminate);
}

}  // namespace
}  // namespace ringmail
