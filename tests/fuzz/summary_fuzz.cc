// Summaries of segments: what is decoded goes on without a gap to the segment's end, lies within
// the file, and is as many records as the header says. The octets are taken as a file, and as the
// payload of one that was written whole.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "ringmail/codec/crc32c.h"
#include "storage/segment_summary.h"

namespace ringmail::storage {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void Read(std::string_view file, const SummaryKey& key) {
  auto view = SummaryView::Decode(file, key);
  if (!view) return;
  uint64_t at = kSegmentHeaderBytes;
  SummaryBatch batch;
  while (view->NextBatch(batch)) {
    Require(batch.offset == at && batch.bytes > 0);
    at += batch.bytes;
    RecordView record;
    uint64_t record_end = batch.offset + sizeof(BatchHeader);
    uint32_t records = 0;
    for (; view->NextRecord(record); ++records) {
      Require(record.offset >= record_end && record.bytes >= sizeof(RecordHeader));
      record_end = record.offset + record.bytes;
      Require(record_end <= at);
      Require(record.meta.empty() ||
              (record.meta.data() >= file.data() &&
               record.meta.data() + record.meta.size() <= file.data() + file.size()));
    }
    Require(records == batch.records);
  }
  Require(at == key.end);
}

template <typename T>
void Put(std::string& bytes, size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof(value));
}

template <typename T>
T Get(std::string_view bytes, size_t at) {
  T value{};
  if (at + sizeof(T) <= bytes.size()) std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

}  // namespace
}  // namespace ringmail::storage

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ringmail::storage;
  if (size < 4 || size > 64 << 10) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view payload = input.substr(4);
  SummaryKey key{.log = ringmail::LogId(0), .log_key = 1, .sequence = 1, .first_batch = 1};
  Read(input, key);
  // Where the segment ends, how many batches and how many records: as the payload has it if its
  // first is the only one, moved by the first octets.
  const auto first = Get<SummaryBatch>(payload, 0);
  key.end = kSegmentHeaderBytes + uint64_t{first.bytes} + (uint64_t{data[0]} << 12);
  std::string file = SegmentSummary().Header(key, ringmail::codec::Crc32c(0, payload));
  Put<uint64_t>(file, 48, uint64_t{1} + data[1]);
  Put<uint64_t>(file, 56, uint64_t{first.records} + data[2]);
  Put<uint64_t>(file, 64, payload.size());
  Put<uint32_t>(file, 76, ringmail::codec::Crc32c(0, std::string_view(file).substr(0, 76)));
  file += payload;
  Read(file, key);
  return 0;
}
