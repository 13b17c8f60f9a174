// Summaries of segments: a start that reads them finds what one that reads the segments finds, and
// no summary can make it find anything else.
#include <gtest/gtest.h>

#include "fmt/format.h"
#include "ringmail/codec/crc32c.h"
#include "storage/replay.h"
#include "storage/segment_supply.h"
#include "storage/summary_writer.h"
#include "tests/unit/storage/store_fixture.h"

namespace ringmail::storage {
namespace {

using io::Task;

struct Found {
  std::string text;  // everything that replay found, in words
  RecoveryReport report;
};

void Describe(const Index& index, const SegmentList& segments, const Replay& replay,
              std::string& out) {
  for (const auto& [id, message] : index.messages()) {
    const Segment* segment = Index::SegmentOf(*message);
    std::string folded;
    index.EncodeFolded(*message, SIZE_MAX, folded);
    out += fmt::format("message {} in {}/{} {:08x} {}\n", id, segment->log.value, segment->sequence,
                       codec::Crc32c(0, folded), folded.size());
  }
  for (const auto& [id, content] : index.contents()) {
    out += fmt::format("content {} {} {} {} {}:", id, content->bytes, content->refs,
                       bool{content->complete}, content->flags);
    for (uint32_t i = 0; i < content->piece_count; ++i) {
      const RecordPlace& place = content->piece(i);
      out += fmt::format(" {}/{}+{}", place.segment == nullptr ? 0 : place.segment->sequence,
                         place.offset, place.bytes);
    }
    out += '\n';
  }
  for (auto id = index.settled().FirstFrom(ContentId(0)); id;
       id = index.settled().FirstFrom(ContentId(id->value + 1))) {
    const auto row = index.settled().Find(*id);
    out += fmt::format("settled {} {} {} {}/{}+{}\n", id->value, row->bytes, row->holder.value,
                       row->place.segment->sequence, row->place.offset, row->place.bytes);
  }
  for (const auto& segment : segments) {
    out += fmt::format("segment {}/{} {} {} {} {} {}\n", segment->log.value, segment->sequence,
                       segment->salt, segment->bytes, segment->end, segment->live_bytes,
                       segment->live_records);
  }
  for (const LogState& state : replay.logs()) {
    out += fmt::format("log {} {} {} {} {} {} {} {}\n", state.log.value, state.log_key,
                       state.last_sequence, state.last_end, state.next_batch, state.empty.size(),
                       replay.NextQueueSequence(state.log), replay.NextContentSequence(state.log));
  }
}

// Replays the store as it lies on the disk: with the summaries, or with every segment read.
Found ReplayStore(StoreWorld& w, Bodies bodies) {
  struct Work {
    std::string dir;
    Bodies bodies;
    Found found;
    bool done = false;
  } work{.dir = w.options.data_dir, .bodies = bodies, .found = {}};
  w.node.Start(
      1,
      [](void* context) -> Task<void> {
        auto& to = *static_cast<Work*>(context);
        auto logs = co_await ListLogs(to.dir);
        CO_ASSERT_TRUE(logs.ok());
        StorageMetrics metrics;
        SegmentList segments;
        Index index(0, metrics);
        DirectoryLedger directory;
        AccountLedger accounts;
        Replay replay(to.dir, to.bodies, index, directory, accounts, segments, to.found.report);
        const Status ran = co_await replay.Run(GroupSegments(*logs));
        EXPECT_TRUE(ran.ok()) << ran;
        Describe(index, segments, replay, to.found.text);
        to.found.text +=
            fmt::format("records {} torn {} damages {}\n", to.found.report.records,
                        to.found.report.torn_tail_bytes, to.found.report.damages.size());
        for (const Damage& damage : to.found.report.damages)
          to.found.text += fmt::format("{} {} {}\n", damage.file, damage.offset, damage.what);
        to.done = true;
      },
      &work);
  EXPECT_TRUE(w.Finish());
  EXPECT_TRUE(work.done);
  return std::move(work.found);
}

std::string Sum(uint64_t sequence) { return SummaryPath("/data", LogId(0), sequence); }

// Some full segments, each with its summary.
void Fill(StoreWorld& w) {
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    for (uint64_t i = 0; i < 60; ++i) {
      auto id = co_await self.Put(store, MakeText(40'000 + i * 500, i), 1 + i % 3);
      CO_ASSERT_TRUE(id.ok());
      if (i % 3 == 1) (void)co_await self.Settle(store, *id, 0, RecipientState::kFailed);
      if (i % 7 == 3) (void)co_await self.SettleAll(store, *id);
    }
  }));
}

Task<void> RandomWork(StoreWorld& self, ShardStore& store) {
  std::vector<QueueId> ids;
  store.queue().Visit(
      QueueId(), SIZE_MAX,
      [](void* context, QueuedMessage& message) {
        static_cast<std::vector<QueueId>*>(context)->push_back(message.id());
      },
      &ids);
  const uint64_t count = 10 + self.world.Random(40);
  for (uint64_t i = 0; i < count; ++i) {
    const size_t bytes = self.world.Random(8) == 0 ? 300'000 : self.world.Random(90'000);
    auto id = co_await self.Put(store, MakeText(bytes + 1, i), 1 + self.world.Random(3));
    if (!id.ok()) co_return;
    ids.push_back(*id);
    const QueueId old = ids[self.world.Random(ids.size())];
    // What was asked for before a crash may have happened or not: the ledger does not know.
    if (!self.ledger.accepted.contains(old.value) || self.ledger.settling.contains(old.value))
      continue;
    if (self.world.Random(3) != 0) {
      (void)co_await self.SettleAll(store, old);
    } else if (self.ledger.accepted[old.value].states[0] == RecipientState::kPending) {
      (void)co_await self.Settle(store, old, 0, RecipientState::kPending);
    }
    // Compaction has its time.
    if (i % 16 == 15) co_await io::SleepUntil(io::Now() + std::chrono::seconds(2));
  }
}

TEST(Summaries, GiveTheSameAsTheSegmentsAfterAnyHistory) {
  uint64_t used = 0, compacted_away = 0;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    StoreWorld w(seed);
    for (int round = 0; round < 6; ++round) {
      SCOPED_TRACE(fmt::format("seed {} round {}", seed, round));
      const auto shards = static_cast<uint16_t>(1 + w.world.Random(3));
      const uint64_t end = w.world.Random(3);
      uint64_t requests = 0;
      const uint64_t at = 50 + w.world.Random(500);
      w.node.disk().fault = [&requests](const sim::DiskRequest& request) {
        if (request.durability == io::Durability::kDurable) ++requests;
        return 0;
      };
      w.Start(shards, &RandomWork);
      ASSERT_TRUE(
          w.world.RunUntil([&] { return !w.node.running() || (end != 0 && requests >= at); }));
      w.node.disk().fault = nullptr;
      if (w.node.running()) end == 1 ? w.Kill() : w.Crash(sim::DiskLoss::kRandom);
      const Found with = ReplayStore(w, Bodies::kVerifyLast);
      const Found without = ReplayStore(w, Bodies::kVerifyAll);
      ASSERT_EQ(with.text, without.text);
      EXPECT_EQ(without.report.damages.size(), 0u);
      used += with.report.summaries;
      if (w.node.disk().Contents(SegmentPath("/data", LogId(0), 1)) == std::nullopt) {
        ++compacted_away;
        EXPECT_EQ(w.node.disk().Contents(Sum(1)), std::nullopt);
      }
      w.Verify(shards);
      if (testing::Test::HasFailure()) return;
    }
    EXPECT_TRUE(w.Check().clean());
  }
  EXPECT_GT(used, 40u);
  EXPECT_GT(compacted_away, 10u);
}

TEST(Summaries, DamagedCutGrownOrForeignAreReadOver) {
  StoreWorld w, other(77);
  Fill(w);
  Fill(other);
  const std::string good = w.node.disk().Contents(Sum(1)).value();
  const std::string expected = ReplayStore(w, Bodies::kVerifyAll).text;
  const uint64_t all = ReplayStore(w, Bodies::kVerifyLast).report.summaries;
  ASSERT_GE(all, 2u);
  const auto expect_ignored = [&](const std::string& bytes, const std::string& what) {
    SCOPED_TRACE(what);
    ASSERT_EQ(w.node.disk().Remove(Sum(1)), 0);
    w.node.disk().Put(Sum(1), bytes);
    const Found found = ReplayStore(w, Bodies::kVerifyLast);
    ASSERT_EQ(found.text, expected);
    ASSERT_EQ(found.report.summaries, all - 1);
  };
  for (size_t at = 0; at < good.size(); at += at < kSummaryHeaderBytes ? 7 : 499) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    expect_ignored(bytes, fmt::format("octet {} changed", at));
    expect_ignored(good.substr(0, at), fmt::format("cut at {}", at));
    expect_ignored(good.substr(0, at) + std::string(good.size() - at, '\0'),
                   fmt::format("zeros from {}", at));
    if (testing::Test::HasFatalFailure()) return;
  }
  expect_ignored(good + '\0', "grown");
  expect_ignored(w.node.disk().Contents(Sum(2)).value(), "of another segment");
  expect_ignored(other.node.disk().Contents(Sum(1)).value(), "of another log's segment");
  expect_ignored(std::string(kSummaryHeaderBytes + kSummaryBytesMax + 1, 'x'), "too long");
  // fsck mentions it; it is no damage, for the store has lost nothing.
  const FsckReport report = w.Check();
  EXPECT_TRUE(report.clean());
  ASSERT_EQ(report.recovery.ignored_summaries.size(), 1u);
  EXPECT_EQ(report.recovery.ignored_summaries[0].file, Sum(1));
  // The start puts a good one in its place.
  w.Verify(1);
  EXPECT_EQ(w.node.disk().Contents(Sum(1)), good);
  EXPECT_TRUE(w.Check().recovery.ignored_summaries.empty());
}

TEST(Summaries, AreRefusedWithAnyOctetChangedAndAtAnyLength) {
  StoreWorld w;
  Fill(w);
  const std::string good = w.node.disk().Contents(Sum(1)).value();
  const auto header =
      DecodeSegmentHeader(w.node.disk().Contents(SegmentPath("/data", LogId(0), 1)).value()).header;
  const auto next =
      DecodeSegmentHeader(w.node.disk().Contents(SegmentPath("/data", LogId(0), 2)).value()).header;
  ASSERT_TRUE(header && next);
  const SummaryKey key{.log = LogId(0),
                       .log_key = header->log_key,
                       .sequence = 1,
                       .first_batch = header->first_batch,
                       .end = next->previous_end};
  ASSERT_TRUE(SummaryView::Decode(good, key));
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] + 1);
    ASSERT_FALSE(SummaryView::Decode(bytes, key)) << at;
    ASSERT_FALSE(SummaryView::Decode(good.substr(0, at), key)) << at;
  }
  for (SummaryKey wrong : {key, key, key, key, key}) {
    static int field = 0;
    switch (field++) {
      case 0:
        wrong.log = LogId(1);
        break;
      case 1:
        ++wrong.log_key;
        break;
      case 2:
        ++wrong.sequence;
        break;
      case 3:
        ++wrong.first_batch;
        break;
      default:
        wrong.end += io::kBlockBytes;
    }
    EXPECT_FALSE(SummaryView::Decode(good, wrong)) << field;
  }
}

// Lengths that lie, under checksums that fit: what a mistake in the program would write.
void Reseal(std::string& bytes) {
  const uint32_t payload = codec::Crc32c(0, std::string_view(bytes).substr(kSummaryHeaderBytes));
  std::memcpy(bytes.data() + kSummaryHeaderBytes - 8, &payload, 4);
  const uint32_t header =
      codec::Crc32c(0, std::string_view(bytes).substr(0, kSummaryHeaderBytes - 4));
  std::memcpy(bytes.data() + kSummaryHeaderBytes - 4, &header, 4);
}

TEST(Summaries, ThatSayOtherThingsThanTheirSegmentAreDamageToFsck) {
  StoreWorld w;
  Fill(w);
  std::string bytes = w.node.disk().Contents(Sum(1)).value();
  bytes[kSummaryHeaderBytes + sizeof(SummaryBatch) + sizeof(SummaryRecord) + 12] ^= 1;
  Reseal(bytes);
  w.node.disk().Put(Sum(1), bytes);
  const FsckReport report = w.Check();
  EXPECT_FALSE(report.clean());
  ASSERT_EQ(report.recovery.damages.size(), 1u);
  EXPECT_EQ(report.recovery.damages[0].file, Sum(1));
}

TEST(Summaries, WithLengthsThatLieAreRefused) {
  StoreWorld w;
  Fill(w);
  const std::string good = w.node.disk().Contents(Sum(1)).value();
  const std::string expected = ReplayStore(w, Bodies::kVerifyAll).text;
  for (const size_t at : {size_t{0}, sizeof(SummaryBatch), sizeof(SummaryBatch) + 4}) {
    for (const uint32_t value : {0u, 7u, 0x7FFFFFFFu, 0xFFFFFFFFu}) {
      std::string bytes = good;
      const size_t skip = at == 0 ? 12 : at;  // the length of the batch, or of the record
      std::memcpy(bytes.data() + kSummaryHeaderBytes + skip, &value, 4);
      Reseal(bytes);
      w.node.disk().Put(Sum(1), bytes);
      const Found found = ReplayStore(w, Bodies::kVerifyLast);
      ASSERT_EQ(found.text, expected) << at << " " << value;
    }
  }
}

TEST(Summaries, HideNoDamagedContentFromFsckNorFromTheReader) {
  StoreWorld w;
  Fill(w);
  const std::string path = SegmentPath("/data", LogId(0), 1);
  w.node.disk().Damage(path, 8192 + 1000, "!");
  const FsckReport report = w.Check();
  EXPECT_FALSE(report.clean());
  EXPECT_EQ(report.recovery.damages[0].file, path);
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    EXPECT_GE(store.recovery().summaries, 2u);
    EXPECT_TRUE(store.recovery().damages.empty());
    QueuedMessage* first = store.queue().Find(QueueId(self.ledger.accepted.begin()->first));
    CO_ASSERT_TRUE(first != nullptr);
    auto text = co_await StoreWorld::Read(store, *first);
    EXPECT_EQ(text.status().code(), absl::StatusCode::kDataLoss);
  }));
}

TEST(Summaries, ThatCannotBeWrittenCostNothingButTheNextStart) {
  StoreWorld w;
  uint64_t refused = 0;
  w.node.disk().fault = [&refused](const sim::DiskRequest& request) {
    const bool sum = request.path.ends_with(".sum");
    refused += sum;
    return sum ? 5 /* EIO */ : 0;
  };
  Fill(w);
  EXPECT_GT(refused, 2u);
  EXPECT_EQ(w.ledger.maybe.size(), 0u);
  w.Verify(1);
  w.node.disk().fault = nullptr;
  EXPECT_EQ(w.node.disk().Contents(Sum(1)), std::nullopt);
  w.Verify(1);
  EXPECT_EQ(w.reports[0].summaries, 0u);
  w.Verify(1);
  EXPECT_GE(w.reports[0].summaries, 2u);
}

TEST(Summaries, AreNeverWaitedForByACommit) {
  StoreWorld w;
  uint64_t asked = 0;
  w.node.disk().fault = [&asked](const sim::DiskRequest& request) {
    asked += request.path.ends_with(".sum");
    return 0;
  };
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    co_await io::SleepUntil(io::Now() + std::chrono::seconds(2));
    // From now on everything but durable writes takes minutes.
    self.node.disk().options().latency = std::chrono::minutes(5);
    const MonotonicTime begin = io::Now();
    for (uint64_t i = 0; i < 25; ++i)
      CO_ASSERT_TRUE((co_await self.Put(store, MakeText(90'000, i), 1)).ok());
    EXPECT_LT(io::Now() - begin, std::chrono::seconds(1));
    self.node.disk().options().latency = std::chrono::microseconds(20);
  }));
  EXPECT_GE(asked, 1u);
}

// A batch of one update with as much metadata as it takes.
std::string UpdateBatch(uint64_t offset, size_t meta_bytes) {
  const size_t used = sizeof(BatchHeader) + RecordBytes(meta_bytes, 0);
  std::string batch(RoundUp(used, io::kBlockBytes), '\0');
  const RecordHeader header{.bytes = static_cast<uint32_t>(sizeof(RecordHeader) + meta_bytes),
                            .meta_bytes = static_cast<uint32_t>(meta_bytes),
                            .type = static_cast<uint8_t>(RecordType::kUpdate)};
  std::memcpy(batch.data() + sizeof(BatchHeader), &header, sizeof(header));
  SealBatch(batch, SegmentSalt::Of(1, 1), 1, offset, 1, static_cast<uint32_t>(used), 1);
  return batch;
}

TEST(Summaries, TakeNoMoreMemoryThanTheirBounds) {
  const std::string batch = UpdateBatch(kSegmentHeaderBytes, 1u << 20);
  StorageMetrics metrics;
  SegmentSupply supply({.data_dir = "/data", .segment_bytes = 1u << 20}, metrics);
  SummaryWriter writer("/data", supply, metrics);
  for (uint64_t sequence = 1; sequence <= 10; ++sequence) {
    SegmentSummary summary;
    uint64_t offset = kSegmentHeaderBytes;
    for (size_t i = 0; i < 9; ++i, offset += batch.size()) summary.Add(batch, offset);
    EXPECT_TRUE(summary.whole());
    EXPECT_LE(summary.pieces().size() * kSummaryPieceBytes, summary.bytes() + kSummaryPieceBytes);
    writer.Submit({.sequence = sequence}, std::move(summary));
    EXPECT_LE(writer.waiting_bytes(), kSummaryWaitingBytesMax);
  }
  EXPECT_GT(writer.waiting_bytes(), kSummaryWaitingBytesMax / 2);
  EXPECT_EQ(metrics.summaries_skipped.value(), 7u);

  SegmentSummary large;
  for (size_t i = 0; i < 30; ++i) {
    large.Add(batch, kSegmentHeaderBytes);
    EXPECT_LE(large.bytes(), kSummaryBytesMax);
  }
  EXPECT_FALSE(large.whole());
  EXPECT_EQ(large.bytes(), 0u);
  EXPECT_TRUE(large.pieces().empty());
  EXPECT_LE(kSummaryPieceBytes, kSummaryBytesMax);
}

}  // namespace
}  // namespace ringmail::storage
