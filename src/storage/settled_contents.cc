#include "storage/settled_contents.h"

#include <algorithm>

#include "ringmail/base/check.h"
#include "storage/format.h"

namespace ringmail::storage {
namespace {

constexpr uint64_t Ones(int bits) { return (uint64_t{1} << bits) - 1; }
constexpr size_t kRecordOverhead = sizeof(RecordHeader) + kContentMetaBytes;

}  // namespace

// The length of the record follows from the octets and the dot-lines.
std::optional<uint64_t> SettledContents::Word(const Row& row) {
  if (row.place.segment == nullptr || row.place.offset % kRecordAlign != 0) return std::nullopt;
  if (row.place.bytes < kRecordOverhead + row.bytes) return std::nullopt;
  const uint64_t dot_bytes = row.place.bytes - kRecordOverhead - row.bytes;
  const uint64_t offset = row.place.offset / kRecordAlign, dots = dot_bytes / sizeof(uint32_t);
  if (dot_bytes % sizeof(uint32_t) != 0 || offset > Ones(kOffsetBits) ||
      row.bytes > Ones(kBytesBits) || dots > Ones(kDotsBits) || row.flags > Ones(kFlagsBits) ||
      row.holder.value == 0 || row.holder.value > UINT32_MAX) {
    return std::nullopt;
  }
  return ((offset << kBytesBits | row.bytes) << kDotsBits | dots) << kFlagsBits | row.flags;
}

uint32_t SettledContents::LowerBound(const Chunk& chunk, uint32_t after) {
  const auto begin = chunk.after.begin();
  return static_cast<uint32_t>(std::lower_bound(begin, begin + chunk.count, after) - begin);
}

void SettledContents::CopyRow(const Chunk& from, uint32_t at, Chunk& to, uint32_t to_at) {
  to.after[to_at] = from.after[at];
  to.word[to_at] = from.word[at];
  to.holder[to_at] = from.holder[at];
  to.prefix_bytes[to_at] = from.prefix_bytes[at];
  to.segment[to_at] = from.segment[at];
}

SettledContents::Chunks::const_iterator SettledContents::ChunkOf(uint64_t id) const {
  auto at = chunks_.upper_bound(id);
  if (at == chunks_.begin()) return chunks_.end();
  --at;
  return id - at->first > UINT32_MAX ? chunks_.end() : at;
}

// The upper half, in ids counted from the same base.
void SettledContents::Split(Chunk& full, Chunk& upper) {
  constexpr uint32_t kHalf = kRows / 2;
  for (uint32_t i = kHalf; i < full.count; ++i) CopyRow(full, i, upper, i - kHalf);
  upper.count = full.count - kHalf;
  full.count = kHalf;
}

// A chunk with room for `id`. Ids come nearly in order: what follows a full one begins the next,
// so that chunks are full; only what comes between splits one.
SettledContents::Chunk& SettledContents::ChunkFor(uint64_t id, uint64_t& base) {
  const auto found = ChunkOf(id);
  if (found == chunks_.end()) {
    base = id;
    return *(chunks_[id] = std::make_unique<Chunk>());
  }
  base = found->first;
  Chunk& chunk = *found->second;
  if (chunk.count < kRows) return chunk;
  const auto after = static_cast<uint32_t>(id - base);
  if (after > chunk.after[chunk.count - 1]) {
    base = id;
    return *(chunks_[id] = std::make_unique<Chunk>());
  }
  auto upper = std::make_unique<Chunk>();
  Split(chunk, *upper);
  const uint32_t first = upper->after[0];
  for (uint32_t i = 0; i < upper->count; ++i) upper->after[i] -= first;
  Chunk& split = *upper;
  chunks_[base + first] = std::move(upper);
  if (after < first) return chunk;
  base += first;
  return split;
}

std::optional<uint16_t> SettledContents::SlotOf(Segment* segment) {
  if (last_slot_ < slots_.size() && slots_[last_slot_].segment == segment) return last_slot_;
  std::optional<uint16_t> free;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].segment == segment) return last_slot_ = static_cast<uint16_t>(i);
    if (slots_[i].segment == nullptr && !free) free = static_cast<uint16_t>(i);
  }
  if (!free) {
    if (slots_.size() > UINT16_MAX) return std::nullopt;
    free = static_cast<uint16_t>(slots_.size());
    slots_.emplace_back();
  }
  slots_[*free].segment = segment;
  return last_slot_ = *free;
}

bool SettledContents::Add(const Row& row) {
  const auto word = Word(row);
  if (!word) return false;
  const auto slot = SlotOf(row.place.segment);
  if (!slot) return false;
  uint64_t base;
  Chunk& chunk = ChunkFor(row.id.value, base);
  const auto after = static_cast<uint32_t>(row.id.value - base);
  const uint32_t at = LowerBound(chunk, after);
  CHECK(at == chunk.count || chunk.after[at] != after);
  for (uint32_t i = chunk.count; i > at; --i) CopyRow(chunk, i - 1, chunk, i);
  ++chunk.count;
  chunk.after[at] = after;
  chunk.word[at] = *word;
  chunk.holder[at] = static_cast<uint32_t>(row.holder.value);
  chunk.prefix_bytes[at] = row.prefix_bytes;
  chunk.segment[at] = *slot;
  ++slots_[*slot].rows;
  ++size_;
  content_bytes_ += row.bytes;
  return true;
}

std::optional<SettledContents::Row> SettledContents::Find(ContentId id) const {
  const auto found = ChunkOf(id.value);
  if (found == chunks_.end()) return std::nullopt;
  const Chunk& chunk = *found->second;
  const auto after = static_cast<uint32_t>(id.value - found->first);
  const uint32_t at = LowerBound(chunk, after);
  if (at == chunk.count || chunk.after[at] != after) return std::nullopt;
  uint64_t word = chunk.word[at];
  Row row{.id = id,
          .prefix_bytes = chunk.prefix_bytes[at],
          .flags = static_cast<uint8_t>(word & Ones(kFlagsBits)),
          .holder = AccountId(chunk.holder[at])};
  word >>= kFlagsBits;
  const uint64_t dots = word & Ones(kDotsBits);
  word >>= kDotsBits;
  row.bytes = static_cast<uint32_t>(word & Ones(kBytesBits));
  row.place = {slots_[chunk.segment[at]].segment,
               static_cast<uint32_t>((word >> kBytesBits) * kRecordAlign),
               static_cast<uint32_t>(kRecordOverhead + row.bytes + dots * sizeof(uint32_t))};
  return row;
}

void SettledContents::Remove(ContentId id) {
  const auto row = Find(id);
  CHECK(row.has_value());
  const auto found = chunks_.find(ChunkOf(id.value)->first);
  Chunk& chunk = *found->second;
  const uint32_t at = LowerBound(chunk, static_cast<uint32_t>(id.value - found->first));
  Slot& slot = slots_[chunk.segment[at]];
  if (--slot.rows == 0) slot.segment = nullptr;
  for (uint32_t i = at + 1; i < chunk.count; ++i) CopyRow(chunk, i, chunk, i - 1);
  --size_;
  content_bytes_ -= row->bytes;
  if (--chunk.count == 0) {
    chunks_.erase(found);
    return;
  }
  // Neighbours that deletions have left half empty are joined.
  const auto next = std::next(found);
  if (next == chunks_.end() || chunk.count + next->second->count > kRows / 2) return;
  const uint64_t shift = next->first - found->first;
  Chunk& other = *next->second;
  if (shift + other.after[other.count - 1] > UINT32_MAX) return;
  for (uint32_t i = 0; i < other.count; ++i) {
    CopyRow(other, i, chunk, chunk.count);
    chunk.after[chunk.count++] += static_cast<uint32_t>(shift);
  }
  chunks_.erase(next);
}

std::optional<ContentId> SettledContents::FirstFrom(ContentId id) const {
  auto at = chunks_.upper_bound(id.value);
  if (at != chunks_.begin()) {
    const auto before = std::prev(at);
    const Chunk& chunk = *before->second;
    const uint64_t after = id.value - before->first;
    if (after <= chunk.after[chunk.count - 1]) {
      const uint32_t row = LowerBound(chunk, static_cast<uint32_t>(after));
      return ContentId(before->first + chunk.after[row]);
    }
  }
  if (at == chunks_.end()) return std::nullopt;
  return ContentId(at->first + at->second->after[0]);
}

}  // namespace ringmail::storage
