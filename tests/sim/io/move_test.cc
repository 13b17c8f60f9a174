// Moves between simulated shards (io/move.h): one seed is one run, and ends at any moment.
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "tests/sim/io/world.h"
#include "tests/unit/io/wander.h"

namespace ringmail::sim {
namespace {

using namespace io::wander;

constexpr size_t kSessions = 5;

io::Task<void> Play(Scene& scene, Mailbox& here) {
  std::vector<Pair> pairs;
  for (size_t i = 0; i < kSessions; ++i) pairs.push_back(co_await Connected(scene.crypto));
  std::vector<size_t> compared(kSessions);
  io::Gate gate;
  for (size_t i = 0; i < kSessions; ++i) {
    here.Begin(std::move(pairs[i].server), Habit::kEchoes);
    gate.Spawn(SendAndCompare(&pairs[i].client, scene.bytes, &compared[i]));
  }
  co_await gate.Close();
  for (const size_t one : compared) EXPECT_EQ(one, scene.bytes);
}

struct Outcome {
  uint64_t hash = 0;
  uint64_t moves = 0;
  uint64_t refusals = 0;
};

Outcome RunOnce(uint64_t seed, Crypto crypto, const NodeOptions& options,
                io::Task<void> (*shard_main)(void* context) = &Main) {
  World world({.seed = seed, .network = {.jitter = std::chrono::microseconds(300)}});
  Node& node = world.AddNode(options);
  Scene scene;
  scene.play = &Play;
  scene.crypto = crypto;
  scene.bytes = 5000;
  node.Start(shard_main, &scene);
  EXPECT_TRUE(world.RunUntil([&] { return !node.running(); }));
  return {world.trace_hash(), scene.moves, scene.refusals};
}

TEST(SimMoveTest, OneSeedIsOneRunAlsoWhereConnectionsMove) {
  for (const Crypto crypto : {Crypto::kNone, Crypto::kTls13}) {
    const Outcome first = RunOnce(7, crypto, {.shards = 3});
    const Outcome again = RunOnce(7, crypto, {.shards = 3});
    EXPECT_EQ(first.hash, again.hash);
    EXPECT_EQ(first.moves, again.moves);
    EXPECT_NE(first.hash, RunOnce(8, crypto, {.shards = 3}).hash);
  }
}

TEST(SimMoveTest, AFullQueueBetweenTheShardsMakesMovesWaitAndNoMore) {
  const Outcome run = RunOnce(7, Crypto::kTls13, {.shards = 3, .shard_queue_messages_max = 1});
  EXPECT_GT(run.moves, kSessions * 40);
}

// Shard 1 has all the connections that it may have.
io::Task<void> CrowdedMain(void* context) {
  std::vector<Pair> crowd;
  if (io::ThisShard().value == 1) {
    for (size_t i = 0; i < kSessions; ++i) crowd.push_back(co_await Connected(Crypto::kNone));
  }
  co_await Main(context);
}

TEST(SimMoveTest, AShardThatIsFullSendsTheSessionBackAndItGoesOnWhereItWas) {
  const Outcome outcome =
      RunOnce(7, Crypto::kTls13, {.shards = 2, .connections_max = 2 * kSessions}, &CrowdedMain);
  EXPECT_EQ(outcome.moves, 0u);
  EXPECT_GT(outcome.refusals, kSessions);
}

// Nothing is destroyed twice, forgotten, or called after its end (address sanitizer), wherever
// moves stand.
TEST(SimMoveTest, ANodeThatIsKilledInTheMiddleOfMovesLeavesNothing) {
  uint64_t moves = 0;
  for (int step = 0; step < 400; ++step) {
    World world;
    Node& node = world.AddNode({.shards = 3, .shard_queue_messages_max = 2});
    Scene scene;
    scene.play = &Play;
    scene.crypto = step % 8 == 0 ? Crypto::kTls13 : Crypto::kNone;
    scene.bytes = 5000;
    node.Start(&Main, &scene);
    ASSERT_TRUE(world.RunUntil([&] { return scene.moves > 20; }));
    world.RunFor(std::chrono::nanoseconds(250) * step);
    moves += scene.moves;
    step % 2 == 0 ? node.Kill() : node.Crash();
    EXPECT_EQ(node.live_connections(), 0u);
    EXPECT_EQ(node.live_tasks(), 0u);
  }
  EXPECT_GT(moves, 0u);
}

}  // namespace
}  // namespace ringmail::sim
