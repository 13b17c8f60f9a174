// Each fault that a world can be given: that it strikes where it was told to, looks to the program
// as a real machine's would, and strikes at the same moment again with the same seed.
#include <gtest/gtest.h>

#include <cerrno>
#include <set>

#include "ringmail/io/blocking.h"
#include "ringmail/io/file.h"
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
using Moment = sim::EndAtRequest::Moment;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// --- Disk

// Writes blocks of one letter each to /log, durably, and counts those it was told of.
struct Log {
  int blocks = 8;
  io::Durability durability = io::Durability::kDurable;
  bool sync_each = false;
  int acknowledged = 0;
  std::vector<Status> results;
  std::vector<Nanoseconds> times;
  bool done = false;
};

Task<void> LogMain(void* context) {
  auto& log = *static_cast<Log*>(context);
  {
    auto file = co_await io::File::Open("/log", io::OpenMode::kReadWrite, io::Access::kBuffered);
    CHECK(file.ok());
    for (int i = 0; i < log.blocks; ++i) {
      const MonotonicTime start = io::Now();
      const std::string block(4096, static_cast<char>('a' + i));
      Status status = co_await file->Write(static_cast<uint64_t>(i) * 4096, block, log.durability);
      if (status.ok() && log.sync_each) status = co_await file->Sync();
      if (status.ok()) ++log.acknowledged;
      log.results.push_back(status);
      log.times.push_back(io::Now() - start);
    }
  }
  log.done = true;
  co_await io::SleepUntil(kNever);
}

// The node's log, of zeros and durable so far.
sim::Node& AddLogger(sim::World& world) {
  sim::Node& node = world.AddNode();
  node.disk().Put("/log", std::string(8 * 4096, '\0'));
  return node;
}

std::string Block(sim::Node& node, int i) {
  return node.disk().Contents("/log")->substr(static_cast<size_t>(i) * 4096, 4096);
}
std::string Letters(int i) { return std::string(4096, static_cast<char>('a' + i)); }

TEST(DiskFaults, AWriteThatFailsLeavesAsManyOctetsAsItIsTold) {
  sim::World world;
  sim::Node& node = AddLogger(world);
  node.disk().fault = [](const sim::DiskRequest& request) {
    sim::DiskFault fault;
    if (request.operation == sim::DiskOperation::kWrite && request.offset == 4096) {
      fault.error = ENOSPC;
      fault.lands = 3 * 512;
    }
    return fault;
  };
  Log log{.blocks = 3};
  node.Start(&LogMain, &log);
  ASSERT_TRUE(world.RunUntil([&] { return log.done; }));
  EXPECT_EQ(log.results[1].code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Block(node, 1), std::string(1536, 'b') + std::string(2560, '\0'));
  node.Crash(sim::DiskLoss::kEverything);
  EXPECT_EQ(Block(node, 1), std::string(4096, '\0')) << "it was never durable";
  EXPECT_EQ(Block(node, 2), Letters(2));
}

TEST(DiskFaults, ARequestMayTakeLongerAndTheRestGoesOn) {
  sim::World world;
  sim::Node& node = AddLogger(world);
  node.disk().fault = [](const sim::DiskRequest& request) {
    sim::DiskFault fault;
    if (request.offset == 4096) fault.latency = seconds(40);
    return fault;
  };
  Log log{.blocks = 3};
  node.Start(&LogMain, &log);
  ASSERT_TRUE(world.RunUntil([&] { return log.done; }));
  EXPECT_LT(log.times[0], milliseconds(10));
  EXPECT_GE(log.times[1], seconds(40));
  EXPECT_LT(log.times[2], milliseconds(10));
}

struct Reader {
  std::string first, second;
};

Task<void> ReadTwiceMain(void* context) {
  auto& reader = *static_cast<Reader*>(context);
  auto file = co_await io::File::Open("/log", io::OpenMode::kRead, io::Access::kBuffered);
  for (std::string* out : {&reader.first, &reader.second}) {
    out->resize(512);
    CHECK((co_await file->Read(0, *out)).ok());
  }
}

TEST(DiskFaults, ABitMayTurnOverInWhatIsReadOrOnTheDisk) {
  sim::World world;
  sim::Node& node = AddLogger(world);
  bool once = true;
  node.disk().fault = [&once](const sim::DiskRequest& request) {
    sim::DiskFault fault;
    if (request.operation == sim::DiskOperation::kRead && std::exchange(once, false)) {
      fault.flip_bit = 8 * 100 + 3;
    }
    return fault;
  };
  Reader reader;
  node.Start(&ReadTwiceMain, &reader);
  ASSERT_TRUE(world.RunUntil([&] { return !node.running(); }));
  EXPECT_EQ(reader.first[100], '\x08');
  EXPECT_EQ(reader.first.find_first_not_of('\0', 101), std::string::npos);
  EXPECT_EQ(reader.second, std::string(512, '\0'));
  node.disk().FlipBit("/log", 8 * 4096 + 7);
  EXPECT_EQ(Block(node, 1)[0], '\x80');
  EXPECT_EQ(node.disk().DurableContents("/log"), node.disk().Contents("/log"));
}

// A later sync that succeeds must not make a program believe what an earlier one could not do.
TEST(DiskFaults, WhatAFailedSyncLeftBehindNoLaterSyncMakesDurable) {
  sim::World world;
  sim::Node& node = AddLogger(world);
  int syncs = 0;
  node.disk().fault = [&syncs](const sim::DiskRequest& request) {
    return request.operation == sim::DiskOperation::kSync && ++syncs == 1 ? EIO : 0;
  };
  Log log{.blocks = 2, .durability = io::Durability::kNone, .sync_each = true};
  node.Start(&LogMain, &log);
  ASSERT_TRUE(world.RunUntil([&] { return log.done; }));
  EXPECT_FALSE(log.results[0].ok());
  EXPECT_TRUE(log.results[1].ok());
  node.Crash(sim::DiskLoss::kEverything);
  EXPECT_EQ(Block(node, 0), std::string(4096, '\0'));
  EXPECT_EQ(Block(node, 1), Letters(1));
}

TEST(DiskFaults, ADriveThatLiesSaysDoneAndKeepsNothing) {
  sim::World world;
  sim::Node& node = AddLogger(world);
  node.disk().fault = [](const sim::DiskRequest&) {
    sim::DiskFault fault;
    fault.lies = true;
    return fault;
  };
  Log log{.blocks = 2};
  node.Start(&LogMain, &log);
  ASSERT_TRUE(world.RunUntil([&] { return log.done; }));
  EXPECT_EQ(log.acknowledged, 2);
  node.Crash(sim::DiskLoss::kEverything);
  EXPECT_EQ(Block(node, 0), std::string(4096, '\0'));
}

TEST(DiskFaults, TheDiskCountsWhatItIsAskedFor) {
  sim::World world;
  sim::Node& node = AddLogger(world);
  Log log{.blocks = 5, .durability = io::Durability::kNone, .sync_each = true};
  node.Start(&LogMain, &log);
  ASSERT_TRUE(world.RunUntil([&] { return log.done; }));
  const sim::DiskCounts& counts = node.disk().counts();
  EXPECT_EQ(counts.writes, 5u);
  EXPECT_EQ(counts.syncs, 5u);
  EXPECT_EQ(counts.requests, 11u);
  EXPECT_EQ(counts.bytes_written, 5u * 4096);
  EXPECT_EQ(counts.durable_writes, 0u);
}

struct Two {
  std::vector<int> order;
};

Task<void> WriteOne(Two* two, io::File* file, int number) {
  (void)co_await file->Write(static_cast<uint64_t>(number) * 4096, Letters(number),
                             io::Durability::kNone);
  two->order.push_back(number);
}

Task<void> TogetherMain(void* context) {
  auto* two = static_cast<Two*>(context);
  auto file = co_await io::File::Open("/log", io::OpenMode::kReadWrite, io::Access::kBuffered);
  io::Gate gate;
  for (int i = 0; i < 4; ++i) gate.Spawn(WriteOne(two, &*file, i));
  co_await gate.Close();
}

TEST(DiskFaults, RequestsUnderWayTogetherEndInAnyOrder) {
  std::set<std::vector<int>> orders;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    sim::World world({.seed = seed});
    sim::Node& node = AddLogger(world);
    Two two;
    node.Start(&TogetherMain, &two);
    ASSERT_TRUE(world.RunUntil([&] { return !node.running(); }));
    orders.insert(two.order);
  }
  EXPECT_GT(orders.size(), 10u);
}

// --- The end at a request

struct EndCase {
  Moment moment;
  bool power;
};

class EndAtEachWrite : public testing::TestWithParam<EndCase> {};

TEST_P(EndAtEachWrite, EndsThereAndNowhereElse) {
  const auto [moment, power] = GetParam();
  for (int nth = 1; nth <= 8; ++nth) {
    SCOPED_TRACE(nth);
    sim::World world({.seed = static_cast<uint64_t>(nth)});
    sim::Node& node = AddLogger(world);
    node.EndAt({.nth = static_cast<uint64_t>(nth),
                .moment = moment,
                .power = power,
                .loss = sim::DiskLoss::kEverything});
    Log log;
    node.Start(&LogMain, &log);
    ASSERT_TRUE(world.RunUntil([&] { return !node.running(); }, minutes(1)));
    EXPECT_EQ(log.acknowledged, nth - 1) << "the process never hears of the last";
    EXPECT_EQ(node.powered(), !power);
    EXPECT_FALSE(node.end_planned());
    for (int i = 0; i + 1 < nth; ++i) EXPECT_EQ(Block(node, i), Letters(i));
    // What was applied and not durable goes with the power, and stays where only the process ended.
    const bool kept = moment == Moment::kCompleted || (moment == Moment::kApplied && !power);
    EXPECT_EQ(Block(node, nth - 1), kept ? Letters(nth - 1) : std::string(4096, '\0'));
    for (int i = nth; i < 8; ++i) EXPECT_EQ(Block(node, i), std::string(4096, '\0'));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Moments, EndAtEachWrite,
    testing::Values(EndCase{Moment::kBefore, true}, EndCase{Moment::kApplied, true},
                    EndCase{Moment::kCompleted, true}, EndCase{Moment::kBefore, false},
                    EndCase{Moment::kApplied, false}, EndCase{Moment::kCompleted, false}));

TEST(CrashSweep, OneMomentIsRecoveredFromUnderManyLosses) {
  sim::World world;
  sim::Node& node = AddLogger(world);
  node.EndAt({.nth = 6,
              .moment = Moment::kBefore,
              .loss = sim::DiskLoss::kEverything,
              .keep_image = true});
  Log log{.durability = io::Durability::kNone};
  node.Start(&LogMain, &log);
  ASSERT_TRUE(world.RunUntil([&] { return !node.running(); }));
  const auto image = node.TakeImage();
  ASSERT_NE(image, nullptr);
  std::set<std::string> states;
  for (int i = 0; i < 200; ++i) {
    node.Recover(*image);
    states.insert(*node.disk().Contents("/log"));
  }
  EXPECT_GT(states.size(), 100u);
  node.Recover(*image, sim::DiskLoss::kNothing);
  EXPECT_EQ(Block(node, 4), Letters(4));
  EXPECT_EQ(Block(node, 5), std::string(4096, '\0'));
  node.Recover(*image, sim::DiskLoss::kEverything);
  EXPECT_EQ(*node.disk().Contents("/log"), std::string(8 * 4096, '\0'));
  // A run on the recovered disk leaves the image as it is.
  Log again;
  node.Start(&LogMain, &again);
  ASSERT_TRUE(world.RunUntil([&] { return again.done; }));
  node.Kill();
  EXPECT_EQ(Block(node, 7), Letters(7));
  node.Recover(*image, sim::DiskLoss::kNothing);
  EXPECT_EQ(Block(node, 7), std::string(4096, '\0'));
}

Task<void> NamesMain(void* context) {
  for (const char* name : {"/a", "/b", "/c"}) {
    auto file = co_await io::File::Open(name, io::OpenMode::kCreate, io::Access::kBuffered);
    (void)co_await file->Write(0, name, io::Durability::kDurable);
    co_await file->Close();
  }
  (void)co_await io::SyncDirectory("/");
  (void)co_await io::Remove("/a");
  (void)co_await io::Rename("/b", "/d");
  static_cast<Log*>(context)->done = true;
  co_await io::SleepUntil(kNever);
}

TEST(CrashSweep, ASnapshotKeepsWhichNamesAreDurable) {
  sim::World world;
  sim::Node& node = world.AddNode();
  Log log;
  node.Start(&NamesMain, &log);
  ASSERT_TRUE(world.RunUntil([&] { return log.done; }));
  const auto image = node.disk().Snapshot();
  node.Crash(sim::DiskLoss::kNothing);
  EXPECT_FALSE(node.disk().Contents("/a").has_value());
  EXPECT_EQ(node.disk().Contents("/d"), "/b");
  std::set<int> states;
  for (int i = 0; i < 60; ++i) {
    node.Recover(*image);
    const bool a = node.disk().Contents("/a").has_value();
    const bool d = node.disk().Contents("/d").has_value();
    EXPECT_NE(node.disk().Contents("/b").has_value(), d);
    EXPECT_FALSE(a && d) << "the removal came first";
    EXPECT_EQ(node.disk().Contents("/c"), "/c");
    states.insert(a ? 0 : d ? 2 : 1);
  }
  EXPECT_EQ(states.size(), 3u);
}

TEST(EndSoon, ANodeMayEndInTheMidstOfItsTurn) {
  sim::World world;
  sim::Node& node = AddLogger(world);
  sim::Node* self = &node;
  node.disk().fault = [self](const sim::DiskRequest& request) {
    if (request.offset == 2 * 4096) self->EndSoon(true, sim::DiskLoss::kNothing);
    return 0;
  };
  Log log;
  node.Start(&LogMain, &log);
  ASSERT_TRUE(world.RunUntil([&] { return !node.running(); }, minutes(1)));
  EXPECT_EQ(log.acknowledged, 2);
  EXPECT_EQ(Block(node, 2), std::string(4096, '\0'));
}

}  // namespace
}  // namespace ringmail
