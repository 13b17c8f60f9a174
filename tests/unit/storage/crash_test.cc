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

// Runs Work until the disk has been asked `requests` times for something that changes it, then cuts
// the power. False: the work was done before.
bool CrashAfter(StoreWorld& w, uint64_t requests, sim::DiskLoss loss) {
  uint64_t count = 0;
  w.node.disk().fault = [&count](const sim::DiskRequest& request) {
    switch (request.operation) {
      case sim::DiskOperation::kRead:
      case sim::DiskOperation::kSize:
      case sim::DiskOperation::kList:
        break;
      case sim::DiskOperation::kWrite:
        // Of the zeros of a segment in the making, one is as good as the other.
        if (request.durability == io::Durability::kDurable || request.offset == 0) ++count;
        break;
      default:
        ++count;
    }
    return 0;
  };
  w.Start(1, &Work);
  (void)w.world.RunUntil([&] { return count >= requests || !w.node.running(); });
  const bool crashed = w.node.running();
  w.node.disk().fault = nullptr;
  if (crashed) w.Crash(loss);
  return crashed;
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
    if (!CrashAfter(w, requests, GetParam())) {
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
      CrashAfter(w, requests, GetParam());
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
