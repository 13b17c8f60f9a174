// A disk that rots: told by its exact place, and nothing else is lost.
#include <gtest/gtest.h>

#include <cerrno>

#include "storage/limits.h"
#include "tests/unit/storage/store_fixture.h"

namespace ringmail::storage {
namespace {

using io::Task;

constexpr std::string_view kFirst = "/data/log/000/0000000000000001.seg";
constexpr int kMessages = 12;

// One message a batch: each in blocks of its own.
void Fill(StoreWorld& w) {
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    for (uint64_t i = 0; i < kMessages; ++i) {
      auto id = co_await self.Put(store, MakeText(5000, i), 1);
      CO_ASSERT_TRUE(id.ok());
    }
  }));
}

TEST(Damage, AnywhereCostsAtMostTheMessageItHits) {
  StoreWorld probe;
  Fill(probe);
  const std::string segment = *probe.node.disk().Contents(std::string(kFirst));
  const size_t used = segment.find_last_not_of('\0') + 1;
  for (size_t at = 0; at < used; at += 1021) {
    SCOPED_TRACE("octet " + std::to_string(at));
    StoreWorld w;
    Fill(w);
    const std::string before = *w.node.disk().Contents(std::string(kFirst));
    w.node.disk().Damage(std::string(kFirst), at,
                         std::string(1, static_cast<char>(before[at] ^ 0x55)));
    const FsckReport report = w.Check();
    w.verifying_damage = true;
    w.Verify(1);
    if (testing::Test::HasFailure()) return;
    EXPECT_GE(w.seen, kMessages - 1u);
    // In the padding after the records of a batch there is nothing to damage; in the last batch it
    // cannot be told from a write that was never finished.
    const bool last = at >= used - used % io::kBlockBytes - 2 * io::kBlockBytes;
    if (report.clean() && !last) EXPECT_EQ(segment[at], '\0') << "damage went unnoticed";
    for (const Damage& damage : report.recovery.damages) {
      EXPECT_EQ(damage.file, kFirst);
      const bool there =
          at >= damage.offset && at < damage.offset + std::max<uint64_t>(damage.bytes, 1);
      EXPECT_TRUE(there) << damage.what << " at " << damage.offset << " of " << damage.bytes;
    }
  }
}

TEST(Damage, OfAWholeMegabyteIsStillReportedAndSurvived) {
  StoreWorld w;
  w.options.segment_bytes = 4u << 20;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    for (uint64_t i = 0; i < 30; ++i) (void)co_await self.Put(store, MakeText(100'000, i), 1);
  }));
  w.node.disk().Damage(std::string(kFirst), 1u << 20, std::string(1u << 20, 'x'));
  const FsckReport report = w.Check();
  EXPECT_FALSE(report.clean());
  // Of the batch that the damage begins in, content and what follows it; and the rest as one.
  EXPECT_LE(report.recovery.damages.size(), 3u);
  w.verifying_damage = true;
  w.Verify(1);
  EXPECT_GE(w.seen, 18u);
}

TEST(Damage, OfContentHoldsTheMessageAndSaysSo) {
  StoreWorld w;
  Fill(w);
  // The first message's text lies a little behind the headers.
  w.node.disk().Damage(std::string(kFirst), 8192 + 1000, "!");
  w.verifying_damage = true;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    EXPECT_EQ(store.queue().size(), static_cast<uint64_t>(kMessages));
    QueuedMessage* first = store.queue().Find(QueueId(self.ledger.accepted.begin()->first));
    CO_ASSERT_TRUE(first != nullptr);
    EXPECT_TRUE(first->held());
    auto text = co_await StoreWorld::Read(store, *first);
    EXPECT_EQ(text.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_NE(std::string(text.status().message()).find("0000000000000001.seg offset"),
              std::string::npos)
        << text.status();
    EXPECT_EQ(store.recovery().damages.size(), 2u);
  }));
}

TEST(Damage, OfAMissingSegmentIsReported) {
  StoreWorld w;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    for (uint64_t i = 0; i < 40; ++i) (void)co_await self.Put(store, MakeText(100'000, i), 1);
  }));
  ASSERT_EQ(w.node.disk().Remove("/data/log/000/0000000000000002.seg"), 0);
  const FsckReport report = w.Check();
  ASSERT_FALSE(report.recovery.damages.empty());
  EXPECT_NE(report.recovery.damages[0].file.find("0000000000000002.seg"), std::string::npos);
  w.verifying_damage = true;
  w.Verify(1);
  EXPECT_GE(w.seen, 28u);
}

TEST(TornBatch, AtEverySectorIsDroppedWholeAndIsNoDamage) {
  // The write under way when the power goes leaves any prefix and suffix of its sectors.
  for (size_t sectors = 0; sectors <= 16; ++sectors) {
    for (const bool front : {true, false}) {
      SCOPED_TRACE(std::to_string(sectors) + (front ? " first" : " last") + " sectors written");
      StoreWorld w;
      Fill(w);
      const std::string whole = *w.node.disk().Contents(std::string(kFirst));
      const size_t used =
          whole.find_last_not_of('\0') / io::kBlockBytes * io::kBlockBytes + io::kBlockBytes;
      const size_t batch = used - 2 * io::kBlockBytes;  // the last message takes two blocks
      const size_t keep = sectors * 512, lose = 2 * io::kBlockBytes - keep;
      w.node.disk().Damage(std::string(kFirst), front ? batch + keep : batch,
                           std::string(lose, '\0'));
      const bool all_there =
          whole.substr(front ? batch + keep : batch, lose).find_first_not_of('\0') ==
          std::string::npos;
      EXPECT_TRUE(w.Check().clean());
      const uint64_t last = w.ledger.accepted.rbegin()->first;
      if (!all_there) w.ledger.accepted.erase(last), w.ledger.maybe.insert(last);
      w.Verify(1);
      EXPECT_EQ(w.seen, all_there ? kMessages : kMessages - 1u);
      // The end is fixed now: what is written later is found, and the torn batch never.
      w.Verify(1);
      EXPECT_EQ(w.seen, all_there ? kMessages : kMessages - 1u);
      if (testing::Test::HasFailure()) return;
    }
  }
}

// What it left can be read, and is not on stable storage.
TEST(FailedWrite, OfASegmentsFirstBatchLeavesAHeaderThatIsWrittenAgain) {
  StoreWorld w;
  w.node.disk().fault = [](const sim::DiskRequest& request) {
    sim::DiskFault fault;
    const bool first = request.operation == sim::DiskOperation::kWrite &&
                       request.durability == io::Durability::kDurable &&
                       request.path.ends_with("0000000000000001.seg");
    if (first) {
      fault.error = EIO;
      fault.lands = kSegmentHeaderBytes;
    }
    return fault;
  };
  (void)w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    EXPECT_FALSE((co_await self.Put(store, "not taken\r\n", 1)).ok());
  });
  w.node.disk().fault = nullptr;
  w.Start(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    EXPECT_TRUE((co_await self.Put(store, "kept\r\n", 1)).ok());
    co_await io::SleepUntil(io::Now() + std::chrono::hours(1));
  });
  ASSERT_TRUE(
      w.world.RunUntil([&w] { return w.ledger.accepted.size() == 1; }, std::chrono::minutes(1)));
  w.Crash(sim::DiskLoss::kEverything);
  EXPECT_TRUE(w.Check().clean());
  w.Verify(1);
  EXPECT_EQ(w.seen, 1u);
}

TEST(Recycled, SegmentsNeverShowWhatTheyHeldBefore) {
  // Segments of text that came back as spare ones: with a power cut right after each rotation the
  // old bytes are all there.
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    StoreWorld w(seed);
    uint64_t writes = 0;
    w.node.disk().fault = [&writes](const sim::DiskRequest& request) {
      if (request.operation == sim::DiskOperation::kWrite &&
          request.durability == io::Durability::kDurable)
        ++writes;
      return 0;
    };
    w.Start(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
      for (uint64_t i = 0; i < 200; ++i) {
        auto id = co_await self.Put(store, MakeText(90'000, i), 1);
        if (!id.ok()) co_return;
        (void)co_await self.SettleAll(store, *id);
      }
    });
    const uint64_t at = 150 + seed * 11;
    (void)w.world.RunUntil([&] { return writes >= at || !w.node.running(); });
    w.node.disk().fault = nullptr;
    ASSERT_TRUE(w.node.running());
    w.Crash(sim::DiskLoss::kRandom);
    w.Verify(1);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace ringmail::storage
