// Accounts in the log: what they promise while the store runs, at restarts, and when the number of
// shards changes.
#include "ringmail/storage/account.h"

#include <gtest/gtest.h>

#include "storage/segment.h"
#include "tests/unit/storage/mailbox/account_world.h"

namespace ringmail::storage {
namespace {

using io::Task;

constexpr AccountId kAnn(4), kBob(7);
constexpr MailboxId kInbox(1);

std::string Text(std::string_view who, size_t i, size_t bytes = 300) {
  return "Subject: " + std::string(who) + " " + std::to_string(i) + "\r\n\r\n" + MakeText(bytes, i);
}

TEST(Accounts, AnAccountWithoutRecordsIsAnEmptyOne) {
  AccountWorld world;
  ASSERT_TRUE(world.Run(1, [](AccountWorld&, ShardStore& store) -> Task<void> {
    auto account = co_await store.accounts().Open(kAnn);
    CO_ASSERT_TRUE(account.ok());
    EXPECT_EQ((*account)->applied(), ModSeq(0));
    EXPECT_EQ((*account)->Mailboxes().size(), 1u);
    EXPECT_EQ((*account)->FindName("inbox")->id, kInbox);
    EXPECT_EQ((*account)->View(kInbox).count(), 0u);
  }));
}

TEST(Accounts, WhatWasDeliveredIsThereAfterARestart) {
  AccountWorld world;
  ASSERT_TRUE(world.Run(1, [](AccountWorld& self, ShardStore& store) -> Task<void> {
    for (size_t i = 0; i < 5; ++i) {
      EXPECT_TRUE((co_await self.Deliver(store, kAnn, Text("ann", i))).ok());
      EXPECT_TRUE((co_await self.Deliver(store, kBob, Text("bob", i, 300'000))).ok());
    }
    EXPECT_EQ(store.queue().size(), 0u);
    co_await self.VerifyHere(store);
  }));
  world.Verify(1);
  EXPECT_EQ(world.seen, 10u);
  const FsckReport report = world.w.Check();
  EXPECT_TRUE(report.clean());
  EXPECT_EQ(report.contents, 10u);
  EXPECT_EQ(report.recovery.accounts, 2u);
}

TEST(Accounts, UploadsComeInOneGroupWithTheirContents) {
  AccountWorld world;
  ASSERT_TRUE(world.Run(1, [](AccountWorld& self, ShardStore& store) -> Task<void> {
    EXPECT_TRUE((co_await self.Upload(store, kAnn, Text("small", 1))).ok());
    EXPECT_TRUE((co_await self.Upload(store, kAnn, Text("large", 2, 700'000))).ok());
    EXPECT_TRUE(absl::IsResourceExhausted(co_await self.Upload(store, kAnn, Text("no", 3), 2)));
    co_await Pause();  // what was refused is given back
  }));
  world.Verify(1);
  EXPECT_EQ(world.seen, 2u);
  EXPECT_EQ(world.w.Check().contents, 2u);
}

TEST(Accounts, EveryShardKnowsWhoseMailboxIsFullUntilThereIsRoom) {
  AccountWorld world;
  static int turn;
  turn = 0;
  ASSERT_TRUE(world.Run(2, [](AccountWorld& self, ShardStore& store) -> Task<void> {
    if (io::ThisShard() == ShardIndex(1)) {
      while (turn < 1) co_await Pause();
      co_await Pause();
      EXPECT_TRUE(store.accounts().Full(kAnn));
      turn = 2;
      while (turn < 3) co_await Pause();
      co_await Pause();
      EXPECT_FALSE(store.accounts().Full(kAnn));
      co_return;
    }
    EXPECT_TRUE((co_await self.Upload(store, kAnn, Text("one", 1), 2)).ok());
    EXPECT_FALSE(store.accounts().Full(kAnn));
    EXPECT_TRUE((co_await self.Upload(store, kAnn, Text("two", 2), 2)).ok());
    EXPECT_TRUE(store.accounts().Full(kAnn));
    turn = 1;
    while (turn < 2) co_await Pause();
    EXPECT_TRUE((co_await self.Expunge(store, kAnn, Text("one", 1))).ok());
    EXPECT_FALSE(store.accounts().Full(kAnn));
    turn = 3;
  }));
}

TEST(Accounts, WhatIsExpungedLeavesTheLog) {
  AccountWorld world;
  ASSERT_TRUE(world.Run(1, [](AccountWorld& self, ShardStore& store) -> Task<void> {
    for (size_t i = 0; i < 20; ++i)
      EXPECT_TRUE((co_await self.Deliver(store, kAnn, Text("ann", i))).ok());
    for (size_t i = 0; i < 20; i += 2)
      EXPECT_TRUE((co_await self.Expunge(store, kAnn, Text("ann", i))).ok());
    co_await Pause();
  }));
  EXPECT_EQ(world.w.Check().contents, 10u);
  world.Verify(1);
  EXPECT_EQ(world.seen, 10u);
}

TEST(Accounts, OneContentServesManyAccountsUntilTheLastLetsItGo) {
  AccountWorld world;
  ASSERT_TRUE(world.Run(1, [](AccountWorld&, ShardStore& store) -> Task<void> {
    const QueueId id = store.queue().NewId();
    auto writer = co_await StoreWorld::Write(store.queue(), "Subject: all\r\n\r\nhello\r\n");
    auto message = co_await store.queue().Enqueue(id, MakeEnvelope(1), *std::move(writer), {});
    CO_ASSERT_TRUE(message.ok());
    const ContentId content = Id((*message)->content());
    MessageUpdate update{.id = id};
    for (uint64_t i = 1; i <= 300; ++i) {
      auto account = co_await store.accounts().Open(AccountId(i));
      EXPECT_TRUE((co_await AccountWorld::Do(
                       **account, Append{.mailbox = kInbox, .content = content, .bytes = 23}))
                      .ok());
      update.holds.push_back(AccountId(i));
    }
    update.outcomes.push_back({.recipient = 0, .state = RecipientState::kDelivered});
    std::vector<MessageUpdate> updates;
    updates.push_back(std::move(update));
    EXPECT_TRUE((co_await store.queue().Record(std::move(updates))).ok());
    EXPECT_EQ(store.queue().size(), 0u);
    for (uint64_t i = 1; i < 300; ++i) {
      auto account = co_await store.accounts().Open(AccountId(i));
      EXPECT_TRUE((co_await AccountWorld::Do(
                       **account, Expunge{.mailbox = kInbox, .uids = {{Uid(1), Uid(1)}}}))
                      .ok());
    }
    co_await Pause();
    auto borrowed = co_await store.accounts().Borrow(content);
    EXPECT_TRUE(borrowed.ok()) << borrowed.status();
  }));
  EXPECT_EQ(world.w.Check().contents, 1u);
  ASSERT_TRUE(world.Run(1, [](AccountWorld&, ShardStore& store) -> Task<void> {
    auto account = co_await store.accounts().Open(AccountId(300));
    const MessageEntry entry = (*account)->View(kInbox).at(0);
    auto text = co_await AccountWorld::Read(store, entry);
    EXPECT_TRUE(text.ok() && *text == "Subject: all\r\n\r\nhello\r\n");
    EXPECT_TRUE((co_await AccountWorld::Do(**account,
                                           Expunge{.mailbox = kInbox, .uids = {{Uid(1), Uid(1)}}}))
                    .ok());
    co_await io::SleepUntil(io::Now() + std::chrono::seconds(1));
    EXPECT_TRUE(absl::IsNotFound((co_await store.accounts().Borrow(entry.content)).status()));
  }));
  EXPECT_EQ(world.w.Check().contents, 0u);
}

// Checkpoints take the place of changes, and compaction carries both.
TEST(Accounts, SurviveCheckpointsAndCompaction) {
  AccountWorld world;
  for (int round = 0; round < 4; ++round) {
    ASSERT_TRUE(world.Run(1, [](AccountWorld& self, ShardStore& store) -> Task<void> {
      const size_t base = self.books[kAnn.value].kept.size() * 1000 + self.books[7].gone.size();
      for (size_t i = 0; i < 300; ++i) {
        const AccountId who = i % 3 == 0 ? kBob : kAnn;
        const std::string text = Text(who == kBob ? "bob" : "ann", base + i, 20'000);
        EXPECT_TRUE((co_await self.Deliver(store, who, text)).ok());
        // Ann keeps a tenth of what she gets; Bob nothing.
        if (who == kBob || i % 10 != 0) EXPECT_TRUE((co_await self.Expunge(store, who, text)).ok());
      }
    }));
    world.Verify(1);
    EXPECT_TRUE(world.w.Check().clean());
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(world.seen, 70u);
  ASSERT_TRUE(world.Run(1, [](AccountWorld&, ShardStore& store) -> Task<void> {
    MetricRegistry registry;
    store.RegisterMetrics(registry);
    co_return;
  }));
}

TEST(Accounts, AreOpenedAgainAfterTheyWereClosedForWantOfUse) {
  AccountWorld world;
  ASSERT_TRUE(world.Run(1, [](AccountWorld& self, ShardStore& store) -> Task<void> {
    for (size_t i = 0; i < 150; ++i)
      EXPECT_TRUE((co_await self.Deliver(store, kAnn, Text("ann", i))).ok());
    EXPECT_EQ(store.accounts().open_count(), 1u);
    co_await io::SleepUntil(io::Now() + 2 * AccountsLimits::kIdleMax);
    EXPECT_TRUE((co_await self.Deliver(store, kBob, Text("bob", 0))).ok());
    EXPECT_EQ(store.accounts().open_count(), 1u);
    co_await self.VerifyHere(store);
    EXPECT_EQ(self.seen, 151u);
  }));
}

TEST(Accounts, AnErasedAccountIsEmptyForWhoHoldsItAndAfterARestart) {
  AccountWorld world;
  ASSERT_TRUE(world.Run(1, [](AccountWorld& self, ShardStore& store) -> Task<void> {
    for (size_t i = 0; i < 100; ++i)
      EXPECT_TRUE((co_await self.Deliver(store, kAnn, Text("ann", i))).ok());
    EXPECT_TRUE((co_await self.Deliver(store, kBob, Text("bob", 0))).ok());
    auto account = co_await store.accounts().Open(kAnn);
    EXPECT_TRUE((co_await AccountWorld::Do(**account, CreateMailbox{.name = "Sent"})).ok());
    const uint32_t before = (*account)->Find(kInbox)->uid_validity;
    const Status erased = co_await store.accounts().Erase(kAnn);
    EXPECT_TRUE(erased.ok()) << erased;
    EXPECT_EQ((*account)->applied(), ModSeq(0));
    EXPECT_EQ((*account)->Mailboxes().size(), 1u);
    EXPECT_EQ((*account)->messages(), 0u);
    AccountTransaction later{.time_seconds = 5000};
    later.changes.push_back(CreateMailbox{.name = "New"});
    EXPECT_TRUE((co_await (*account)->Apply(std::move(later))).ok());
    EXPECT_GT((*account)->Find(kInbox)->uid_validity, before);
    self.books.erase(kAnn.value);
  }));
  EXPECT_EQ(world.w.Check().contents, 1u);
  ASSERT_TRUE(world.Run(1, [](AccountWorld&, ShardStore& store) -> Task<void> {
    auto account = co_await store.accounts().Open(kAnn);
    CO_ASSERT_TRUE(account.ok());
    EXPECT_TRUE((*account)->FindName("New").has_value());
    EXPECT_FALSE((*account)->FindName("Sent").has_value());
    EXPECT_EQ((*account)->Find(kInbox)->uid_validity, 5000u);
  }));
  world.Verify(1);
}

// A reader may be faster than the record of the outcome, and a crash may come between.
TEST(Accounts, WhatIsExpungedBeforeItsDeliveryIsWrittenDownIsNotDeliveredAgain) {
  AccountWorld world;
  ASSERT_TRUE(world.Run(1, [](AccountWorld&, ShardStore& store) -> Task<void> {
    const QueueId id = store.queue().NewId();
    auto writer = co_await StoreWorld::Write(store.queue(), "Subject: one\r\n\r\nhello\r\n");
    auto message = co_await store.queue().Enqueue(id, MakeEnvelope(1), *std::move(writer), {});
    CO_ASSERT_TRUE(message.ok());
    const ContentId content = Id((*message)->content());
    auto account = co_await store.accounts().Open(kAnn);
    const Append delivery{.mailbox = kInbox, .content = content, .bytes = 23};
    EXPECT_TRUE((co_await AccountWorld::Do(**account, delivery)).ok());
    EXPECT_TRUE((co_await AccountWorld::Do(**account,
                                           Expunge{.mailbox = kInbox, .uids = {{Uid(1), Uid(1)}}}))
                    .ok());
    co_await io::SleepUntil(io::Now() + std::chrono::seconds(20));
    EXPECT_TRUE((co_await AccountWorld::Do(**account, delivery)).ok());
    EXPECT_EQ((*account)->messages(), 0u);
    MessageUpdate update{.id = id, .holds = {kAnn}};
    update.outcomes.push_back({.recipient = 0, .state = RecipientState::kDelivered});
    std::vector<MessageUpdate> updates;
    updates.push_back(std::move(update));
    EXPECT_TRUE((co_await store.queue().Record(std::move(updates))).ok());
    co_await io::SleepUntil(io::Now() + std::chrono::seconds(20));
    EXPECT_TRUE(absl::IsNotFound((co_await store.accounts().Borrow(content)).status()));
  }));
  EXPECT_EQ(world.w.Check().contents, 0u);
}

TEST(Accounts, AnErasedAccountThatBeginsAgainInTheSameSecondHasAnotherUidValidity) {
  AccountWorld world;
  ASSERT_TRUE(world.Run(1, [](AccountWorld& self, ShardStore& store) -> Task<void> {
    uint32_t before = 0;
    for (size_t round = 0; round < 3; ++round) {
      EXPECT_TRUE((co_await self.Deliver(store, kAnn, Text("ann", round))).ok());
      auto account = co_await store.accounts().Open(kAnn);
      EXPECT_GT((*account)->Find(kInbox)->uid_validity, before);
      before = (*account)->Find(kInbox)->uid_validity;
      EXPECT_TRUE((co_await store.accounts().Erase(kAnn)).ok());
    }
    self.books.erase(kAnn.value);
  }));
  // Also after a restart.
  ASSERT_TRUE(world.Run(1, [](AccountWorld& self, ShardStore& store) -> Task<void> {
    EXPECT_TRUE((co_await self.Deliver(store, kAnn, Text("ann", 9))).ok());
    auto account = co_await store.accounts().Open(kAnn);
    EXPECT_EQ((*account)->Find(kInbox)->uid_validity, 1003u);
  }));
}

TEST(Accounts, ErasingWaitsForTheReleaseThatIsUnderWay) {
  AccountWorld world;
  ASSERT_TRUE(world.Run(1, [](AccountWorld& self, ShardStore& store) -> Task<void> {
    for (size_t round = 0; round < 30; ++round) {
      for (size_t i = 0; i < 3; ++i)
        EXPECT_TRUE((co_await self.Deliver(store, kAnn, Text("ann", 10 * round + i))).ok());
      // What it lets go is being released when the erasing begins, sooner or later.
      EXPECT_TRUE((co_await self.Expunge(store, kAnn, Text("ann", 10 * round))).ok());
      co_await io::SleepUntil(io::Now() + std::chrono::microseconds(37 * round));
      const Status erased = co_await store.accounts().Erase(kAnn);
      EXPECT_TRUE(erased.ok()) << erased;
      self.books.erase(kAnn.value);
    }
  }));
  EXPECT_EQ(world.w.Check().contents, 0u);
}

class Bell : public AccountWatcher {
 public:
  void Changed(ModSeq number) override { rung.push_back(number.value); }
  std::vector<uint64_t> rung;
};

TEST(Accounts, WatchersHearOfEachChangeOnceUntilTheyEnd) {
  AccountWorld world;
  ASSERT_TRUE(world.Run(1, [](AccountWorld& self, ShardStore& store) -> Task<void> {
    auto account = co_await store.accounts().Open(kAnn);
    Bell first;
    (*account)->Watch(first);
    {
      Bell second;
      (*account)->Watch(second);
      EXPECT_TRUE((co_await self.Deliver(store, kAnn, Text("ann", 1))).ok());
      EXPECT_EQ(second.rung, (std::vector<uint64_t>{1}));
    }
    EXPECT_TRUE((co_await self.Deliver(store, kAnn, Text("ann", 2))).ok());
    EXPECT_EQ(first.rung, (std::vector<uint64_t>{1, 2}));
  }));
}

Task<void> DeliverTen(AccountWorld* self, ShardStore* store, AccountId id, size_t from,
                      size_t* done) {
  for (size_t i = from; i < from + 10; ++i)
    EXPECT_TRUE((co_await self->Deliver(*store, id, Text("at once", i))).ok());
  ++*done;
}

TEST(Accounts, ManyChangesAreUnderWayTogether) {
  AccountWorld world;
  ASSERT_TRUE(world.Run(1, [](AccountWorld& self, ShardStore& store) -> Task<void> {
    io::Gate gate;
    size_t done = 0;
    for (size_t i = 0; i < 40; ++i) gate.Spawn(DeliverTen(&self, &store, kAnn, 10 * i, &done));
    co_await gate.Close();
    EXPECT_EQ(done, 40u);
  }));
  world.Verify(1);
  EXPECT_EQ(world.seen, 400u);
}

// --- shards ---

Task<void> WorkOnEveryShard(AccountWorld& self, ShardStore& store) {
  const size_t turn = self.books.empty() ? 0 : self.books.begin()->second.kept.size();
  for (uint64_t number = 1; number <= 8; ++number) {
    const AccountId id(number);
    if (!AccountWorld::Mine(store, id)) continue;
    for (size_t i = 0; i < 3; ++i) {
      const std::string text = Text("account " + std::to_string(number), turn * 10 + i, 30'000);
      if (self.books[number].kept.contains(text)) continue;
      EXPECT_TRUE((co_await self.Deliver(store, id, text)).ok());
    }
    if (self.books[number].kept.size() > 4) {
      const std::string oldest = self.books[number].kept.begin()->first;
      EXPECT_TRUE((co_await self.Expunge(store, id, oldest)).ok());
    }
  }
  co_await self.VerifyHere(store);
}

TEST(Accounts, StayWhereTheirLogsAreThroughAnyShardCounts) {
  AccountWorld world;
  for (const uint16_t shards : std::initializer_list<uint16_t>{1, 4, 2, 3, 1, 4}) {
    SCOPED_TRACE("shards " + std::to_string(shards));
    ASSERT_TRUE(world.Run(shards, &WorkOnEveryShard));
    ASSERT_TRUE(world.w.Check().clean());
    world.Verify(shards);
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(world.seen, 50u);
}

// Contents on one shard, accounts on another: borrowed, held and let go across.
TEST(Accounts, ReferToContentsOfOtherShards) {
  AccountWorld world;
  static std::vector<ContentId> contents;
  static size_t appended;
  static bool expunged;
  contents.clear();
  appended = 0;
  expunged = false;
  ASSERT_TRUE(world.Run(2, [](AccountWorld&, ShardStore& store) -> Task<void> {
    const AccountId far(5);  // of shard 1
    if (io::ThisShard() == ShardIndex(0)) {
      std::vector<QueueId> queued;
      for (int i = 0; i < 3; ++i) {
        queued.push_back(store.queue().NewId());
        auto writer = co_await StoreWorld::Write(store.queue(), Text("far", size_t(i), 400'000));
        auto message =
            co_await store.queue().Enqueue(queued.back(), MakeEnvelope(1), *std::move(writer), {});
        CO_ASSERT_TRUE(message.ok());
        contents.push_back(Id((*message)->content()));
      }
      while (appended < 3) co_await Pause();
      for (const QueueId id : queued) {
        MessageUpdate update{.id = id, .holds = {far}};
        update.outcomes.push_back({.recipient = 0, .state = RecipientState::kDelivered});
        std::vector<MessageUpdate> updates;
        updates.push_back(std::move(update));
        EXPECT_TRUE((co_await store.queue().Record(std::move(updates))).ok());
      }
      appended = 4;
      while (!expunged) co_await Pause();
      co_await io::SleepUntil(io::Now() + std::chrono::milliseconds(100));
      EXPECT_TRUE(absl::IsNotFound((co_await store.accounts().Borrow(contents[1])).status()));
      EXPECT_TRUE((co_await store.accounts().Borrow(contents[2])).ok());
      co_return;
    }
    EXPECT_EQ(store.accounts().ShardOf(far), io::ThisShard());
    auto account = co_await store.accounts().Open(far);
    while (contents.size() < 3) co_await Pause();
    for (const ContentId content : contents) {
      EXPECT_TRUE((co_await AccountWorld::Do(
                       **account, Append{.mailbox = kInbox, .content = content, .bytes = 1}))
                      .ok());
      ++appended;
    }
    while (appended < 4) co_await Pause();
    for (size_t i = 0; i < 3; ++i) {
      auto text = co_await AccountWorld::Read(store, (*account)->View(kInbox).at(uint32_t(i)));
      EXPECT_TRUE(text.ok()) << text.status();
      if (text.ok()) EXPECT_TRUE(*text == Text("far", i, 400'000));
    }
    EXPECT_TRUE((co_await AccountWorld::Do(**account,
                                           Expunge{.mailbox = kInbox, .uids = {{Uid(1), Uid(2)}}}))
                    .ok());
    expunged = true;
  }));
  EXPECT_EQ(world.w.Check().contents, 1u);
}

// --- damage ---

TEST(Accounts, ADamagedAccountStaysShutAndSaysWhere) {
  AccountWorld world;
  ASSERT_TRUE(world.Run(1, [](AccountWorld& self, ShardStore& store) -> Task<void> {
    for (size_t i = 0; i < 70; ++i)
      EXPECT_TRUE((co_await self.Deliver(store, kAnn, Text("ann", i))).ok());
    auto account = co_await store.accounts().Open(kAnn);
    // Found again in the file by its name.
    EXPECT_TRUE(
        (co_await AccountWorld::Do(**account, CreateMailbox{.name = "name-to-be-damaged"})).ok());
    // In the last batch it could not be told from a torn write.
    EXPECT_TRUE((co_await self.Deliver(store, kBob, Text("bob", 1))).ok());
  }));
  sim::Disk& disk = world.w.node.disk();
  const std::string directory = LogDirectory(world.w.options.data_dir, LogId(0));
  std::vector<std::string> names;
  ASSERT_EQ(disk.List(directory, names), 0);
  bool damaged = false;
  for (const std::string& name : names) {
    const std::string path = directory + "/" + name;
    const auto bytes = disk.Contents(path);
    const size_t at =
        bytes && name.ends_with(".seg") ? bytes->find("name-to-be-damaged") : std::string::npos;
    if (at == std::string::npos) continue;
    disk.Damage(path, at, "X");
    damaged = true;
  }
  ASSERT_TRUE(damaged);
  ASSERT_TRUE(world.Run(1, [](AccountWorld& self, ShardStore& store) -> Task<void> {
    const auto account = co_await store.accounts().Open(kAnn);
    EXPECT_TRUE(absl::IsDataLoss(account.status())) << account.status();
    EXPECT_NE(account.status().message().find(".seg offset "), std::string_view::npos);
    self.books.erase(kAnn.value);
    co_await self.VerifyHere(store);
    EXPECT_EQ(self.verified, 1u);
  }));
  EXPECT_FALSE(world.w.Check().clean());
}

}  // namespace
}  // namespace ringmail::storage
