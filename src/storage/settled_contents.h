// Contents that have come to rest: one account holds each, nobody reads it, and no message of the
// queue refers to it. Nearly all that a store of mailboxes has are such, so they are kept in 20
// octets each; what is asked for becomes a Content again, and comes back here when it rests.
//
// Pure bookkeeping. Rows lie by id in chunks; a chunk is an array for each column.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/btree_map.h"
#include "ringmail/base/ids.h"
#include "storage/content_entry.h"
#include "storage/segment.h"

namespace ringmail::storage {

class SettledContents {
 public:
  SettledContents() = default;
  SettledContents(const SettledContents&) = delete;
  SettledContents& operator=(const SettledContents&) = delete;

  struct Row {
    ContentId id;
    RecordPlace place;
    uint32_t bytes = 0;  // of the content, which is one piece, with its prefix
    uint16_t prefix_bytes = 0;
    uint8_t flags = 0;
    AccountId holder;
  };

  // False: the row does not fit 20 octets; nothing was done. REQUIRES: it is not there.
  [[nodiscard]] bool Add(const Row& row);
  std::optional<Row> Find(ContentId id) const;
  void Remove(ContentId id);
  uint64_t size() const { return size_; }
  uint64_t content_bytes() const { return content_bytes_; }
  // The first at or after `id`; nullopt: none.
  std::optional<ContentId> FirstFrom(ContentId id) const;

 private:
  static constexpr size_t kRows = 256;
  // Of a row's word: the place in eights, the octets, the dot-lines and the flags.
  static constexpr int kOffsetBits = 27, kBytesBits = 18, kDotsBits = 13, kFlagsBits = 6;
  static_assert(kOffsetBits + kBytesBits + kDotsBits + kFlagsBits == 64);

  struct Chunk {
    uint32_t count = 0;
    std::array<uint32_t, kRows> after{};  // the first id of the chunk
    std::array<uint64_t, kRows> word{};
    std::array<uint32_t, kRows> holder{};
    std::array<uint16_t, kRows> prefix_bytes{};
    std::array<uint16_t, kRows> segment{};
  };
  // By the id that its rows count from.
  using Chunks = absl::btree_map<uint64_t, std::unique_ptr<Chunk>>;

  struct Slot {
    Segment* segment = nullptr;
    uint32_t rows = 0;
  };

  static std::optional<uint64_t> Word(const Row& row);
  static uint32_t LowerBound(const Chunk& chunk, uint32_t after);
  static void CopyRow(const Chunk& from, uint32_t at, Chunk& to, uint32_t to_at);
  Chunks::const_iterator ChunkOf(uint64_t id) const;
  Chunk& ChunkFor(uint64_t id, uint64_t& base);
  static void Split(Chunk& full, Chunk& upper);
  std::optional<uint16_t> SlotOf(Segment* segment);

  Chunks chunks_;
  std::vector<Slot> slots_;
  uint16_t last_slot_ = 0;
  uint64_t size_ = 0, content_bytes_ = 0;
};

}  // namespace ringmail::storage
