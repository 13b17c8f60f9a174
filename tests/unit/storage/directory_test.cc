// The directory in a store: look-ups, transactions, every shard, compaction, space.
#include "ringmail/storage/directory.h"

#include <gtest/gtest.h>

#include "tests/unit/storage/directory_world.h"

namespace ringmail::storage {
namespace {

using io::Task;
using Kind = Resolution::Kind;

// All shards, each with its directory, once all have opened.
struct Shards {
  std::vector<Directory*> directories;
  size_t there = 0, done = 0;
};

// A world with what its runs tell each other.
struct SharedWorld : StoreWorld {
  uint64_t first = 0, second = 0;
  Contents contents;
  Shards all;
};
SharedWorld& Shared(StoreWorld& world) { return static_cast<SharedWorld&>(world); }

Task<void> Household(StoreWorld&, ShardStore& store) {
  Directory& directory = store.directory();
  std::vector<DirectoryChange> changes = {
      Put(Domain("example.org")),
      Put(Account("bob@example.org")),
      Put(Account("john doe@example.org")),
      Put(Account("exact+tag@example.org")),
      Put(Alias("sales@example.org", {"bob@example.org", "eve@elsewhere.example"})),
      Put(Alias("loop@example.org", {"pool@example.org", "bob+loop@example.org"})),
      Put(Alias("pool@example.org", {"loop@example.org", "nobody@example.org"})),
      Put(MovedEntry{.address = "gone@example.org", .new_address = "here@elsewhere.example"}),
      Put(Domain("catch.example")),
      Put(Alias("@catch.example", {"bob@example.org"}))};
  const Status status = co_await Apply(directory, std::move(changes));
  EXPECT_TRUE(status.ok()) << status;
}

TEST(DirectoryLookup, FindsAccountsAliasesMovedAndUnknown) {
  StoreWorld w;
  w.options.directory.configured_domains = {"conf.example"};
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    co_await Household(self, store);
    const Directory& d = store.directory();
    EXPECT_TRUE(d.IsLocalDomain("EXAMPLE.org"));
    EXPECT_TRUE(d.IsLocalDomain("conf.example"));
    EXPECT_FALSE(d.IsLocalDomain("elsewhere.example"));
    EXPECT_FALSE(d.IsLocalDomain("bob@example.org"));
    EXPECT_EQ(d.Resolve("bob", "elsewhere.example").kind, Kind::kForeign);
    EXPECT_EQ(d.Resolve("BoB", "Example.Org").kind, Kind::kAccount);
    EXPECT_EQ(d.Resolve("\"bob\"", "example.org").name, "bob@example.org");
    EXPECT_EQ(d.Resolve("\"John\\ doe\"", "example.org").name, "john doe@example.org");
    EXPECT_EQ(d.Resolve("sales", "example.org").kind, Kind::kAlias);
    const Resolution moved = d.Resolve("gone", "example.org");
    EXPECT_EQ(moved.kind, Kind::kMoved);
    EXPECT_EQ(moved.new_address, "here@elsewhere.example");
    EXPECT_EQ(d.Resolve("nobody", "example.org").kind, Kind::kUnknown);
    EXPECT_EQ(d.Resolve("nobody", "conf.example").kind, Kind::kUnknown);
    EXPECT_EQ(d.Resolve("", "example.org").kind, Kind::kUnknown);
    EXPECT_EQ(d.Resolve("\"\"", "example.org").kind, Kind::kUnknown);
    EXPECT_EQ(d.Resolve(std::string(65, 'x'), "example.org").kind, Kind::kUnknown);
    EXPECT_EQ(d.Resolve("bob", std::string(300, 'x')).kind, Kind::kForeign);
    const Resolution caught = d.Resolve("whoever", "catch.example");
    EXPECT_EQ(caught.kind, Kind::kAlias);
    EXPECT_TRUE(caught.catch_all);
  }));
}

TEST(DirectoryLookup, SplitsUserAndDetailUnlessTheWholeIsSomebody) {
  StoreWorld w;
  w.options.directory.subaddress_separators = "+-";
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    co_await Household(self, store);
    Directory& d = store.directory();
    Resolution found = d.Resolve("Bob+Lists+x", "example.org");
    EXPECT_EQ(found.name, "bob@example.org");
    EXPECT_EQ(found.detail, "Lists+x");
    EXPECT_EQ(d.Resolve("bob-y", "example.org").detail, "y");
    EXPECT_EQ(d.Resolve("exact+tag", "example.org").name, "exact+tag@example.org");
    EXPECT_EQ(d.Resolve("exact+other", "example.org").kind, Kind::kUnknown);
    EXPECT_EQ(d.Resolve("+bob", "example.org").kind, Kind::kUnknown);
    d.Reconfigure({.subaddress_separators = ""});
    EXPECT_EQ(d.Resolve("bob+x", "example.org").kind, Kind::kUnknown);
  }));
}

TEST(DirectoryLookup, FollowsAliasesToTheirEndsAndLoopsOnce) {
  StoreWorld w;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    co_await Household(self, store);
    Directory& d = store.directory();
    Expansion sales = d.Expand("sales", "example.org");
    CO_ASSERT_TRUE(sales.accounts.size() == 1u);
    EXPECT_EQ(sales.accounts[0].address, "bob@example.org");
    EXPECT_GT(sales.accounts[0].account_id, 0u);
    EXPECT_EQ(sales.foreign, std::vector<std::string>{"eve@elsewhere.example"});
    const Expansion loop = d.Expand("loop", "example.org");
    CO_ASSERT_TRUE(loop.accounts.size() == 1u);
    EXPECT_EQ(loop.accounts[0].detail, "loop");
    EXPECT_EQ(loop.unknown, std::vector<std::string>{"nobody@example.org"});
    EXPECT_FALSE(loop.truncated);
    std::vector<DirectoryChange> chain;
    for (uint32_t i = 0; i <= kAliasDepthMax; ++i) {
      chain.push_back(Put(Alias("c" + std::to_string(i) + "@example.org",
                                {"c" + std::to_string(i + 1) + "@example.org"})));
    }
    EXPECT_TRUE((co_await Apply(d, std::move(chain))).ok());
    EXPECT_TRUE(d.Expand("c0", "example.org").truncated);
    EXPECT_FALSE(d.Expand("c1", "example.org").truncated);
  }));
}

TEST(DirectoryTransaction, IsAllOrNothingWithWhatItExpects) {
  StoreWorld w;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    using Expect = DirectoryChange::Expect;
    co_await Household(self, store);
    Directory& d = store.directory();
    const Contents before = Read(d);
    std::vector<DirectoryChange> one = {
        Put(Account("new@example.org")),
        DirectoryChange::Put(Account("bob@example.org", "other"), Expect::kAbsent)};
    EXPECT_TRUE(absl::IsAlreadyExists(co_await Apply(d, std::move(one))));
    one = {Put(Account("new@example.org")),
           DirectoryChange::Erase("nobody@example.org", Expect::kPresent)};
    EXPECT_TRUE(absl::IsNotFound(co_await Apply(d, std::move(one))));
    DirectoryChange stale = Put(Account("bob@example.org", "other"));
    stale.expect = Expect::kVersion;
    stale.version = d.Find("bob@example.org")->version + 1;
    one = {stale};
    EXPECT_TRUE(absl::IsAborted(co_await Apply(d, std::move(one))));
    one = {Put(Account("x@nowhere.example"))};
    EXPECT_TRUE(absl::IsFailedPrecondition(co_await Apply(d, std::move(one))));
    one = {Erase("example.org")};
    EXPECT_TRUE(absl::IsFailedPrecondition(co_await Apply(d, std::move(one))));
    one = {Put(Account("twice@example.org")), Erase("twice@example.org")};
    EXPECT_TRUE(absl::IsInvalidArgument(co_await Apply(d, std::move(one))));
    one = {{.name = "Bob@example.org", .value = EncodeEntry(Account("bob@example.org"))}};
    EXPECT_TRUE(absl::IsInvalidArgument(co_await Apply(d, std::move(one))));
    EXPECT_EQ(Read(d), before);
    // A domain goes with the last of its addresses.
    one = {Erase("catch.example"), Erase("@catch.example")};
    EXPECT_TRUE((co_await Apply(d, std::move(one))).ok());
    EXPECT_FALSE(d.IsLocalDomain("catch.example"));
    stale.version -= 1;
    one = {stale};
    EXPECT_TRUE((co_await Apply(d, std::move(one))).ok());
    EXPECT_EQ(Read(d)["bob@example.org"], "other");
  }));
}

TEST(DirectoryTransaction, ThatChangesNothingWritesNothing) {
  StoreWorld w;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    co_await Household(self, store);
    Directory& d = store.directory();
    const uint64_t version = d.version();
    std::vector<DirectoryChange> same = {Put(Account("bob@example.org")),
                                         Erase("nobody@example.org")};
    EXPECT_TRUE((co_await Apply(d, std::move(same))).ok());
    EXPECT_EQ(d.version(), version);
  }));
}

TEST(DirectoryAccount, HasANumberForLifeThatNobodyInherits) {
  SharedWorld w;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    co_await Household(self, store);
    Directory& d = store.directory();
    Shared(self).first = d.Resolve("bob", "example.org").account->id();
    std::vector<DirectoryChange> change = {Put(Account("bob@example.org", "new secret"))};
    EXPECT_TRUE((co_await Apply(d, std::move(change))).ok());
    EXPECT_EQ(d.Resolve("bob", "example.org").account->id(), Shared(self).first);
    change = {Erase("bob@example.org")};
    EXPECT_TRUE((co_await Apply(d, std::move(change))).ok());
  }));
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    std::vector<DirectoryChange> change = {Put(Account("bob@example.org"))};
    EXPECT_TRUE((co_await Apply(store.directory(), std::move(change))).ok());
    Shared(self).second = store.directory().Resolve("bob", "example.org").account->id();
  }));
  EXPECT_GT(w.first, 0u);
  EXPECT_GT(w.second, w.first);
}

TEST(DirectoryPin, StandsStillWhileTheDirectoryChanges) {
  StoreWorld w;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    co_await Household(self, store);
    Directory& d = store.directory();
    const auto pin = d.MakePin();
    const uint64_t size = pin->size();
    for (int i = 0; i < 50; ++i) {
      std::vector<DirectoryChange> change = {Put(Account("n" + std::to_string(i) + "@example.org")),
                                             Put(Account("bob@example.org", std::to_string(i)))};
      EXPECT_TRUE((co_await Apply(d, std::move(change))).ok());
    }
    EXPECT_EQ(pin->size(), size);
    EXPECT_FALSE(pin->Find("n0@example.org").has_value());
    EXPECT_TRUE(d.Find("n0@example.org").has_value());
    const auto old = DecodeEntry("bob@example.org", pin->Find("bob@example.org")->value);
    CO_ASSERT_TRUE(old.has_value());
    EXPECT_EQ(std::get_if<AccountEntry>(&*old)->credentials[0].secret, "{PLAIN}x");
  }));
}

Task<void> Meet(Shards& all, ShardStore& store) {
  all.directories[io::ThisShard().value] = &store.directory();
  ++all.there;
  while (all.there < all.directories.size())
    co_await io::SleepUntil(io::Now() + std::chrono::milliseconds(1));
  if (io::ThisShard() == ShardIndex(0)) co_await store.directory().Publish(all.directories);
}

// A shard must not go while another may still send it a view.
Task<void> Part(Shards& all) {
  ++all.done;
  while (all.done < all.directories.size())
    co_await io::SleepUntil(io::Now() + std::chrono::milliseconds(1));
}

TEST(DirectoryShards, AllSeeAChangeBeforeWhoeverMadeItIsToldAnywhere) {
  SharedWorld w;
  w.all.directories.resize(3);
  ASSERT_TRUE(w.Run(3, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    EXPECT_EQ(store.directory().Find("example.org").has_value(), false);
    Shards& all = Shared(self).all;
    co_await Meet(all, store);
    if (io::ThisShard() == ShardIndex(1)) {
      co_await Household(self, store);
      for (Directory* one : all.directories) {
        EXPECT_EQ(one->Resolve("bob", "example.org").kind, Kind::kAccount);
        EXPECT_EQ(one->version(), 1u);
      }
    }
    // Many at once, from every shard: in turn, and none lost.
    const std::string prefix = "s" + std::to_string(io::ThisShard().value) + "n";
    while (!store.directory().IsLocalDomain("example.org"))
      co_await io::SleepUntil(io::Now() + std::chrono::milliseconds(1));
    for (int i = 0; i < 20; ++i) {
      std::vector<DirectoryChange> change = {
          Put(Account(prefix + std::to_string(i) + "@example.org"))};
      EXPECT_TRUE((co_await Apply(store.directory(), std::move(change))).ok());
      for (Directory* one : all.directories)
        EXPECT_TRUE(one->Find(prefix + std::to_string(i) + "@example.org").has_value());
    }
    co_await Part(all);
  }));
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    EXPECT_EQ(store.directory().size(), 10u + 60u);
    co_return;
  }));
  EXPECT_TRUE(w.Check().clean());
}

TEST(DirectoryShards, ShardsMayBecomeMoreOrFewerBetweenRuns) {
  SharedWorld w;
  ASSERT_TRUE(w.Run(1, &Household));
  for (const uint16_t shards : std::initializer_list<uint16_t>{3, 2, 5, 1, 4}) {
    SCOPED_TRACE(shards);
    w.all = {.directories = std::vector<Directory*>(shards)};
    ASSERT_TRUE(w.Run(shards, [](StoreWorld& self, ShardStore& store) -> Task<void> {
      Shards& all = Shared(self).all;
      co_await Meet(all, store);
      for (int i = 0; i < 4; ++i) (void)co_await self.Put(store, MakeText(50'000, 1), 1);
      if (io::ThisShard() == ShardIndex(0)) {
        if (Shared(self).contents.empty()) Shared(self).contents = Read(store.directory());
        EXPECT_EQ(Read(store.directory()), Shared(self).contents);
      }
      EXPECT_TRUE(store.directory().complete());
      co_await Part(all);
    }));
    EXPECT_TRUE(w.Check().clean());
    w.Verify(shards);
  }
}

TEST(DirectorySpace, CompactionKeepsWhatLivesAndDropsWhatIsDead) {
  SharedWorld w;
  w.options.segment_bytes = 1u << 20;
  w.options.batch_bytes_max = 512u << 10;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    co_await Household(self, store);
    Directory& d = store.directory();
    for (int i = 0; i < 400; ++i) {
      std::vector<DirectoryChange> change = {
          Put(Account("n" + std::to_string(i % 37) + "@example.org", std::to_string(i)))};
      if (i % 5 == 4) change.push_back(Erase("n" + std::to_string((i + 11) % 37) + "@example.org"));
      EXPECT_TRUE((co_await Apply(d, std::move(change))).ok());
      // Mail that comes and goes turns the segments over.
      auto id = co_await self.Put(store, MakeText(100'000, 1), 1);
      if (id.ok()) (void)co_await self.SettleAll(store, *id);
    }
    co_await io::SleepUntil(io::Now() + std::chrono::seconds(5));
    Shared(self).contents = Read(d);
  }));
  const FsckReport report = w.Check();
  EXPECT_TRUE(report.clean());
  EXPECT_EQ(report.recovery.directory_entries, w.contents.size());
  EXPECT_LT(report.recovery.segments, 20u) << "forty and more were written";
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    EXPECT_EQ(Read(store.directory()), Shared(self).contents);
    co_return;
  }));
}

TEST(DirectoryTransaction, LargerThanABatchIsOneStill) {
  StoreWorld w;
  w.options.segment_bytes = 1u << 20;
  w.options.batch_bytes_max = 512u << 10;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    co_await Household(self, store);
    std::vector<DirectoryChange> changes;
    for (int i = 0; i < 20'000; ++i) {
      changes.push_back(
          Put(Account("n" + std::to_string(i) + "@example.org", std::string(100, 'h'))));
    }
    changes.push_back(Erase("bob@example.org"));
    EXPECT_TRUE((co_await Apply(store.directory(), std::move(changes))).ok());
    EXPECT_EQ(store.directory().size(), 20'009u);
  }));
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    EXPECT_EQ(store.directory().size(), 20'009u);
    EXPECT_FALSE(store.directory().Find("bob@example.org").has_value());
    EXPECT_TRUE(store.directory().Find("n19999@example.org").has_value());
    co_return;
  }));
  EXPECT_TRUE(w.Check().clean());
}

}  // namespace
}  // namespace ringmail::storage
