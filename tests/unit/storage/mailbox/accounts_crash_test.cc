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

// A value of the account.
Task<Status> Set(ShardStore& store, std::string value) {
  auto account = co_await store.accounts().Open(kAnn);
  CO_RETURN_IF_ERROR(account.status());
  co_return co_await AccountWorld::Do(**account, SetValue{.name = "v", .value = std::move(value)});
}

// The checksum of an account's record does not cover its body, which has one of its own.
TEST(TornAccountBatch, AtAnySectorIsDroppedWholeAndIsNoDamage) {
  constexpr size_t kBlocks = 3, kValueBytes = 10'000;
  const std::string path = "/data/log/000/0000000000000001.seg";
  for (size_t sector = 0; sector < kBlocks * io::kBlockBytes / 512; ++sector) {
    SCOPED_TRACE(sector);
    AccountWorld world;
    ASSERT_TRUE(world.Run(1, [](AccountWorld&, ShardStore& store) -> Task<void> {
      EXPECT_TRUE((co_await Set(store, "before")).ok());
      EXPECT_TRUE((co_await Set(store, std::string(kValueBytes, 'x'))).ok());
    }));
    sim::Disk& disk = world.w.node.disk();
    const std::string whole = *disk.Contents(path);
    const size_t used =
        whole.find_last_not_of('\0') / io::kBlockBytes * io::kBlockBytes + io::kBlockBytes;
    const size_t at = used - kBlocks * io::kBlockBytes + sector * 512;
    static bool lost;
    lost = whole.substr(at, 512).find_first_not_of('\0') != std::string::npos;
    disk.Damage(path, at, std::string(512, '\0'));
    EXPECT_TRUE(world.w.Check().clean());
    ASSERT_TRUE(world.Run(1, [](AccountWorld&, ShardStore& store) -> Task<void> {
      auto account = co_await store.accounts().Open(kAnn);
      CO_ASSERT_TRUE(account.ok());
      EXPECT_EQ((*account)->Value(MailboxId(0), "v")->size(), lost ? 6u : kValueBytes);
    }));
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
