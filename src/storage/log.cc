#include "storage/log.h"

#include <cstring>

#include "absl/strings/str_cat.h"

#include "ringmail/base/canary.h"
#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"

namespace ringmail::storage {

static_assert(kSegmentBytesMax <= UINT32_MAX, "places in a segment are 32 bits");

Log::Log(const Options& options, SegmentSupply& supply, SegmentList& segments,
         const Sequences& sequences, SummaryWriter& summaries, StorageMetrics& metrics)
    : options_(options),
      batch_bytes_max_(options.batch_bytes_max),
      supply_(supply),
      segments_(segments),
      sequences_(sequences),
      summaries_(summaries),
      metrics_(metrics),
      next_batch_(options.next_batch) {
  CHECK(batch_bytes_max_ % io::kBlockBytes == 0 && batch_bytes_max_ <= kBatchBytesMax);
  CHECK_LE(batch_bytes_max_ + kSegmentHeaderBytes, supply.segment_bytes());
  for (Batch& batch : batches_)
    batch.buffer = io::DmaBuffer(kSegmentHeaderBytes + batch_bytes_max_);
}

io::Task<Status> Log::Start() {
  char* header = open_->buffer.data();
  Rotate(header);
  Status written = co_await active_file_.Write(0, {header, kSegmentHeaderBytes},
                                               io::Durability::kDurable, &open_->buffer);
  if (!written.ok()) {
    Fail(written);
    co_return failed_;
  }
  active_at_ = active_->end = kSegmentHeaderBytes;
  gate_.Spawn(Run(this));
  co_return absl::OkStatus();
}

io::Task<void> Log::Stop() {
  stopping_ = true;
  wake_.Notify();
  co_await gate_.Close();
  CHECK(room_waiters_.empty());
  if (active_file_.open()) co_await active_file_.Close();
}

bool Log::Fits(size_t bytes) const {
  const size_t filled = open_->used + bytes;
  if (filled > batch_bytes_max_) return false;
  // The open batch goes into the active segment, or into a ready one: only a batch takes one, and
  // there is one open batch.
  return RoundUp(filled, io::kBlockBytes) <= active_rest() || supply_.has_ready();
}

bool Log::OutOfSpace(size_t bytes) const {
  return open_->used + bytes <= batch_bytes_max_ && !Fits(bytes) && !supply_.status().ok();
}

bool Log::RoomOp::await_ready() {
  CHECK_LE(bytes_, log_.group_bytes_max());
  status_ = log_.failed_;
  if (status_.ok() && log_.room_waiters_.empty() && log_.OutOfSpace(bytes_))
    status_ = log_.supply_.status();
  return !status_.ok() || log_.HasRoom(bytes_);
}

void Log::RoomOp::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  log_.room_waiters_.PushBack(*this);
}

// Those who wait go in turn; each appends before it waits again, so that the next one sees what is
// left.
void Log::PumpRoom() {
  if (pumping_) return;
  pumping_ = true;
  while (!room_waiters_.empty()) {
    RoomOp& first = room_waiters_.front();
    if (!failed_.ok()) {
      first.status_ = failed_;
    } else if (OutOfSpace(first.bytes_)) {
      first.status_ = supply_.status();
    } else if (!Fits(first.bytes_)) {
      break;
    }
    first.Unlink();
    first.waiter_.resume();
  }
  pumping_ = false;
}

uint32_t Log::Append(RecordType type, std::string_view meta, std::string_view body) {
  const size_t bytes = RecordBytes(meta.size(), body.size());
  CHECK_LE(open_->used + bytes, batch_bytes_max_);
  char* at = open_->data() + open_->used;
  const uint32_t offset = open_->used;
  RecordHeader header{
      .bytes = static_cast<uint32_t>(sizeof(RecordHeader) + meta.size() + body.size()),
      .meta_bytes = static_cast<uint32_t>(meta.size()),
      .type = static_cast<uint8_t>(type)};
  std::memcpy(at, &header, sizeof(header));
  std::memcpy(at + sizeof(header), meta.data(), meta.size());
  if (!body.empty()) std::memcpy(at + sizeof(header) + meta.size(), body.data(), body.size());
  std::memset(at + header.bytes, 0, bytes - header.bytes);
  open_->used += static_cast<uint32_t>(bytes);
  // The writer is resumed behind everything that is ready in this turn, which thereby joins.
  if (++open_->records == 1) wake_.Notify();
  return offset;
}

bool Log::CommitOp::await_ready() {
  if (log_.open_->records > 0 || log_.in_flight_ != nullptr) return false;
  committed_.status = log_.failed_;
  return true;
}

void Log::CommitOp::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  (log_.open_->records > 0 ? log_.open_ : log_.in_flight_)->waiters.PushBack(*this);
}

io::Task<void> Log::Run(Log* self) {
  for (;;) {
    if (self->open_->records == 0) {
      if (self->stopping_) break;
      (void)co_await self->wake_.Wait(kNever);
      continue;
    }
    co_await self->WriteOpenBatch();
    if (self->open_->records > 0) co_await io::Yield();
  }
}

// The active segment is full: what a start needs of it is written beside it, while commits go on.
void Log::SummarizeActive() {
  if (active_ == nullptr || !failed_.ok()) return;
  summaries_.Submit({.log = options_.log,
                     .log_key = options_.log_key,
                     .sequence = active_->sequence,
                     .first_batch = active_first_batch_,
                     .end = active_->end},
                    std::move(gathering_));
  gathering_ = SegmentSummary();
}

// Makes a ready segment the active one and writes its header to `header`.
void Log::Rotate(char* header) {
  const uint64_t previous = active_ != nullptr ? active_->sequence : options_.previous_sequence;
  const uint64_t previous_end = active_ != nullptr ? active_->end : options_.previous_end;
  SummarizeActive();
  active_first_batch_ = next_batch_;
  ReadySegment ready = supply_.Take();
  auto segment = std::make_unique<Segment>();
  segment->log = options_.log;
  segment->sequence = ready.sequence;
  segment->salt = SegmentSalt::Of(options_.log_key, ready.sequence).value;
  segment->bytes = supply_.segment_bytes();
  active_ = segment.get();
  segments_.push_back(std::move(segment));
  active_file_ = std::move(ready.file);
  active_at_ = 0;
  EncodeSegmentHeader({.sequence = active_->sequence,
                       .log_key = options_.log_key,
                       .previous_sequence = previous,
                       .previous_end = previous_end,
                       .next_queue_sequence = sequences_.queue,
                       .next_content_sequence = sequences_.content,
                       .first_batch = next_batch_,
                       .segment_bytes = active_->bytes,
                       .log = options_.log},
                      header);
}

io::Task<void> Log::WriteOpenBatch() {
  Batch& batch = *open_;
  open_ = open_ == &batches_[0] ? &batches_[1] : &batches_[0];
  CHECK(open_->records == 0 && open_->waiters.empty());
  const size_t padded = RoundUp(batch.used, io::kBlockBytes);
  std::memset(batch.data() + batch.used, 0, padded - batch.used);
  const char* from = batch.data();
  size_t bytes = padded;
  if (padded > active_rest()) {
    // The header of a fresh segment goes with its first batch, in one write.
    Rotate(batch.buffer.data());
    from = batch.buffer.data();
    bytes += kSegmentHeaderBytes;
  }
  const uint64_t write_at = active_at_;
  const uint64_t offset = write_at + static_cast<uint64_t>(batch.data() - from);
  SealBatch({batch.data(), padded}, SegmentSalt{active_->salt}, active_->sequence, offset,
            next_batch_++, batch.used, batch.records);
  active_at_ = offset + padded;
  in_flight_ = &batch;
  PumpRoom();
  metrics_.batch_records.Observe(batch.records);
  metrics_.batch_bytes.Observe(bytes);
  const MonotonicTime begin = io::Now();
  Status written = failed_;
  if (written.ok()) {
    const auto durability =
        Planted(Canary::kAckBeforeSync) ? io::Durability::kNone : io::Durability::kDurable;
    written = co_await active_file_.Write(write_at, {from, bytes}, durability, &batch.buffer);
    if (Planted(Canary::kTrustSecondSync) && !written.ok()) written = co_await active_file_.Sync();
  }
  metrics_.commit_microseconds.Observe(static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(io::Now() - begin).count()));
  in_flight_ = nullptr;
  const uint32_t used = batch.used;
  batch.used = sizeof(BatchHeader);
  batch.records = 0;
  if (written.ok()) {
    active_->end = active_at_;
  } else {
    Fail(std::move(written));
  }
  Resume(batch.waiters, {failed_, active_, offset});
  // After those who waited: their answer does not wait for it. The batch's memory is its own until
  // the next one is written.
  if (failed_.ok()) gathering_.Add({batch.data(), used}, offset);
  if (!failed_.ok()) {
    // What was gathered meanwhile is lost with it.
    open_->used = sizeof(BatchHeader);
    open_->records = 0;
    Resume(open_->waiters, {failed_, nullptr, 0});
  }
  PumpRoom();
}

void Log::Fail(Status status) {
  metrics_.commit_failures.Add();
  if (!failed_.ok()) return;
  failed_ = absl::UnavailableError(
      absl::StrCat("the log failed and takes nothing until restart: ", status.message()));
  LogLine(io::ShardLog(), LogLevel::kError, "log-failed")
      .Field("log", LogDirectoryName(options_.log))
      .Field("error", Std(status.message()));
}

void Log::Resume(IntrusiveList<CommitOp, CommitTag>& waiters, const Committed& committed) {
  // Those who are resumed may wait again, but on the other batch.
  IntrusiveList<CommitOp, CommitTag> now;
  now.Splice(waiters);
  while (!now.empty()) {
    CommitOp& first = now.PopFront();
    first.committed_ = committed;
    first.waiter_.resume();
  }
}

}  // namespace ringmail::storage
