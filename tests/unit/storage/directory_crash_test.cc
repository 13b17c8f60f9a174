// The directory on the crash page: a power cut at every request to the disk, and a disk that rots.
#include <gtest/gtest.h>

#include "tests/unit/storage/directory_world.h"

namespace ringmail::storage {
namespace {

using io::Task;

// What was promised, and what it would be if the transaction in flight had made it.
struct CrashWorld : StoreWorld {
  explicit CrashWorld(uint64_t seed) : StoreWorld(seed) {
    options.segment_bytes = 1u << 20;
    options.batch_bytes_max = 512u << 10;
  }
  Contents sure;
  std::optional<Contents> perhaps;
  std::optional<Contents> found;
  bool complete = false;
};
CrashWorld& Of(StoreWorld& world) { return static_cast<CrashWorld&>(world); }

Task<void> Change(CrashWorld& w, Directory& directory,
                  std::vector<std::pair<std::string, std::string>> accounts) {
  Contents after = w.sure;
  std::vector<DirectoryChange> changes;
  for (const auto& [name, secret] : accounts) {
    const std::string address = name + "@example.org";
    if (secret.empty()) {
      changes.push_back(Erase(address));
      after.erase(address);
    } else {
      changes.push_back(Put(Account(address, secret)));
      after[address] = secret;
    }
  }
  if (!after.contains("example.org")) changes.push_back(Put(Domain("example.org")));
  after["example.org"] = "";
  w.perhaps = after;
  if ((co_await Apply(directory, std::move(changes))).ok()) {
    w.sure = after;
    w.perhaps.reset();
  }
}

// Small changes, tombstones, one that needs several batches, and mail that turns segments over, so
// that compaction copies entries meanwhile.
Task<void> Work(StoreWorld& self, ShardStore& store) {
  CrashWorld& w = Of(self);
  Directory& d = store.directory();
  for (int round = 0; round < 12; ++round) {
    const std::string text = std::to_string(round);
    co_await Change(w, d, {{"a", text}, {"b" + text, text}});
    if (round > 2) co_await Change(w, d, {{"b" + std::to_string(round - 3), ""}});
    if (round == 5) {
      std::vector<std::pair<std::string, std::string>> many;
      for (int i = 0; i < 700; ++i)
        many.emplace_back("m" + std::to_string(i), std::string(900, 'h'));
      many.emplace_back("a", "");
      co_await Change(w, d, std::move(many));
    }
    if (round == 8) {
      std::vector<std::pair<std::string, std::string>> many;
      for (int i = 0; i < 690; ++i) many.emplace_back("m" + std::to_string(i), "");
      co_await Change(w, d, std::move(many));
    }
    auto id = co_await self.Put(store, MakeText(200'000, 1), 1);
    if (id.ok()) (void)co_await self.SettleAll(store, *id);
  }
  co_await io::SleepUntil(io::Now() + std::chrono::seconds(3));
}

Task<void> Look(StoreWorld& self, ShardStore& store) {
  Of(self).found = Read(store.directory());
  Of(self).complete = store.directory().complete();
  co_return;
}

void VerifyDirectory(CrashWorld& w) {
  w.found.reset();
  ASSERT_TRUE(w.Run(1, &Look));
  ASSERT_TRUE(w.found.has_value());
  EXPECT_TRUE(w.complete);
  const bool as_sure = *w.found == w.sure;
  EXPECT_TRUE(as_sure || (w.perhaps && *w.found == *w.perhaps))
      << w.found->size() << " entries, " << w.sure.size() << " were promised";
  w.sure = *w.found;
  w.perhaps.reset();
}

class DirectoryCrash : public testing::TestWithParam<sim::DiskLoss> {};

TEST_P(DirectoryCrash, AtEveryRequestKeepsEachTransactionWholeOrNotAtAll) {
  for (uint64_t requests = 1;; ++requests) {
    SCOPED_TRACE("power cut at request " + std::to_string(requests));
    CrashWorld w(requests);
    if (!w.CrashAfter(requests, GetParam(), &Work)) {
      EXPECT_GT(requests, 60u);
      break;
    }
    VerifyDirectory(w);
    if (requests % 4 == 0) EXPECT_TRUE(w.Check().clean());
    if (testing::Test::HasFailure()) return;
  }
}

TEST_P(DirectoryCrash, AfterCrashGoesOnEachTime) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    CrashWorld w(seed);
    for (int round = 0; round < 6; ++round) {
      (void)w.CrashAfter(1 + w.world.Random(90), GetParam(), &Work);
      VerifyDirectory(w);
      if (testing::Test::HasFailure()) return;
    }
    EXPECT_TRUE(w.Check().clean());
  }
}

INSTANTIATE_TEST_SUITE_P(Losses, DirectoryCrash,
                         testing::Values(sim::DiskLoss::kRandom, sim::DiskLoss::kEverything,
                                         sim::DiskLoss::kNothing));

// --- rot ---

constexpr std::string_view kSegment = "/data/log/000/0000000000000001.seg";

// Each in a batch of its own.
Task<void> Fill(StoreWorld& self, ShardStore& store) {
  for (int i = 0; i < 8; ++i)
    co_await Change(Of(self), store.directory(), {{"u" + std::to_string(i), "first"}});
  co_await Change(Of(self), store.directory(), {{"u3", "second"}});
  co_await Change(Of(self), store.directory(), {{"u4", ""}});
  co_await Change(Of(self), store.directory(), {{"last", "x"}});
  (void)co_await self.Put(store, MakeText(5000, 1), 1);
}

Task<void> LookDamaged(StoreWorld& self, ShardStore& store) {
  co_await Look(self, store);
  const Directory& d = store.directory();
  for (const auto& [name, secret] : Of(self).sure) {
    const size_t at = name.find('@');
    if (at == name.npos) continue;
    const auto found = d.Resolve(name.substr(0, at), name.substr(at + 1));
    // Whoever was there is never told to be nobody.
    EXPECT_NE(found.kind, Resolution::Kind::kUnknown) << name;
    if (found.kind == Resolution::Kind::kForeign) EXPECT_FALSE(found.certain) << name;
  }
}

TEST(DirectoryDamage, AnywhereNeverMakesAnybodyUnknownAndIsReported) {
  CrashWorld probe(1);
  ASSERT_TRUE(probe.Run(1, &Fill));
  const std::string segment = *probe.node.disk().Contents(std::string(kSegment));
  const size_t used = segment.find_last_not_of('\0') + 1;
  int incomplete = 0;
  for (size_t at = 2 * io::kBlockBytes; at < used - 3 * io::kBlockBytes; at += 61) {
    if (segment[at] == '\0') continue;
    SCOPED_TRACE("octet " + std::to_string(at));
    CrashWorld w(1);
    ASSERT_TRUE(w.Run(1, &Fill));
    const std::string before = *w.node.disk().Contents(std::string(kSegment));
    w.node.disk().Damage(std::string(kSegment), at,
                         std::string(1, static_cast<char>(before[at] ^ 0x55)));
    EXPECT_FALSE(w.Check().clean());
    ASSERT_TRUE(w.Run(1, &LookDamaged));
    if (*w.found != w.sure) EXPECT_FALSE(w.complete);
    if (!w.complete) ++incomplete;
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(incomplete, 5);
}

Task<void> Accept(StoreWorld& self, ShardStore& store) {
  Directory& d = store.directory();
  EXPECT_FALSE(d.complete());
  EXPECT_EQ(d.Resolve("nobody", "example.org").kind, Resolution::Kind::kUnavailable);
  co_await Change(Of(self), d, {{"another", "x"}});
  EXPECT_FALSE(d.complete()) << "a change is no acceptance";
  DirectoryTransaction transaction;
  transaction.accept_damage = true;
  EXPECT_TRUE((co_await d.Apply(std::move(transaction))).ok());
  EXPECT_TRUE(d.complete());
  EXPECT_EQ(d.Resolve("nobody", "example.org").kind, Resolution::Kind::kUnknown);
}

TEST(DirectoryDamage, LastsOverRestartsUntilItIsAccepted) {
  CrashWorld w(1);
  ASSERT_TRUE(w.Run(1, &Fill));
  // The batch of u5: its entry is lost, with others after it whole.
  const std::string before = *w.node.disk().Contents(std::string(kSegment));
  const size_t at = before.find("u5@example.org");
  ASSERT_NE(at, before.npos);
  w.node.disk().Damage(std::string(kSegment), at, "X");
  for (int start = 0; start < 3; ++start) {
    ASSERT_TRUE(w.Run(1, &Look));
    EXPECT_FALSE(w.complete) << "start " << start;
    EXPECT_FALSE(w.found->contains("u5@example.org"));
  }
  ASSERT_TRUE(w.Run(1, &Accept));
  ASSERT_TRUE(w.Run(1, &Look));
  EXPECT_TRUE(w.complete);
}

}  // namespace
}  // namespace ringmail::storage
