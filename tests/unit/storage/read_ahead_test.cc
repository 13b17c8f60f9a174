// Reading ahead: which records come with others, that a window never hides what was written after
// it, and that it is only a way to read.
#include "storage/read_ahead.h"

#include <gtest/gtest.h>

#include <string>

#include "storage/store_core.h"
#include "tests/unit/storage/store_fixture.h"

namespace ringmail::storage {
namespace {

using io::Task;

ReadAhead::Range At(uint64_t offset, size_t bytes = 5000, uint64_t sequence = 1) {
  return {LogId(1), sequence, offset, bytes};
}

// As a reader of the log does; says how many octets were read at once, 0 for a record alone.
size_t ReadAt(ReadAhead& ahead, const ReadAhead::Range& range) {
  if (!ahead.Find(range).empty()) return 0;
  ReadAhead::Window* window = ahead.Continue(range);
  if (window == nullptr) return 0;
  const size_t bytes = window->room().size();
  EXPECT_LE(window->from(), range.offset);
  EXPECT_EQ(window->from() % io::kBlockBytes, 0u);
  EXPECT_GE(window->from() + bytes, range.end());
  window->Fill(bytes);
  EXPECT_EQ(ahead.Find(range).size(), range.bytes);
  return bytes;
}

TEST(ReadAhead, ReadsMoreAtOnceTheLongerARunGoesOn) {
  ReadAhead ahead;
  std::vector<size_t> windows;
  size_t records = 0;
  for (uint64_t offset = 8192; offset < 4 << 20; offset += 5000, ++records) {
    if (const size_t bytes = ReadAt(ahead, At(offset)); bytes > 0) windows.push_back(bytes);
  }
  ASSERT_GE(windows.size(), 4u);
  EXPECT_EQ(windows[0], kReadAheadBytesMin);
  EXPECT_EQ(windows[1], 2 * kReadAheadBytesMin);
  EXPECT_EQ(windows.back(), kReadAheadBytesMax);
  EXPECT_LT(windows.size(), records / 40);
}

TEST(ReadAhead, LeavesAJumpAloneAndTakesASmallGapForARun) {
  ReadAhead ahead;
  EXPECT_EQ(ReadAt(ahead, At(0)), 0u);
  EXPECT_EQ(ReadAt(ahead, At(5000 + kReadAheadGapMax + 1)), 0u);
  EXPECT_EQ(ReadAt(ahead, At(1 << 20, 5000, 2)), 0u);  // another segment
  EXPECT_EQ(ReadAt(ahead, At(4000)), 0u);              // backwards
  EXPECT_EQ(ReadAt(ahead, At(9000 + kReadAheadGapMax)), kReadAheadBytesMin);
}

TEST(ReadAhead, LeavesLongRecordsAlone) {
  ReadAhead ahead;
  for (uint64_t i = 0; i < 8; ++i) {
    const size_t bytes = kReadAheadRecordMax + 1;
    EXPECT_EQ(ahead.Continue(At(i * bytes, bytes)), nullptr);
  }
  EXPECT_EQ(ReadAt(ahead, At(0, kReadAheadRecordMax)), 0u);
  EXPECT_GE(ReadAt(ahead, At(kReadAheadRecordMax, kReadAheadRecordMax)), kReadAheadRecordMax);
}

TEST(ReadAhead, KeepsAsManyRunsAsItHasWindowsAndGivesUpTheOldest) {
  ReadAhead ahead;
  for (uint64_t run = 1; run <= kReadAheadRuns + 1; ++run) {
    EXPECT_EQ(ReadAt(ahead, At(0, 5000, run)), 0u);
    EXPECT_GT(ReadAt(ahead, At(5000, 5000, run)), 0u);
  }
  EXPECT_TRUE(ahead.Find(At(5000, 5000, 1)).empty());
  for (uint64_t run = 2; run <= kReadAheadRuns + 1; ++run)
    EXPECT_FALSE(ahead.Find(At(5000, 5000, run)).empty()) << run;
}

TEST(ReadAhead, GivesNoWindowThatIsBeingRead) {
  ReadAhead ahead;
  EXPECT_EQ(ahead.Continue(At(0)), nullptr);
  ReadAhead::Window* window = ahead.Continue(At(5000));
  ASSERT_NE(window, nullptr);
  EXPECT_TRUE(ahead.Find(At(5000)).empty());
  EXPECT_EQ(ahead.Continue(At(10000)), nullptr);
  window->Fill(0);  // the read failed
  EXPECT_TRUE(ahead.Find(At(5000)).empty());
}

constexpr size_t kMessages = 100;

struct Messages {
  std::vector<QueueId> ids;
  std::vector<std::string> texts;
};

Task<void> PutAll(StoreWorld& self, ShardStore& store, Messages& all, size_t count, uint64_t seed) {
  for (size_t i = 0; i < count; ++i) {
    all.texts.push_back(MakeText(4000 + i, seed + i));
    const auto id = co_await self.Put(store, all.texts.back(), 1);
    CO_ASSERT_TRUE(id.ok());
    all.ids.push_back(*id);
  }
}

Task<void> ReadAll(ShardStore& store, const Messages& all, size_t from) {
  for (size_t i = from; i < all.ids.size(); ++i) {
    QueuedMessage* message = store.queue().Find(all.ids[i]);
    CO_ASSERT_TRUE(message != nullptr);
    const auto read = co_await StoreWorld::Read(store, *message);
    EXPECT_TRUE(read.ok() && *read == all.texts[i]) << i << " " << read.status();
  }
}

TEST(ReadAhead, BringsManyMessagesWithOneRequest) {
  StoreWorld w;
  w.options.content_cache_bytes = 0;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    Messages all;
    co_await PutAll(self, store, all, kMessages, 1);
    const StorageMetrics& metrics = static_cast<StoreCore&>(store).metrics();
    co_await ReadAll(store, all, 0);
    EXPECT_EQ(metrics.cache_misses.value(), kMessages);
    EXPECT_LT(metrics.content_reads.value(), kMessages / 5);
    EXPECT_EQ(metrics.damaged_pieces.value(), 0u);
  }));
  w.Verify(1);
  EXPECT_EQ(w.seen, kMessages);
}

// The end of the log: what is read ahead of it is not there yet, and is when it is asked for.
TEST(ReadAhead, ReadsWhatWasWrittenAfterTheWindow) {
  StoreWorld w;
  w.options.content_cache_bytes = 0;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    Messages all;
    for (size_t round = 0; round < 30; ++round) {
      const size_t from = all.ids.size();
      co_await PutAll(self, store, all, 3, 1000 * round);
      co_await ReadAll(store, all, from);
    }
    EXPECT_EQ(static_cast<StoreCore&>(store).metrics().damaged_pieces.value(), 0u);
    co_await ReadAll(store, all, 0);
  }));
  w.Verify(1);
}

}  // namespace
}  // namespace ringmail::storage
