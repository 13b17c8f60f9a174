// Space comes back while running, and a full disk is an answer, not an end.
#include <gtest/gtest.h>

#include <algorithm>

#include "storage/segment.h"
#include "tests/unit/storage/store_fixture.h"

namespace ringmail::storage {
namespace {

using io::Task;

std::vector<std::string> Files(StoreWorld& w) {
  std::vector<std::string> names;
  EXPECT_EQ(w.node.disk().List("/data/log/000", names), 0);
  return names;
}

TEST(Space, ReusesSegmentsWhoseMailIsGone) {
  StoreWorld w;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    for (uint64_t i = 0; i < 300; ++i) {
      auto id = co_await self.Put(store, MakeText(100'000, i), 1);
      CO_ASSERT_TRUE(id.ok());
      EXPECT_TRUE((co_await self.SettleAll(store, *id)).ok());
    }
    co_await io::SleepUntil(io::Now() + std::chrono::seconds(5));
  }));
  EXPECT_LT(Files(w).size(), 12u);  // 30 MB went through segments of 1 MiB
  w.Verify(1);
  EXPECT_EQ(w.seen, 0u);
}

TEST(Space, CompactsAroundMailThatStaysAndKeepsItsState) {
  StoreWorld w;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    std::vector<QueueId> kept;
    for (uint64_t i = 0; i < 400; ++i) {
      auto id = co_await self.Put(store, MakeText(i % 40 == 0 ? 400'000 : 60'000, i), 2);
      CO_ASSERT_TRUE(id.ok());
      if (i % 40 == 0) {
        kept.push_back(*id);
        EXPECT_TRUE((co_await self.Settle(store, *id, 1, RecipientState::kDelivered)).ok());
      } else {
        EXPECT_TRUE((co_await self.SettleAll(store, *id)).ok());
      }
      if (i % 50 == 0) co_await io::SleepUntil(io::Now() + std::chrono::seconds(2));
    }
    co_await io::SleepUntil(io::Now() + std::chrono::seconds(20));
  }));
  // 4 MB live: twice that, the spare ones and the ready ones.
  EXPECT_LT(Files(w).size(), 22u);
  w.Verify(1);
  EXPECT_EQ(w.seen, 10u);
  EXPECT_TRUE(w.Check().clean());
}

TEST(Space, SurvivesAPowerCutAnywhereWhileItCompacts) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    StoreWorld w(seed);
    uint64_t writes = 0;
    w.node.disk().fault = [&writes](const sim::DiskRequest& request) {
      if (request.operation != sim::DiskOperation::kRead &&
          request.durability == io::Durability::kDurable)
        ++writes;
      return 0;
    };
    w.Start(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
      for (uint64_t i = 0; i < 150; ++i) {
        auto id = co_await self.Put(store, MakeText(100'000, i), 2);
        if (!id.ok()) co_return;
        if (i % 10 != 0)
          (void)co_await self.SettleAll(store, *id);
        else
          (void)co_await self.Settle(store, *id, 0, RecipientState::kFailed);
      }
      co_await io::SleepUntil(io::Now() + std::chrono::seconds(5));
    });
    const uint64_t at = 100 + w.world.Random(400);
    (void)w.world.RunUntil([&] { return writes >= at || !w.node.running(); });
    w.node.disk().fault = nullptr;
    if (w.node.running()) w.Crash(sim::DiskLoss::kRandom);
    w.Verify(1);
    EXPECT_TRUE(w.Check().clean());
    if (testing::Test::HasFailure()) return;
  }
}

Task<void> FillUp(StoreWorld* self, ShardStore* store, std::vector<QueueId>* ids) {
  for (uint64_t i = 0;; ++i) {
    auto id = co_await self->Put(*store, MakeText(100'000, i), 1);
    if (!id.ok()) {
      EXPECT_EQ(id.status().code(), absl::StatusCode::kResourceExhausted) << id.status();
      break;
    }
    ids->push_back(*id);
    CO_ASSERT_TRUE(ids->size() < 1000);
  }
}

Task<void> FillAndEmpty(StoreWorld& self, ShardStore& store) {
  std::vector<QueueId> ids;
  co_await FillUp(&self, &store, &ids);
  EXPECT_GT(ids.size(), 20u);
  EXPECT_EQ(store.queue().Acceptance().code(), absl::StatusCode::kResourceExhausted);
  // Outcomes live on the reserve: deliveries go on, and with them the space comes back by itself.
  for (size_t i = 0; i < ids.size(); i += 2)
    EXPECT_TRUE((co_await self.SettleAll(store, ids[i])).ok());
  for (size_t i = 1; i < ids.size() * 3 / 4; i += 2)
    EXPECT_TRUE((co_await self.SettleAll(store, ids[i])).ok());
  for (int second = 0; second < 30 && !store.queue().Acceptance().ok(); ++second) {
    co_await io::SleepUntil(io::Now() + std::chrono::seconds(1));
  }
  EXPECT_TRUE(store.queue().Acceptance().ok()) << store.queue().Acceptance();
  auto again = co_await self.Put(store, MakeText(100'000, 1), 1);
  EXPECT_TRUE(again.ok()) << again.status();
}

TEST(Space, RefusesMailOverTheQuotaAndTakesItAgainWhenThereIsRoom) {
  StoreWorld w;
  w.options.quota_bytes = 12u << 20;
  ASSERT_TRUE(w.Run(1, &FillAndEmpty));
  ASSERT_TRUE(w.open_status[0].ok()) << w.open_status[0];
  w.Verify(1);
}

TEST(Space, RefusesMailOnAFullDiskAndTakesItAgainWhenThereIsRoom) {
  StoreWorld w(1, {.capacity_bytes = 12u << 20});
  ASSERT_TRUE(w.Run(1, &FillAndEmpty));
  ASSERT_TRUE(w.open_status[0].ok()) << w.open_status[0];
  w.Verify(1);
}

TEST(Space, TakesMailAgainWhenSomebodyElseFreesTheDisk) {
  StoreWorld w(1, {.capacity_bytes = 8u << 20});
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    std::vector<QueueId> ids;
    co_await FillUp(&self, &store, &ids);
    self.node.disk().options().capacity_bytes = 100u << 20;
    co_await io::SleepUntil(io::Now() + std::chrono::seconds(3));
    auto again = co_await self.Put(store, MakeText(100'000, 1), 1);
    EXPECT_TRUE(again.ok()) << again.status();
  }));
  w.Verify(1);
}

TEST(Space, RefusesAQuotaThatCannotWork) {
  StoreWorld w;
  w.options.quota_bytes = 3u << 20;
  ASSERT_TRUE(w.Run(1, [](StoreWorld&, ShardStore&) -> Task<void> { co_return; }));
  EXPECT_EQ(w.open_status[0].code(), absl::StatusCode::kInvalidArgument);
}

TEST(Space, NeitherMovesNorDropsLentContent) {
  StoreWorld w;
  w.options.content_cache_bytes = 0;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    const std::string text = MakeText(150'000, 77);
    auto lent = co_await self.Put(store, text, 1);
    CO_ASSERT_TRUE(lent.ok());
    Content& content = store.queue().Find(*lent)->content();
    Lend(content);
    EXPECT_TRUE((co_await self.SettleAll(store, *lent)).ok());  // finished, but still being read
    for (uint64_t i = 0; i < 100; ++i) {
      auto id = co_await self.Put(store, MakeText(100'000, i), 1);
      CO_ASSERT_TRUE(id.ok());
      EXPECT_TRUE((co_await self.SettleAll(store, *id)).ok());
    }
    co_await io::SleepUntil(io::Now() + std::chrono::seconds(5));
    {
      ContentReader reader(store, content, ContentPart::kMessage);
      auto piece = co_await reader.Next();
      EXPECT_TRUE(piece.ok() && piece->bytes == text) << piece.status();
    }
    Return(content);
    co_await io::SleepUntil(io::Now() + std::chrono::seconds(5));
  }));
  EXPECT_LT(Files(w).size(), 12u);
}

bool HasOldest(StoreWorld& w) {
  const std::vector<std::string> names = Files(w);
  return std::find(names.begin(), names.end(), SegmentName(1)) != names.end();
}

// Not inlined: with its frame inside the caller's, clang 16 lets the caller end without resuming
// who waits for it.
[[gnu::noinline]] Task<void> ComeAndGo(StoreWorld* self, ShardStore* store) {
  for (uint64_t i = 0; i < 200; ++i) {
    auto id = co_await self->Put(*store, MakeText(100'000, i), 1);
    CO_ASSERT_TRUE(id.ok());
    EXPECT_TRUE((co_await self->SettleAll(*store, *id)).ok());
  }
  co_await io::SleepUntil(io::Now() + std::chrono::seconds(5));
}

Task<void> LendInTheOldest(StoreWorld* self, ShardStore* store, const uint64_t* oldest_reads) {
  auto lent = co_await self->Put(*store, MakeText(150'000, 77), 1);
  CO_ASSERT_TRUE(lent.ok());
  Content& content = store->queue().Find(*lent)->content();
  Lend(content);
  co_await ComeAndGo(self, store);
  const uint64_t reads = *oldest_reads;
  EXPECT_GT(reads, 0u);  // it was looked at
  co_await ComeAndGo(self, store);
  co_await io::SleepUntil(io::Now() + std::chrono::minutes(2));
  EXPECT_EQ(*oldest_reads, reads);
  EXPECT_TRUE(HasOldest(*self));
  Return(content);
  co_await io::SleepUntil(io::Now() + std::chrono::seconds(2));
  EXPECT_FALSE(HasOldest(*self));
}

// A pass reads the whole segment: while content in it is lent there is none, however much comes and
// goes, and the first after the return is not late.
TEST(Space, LooksAgainAtASegmentThatKeepsLentContentOnlyAfterTheReturn) {
  StoreWorld w;
  w.options.content_cache_bytes = 0;
  uint64_t oldest_reads = 0;
  w.node.disk().fault = [&oldest_reads](const sim::DiskRequest& request) {
    if (request.operation == sim::DiskOperation::kRead &&
        request.path == SegmentPath("/data", LogId(0), 1))
      ++oldest_reads;
    return 0;
  };
  ASSERT_TRUE(w.Run(1, [&oldest_reads](StoreWorld& self, ShardStore& store) -> Task<void> {
    return LendInTheOldest(&self, &store, &oldest_reads);
  }));
  EXPECT_LT(Files(w).size(), 12u);
}

}  // namespace
}  // namespace ringmail::storage
