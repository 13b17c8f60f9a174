// The table of contents at rest, beside a map that does the same.
#include "storage/settled_contents.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "storage/format.h"

namespace ringmail::storage {
namespace {

using Row = SettledContents::Row;

class SettledContentsTest : public testing::Test {
 protected:
  Row Make(uint64_t id) {
    const uint32_t bytes = static_cast<uint32_t>(id * 7919 % (224u << 10));
    const auto dots = static_cast<uint32_t>(id % 4097);
    return {.id = ContentId(id),
            .place = {&segments_[id % segments_.size()], static_cast<uint32_t>(id % 100'000 * 8),
                      static_cast<uint32_t>(sizeof(RecordHeader) + kContentMetaBytes + bytes +
                                            4 * dots)},
            .bytes = bytes,
            .prefix_bytes = static_cast<uint16_t>(id % 1025),
            .flags = static_cast<uint8_t>(id % 64),
            .holder = AccountId(1 + id % UINT32_MAX)};
  }
  void ExpectSame(const Row& a, const Row& b) {
    EXPECT_EQ(a.id, b.id);
    EXPECT_TRUE(a.place == b.place);
    EXPECT_EQ(a.bytes, b.bytes);
    EXPECT_EQ(a.prefix_bytes, b.prefix_bytes);
    EXPECT_EQ(a.flags, b.flags);
    EXPECT_EQ(a.holder, b.holder);
  }

  std::array<Segment, 5> segments_;
  SettledContents table_;
};

TEST_F(SettledContentsTest, KeepsWhatIsPutIntoItInAnyOrderOfPuttingAndTaking) {
  std::mt19937_64 random(1);
  std::map<uint64_t, Row> model;
  const uint64_t bases[] = {1, 5000, uint64_t{3} << 50, (uint64_t{3} << 50) + (uint64_t{1} << 33)};
  for (int turn = 0; turn < 60'000; ++turn) {
    // Grows for a while, then shrinks, and again.
    const bool grow = turn / 10'000 % 2 == 0;
    const uint64_t id = bases[random() % 4] + random() % 3000;
    if (model.contains(id)) {
      ExpectSame(*table_.Find(ContentId(id)), model[id]);
      if (grow && random() % 3 != 0) continue;
      table_.Remove(ContentId(id));
      model.erase(id);
      EXPECT_FALSE(table_.Find(ContentId(id)).has_value());
    } else if (grow || random() % 4 == 0) {
      model[id] = Make(id);
      EXPECT_TRUE(table_.Add(model[id]));
    }
    if (turn % 500 != 0) continue;
    ASSERT_EQ(table_.size(), model.size());
    uint64_t bytes = 0;
    auto at = table_.FirstFrom(ContentId(0));
    for (const auto& [expected, row] : model) {
      ASSERT_TRUE(at.has_value());
      ASSERT_EQ(at->value, expected);
      ExpectSame(*table_.Find(*at), row);
      bytes += row.bytes;
      at = table_.FirstFrom(ContentId(expected + 1));
    }
    EXPECT_FALSE(at.has_value());
    EXPECT_EQ(table_.content_bytes(), bytes);
  }
}

TEST_F(SettledContentsTest, RefusesWhatDoesNotFitARow) {
  Row row = Make(1);
  row.holder = AccountId(uint64_t{1} << 32);
  EXPECT_FALSE(table_.Add(row));
  row = Make(1);
  row.flags = 64;
  EXPECT_FALSE(table_.Add(row));
  row = Make(1);
  row.place.offset = 4;
  EXPECT_FALSE(table_.Add(row));
  row = Make(1);
  row.place.bytes += 2;
  EXPECT_FALSE(table_.Add(row));
  row = Make(1);
  row.place.segment = nullptr;
  EXPECT_FALSE(table_.Add(row));
  EXPECT_EQ(table_.size(), 0u);
  EXPECT_TRUE(table_.Add(Make(1)));
}

}  // namespace
}  // namespace ringmail::storage
