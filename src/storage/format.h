// What is on the disk: segment headers, batches, records. Pure; reads arbitrary bytes without fear
// (fuzzed).
//
// All integers are little endian. A segment file is
//   header, header again (kBlockBytes each), then batches, each a multiple of kBlockBytes:
//     BatchHeader, then records, each on a multiple of 8: RecordHeader, metadata, body.
// Marks: the header of a batch or record carries a word made of the log's random key, the segment's
// number and the place in the segment. Nobody outside knows the key, so a message whose text
// imitates records cannot be taken for any, and bytes left over in a recycled segment, or written
// to the wrong place, are never taken for new ones. Checksums: a record's covers its header and
// metadata. The body of a content piece has its own in the metadata, so that recovery need not look
// at bodies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/ids.h"
#include "ringmail/message/reply.h"
#include "ringmail/storage/queue.h"

namespace ringmail::storage {

constexpr uint64_t RoundUp(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// --- segment header ---

struct SegmentHeader {
  uint64_t sequence = 0;
  uint64_t log_key = 0;            // random, one for the life of the log, up to its adoption
  uint64_t previous_sequence = 0;  // 0: none
  uint64_t previous_end = 0;       // where the valid bytes of the previous segment end, for ever
  uint64_t next_queue_sequence =
      0;  // both: none at or over this was in use when the segment was begun
  uint64_t next_content_sequence = 0;
  uint64_t first_batch = 0;  // the sequence of the first batch in it
  uint64_t segment_bytes = 0;
  LogId log;
};
// Writes kSegmentHeaderBytes (both copies) at `out`.
void EncodeSegmentHeader(const SegmentHeader& header, char* out);
struct ReadSegmentHeader {
  std::optional<SegmentHeader> header;
  uint8_t copies = 0;  // how many of the two are good
};
// `bytes`: the first kSegmentHeaderBytes of the file (or what there is).
ReadSegmentHeader DecodeSegmentHeader(std::string_view bytes);

// --- batches and records ---

// Where marks come from.
struct SegmentSalt {
  uint64_t value = 0;
  static SegmentSalt Of(uint64_t log_key, uint64_t segment_sequence);
};

struct BatchHeader {
  uint64_t mark = 0;
  uint64_t segment = 0;
  uint64_t sequence = 0;
  uint32_t bytes = 0;  // of the whole batch, a multiple of kBlockBytes
  uint32_t used = 0;   // of them, up to the end of the last record
  uint32_t records = 0;
  uint32_t crc = 0;  // of the above
};
static_assert(sizeof(BatchHeader) == 40);

enum class RecordType : uint8_t {
  kContent = 1,
  kMessage = 2,
  kUpdate = 3,
  kDirectory = 4,
  kAccount = 5,  // storage/mailbox/account_record.h has the metadata of this one and the next
  kHold = 6,
};
// What is written. Version 1 knew no prefix of contents, and is read as one of 0 octets.
inline constexpr uint8_t kRecordVersion = 2;
inline constexpr uint8_t kRecordVersionOldest = 1;

struct RecordHeader {
  uint64_t mark = 0;
  uint32_t bytes = 0;  // header, metadata and body
  uint32_t meta_bytes = 0;
  uint8_t type = 0;
  uint8_t version = 0;
  uint16_t reserved = 0;
  uint32_t crc = 0;  // of the above and the metadata
};
static_assert(sizeof(RecordHeader) == 24);

inline constexpr size_t kRecordAlign = 8;
constexpr size_t RecordBytes(size_t meta_bytes, size_t body_bytes) {
  return RoundUp(sizeof(RecordHeader) + meta_bytes + body_bytes, kRecordAlign);
}

// Fills in marks and checksums of a gathered batch, whose place is now known. `batch` begins with
// room for the BatchHeader and is zero from `used` to its rounded end; record headers hold bytes,
// meta_bytes and type.
void SealBatch(std::span<char> batch, SegmentSalt salt, uint64_t segment, uint64_t offset,
               uint64_t sequence, uint32_t used, uint32_t records);

// The header of a batch at `offset`, if one is there. Needs sizeof(BatchHeader) bytes.
std::optional<BatchHeader> DecodeBatchHeader(std::string_view at, SegmentSalt salt,
                                             uint64_t segment, uint64_t offset);

struct RecordView {
  RecordType type = RecordType::kContent;
  uint8_t version = 0;
  uint64_t offset = 0;  // in the segment
  uint32_t bytes = 0;   // with header
  std::string_view meta, body;
};

// The record at `offset` of the segment, if a good one is there. `bytes` begins there and ends with
// the batch.
std::optional<RecordView> DecodeRecord(std::string_view bytes, SegmentSalt salt, uint64_t offset);

// Walks a whole batch in memory; steps over damage to the next good record.
class RecordCursor {
 public:
  RecordCursor(std::string_view batch, const BatchHeader& header, SegmentSalt salt, uint64_t offset)
      : batch_(batch.substr(0, header.used)),
        salt_(salt),
        offset_(offset),
        at_(sizeof(BatchHeader)) {}
  enum class Step : uint8_t { kRecord, kDamage, kEnd };
  // kRecord fills `record`; kDamage fills record.offset and record.bytes with the place of what
  // cannot be read.
  Step Next(RecordView& record);

 private:
  std::string_view batch_;
  SegmentSalt salt_;
  uint64_t offset_;
  size_t at_;
};

// --- metadata ---

struct ContentMeta {
  ContentId content;
  uint64_t total_bytes = 0;  // of the whole content, in the last piece
  uint32_t piece = 0;
  uint32_t body_crc = 0;
  uint8_t flags = 0;
  bool last = false;
  uint16_t prefix_bytes = 0;   // of the content, at the start of piece 0
  std::string_view dot_lines;  // u32 each, offsets in the body
  uint32_t dot_count() const { return static_cast<uint32_t>(dot_lines.size() / 4); }
};
inline constexpr size_t kContentMetaBytes = 32;  // and 4 for each dot-line
void EncodeContentMeta(const ContentMeta& meta, std::span<const uint32_t> dot_lines,
                       std::string& out);
// The body's length is needed to judge the dot-lines.
std::optional<ContentMeta> DecodeContentMeta(std::string_view meta, size_t body_bytes);
bool BodyIntact(const ContentMeta& meta, std::string_view body);

// Outcomes in a record: distinct replies once, then recipient, state and reply.
struct OutcomeView {
  uint32_t recipient = 0;
  RecipientState state = RecipientState::kPending;
  const message::Reply* reply = nullptr;  // nullptr: none
  std::string_view remote_host;
};
class OutcomeEncoder {
 public:
  // Reply texts over `text_bytes_max` are cut: a record has a limit, and what was said is worth
  // less than what was done.
  OutcomeEncoder(std::string& out, size_t text_bytes_max)
      : out_(out), text_bytes_max_(text_bytes_max) {}
  void Add(const OutcomeView& outcome);

 private:
  std::string& out_;
  const size_t text_bytes_max_;
  struct Known {
    const message::Reply* reply;
    std::string_view host;
    uint32_t number;
  };
  std::vector<Known> known_;
  uint32_t replies_ = 0;
};
struct DecodedOutcome {
  uint32_t recipient = 0;
  RecipientState state = RecipientState::kPending;
  uint32_t reply = 0;  // 1 + index into replies
};
struct DecodedOutcomes {
  std::vector<LastReply> replies;
  std::vector<DecodedOutcome> outcomes;
  void Clear() {
    replies.clear();
    outcomes.clear();
  }
};
[[nodiscard]] bool DecodeOutcomes(std::string_view in, DecodedOutcomes& out);

struct MessageMeta {
  QueueId id;
  ContentId content;
  uint32_t next_attempt_seconds = 0;
  uint16_t attempts = 0;
  bool held = false;
  bool delay_warned = false;
  std::string_view envelope;  // packed, checked by the reader of the record
  std::string_view outcomes;  // "" before the first attempt
};
inline constexpr size_t kMessageMetaBytes = 32;
// `meta.outcomes` is not looked at: append the outcomes to `out` afterwards.
void EncodeMessageMeta(const MessageMeta& meta, std::string& out);
std::optional<MessageMeta> DecodeMessageMeta(std::string_view meta);

struct UpdateMeta {
  QueueId id;
  uint32_t next_attempt_seconds = 0;  // 0: unchanged
  bool attempt_counted = false;
  MessageUpdate::Flag held = MessageUpdate::Flag::kUnchanged;
  MessageUpdate::Flag delay_warned = MessageUpdate::Flag::kUnchanged;
  std::string_view outcomes;
};
inline constexpr size_t kUpdateMetaBytes = 16;
void EncodeUpdateMeta(const UpdateMeta& meta, std::string& out);
std::optional<UpdateMeta> DecodeUpdateMeta(std::string_view meta);

// An entry of the directory, or the state of the whole of it: README, "Directory".
struct DirectoryMeta {
  uint64_t version = 0;  // of the transaction
  bool staged = false;   // counts once the state record of its version is there
  bool tombstone = false;
  bool state = false;  // `value` is a DirectoryState; no name
  std::string_view name, value;
};
inline constexpr size_t kDirectoryMetaBytes = 16;  // and name and value
constexpr size_t DirectoryRecordBytes(size_t name_bytes, size_t value_bytes) {
  return RecordBytes(kDirectoryMetaBytes + name_bytes + value_bytes, 0);
}
void EncodeDirectoryMeta(const DirectoryMeta& meta, std::string& out);
std::optional<DirectoryMeta> DecodeDirectoryMeta(std::string_view meta);

// Ends every transaction.
struct DirectoryState {
  uint64_t entries = 0;          // that there are now
  uint64_t digest = 0;           // of their names and versions: whether they are all there
  uint64_t next_account_id = 1;  // none at or over this was given
  bool complete = true;          // false: entries were lost, and nobody has accepted that
};
inline constexpr size_t kDirectoryStateBytes = 32;
void EncodeDirectoryState(const DirectoryState& state, std::string& out);
std::optional<DirectoryState> DecodeDirectoryState(std::string_view value);

}  // namespace ringmail::storage
