// Whatever is on the disk: no crash, no read out of bounds, and the same answers twice.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "ringmail/message/envelope.h"
#include "storage/format.h"
#include "storage/limits.h"
#include "storage/segment.h"

namespace ringmail::storage {
namespace {

void ReadRecord(const RecordView& record) {
  if (const auto content = DecodeContentMeta(record.meta, record.body.size()))
    (void)BodyIntact(*content, record.body);
  DecodedOutcomes outcomes;
  if (const auto message = DecodeMessageMeta(record.meta)) {
    (void)DecodeOutcomes(message->outcomes, outcomes);
    (void)message::EnvelopeView::Parse(message->envelope);
  }
  if (const auto update = DecodeUpdateMeta(record.meta))
    (void)DecodeOutcomes(update->outcomes, outcomes);
}

// Reads the bytes as a batch, and as each kind of metadata.
void Read(std::string_view bytes) {
  (void)DecodeSegmentHeader(bytes);
  (void)ParseSegmentName(bytes);
  (void)ParseSpareName(bytes);
  (void)ParseAdoptionName(bytes);
  (void)ParseLogDirectoryName(bytes);
  ReadRecord({.meta = bytes, .body = bytes});
  const SegmentSalt salt = SegmentSalt::Of(1, 1);
  BatchHeader header{.bytes = static_cast<uint32_t>(bytes.size()),
                     .used = static_cast<uint32_t>(bytes.size())};
  if (const auto found = DecodeBatchHeader(bytes, salt, 1, kSegmentHeaderBytes)) {
    if (found->bytes <= bytes.size()) header = *found;
  }
  if (header.used < sizeof(BatchHeader)) return;
  RecordCursor cursor(bytes, header, salt, kSegmentHeaderBytes);
  RecordView record;
  uint64_t end = kSegmentHeaderBytes + sizeof(BatchHeader);
  for (;;) {
    const RecordCursor::Step step = cursor.Next(record);
    if (step == RecordCursor::Step::kEnd) break;
    // Steps forward, without a gap: every octet is in a record or reported.
    if (record.offset != end || record.bytes == 0) std::abort();
    end = record.offset + (step == RecordCursor::Step::kRecord ? RoundUp(record.bytes, kRecordAlign)
                                                               : record.bytes);
    if (step == RecordCursor::Step::kRecord) ReadRecord(record);
  }
}

}  // namespace
}  // namespace ringmail::storage

// The bytes as they are; and as they would be if a batch with this content had been sealed, so that
// what lies behind the checksums is reached too.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ringmail::storage;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (size > (1u << 20)) return 0;
  Read(input);
  const size_t meta_bytes = size < 2 ? 0 : (size_t{data[0]} | size_t{data[1]} << 8) % size;
  const size_t used = sizeof(BatchHeader) + RecordBytes(size, 0);
  std::string batch(RoundUp(used, ringmail::io::kBlockBytes), '\0');
  RecordHeader header{.bytes = static_cast<uint32_t>(sizeof(RecordHeader) + size),
                      .meta_bytes = static_cast<uint32_t>(meta_bytes),
                      .type = static_cast<uint8_t>(size < 3 ? 1 : data[2] % 4)};
  char* at = batch.data() + sizeof(BatchHeader);
  std::memcpy(at, &header, sizeof(header));
  if (size > 0) std::memcpy(at + sizeof(header), data, size);
  SealBatch(batch, SegmentSalt::Of(1, 1), 1, kSegmentHeaderBytes, 1, static_cast<uint32_t>(used),
            1);
  Read(batch);
  return 0;
}
