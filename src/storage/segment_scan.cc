#include "storage/segment_scan.h"

#include <algorithm>
#include <cstring>

#include "ringmail/base/canary.h"
#include "ringmail/base/check.h"
#include "storage/mailbox/account_record.h"

namespace ringmail::storage {

// --- the window ---

ReadWindow::ReadWindow() {
  for (Slot& slot : slots_) slot.buffer = io::DmaBuffer(kCarryBytes + kScanChunkBytes);
}

io::Task<Status> ReadWindow::Open(std::string path) {
  auto file = co_await io::File::Open(std::move(path), io::OpenMode::kRead, io::Access::kDirect);
  CO_RETURN_IF_ERROR(file.status());
  file_ = *std::move(file);
  auto bytes = co_await file_.Size();
  CO_RETURN_IF_ERROR(bytes.status());
  file_bytes_ = *bytes;
  next_read_ = begin_ = end_ = 0;
  data_ = nullptr;
  current_ = slots_.size() - 1;
  gate_.emplace();
  for (Slot& slot : slots_) slot.issued = slot.done = false;
  for (size_t i = 0; i < kScanReads; ++i) Issue(slots_[i]);
  co_return absl::OkStatus();
}

io::Task<void> ReadWindow::Close() {
  if (gate_) {
    co_await gate_->Close();
    gate_.reset();
  }
  if (file_.open()) co_await file_.Close();
  file_ = io::File();
}

void ReadWindow::Issue(Slot& slot) {
  if (next_read_ >= file_bytes_) return;
  slot.offset = next_read_;
  slot.issued = true;
  slot.done = false;
  slot.status = absl::OkStatus();
  next_read_ += kScanChunkBytes;
  gate_->Spawn(Read(this, &slot));
}

io::Task<void> ReadWindow::Read(ReadWindow* self, Slot* slot) {
  auto bytes =
      co_await self->file_.Read(slot->offset, {slot->buffer.data() + kCarryBytes, kScanChunkBytes});
  slot->status = bytes.status();
  slot->bytes = bytes.ok() ? *bytes : 0;
  slot->done = true;
  slot->finished.Notify();
}

// Makes the next chunk current, with what is left from `offset` on before it.
io::Task<Status> ReadWindow::Slide(uint64_t offset) {
  const size_t next = (current_ + 1) % slots_.size();
  Slot& slot = slots_[next];
  CHECK(slot.issued);
  while (!slot.done) (void)co_await slot.finished.Wait(kNever);
  slot.issued = false;
  CO_RETURN_IF_ERROR(slot.status);
  const uint64_t from = std::clamp(offset, begin_, end_);
  const size_t carried = end_ - from;
  CHECK_LE(carried, kCarryBytes);
  char* data = slot.buffer.data() + kCarryBytes - carried;
  if (carried > 0) std::memcpy(data, data_ + (from - begin_), carried);
  data_ = data;
  begin_ = slot.offset - carried;
  end_ = slot.offset + slot.bytes;
  // A file that ends before its size said so ends here.
  if (slot.bytes < kScanChunkBytes) file_bytes_ = std::min(file_bytes_, end_);
  Issue(slots_[current_]);
  current_ = next;
  co_return absl::OkStatus();
}

io::Task<StatusOr<std::string_view>> ReadWindow::View(uint64_t offset, size_t bytes) {
  CHECK_LE(bytes, kBatchBytesMax);
  while (end_ < std::min(offset + bytes, file_bytes_)) CO_RETURN_IF_ERROR(co_await Slide(offset));
  if (offset >= end_) co_return std::string_view();
  CHECK_GE(offset, begin_);
  co_return std::string_view(data_ + (offset - begin_), std::min<uint64_t>(bytes, end_ - offset));
}

// --- the scan ---

namespace {

// Of those whose body has a checksum of its own, which the record's does not cover.
bool BodyIntact(const RecordView& record) {
  if (record.type == RecordType::kContent) {
    const auto meta = DecodeContentMeta(record.meta, record.body.size());
    return meta && storage::BodyIntact(*meta, record.body);
  }
  if (record.type == RecordType::kAccount) {
    const auto meta = DecodeAccountMeta(record.meta);
    return meta && storage::BodyIntact(*meta, record.body);
  }
  return true;
}

}  // namespace

bool BatchIntact(std::string_view batch, const BatchHeader& header, SegmentSalt salt,
                 uint64_t offset) {
  RecordCursor cursor(batch, header, salt, offset);
  RecordView record;
  uint32_t records = 0;
  for (;;) {
    const RecordCursor::Step step = cursor.Next(record);
    if (step == RecordCursor::Step::kEnd) break;
    if (step == RecordCursor::Step::kDamage) return false;
    ++records;
    if (!BodyIntact(record)) return false;
  }
  return records == header.records;
}

io::Task<Status> SegmentScan::Open() {
  CO_RETURN_IF_ERROR(co_await window_.Open(options_.path));
  limit_ = window_.file_bytes();
  if (options_.limit != 0) limit_ = std::min(limit_, options_.limit);
  co_return absl::OkStatus();
}

io::Task<StatusOr<SegmentScan::Step>> SegmentScan::BatchAt(uint64_t offset) {
  Step step;
  step.offset = offset;
  if (offset + io::kBlockBytes > limit_) co_return step;
  auto head = co_await window_.View(offset, io::kBlockBytes);
  CO_RETURN_IF_ERROR(head.status());
  const auto header = DecodeBatchHeader(*head, options_.salt, options_.sequence, offset);
  if (!header || offset + header->bytes > limit_) co_return step;
  auto batch = co_await window_.View(offset, header->bytes);
  CO_RETURN_IF_ERROR(batch.status());
  if (batch->size() < header->bytes) co_return step;
  step.kind = Step::kBatch;
  step.header = *header;
  step.bytes = header->bytes;
  step.batch = *batch;
  co_return step;
}

io::Task<StatusOr<uint64_t>> SegmentScan::FindBatch(uint64_t offset) {
  for (; offset + io::kBlockBytes <= limit_; offset += io::kBlockBytes) {
    auto head = co_await window_.View(offset, io::kBlockBytes);
    CO_RETURN_IF_ERROR(head.status());
    const auto header = DecodeBatchHeader(*head, options_.salt, options_.sequence, offset);
    if (header && offset + header->bytes <= limit_) co_return offset;
  }
  co_return limit_;
}

// A batch with records that cannot be read, in the last segment: damaged if a later one was
// written, since only one is in flight at a time; otherwise it never was finished, nobody was told
// that it was, and none of it counts.
io::Task<StatusOr<SegmentScan::Step>> SegmentScan::JudgeDoubtful(Step doubtful) {
  held_.assign(doubtful.batch);
  const uint64_t after = doubtful.offset + doubtful.bytes;
  auto found = co_await FindBatch(after);
  CO_RETURN_IF_ERROR(found.status());
  if (*found >= limit_ || Planted(Canary::kStopAtDamage)) {
    torn_bytes_ += doubtful.bytes;
    at_ = limit_;
    co_return Step{};
  }
  doubtful.batch = held_;
  if (*found > after)
    queued_ = Step{.kind = Step::kDamage, .offset = after, .bytes = *found - after};
  at_ = end_ = *found;
  co_return doubtful;
}

io::Task<StatusOr<SegmentScan::Step>> SegmentScan::Next() {
  if (queued_) {
    const Step step = *queued_;
    queued_.reset();
    co_return step;
  }
  if (at_ >= limit_) co_return Step{};
  auto step = co_await BatchAt(at_);
  CO_RETURN_IF_ERROR(step.status());
  if (step->kind == Step::kBatch) {
    if (options_.last && !BatchIntact(step->batch, step->header, options_.salt, step->offset)) {
      co_return co_await JudgeDoubtful(*step);
    }
    at_ = end_ = step->offset + step->bytes;
    co_return step;
  }
  auto found = co_await FindBatch(at_);
  CO_RETURN_IF_ERROR(found.status());
  const Step damage{.kind = Step::kDamage, .offset = at_, .bytes = *found - at_};
  at_ = *found;
  if (at_ < limit_ || options_.limit != 0) {
    end_ = at_;
    co_return damage;
  }
  co_return Step{};  // nothing follows, and nothing says that something should
}

}  // namespace ringmail::storage
