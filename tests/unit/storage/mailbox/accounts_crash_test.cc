// The crash page of src/storage/README.md, of accounts: checked by cutting the power at every
// request to the disk.
#include <gtest/gtest.h>

#include "tests/unit/storage/mailbox/account_world.h"

namespace ringmail::storage {
namespace {

using io::Task;

constexpr AccountId kAnn(4), kBob(7);

std::string Text(uint64_t account, size_t i, size_t bytes) {
  return "Subject: " + std::to_string(account) + " " + std::to_string(i) + "\r\n\r\n" +
         MakeText(bytes, i);
}

// Deliveries, uploads and expunges: enough for a turn of segments.
Task<void> Work(AccountWorld& self, ShardStore& store) {
  const size_t base = 1000 * (1 + self.w.ledger.maybe.size());
  self.w.ledger.maybe.insert(base);  // another base for each run
  for (size_t i = 0; i < 14; ++i) {
    const AccountId who = i % 3 == 0 ? kBob : kAnn;
    const std::string text =
        Text(who.value, base + i, i % 5 == 3 ? 300'000 : 1000 + 40'000 * (i % 4));
    const Status delivered = i % 4 == 2 ? co_await self.Upload(store, who, text)
                                        : co_await self.Deliver(store, who, text);
    if (!delivered.ok()) co_return;
    if (i >= 4 && i % 2 == 0 && !self.books[kAnn.value].kept.empty()) {
      const std::string old = self.books[kAnn.value].kept.begin()->first;
      if (!(co_await self.Expunge(store, kAnn, old)).ok()) co_return;
    }
  }
}

// Many small changes, so that checkpoints are cut as well.
Task<void> SmallChanges(AccountWorld& self, ShardStore& store) {
  const size_t base = 1000 * (1 + self.w.ledger.maybe.size());
  self.w.ledger.maybe.insert(base);
  for (size_t i = 0; i < 70; ++i) {
    const std::string text = Text(kAnn.value, base + i, 100);
    if (!(co_await self.Upload(store, kAnn, text)).ok()) co_return;
    if (i % 3 != 0 && !(co_await self.Expunge(store, kAnn, text)).ok()) co_return;
  }
}

class AccountsCrashEverywhere : public testing::TestWithParam<sim::DiskLoss> {};

TEST_P(AccountsCrashEverywhere, LosesNothingAcknowledgedAndRevivesNothingExpunged) {
  for (uint64_t requests = 1;; ++requests) {
    SCOPED_TRACE("power cut at request " + std::to_string(requests));
    AccountWorld world(requests);
    if (!world.CrashAfter(requests, GetParam(), &Work)) {
      EXPECT_GT(requests, 60u);
      break;
    }
    world.Verify(1);
    if (requests % 4 == 0) EXPECT_TRUE(world.w.Check().clean());
    if (testing::Test::HasFailure()) return;
  }
}

TEST_P(AccountsCrashEverywhere, CutsCheckpointsShortWithoutHarm) {
  for (uint64_t requests = 60;; ++requests) {
    SCOPED_TRACE("power cut at request " + std::to_string(requests));
    AccountWorld world(requests);
    if (!world.CrashAfter(requests, GetParam(), &SmallChanges)) break;
    world.Verify(1);
    if (testing::Test::HasFailure()) return;
  }
}

TEST_P(AccountsCrashEverywhere, SurvivesCrashAfterCrashAndGoesOnEachTime) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    AccountWorld world(seed);
    for (int round = 0; round < 8; ++round) {
      SCOPED_TRACE("round " + std::to_string(round));
      const uint64_t requests = 1 + world.w.world.Random(200);
      SCOPED_TRACE("power cut at request " + std::to_string(requests));
      (void)world.CrashAfter(requests, GetParam(), round % 2 == 0 ? &Work : &SmallChanges);
      world.Verify(1);
      if (testing::Test::HasFailure()) return;
    }
    EXPECT_TRUE(world.w.Check().clean());
  }
}

INSTANTIATE_TEST_SUITE_P(Losses, AccountsCrashEverywhere,
                         testing::Values(sim::DiskLoss::kRandom, sim::DiskLoss::kEverything,
                                         sim::DiskLoss::kNothing));

}  // namespace
}  // namespace ringmail::storage
