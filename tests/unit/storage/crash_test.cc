// The crash page of src/storage/README.md, checked by cutting the power at every request to the
// disk.
#include <gtest/gtest.h>

#include "tests/unit/storage/store_fixture.h"

namespace ringmail::storage {
namespace {

using io::Task;

// A little of everything: small and streamed content, deferrals, deliveries, shared content, a full
// turn of segments.
Task<void> Work(StoreWorld& self, ShardStore& store) {
  std::vector<QueueId> ids;
  for (int i = 0; i < 14; ++i) {
    const size_t bytes = i % 5 == 3 ? 600'000 : 2000 + 40'000 * static_cast<size_t>(i % 4);
    auto id = co_await self.Put(store, MakeText(bytes, static_cast<uint64_t>(i)),
                                1 + static_cast<size_t>(i % 3));
    if (!id.ok()) co_return;
    ids.push_back(*id);
    if (i % 2 == 0)
      (void)co_await self.Settle(store, ids[static_cast<size_t>(i)], 0,
                                 i % 4 == 0 ? RecipientState::kPending : RecipientState::kFailed);
    if (i >= 4 && i % 3 != 0) {
      const QueueId old = ids[static_cast<size_t>(i - 4)];
      if (self.ledger.accepted.contains(old.value)) (void)co_await self.SettleAll(store, old);
    }
  }
}

TEST(CrashPage, TheWorkItselfIsKeptByACleanStop) {
  StoreWorld w;
  ASSERT_TRUE(w.Run(1, &Work));
  EXPECT_GT(w.ledger.accepted.size(), 3u);
  EXPECT_TRUE(w.Check().clean());
  w.Verify(1);
}

class CrashEverywhere : public testing::TestWithParam<sim::DiskLoss> {};

TEST_P(CrashEverywhere, LosesNothingAcknowledgedAndRevivesNothingFinished) {
  for (uint64_t requests = 1;; ++requests) {
    SCOPED_TRACE("power cut at request " + std::to_string(requests));
    StoreWorld w(requests);
    if (!w.CrashAfter(requests, GetParam(), &Work)) {
      EXPECT_GT(requests, 60u);
      break;
    }
    w.Verify(1);
    if (requests % 4 == 0) EXPECT_TRUE(w.Check().clean());
    if (testing::Test::HasFailure()) return;
  }
}

TEST_P(CrashEverywhere, SurvivesCrashAfterCrashAndGoesOnEachTime) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    StoreWorld w(seed);
    for (int round = 0; round < 8; ++round) {
      SCOPED_TRACE("round " + std::to_string(round));
      const uint64_t requests = 1 + w.world.Random(90);
      SCOPED_TRACE("power cut at request " + std::to_string(requests));
      (void)w.CrashAfter(requests, GetParam(), &Work);
      w.Verify(1);
      if (testing::Test::HasFailure()) return;
    }
    EXPECT_TRUE(w.Check().clean());
  }
}

INSTANTIATE_TEST_SUITE_P(Losses, CrashEverywhere,
                         testing::Values(sim::DiskLoss::kRandom, sim::DiskLoss::kEverything,
                                         sim::DiskLoss::kNothing));

}  // namespace
}  // namespace ringmail::storage
