// The summary of a segment: its batches and records without the bodies of content, so that a start
// reads a few per cent of a full segment instead of all of it. It is a cache: the segment is the
// truth.
//
// In the file, little endian: a header with a checksum of all, then for each batch SummaryBatch,
// and for each of its records SummaryRecord and the metadata. Where a record lies follows from the
// lengths of those before it in its batch.
// Promise: what is decoded belongs to the segment asked for, by log, log key, sequence, first batch
//   and valid end, and was written whole; anything else is refused as one. Reads arbitrary bytes
//   without fear.
// Limits: kSummaryBytesMax; what is over it has no summary.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/format.h"
#include "storage/limits.h"

namespace ringmail::storage {

// Which segment, and what it must agree with to be believed.
struct SummaryKey {
  LogId log;
  uint64_t log_key = 0;
  uint64_t sequence = 0;
  uint64_t first_batch = 0;
  uint64_t end = 0;  // of the valid bytes
};

struct SummaryBatch {
  uint64_t sequence = 0;
  uint32_t offset = 0;
  uint32_t bytes = 0;
  uint32_t records = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(SummaryBatch) == 24);

struct SummaryRecord {
  uint32_t bytes = 0;  // header, metadata and body
  uint32_t meta_bytes = 0;
  uint8_t type = 0;
  uint8_t version = 0;
  uint16_t reserved = 0;
};
static_assert(sizeof(SummaryRecord) == 12);

// Gathers a summary, batch by batch.
class SegmentSummary {
 public:
  SegmentSummary() = default;
  SegmentSummary(SegmentSummary&& other) noexcept { *this = std::move(other); }
  SegmentSummary& operator=(SegmentSummary&& other) noexcept;

  // A batch as it lies in the log, sealed and undamaged.
  void Add(std::string_view batch, uint64_t offset);
  // False where it became too large: then it holds nothing.
  bool whole() const { return whole_; }
  size_t bytes() const { return bytes_; }
  // In pieces, so that growing copies nothing while a commit waits.
  const std::vector<std::string>& pieces() const { return pieces_; }
  // The header of the file, and of `payload_crc`, the checksum of all pieces.
  std::string Header(const SummaryKey& key, uint32_t payload_crc) const;

 private:
  void Append(std::string_view bytes);

  std::vector<std::string> pieces_;
  size_t bytes_ = 0;
  uint64_t batches_ = 0, records_ = 0;
  bool whole_ = true;
};
inline constexpr size_t kSummaryHeaderBytes = 80;
inline constexpr size_t kSummaryPieceBytes = 256u << 10;

// A summary read back. Views the bytes it was made from.
class SummaryView {
 public:
  // nullopt: torn, damaged, or of another segment.
  static std::optional<SummaryView> Decode(std::string_view file, const SummaryKey& expected);

  // The next batch; false at the end. Its records follow.
  bool NextBatch(SummaryBatch& batch);
  // The next record of the batch; false at its end. The body is missing: bytes - meta say how long
  // it is.
  bool NextRecord(RecordView& record);
  std::string_view payload() const { return payload_; }

 private:
  SummaryView(std::string_view payload, uint64_t end)
      : payload_(payload), rest_(payload), end_(end) {}
  bool WellFormed(uint64_t batches, uint64_t records);

  std::string_view payload_, rest_;
  uint64_t end_;
  SummaryBatch batch_;
  uint32_t records_left_ = 0;
  uint64_t record_at_ = 0;  // in the batch
};

}  // namespace ringmail::storage
