#include "storage/segment_summary.h"

#include <algorithm>
#include <cstring>

#include "ringmail/base/check.h"
#include "ringmail/codec/crc32c.h"

namespace ringmail::storage {
namespace {

constexpr uint64_t kSummaryMagic = 0x316d7573676f6c72;  // "rlogsum1"
constexpr uint32_t kSummaryVersion = 1;

struct RawSummaryHeader {
  uint64_t magic;
  uint32_t version;
  uint32_t log;
  uint64_t log_key, sequence, first_batch, end, batches, records, payload_bytes;
  uint32_t payload_crc;
  uint32_t crc;  // of the above
};
static_assert(sizeof(RawSummaryHeader) == kSummaryHeaderBytes);

uint32_t HeaderCrc(const RawSummaryHeader& header) {
  return codec::Crc32c(0,
                       {reinterpret_cast<const char*>(&header), offsetof(RawSummaryHeader, crc)});
}

template <typename T>
std::string_view BytesOf(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

template <typename T>
bool Take(std::string_view& in, T& value) {
  if (in.size() < sizeof(T)) return false;
  std::memcpy(&value, in.data(), sizeof(T));
  in.remove_prefix(sizeof(T));
  return true;
}

}  // namespace

SegmentSummary& SegmentSummary::operator=(SegmentSummary&& other) noexcept {
  pieces_ = std::exchange(other.pieces_, {});
  bytes_ = std::exchange(other.bytes_, 0);
  batches_ = std::exchange(other.batches_, 0);
  records_ = std::exchange(other.records_, 0);
  whole_ = std::exchange(other.whole_, true);
  return *this;
}

void SegmentSummary::Append(std::string_view bytes) {
  bytes_ += bytes.size();
  while (!bytes.empty()) {
    if (pieces_.empty() || pieces_.back().size() == kSummaryPieceBytes) {
      pieces_.emplace_back();
      pieces_.back().reserve(kSummaryPieceBytes);
    }
    std::string& piece = pieces_.back();
    const size_t part = std::min(bytes.size(), kSummaryPieceBytes - piece.size());
    piece.append(bytes.substr(0, part));
    bytes.remove_prefix(part);
  }
}

void SegmentSummary::Add(std::string_view batch, uint64_t offset) {
  if (!whole_) return;
  BatchHeader header;
  CHECK(Take(batch, header));
  ++batches_;
  records_ += header.records;
  Append(BytesOf(SummaryBatch{.sequence = header.sequence,
                              .offset = static_cast<uint32_t>(offset),
                              .bytes = header.bytes,
                              .records = header.records}));
  size_t at = 0;
  for (uint32_t i = 0; i < header.records; ++i) {
    RecordHeader record;
    CHECK_LE(at + sizeof(record), batch.size());
    std::memcpy(&record, batch.data() + at, sizeof(record));
    CHECK_LE(at + sizeof(record) + record.meta_bytes, batch.size());
    if (bytes_ + sizeof(SummaryRecord) + record.meta_bytes > kSummaryBytesMax) {
      *this = SegmentSummary();
      whole_ = false;
      return;
    }
    Append(BytesOf(SummaryRecord{.bytes = record.bytes,
                                 .meta_bytes = record.meta_bytes,
                                 .type = record.type,
                                 .version = record.version}));
    Append(batch.substr(at + sizeof(record), record.meta_bytes));
    at += RoundUp(record.bytes, kRecordAlign);
  }
}

std::string SegmentSummary::Header(const SummaryKey& key, uint32_t payload_crc) const {
  RawSummaryHeader raw{.magic = kSummaryMagic,
                       .version = kSummaryVersion,
                       .log = key.log.value,
                       .log_key = key.log_key,
                       .sequence = key.sequence,
                       .first_batch = key.first_batch,
                       .end = key.end,
                       .batches = batches_,
                       .records = records_,
                       .payload_bytes = bytes_,
                       .payload_crc = payload_crc,
                       .crc = 0};
  raw.crc = HeaderCrc(raw);
  return std::string(BytesOf(raw));
}

std::optional<SummaryView> SummaryView::Decode(std::string_view file, const SummaryKey& expected) {
  RawSummaryHeader raw;
  if (!Take(file, raw) || raw.magic != kSummaryMagic || raw.version != kSummaryVersion ||
      raw.crc != HeaderCrc(raw)) {
    return std::nullopt;
  }
  if (raw.log != expected.log.value || raw.log_key != expected.log_key ||
      raw.sequence != expected.sequence || raw.first_batch != expected.first_batch ||
      raw.end != expected.end) {
    return std::nullopt;
  }
  if (raw.payload_bytes != file.size() || raw.payload_crc != codec::Crc32c(0, file))
    return std::nullopt;
  // Gone through once before anything of it counts: replay cannot take back half a segment.
  if (!SummaryView(file, raw.end).WellFormed(raw.batches, raw.records)) return std::nullopt;
  return SummaryView(file, raw.end);
}

bool SummaryView::WellFormed(uint64_t batches, uint64_t records) {
  SummaryBatch batch;
  RecordView record;
  uint64_t batches_seen = 0, records_seen = 0, at = kSegmentHeaderBytes;
  while (NextBatch(batch)) {
    // Without a gap: a segment with damage in it has no summary.
    if (batch.offset != at || batch.bytes < sizeof(BatchHeader)) return false;
    at += batch.bytes;
    ++batches_seen;
    for (uint32_t i = 0; i < batch.records; ++i, ++records_seen) {
      if (!NextRecord(record)) return false;
    }
  }
  return rest_.empty() && at == end_ && batches_seen == batches && records_seen == records;
}

bool SummaryView::NextBatch(SummaryBatch& batch) {
  if (records_left_ != 0 || !Take(rest_, batch)) return false;
  batch_ = batch;
  records_left_ = batch.records;
  record_at_ = sizeof(BatchHeader);
  return true;
}

bool SummaryView::NextRecord(RecordView& record) {
  SummaryRecord raw;
  if (records_left_ == 0 || !Take(rest_, raw)) return false;
  if (raw.meta_bytes > rest_.size() || raw.bytes < sizeof(RecordHeader) ||
      raw.meta_bytes > raw.bytes - sizeof(RecordHeader) || record_at_ + raw.bytes > batch_.bytes) {
    return false;
  }
  --records_left_;
  record = {};
  record.type = static_cast<RecordType>(raw.type);
  record.version = raw.version;
  record.offset = batch_.offset + record_at_;
  record.bytes = raw.bytes;
  record.meta = rest_.substr(0, raw.meta_bytes);
  rest_.remove_prefix(raw.meta_bytes);
  record_at_ += RoundUp(raw.bytes, kRecordAlign);
  return true;
}

}  // namespace ringmail::storage
