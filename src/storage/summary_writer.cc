#include "storage/summary_writer.h"

#include <algorithm>

#include "ringmail/base/check.h"
#include "ringmail/codec/crc32c.h"
#include "ringmail/io/file.h"
#include "ringmail/io/shard.h"
#include "storage/segment.h"
#include "storage/segment_supply.h"

namespace ringmail::storage {

io::Task<void> SummaryWriter::Stop() {
  stopping_ = true;
  wake_.Notify();
  co_await gate_.Close();
  CHECK(jobs_.empty());
}

void SummaryWriter::Submit(const SummaryKey& key, SegmentSummary summary) {
  if (!summary.whole() || stopping_ || waiting_bytes_ + summary.bytes() > kSummaryWaitingBytesMax) {
    metrics_.summaries_skipped.Add();
    return;
  }
  waiting_bytes_ += summary.bytes();
  jobs_.push_back({.key = key, .summary = std::move(summary)});
  wake_.Notify();
}

io::Task<void> SummaryWriter::Remove(LogId log, uint64_t sequence) {
  for (Job& job : jobs_) {
    // The task that writes it removes it then.
    if (job.key.log == log && job.key.sequence == sequence) job.cancelled = true;
  }
  (void)co_await io::Remove(SummaryPath(data_dir_, log, sequence));
}

io::Task<void> SummaryWriter::Run(SummaryWriter* self) {
  for (;;) {
    if (self->jobs_.empty()) {
      if (self->stopping_) break;
      (void)co_await self->wake_.Wait(kNever);
      continue;
    }
    Job& job = self->jobs_.front();
    if (!job.cancelled && self->supply_.Headroom() > self->supply_.reserve_bytes()) {
      const std::string path = SummaryPath(self->data_dir_, job.key.log, job.key.sequence);
      const Status written = co_await self->Write(job, path);
      if (written.ok() && !job.cancelled) {
        self->metrics_.summaries_written.Add();
      } else {
        (void)co_await io::Remove(path);
      }
    }
    self->waiting_bytes_ -= job.summary.bytes();
    self->jobs_.pop_front();
  }
}

// Piece by piece, and commits between them.
io::Task<Status> SummaryWriter::Write(const Job& job, std::string path) {
  uint32_t crc = 0;
  for (const std::string& piece : job.summary.pieces()) {
    crc = codec::Crc32c(crc, piece);
    co_await io::Yield();
  }
  auto opened = co_await io::File::Open(std::move(path), io::OpenMode::kCreateOrReplace,
                                        io::Access::kBuffered);
  CO_RETURN_IF_ERROR(opened.status());
  io::File file = *std::move(opened);
  const std::string header = job.summary.Header(job.key, crc);
  Status written = co_await file.Write(0, header, io::Durability::kNone);
  uint64_t at = header.size();
  for (const std::string& piece : job.summary.pieces()) {
    if (!written.ok() || job.cancelled) break;
    written = co_await file.Write(at, piece, io::Durability::kNone);
    at += piece.size();
  }
  co_await file.Close();
  co_return written;
}

}  // namespace ringmail::storage
