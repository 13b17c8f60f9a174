// The number of shards may change between runs: nothing is lost, nothing comes twice, nothing comes
// back.
#include <gtest/gtest.h>

#include "storage/lineage.h"
#include "tests/unit/storage/store_fixture.h"

namespace ringmail::storage {
namespace {

using io::Task;

// Each shard puts some messages and finishes some of those that it finds, whoever's log they came
// from.
Task<void> WorkOnEveryShard(StoreWorld& self, ShardStore& store) {
  std::vector<QueueId> old;
  store.queue().Visit(
      QueueId(), SIZE_MAX,
      [](void* context, QueuedMessage& message) {
        static_cast<std::vector<QueueId>*>(context)->push_back(message.id());
      },
      &old);
  for (uint64_t i = 0; i < 6; ++i) {
    (void)co_await self.Put(store, MakeText(5000 + 60'000 * i, i + io::ThisShard().value), 2);
  }
  for (size_t i = 0; i < old.size(); ++i) {
    if (!self.ledger.accepted.contains(old[i].value)) continue;
    if (i % 3 == 0) (void)co_await self.SettleAll(store, old[i]);
    if (i % 3 == 1 && self.ledger.accepted[old[i].value].states[0] == RecipientState::kPending) {
      (void)co_await self.Settle(store, old[i], 0, RecipientState::kDelivered);
    }
  }
}

TEST(Adoption, KeepsEveryMessageInExactlyOneShardThroughAnyShardCounts) {
  StoreWorld w;
  for (const uint16_t shards : std::initializer_list<uint16_t>{1, 4, 2, 1, 4, 3, 2, 4, 1}) {
    SCOPED_TRACE("shards " + std::to_string(shards));
    ASSERT_TRUE(w.Run(shards, &WorkOnEveryShard));
    ASSERT_TRUE(w.Check().clean());
    w.Verify(shards);
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(w.seen, 30u);
}

TEST(Adoption, DoesNotReviveWhatAnotherShardFinishedWhenTheOldShardComesBack) {
  StoreWorld w;
  ASSERT_TRUE(w.Run(4, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    for (uint64_t i = 0; i < 5; ++i) (void)co_await self.Put(store, MakeText(3000, i), 1);
  }));
  ASSERT_EQ(w.ledger.accepted.size(), 20u);
  // Killed at once, so that nothing is moved in the background.
  w.Start(2, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    std::vector<QueueId> ids;
    store.queue().Visit(
        QueueId(), SIZE_MAX,
        [](void* context, QueuedMessage& message) {
          static_cast<std::vector<QueueId>*>(context)->push_back(message.id());
        },
        &ids);
    for (const QueueId id : ids) (void)co_await self.SettleAll(store, id);
    co_await io::SleepUntil(kNever);
  });
  ASSERT_TRUE(w.world.RunUntil([&] { return w.ledger.finished.size() == 20; }));
  w.Kill();
  w.Verify(4);
  EXPECT_EQ(w.seen, 0u);
}

TEST(Adoption, SurvivesAPowerCutAnywhereWhileItHappens) {
  for (uint64_t requests = 1;; requests += 5) {
    SCOPED_TRACE("power cut at request " + std::to_string(requests));
    StoreWorld w(requests);
    ASSERT_TRUE(w.Run(4, &WorkOnEveryShard));
    uint64_t count = 0;
    w.node.disk().fault = [&count](const sim::DiskRequest& request) {
      if (request.operation != sim::DiskOperation::kRead &&
          (request.durability == io::Durability::kDurable || request.offset == 0))
        ++count;
      return 0;
    };
    w.Start(2, &WorkOnEveryShard);
    (void)w.world.RunUntil([&] { return count >= requests || !w.node.running(); });
    const bool crashed = w.node.running();
    w.node.disk().fault = nullptr;
    if (crashed) w.Crash(sim::DiskLoss::kRandom);
    w.Verify(4);
    w.Verify(1);
    w.Verify(2);
    if (testing::Test::HasFailure() || !crashed) break;
  }
}

TEST(Adoption, NamesSayWhatTheyMean) {
  const Adoption adoption{.through = 0x2a, .next_sequence = 77, .by = LogId(3), .at = 9};
  const auto parsed = ParseAdoptionName(AdoptionName(adoption));
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->through, 0x2au);
  EXPECT_EQ(parsed->next_sequence, 77u);
  EXPECT_EQ(parsed->by, LogId(3));
  EXPECT_EQ(parsed->at, 9u);
  EXPECT_FALSE(ParseAdoptionName("adopted-").has_value());
  EXPECT_FALSE(ParseAdoptionName(AdoptionName(adoption) + "x").has_value());
}

TEST(Lineage, OrdersWhatWasAdoptedBeforeWhatAdoptedIt) {
  // Log 3 went to log 1 when its segment 5 began, log 1 then to log 0, and all of them went on by
  // themselves later.
  std::vector<LogFiles> logs(3);
  logs[0] = {.log = LogId(0), .segments = {1, 2, 3}};
  logs[1] = {.log = LogId(1),
             .segments = {4, 5, 6, 7},
             .adoptions = {{.through = 6, .by = LogId(0), .at = 3}}};
  logs[2] = {.log = LogId(3),
             .segments = {1, 2, 3},
             .adoptions = {{.through = 2, .by = LogId(1), .at = 5}}};
  const auto groups = GroupSegments(logs);
  ASSERT_EQ(groups.size(), 5u);
  EXPECT_EQ(groups[0].log, LogId(3));
  EXPECT_EQ(groups[0].segments, (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(groups[0].owner, LogId(0));
  EXPECT_EQ(groups[0].depth, 2u);
  EXPECT_EQ(groups[1].log, LogId(1));
  EXPECT_EQ(groups[1].owner, LogId(0));
  EXPECT_EQ(groups[2].log, LogId(0));
  EXPECT_EQ(groups[3].owner, LogId(1));
  EXPECT_EQ(groups[3].segments, (std::vector<uint64_t>{7}));
  EXPECT_EQ(groups[4].owner, LogId(3));
}

TEST(Lineage, EndsWhereNamesLeadInACircle) {
  std::vector<LogFiles> logs(2);
  logs[0] = {
      .log = LogId(0), .segments = {1}, .adoptions = {{.through = 9, .by = LogId(1), .at = 1}}};
  logs[1] = {
      .log = LogId(1), .segments = {1}, .adoptions = {{.through = 9, .by = LogId(0), .at = 1}}};
  const auto groups = GroupSegments(logs);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].owner, groups[0].log);
  EXPECT_EQ(groups[1].owner, groups[1].log);
}

}  // namespace
}  // namespace ringmail::storage
