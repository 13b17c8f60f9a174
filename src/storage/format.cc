#include "storage/format.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "ringmail/base/check.h"
#include "ringmail/codec/crc32c.h"
#include "ringmail/storage/directory_entry.h"
#include "storage/limits.h"

namespace ringmail::storage {
namespace {

static_assert(std::endian::native == std::endian::little, "the log is little endian; swap here");

constexpr uint64_t kSegmentMagic = 0x31676573676f6c72;  // "rlogseg1"
constexpr uint32_t kFormatVersion = 1;
constexpr uint64_t kBatchMark =
    0x6863746162676f6c;  // tells the mark of a batch from that of a record

// As it lies in the first and in the second block.
struct RawSegmentHeader {
  uint64_t magic;
  uint32_t version;
  uint32_t log;
  uint64_t sequence, log_key, previous_sequence, previous_end, next_queue_sequence,
      next_content_sequence, first_batch, segment_bytes;
  uint32_t reserved;
  uint32_t crc;
};
static_assert(sizeof(RawSegmentHeader) == 88);

template <typename T>
void Put(T value, std::string& out) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

template <typename T>
T Load(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

void PutVarint(uint64_t value, std::string& out) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

bool GetVarint(std::string_view& in, uint64_t max, uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 63 && !in.empty(); shift += 7) {
    const auto octet = static_cast<uint8_t>(in.front());
    in.remove_prefix(1);
    value |= uint64_t{octet & 0x7Fu} << shift;
    if ((octet & 0x80) == 0) return value <= max;
  }
  return false;
}

bool GetText(std::string_view& in, size_t max, std::string& out) {
  uint64_t size;
  if (!GetVarint(in, max, size) || size > in.size()) return false;
  out.assign(in.substr(0, size));
  in.remove_prefix(size);
  return true;
}

uint32_t HeaderCrc(const RecordHeader& header, std::string_view meta) {
  const uint32_t crc =
      codec::Crc32c(0, {reinterpret_cast<const char*>(&header), offsetof(RecordHeader, crc)});
  return codec::Crc32c(crc, meta);
}

uint32_t HeaderCrc(const BatchHeader& header) {
  return codec::Crc32c(0, {reinterpret_cast<const char*>(&header), offsetof(BatchHeader, crc)});
}

constexpr uint8_t kHeldBit = 1;
constexpr uint8_t kDelayWarnedBit = 2;
constexpr size_t kHostBytesMax = 1024;
constexpr uint8_t kStagedBit = 1;
constexpr uint8_t kTombstoneBit = 2;
constexpr uint8_t kStateBit = 4;
constexpr uint64_t kIncompleteBit = 1;

}  // namespace

void EncodeSegmentHeader(const SegmentHeader& header, char* out) {
  RawSegmentHeader raw{};
  raw.magic = kSegmentMagic;
  raw.version = kFormatVersion;
  raw.log = header.log.value;
  raw.sequence = header.sequence;
  raw.log_key = header.log_key;
  raw.previous_sequence = header.previous_sequence;
  raw.previous_end = header.previous_end;
  raw.next_queue_sequence = header.next_queue_sequence;
  raw.next_content_sequence = header.next_content_sequence;
  raw.first_batch = header.first_batch;
  raw.segment_bytes = header.segment_bytes;
  raw.crc =
      codec::Crc32c(0, {reinterpret_cast<const char*>(&raw), offsetof(RawSegmentHeader, crc)});
  std::memset(out, 0, kSegmentHeaderBytes);
  std::memcpy(out, &raw, sizeof(raw));
  std::memcpy(out + io::kBlockBytes, &raw, sizeof(raw));
}

ReadSegmentHeader DecodeSegmentHeader(std::string_view bytes) {
  ReadSegmentHeader read;
  for (size_t at = 0; at + sizeof(RawSegmentHeader) <= bytes.size() && at < kSegmentHeaderBytes;
       at += io::kBlockBytes) {
    const auto raw = Load<RawSegmentHeader>(bytes.data() + at);
    if (raw.magic != kSegmentMagic || raw.version != kFormatVersion || raw.log >= kLogCountMax)
      continue;
    if (raw.crc !=
        codec::Crc32c(0, {reinterpret_cast<const char*>(&raw), offsetof(RawSegmentHeader, crc)}))
      continue;
    ++read.copies;
    read.header = SegmentHeader{.sequence = raw.sequence,
                                .log_key = raw.log_key,
                                .previous_sequence = raw.previous_sequence,
                                .previous_end = raw.previous_end,
                                .next_queue_sequence = raw.next_queue_sequence,
                                .next_content_sequence = raw.next_content_sequence,
                                .first_batch = raw.first_batch,
                                .segment_bytes = raw.segment_bytes,
                                .log = LogId(static_cast<uint16_t>(raw.log))};
  }
  return read;
}

SegmentSalt SegmentSalt::Of(uint64_t log_key, uint64_t segment_sequence) {
  // splitmix64's finisher over both words.
  uint64_t x = log_key ^ (segment_sequence * 0x9E3779B97F4A7C15);
  for (int round = 0; round < 2; ++round) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
    x ^= x >> 31;
    x += log_key;
  }
  return SegmentSalt{x};
}

void SealBatch(std::span<char> batch, SegmentSalt salt, uint64_t segment, uint64_t offset,
               uint64_t sequence, uint32_t used, uint32_t records) {
  CHECK(batch.size() % io::kBlockBytes == 0 && used <= batch.size() &&
        offset % io::kBlockBytes == 0);
  size_t at = sizeof(BatchHeader);
  for (uint32_t i = 0; i < records; ++i) {
    CHECK_LE(at + sizeof(RecordHeader), used);
    auto header = Load<RecordHeader>(batch.data() + at);
    CHECK(header.bytes >= sizeof(RecordHeader) + header.meta_bytes && at + header.bytes <= used);
    header.mark = salt.value ^ (offset + at);
    header.version = kRecordVersion;
    header.crc = HeaderCrc(header, {batch.data() + at + sizeof(RecordHeader), header.meta_bytes});
    std::memcpy(batch.data() + at, &header, sizeof(header));
    at += RoundUp(header.bytes, kRecordAlign);
  }
  CHECK_EQ(at, used);
  BatchHeader header{.mark = salt.value ^ offset ^ kBatchMark,
                     .segment = segment,
                     .sequence = sequence,
                     .bytes = static_cast<uint32_t>(batch.size()),
                     .used = used,
                     .records = records};
  header.crc = HeaderCrc(header);
  std::memcpy(batch.data(), &header, sizeof(header));
}

std::optional<BatchHeader> DecodeBatchHeader(std::string_view at, SegmentSalt salt,
                                             uint64_t segment, uint64_t offset) {
  if (at.size() < sizeof(BatchHeader)) return std::nullopt;
  const auto header = Load<BatchHeader>(at.data());
  if (header.mark != (salt.value ^ offset ^ kBatchMark) || header.segment != segment)
    return std::nullopt;
  if (header.crc != HeaderCrc(header)) return std::nullopt;
  if (header.bytes % io::kBlockBytes != 0 || header.bytes == 0 || header.bytes > kBatchBytesMax)
    return std::nullopt;
  if (header.used < sizeof(BatchHeader) || header.used > header.bytes) return std::nullopt;
  return header;
}

std::optional<RecordView> DecodeRecord(std::string_view bytes, SegmentSalt salt, uint64_t offset) {
  if (bytes.size() < sizeof(RecordHeader)) return std::nullopt;
  const auto header = Load<RecordHeader>(bytes.data());
  if (header.mark != (salt.value ^ offset)) return std::nullopt;
  if (header.bytes > bytes.size() || header.bytes < sizeof(RecordHeader)) return std::nullopt;
  if (header.meta_bytes > header.bytes - sizeof(RecordHeader)) return std::nullopt;
  const std::string_view meta = bytes.substr(sizeof(RecordHeader), header.meta_bytes);
  if (header.crc != HeaderCrc(header, meta)) return std::nullopt;
  RecordView record;
  record.type = static_cast<RecordType>(header.type);
  record.version = header.version;
  record.offset = offset;
  record.bytes = header.bytes;
  record.meta = meta;
  record.body = bytes.substr(sizeof(RecordHeader) + header.meta_bytes,
                             header.bytes - sizeof(RecordHeader) - header.meta_bytes);
  return record;
}

RecordCursor::Step RecordCursor::Next(RecordView& record) {
  const size_t start = at_;
  while (at_ + sizeof(RecordHeader) <= batch_.size()) {
    const auto found = DecodeRecord(batch_.substr(at_), salt_, offset_ + at_);
    if (!found) {
      at_ += kRecordAlign;
      continue;
    }
    if (at_ != start) break;  // first say what was stepped over
    record = *found;
    at_ += RoundUp(record.bytes, kRecordAlign);
    return Step::kRecord;
  }
  if (at_ + sizeof(RecordHeader) > batch_.size()) at_ = std::max(at_, batch_.size());
  if (start >= batch_.size()) return Step::kEnd;
  record = {};
  record.offset = offset_ + start;
  record.bytes = static_cast<uint32_t>(at_ - start);
  return Step::kDamage;
}

void EncodeContentMeta(const ContentMeta& meta, std::span<const uint32_t> dot_lines,
                       std::string& out) {
  Put<uint64_t>(meta.content.value, out);
  Put<uint64_t>(meta.total_bytes, out);
  Put<uint32_t>(meta.piece, out);
  Put<uint32_t>(meta.body_crc, out);
  Put<uint32_t>(static_cast<uint32_t>(dot_lines.size()), out);
  Put<uint8_t>(meta.flags, out);
  Put<uint8_t>(meta.last ? 1 : 0, out);
  Put<uint16_t>(meta.prefix_bytes, out);
  out.append(reinterpret_cast<const char*>(dot_lines.data()), dot_lines.size_bytes());
}

std::optional<ContentMeta> DecodeContentMeta(std::string_view meta, size_t body_bytes) {
  if (meta.size() < kContentMetaBytes) return std::nullopt;
  const auto dots = Load<uint32_t>(meta.data() + 24);
  if ((meta.size() - kContentMetaBytes) / 4 != dots || meta.size() % 4 != 0) return std::nullopt;
  ContentMeta out;
  out.content = ContentId(Load<uint64_t>(meta.data()));
  out.total_bytes = Load<uint64_t>(meta.data() + 8);
  out.piece = Load<uint32_t>(meta.data() + 16);
  out.body_crc = Load<uint32_t>(meta.data() + 20);
  out.flags = Load<uint8_t>(meta.data() + 28);
  out.last = Load<uint8_t>(meta.data() + 29) != 0;
  out.prefix_bytes = Load<uint16_t>(meta.data() + 30);
  out.dot_lines = meta.substr(kContentMetaBytes);
  uint64_t from = 0;
  for (size_t i = 0; i < dots; ++i) {
    const auto dot = Load<uint32_t>(out.dot_lines.data() + 4 * i);
    if (dot < from || dot >= body_bytes) return std::nullopt;
    from = uint64_t{dot} + 1;
  }
  // The prefix lies whole in the first piece, and the whole is not shorter than it.
  if (out.piece == 0 && out.prefix_bytes > body_bytes) return std::nullopt;
  if (out.last && out.prefix_bytes > out.total_bytes) return std::nullopt;
  if (out.content.value == 0) return std::nullopt;
  return out;
}

bool BodyIntact(const ContentMeta& meta, std::string_view body) {
  return codec::Crc32c(0, body) == meta.body_crc;
}

void OutcomeEncoder::Add(const OutcomeView& outcome) {
  uint32_t number = 0;
  bool fresh = false;
  if (outcome.reply != nullptr) {
    const auto known = std::find_if(known_.rbegin(), known_.rend(), [&](const Known& k) {
      return (k.reply == outcome.reply || *k.reply == *outcome.reply) &&
             k.host == outcome.remote_host;
    });
    if (known != known_.rend()) {
      number = known->number;
    } else {
      fresh = true;
      number = ++replies_;
      constexpr size_t kKnownMax = 32;  // a reply that comes again much later is written again
      if (known_.size() == kKnownMax) known_.erase(known_.begin());
      known_.push_back({outcome.reply, outcome.remote_host, number});
    }
  }
  // recipient * 2 + "a reply's text follows"; state; the reply's number; the reply.
  PutVarint(uint64_t{outcome.recipient} << 1 | (fresh ? 1 : 0), out_);
  Put<uint8_t>(static_cast<uint8_t>(outcome.state), out_);
  PutVarint(number, out_);
  if (!fresh) return;
  const message::Reply& reply = *outcome.reply;
  Put<uint16_t>(reply.code, out_);
  Put<uint8_t>(reply.status.klass, out_);
  Put<uint16_t>(reply.status.subject, out_);
  Put<uint16_t>(reply.status.detail, out_);
  const auto text = std::string_view(reply.text)
                        .substr(0, std::min(text_bytes_max_, message::kReplyTextBytesMax));
  PutVarint(text.size(), out_);
  out_ += text;
  const auto host = outcome.remote_host.substr(0, std::min(text_bytes_max_, kHostBytesMax));
  PutVarint(host.size(), out_);
  out_ += host;
}

bool DecodeOutcomes(std::string_view in, DecodedOutcomes& out) {
  out.Clear();
  while (!in.empty()) {
    uint64_t recipient, number;
    if (!GetVarint(in, uint64_t{2} * message::kEnvelopeRecipientsMax, recipient) || in.empty())
      return false;
    const auto state = static_cast<uint8_t>(in.front());
    in.remove_prefix(1);
    if (state > static_cast<uint8_t>(RecipientState::kDropped)) return false;
    if (!GetVarint(in, out.replies.size() + 1, number)) return false;
    if ((recipient & 1) != 0) {
      if (number != out.replies.size() + 1 || in.size() < 7) return false;
      LastReply reply;
      reply.reply.code = Load<uint16_t>(in.data());
      reply.reply.status = {.klass = Load<uint8_t>(in.data() + 2),
                            .subject = Load<uint16_t>(in.data() + 3),
                            .detail = Load<uint16_t>(in.data() + 5)};
      in.remove_prefix(7);
      if (!GetText(in, message::kReplyTextBytesMax, reply.reply.text)) return false;
      if (!GetText(in, kHostBytesMax, reply.remote_host)) return false;
      out.replies.push_back(std::move(reply));
    } else if (number > out.replies.size()) {
      return false;
    }
    out.outcomes.push_back({static_cast<uint32_t>(recipient >> 1),
                            static_cast<RecipientState>(state), static_cast<uint32_t>(number)});
  }
  return true;
}

void EncodeMessageMeta(const MessageMeta& meta, std::string& out) {
  Put<uint64_t>(meta.id.value, out);
  Put<uint64_t>(meta.content.value, out);
  Put<uint32_t>(meta.next_attempt_seconds, out);
  Put<uint16_t>(meta.attempts, out);
  Put<uint8_t>(
      static_cast<uint8_t>((meta.held ? kHeldBit : 0) | (meta.delay_warned ? kDelayWarnedBit : 0)),
      out);
  Put<uint8_t>(0, out);
  Put<uint32_t>(static_cast<uint32_t>(meta.envelope.size()), out);
  Put<uint32_t>(0, out);
  out += meta.envelope;
}

std::optional<MessageMeta> DecodeMessageMeta(std::string_view meta) {
  if (meta.size() < kMessageMetaBytes) return std::nullopt;
  MessageMeta out;
  out.id = QueueId(Load<uint64_t>(meta.data()));
  out.content = ContentId(Load<uint64_t>(meta.data() + 8));
  out.next_attempt_seconds = Load<uint32_t>(meta.data() + 16);
  out.attempts = Load<uint16_t>(meta.data() + 20);
  const auto bits = Load<uint8_t>(meta.data() + 22);
  out.held = (bits & kHeldBit) != 0;
  out.delay_warned = (bits & kDelayWarnedBit) != 0;
  const auto envelope_bytes = Load<uint32_t>(meta.data() + 24);
  meta.remove_prefix(kMessageMetaBytes);
  if (envelope_bytes > meta.size() || !out.id.valid() || out.content.value == 0)
    return std::nullopt;
  out.envelope = meta.substr(0, envelope_bytes);
  out.outcomes = meta.substr(envelope_bytes);
  return out;
}

void EncodeUpdateMeta(const UpdateMeta& meta, std::string& out) {
  Put<uint64_t>(meta.id.value, out);
  Put<uint32_t>(meta.next_attempt_seconds, out);
  Put<uint8_t>(meta.attempt_counted ? 1 : 0, out);
  Put<uint8_t>(static_cast<uint8_t>(meta.held), out);
  Put<uint8_t>(static_cast<uint8_t>(meta.delay_warned), out);
  Put<uint8_t>(0, out);
}

std::optional<UpdateMeta> DecodeUpdateMeta(std::string_view meta) {
  if (meta.size() < kUpdateMetaBytes) return std::nullopt;
  UpdateMeta out;
  out.id = QueueId(Load<uint64_t>(meta.data()));
  out.next_attempt_seconds = Load<uint32_t>(meta.data() + 8);
  out.attempt_counted = Load<uint8_t>(meta.data() + 12) != 0;
  const auto held = Load<uint8_t>(meta.data() + 13);
  const auto warned = Load<uint8_t>(meta.data() + 14);
  if (held > 2 || warned > 2 || !out.id.valid()) return std::nullopt;
  out.held = static_cast<MessageUpdate::Flag>(held);
  out.delay_warned = static_cast<MessageUpdate::Flag>(warned);
  out.outcomes = meta.substr(kUpdateMetaBytes);
  return out;
}

void EncodeDirectoryMeta(const DirectoryMeta& meta, std::string& out) {
  CHECK(meta.name.size() <= UINT16_MAX && meta.value.size() <= kDirectoryValueBytesMax);
  Put<uint64_t>(meta.version, out);
  Put<uint8_t>(
      static_cast<uint8_t>((meta.staged ? kStagedBit : 0) | (meta.tombstone ? kTombstoneBit : 0) |
                           (meta.state ? kStateBit : 0)),
      out);
  Put<uint8_t>(0, out);
  Put<uint16_t>(static_cast<uint16_t>(meta.name.size()), out);
  Put<uint32_t>(static_cast<uint32_t>(meta.value.size()), out);
  out += meta.name;
  out += meta.value;
}

std::optional<DirectoryMeta> DecodeDirectoryMeta(std::string_view meta) {
  if (meta.size() < kDirectoryMetaBytes) return std::nullopt;
  DirectoryMeta out;
  out.version = Load<uint64_t>(meta.data());
  const auto bits = Load<uint8_t>(meta.data() + 8);
  out.staged = (bits & kStagedBit) != 0;
  out.tombstone = (bits & kTombstoneBit) != 0;
  out.state = (bits & kStateBit) != 0;
  const size_t name_bytes = Load<uint16_t>(meta.data() + 10);
  const size_t value_bytes = Load<uint32_t>(meta.data() + 12);
  meta.remove_prefix(kDirectoryMetaBytes);
  if (bits > (kStagedBit | kTombstoneBit | kStateBit) || value_bytes > kDirectoryValueBytesMax ||
      meta.size() != name_bytes + value_bytes || out.version == 0)
    return std::nullopt;
  // The state has no name, an entry has one; a tombstone, and nothing else, has no value.
  if (out.state ? bits != kStateBit || name_bytes != 0
                : name_bytes == 0 || out.tombstone != (value_bytes == 0))
    return std::nullopt;
  out.name = meta.substr(0, name_bytes);
  out.value = meta.substr(name_bytes);
  return out;
}

void EncodeDirectoryState(const DirectoryState& state, std::string& out) {
  Put<uint64_t>(state.entries, out);
  Put<uint64_t>(state.digest, out);
  Put<uint64_t>(state.next_account_id, out);
  Put<uint64_t>(state.complete ? 0 : kIncompleteBit, out);
}

std::optional<DirectoryState> DecodeDirectoryState(std::string_view value) {
  if (value.size() != kDirectoryStateBytes) return std::nullopt;
  const auto bits = Load<uint64_t>(value.data() + 24);
  if (bits > kIncompleteBit) return std::nullopt;
  return DirectoryState{.entries = Load<uint64_t>(value.data()),
                        .digest = Load<uint64_t>(value.data() + 8),
                        .next_account_id = Load<uint64_t>(value.data() + 16),
                        .complete = bits == 0};
}

}  // namespace ringmail::storage
