#include "storage/segment_supply.h"

#include <algorithm>

#include "fmt/format.h"
#include "ringmail/base/canary.h"
#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"
#include "storage/limits.h"

namespace ringmail::storage {
namespace {

constexpr Nanoseconds kRetryInterval = std::chrono::seconds(1);
// The file system is asked again every second while less than this many segments over the reserve
// are free.
constexpr uint64_t kNearSegments = 8;
constexpr size_t kZeroBytes = 1u << 20;

}  // namespace

SegmentSupply::SegmentSupply(Options options, StorageMetrics& metrics)
    : options_(std::move(options)),
      directory_(LogDirectory(options_.data_dir, options_.log)),
      metrics_(metrics),
      spares_(options_.spares),
      next_sequence_(options_.next_sequence),
      held_segments_(options_.held_segments),
      disk_bytes_(options_.held_bytes + options_.spares.size() * options_.segment_bytes) {
  for (const uint64_t spare : spares_) next_spare_ = std::max(next_spare_, spare + 1);
}

io::Task<Status> SegmentSupply::Start() {
  prepared_ = co_await PrepareOne();
  co_await RefreshFree();
  CO_RETURN_IF_ERROR(prepared_);
  gate_.Spawn(Run(this));
  co_return absl::OkStatus();
}

io::Task<void> SegmentSupply::Stop() {
  stopping_ = true;
  wake_.Notify();
  co_await gate_.Close();
  while (!ready_.empty()) {
    co_await ready_.front().file.Close();
    ready_.pop_front();
  }
}

ReadySegment SegmentSupply::Take() {
  CHECK(has_ready());
  ReadySegment taken = std::move(ready_.front());
  ready_.pop_front();
  ++held_segments_;
  wake_.Notify();
  return taken;
}

uint64_t SegmentSupply::Headroom() const {
  uint64_t creatable = free_bytes_;
  if (options_.quota_bytes != 0) {
    creatable =
        std::min(creatable, options_.quota_bytes - std::min(options_.quota_bytes, disk_bytes_));
  }
  creatable -= creatable % options_.segment_bytes;
  return creatable + (ready_.size() + spares_.size()) * options_.segment_bytes;
}

void SegmentSupply::Changed() {
  metrics_.disk_bytes.Set(static_cast<int64_t>(disk_bytes_));
  metrics_.segments.Set(static_cast<int64_t>(held_segments_));
  if (on_change_ != nullptr) on_change_(on_change_context_);
}

io::Task<void> SegmentSupply::Run(SegmentSupply* self) {
  while (!self->stopping_) {
    while (!self->stopping_ && self->ready_.size() < kReadySegments) {
      Status made = co_await self->PrepareOne();
      const bool ok = made.ok();
      self->prepared_ = std::move(made);
      self->Changed();
      if (!ok) break;
    }
    co_await self->RefreshFree();
    self->Changed();
    if (self->stopping_) break;
    const bool near = self->Headroom() <
                      self->options_.reserve_bytes + kNearSegments * self->options_.segment_bytes;
    const bool again = near || !self->prepared_.ok();
    (void)co_await self->wake_.Wait(again ? io::Now() + kRetryInterval : kNever);
  }
}

io::Task<void> SegmentSupply::RefreshFree() {
  auto free = co_await io::FreeBytes(directory_);
  free_bytes_ = free.ok() ? *free : 0;
}

io::Task<Status> SegmentSupply::PrepareOne() {
  const std::string path = Path(SegmentName(next_sequence_));
  // Where the rest failed the last time, the name is there: a number that is skipped would be a
  // segment without a header between others, which recovery takes for damage.
  if (!named_) {
    if (spares_.empty()) CO_RETURN_IF_ERROR(co_await MakeSpare());
    // Taken out first: dropped segments join the spares meanwhile.
    const uint64_t spare = spares_.back();
    spares_.pop_back();
    Status renamed = co_await io::Rename(Path(SpareName(spare)), path);
    if (absl::IsNotFound(renamed)) {
      // Somebody removed it: the next one, or a new one, does as well.
      disk_bytes_ -= options_.segment_bytes;
    } else if (!renamed.ok()) {
      spares_.push_back(spare);
    }
    CO_RETURN_IF_ERROR(renamed);
    named_ = true;
  }
  // The name must last before the first record in it does.
  if (!Planted(Canary::kSkipDirectorySync))
    CO_RETURN_IF_ERROR(co_await io::SyncDirectory(directory_));
  auto file = co_await io::File::Open(path, io::OpenMode::kReadWrite, io::Access::kDirect);
  CO_RETURN_IF_ERROR(file.status());
  named_ = false;
  ready_.push_back({next_sequence_++, *std::move(file)});
  co_return absl::OkStatus();
}

io::Task<Status> SegmentSupply::MakeSpare() {
  if (options_.quota_bytes != 0 && disk_bytes_ + options_.segment_bytes > options_.quota_bytes) {
    co_return absl::ResourceExhaustedError(
        Absl(fmt::format("{}: quota of {} bytes is used up", directory_, options_.quota_bytes)));
  }
  co_await RefreshFree();
  if (free_bytes_ < options_.segment_bytes) {
    co_return absl::ResourceExhaustedError(
        Absl(fmt::format("{}: {} bytes are free, a segment needs {}", directory_, free_bytes_,
                         options_.segment_bytes)));
  }
  const uint64_t number = next_spare_++;
  const std::string path = Path(SpareName(number)),
                    unfinished = path + std::string(kUnfinishedSuffix);
  Status written = co_await WriteZeros(unfinished);
  if (written.ok()) written = co_await io::Rename(unfinished, path);
  if (!written.ok()) {
    (void)co_await io::Remove(unfinished);
    co_return written;
  }
  spares_.push_back(number);
  disk_bytes_ += options_.segment_bytes;
  metrics_.segments_created.Add();
  if (Planted(Canary::kSkipDirectorySync)) co_return absl::OkStatus();
  co_return co_await io::SyncDirectory(directory_);
}

// Zeros are written, not just allocated: the first write into an unwritten block would cost a
// journal commit each time.
io::Task<Status> SegmentSupply::WriteZeros(std::string path) {
  auto opened = co_await io::File::Open(path, io::OpenMode::kCreateOrReplace, io::Access::kDirect);
  CO_RETURN_IF_ERROR(opened.status());
  io::File file = *std::move(opened);
  const io::DmaBuffer zeros(kZeroBytes);
  Status written;
  for (uint64_t at = 0; at < options_.segment_bytes && written.ok() && !stopping_;
       at += kZeroBytes) {
    written = co_await file.Write(at, {zeros.data(), kZeroBytes}, io::Durability::kNone, &zeros);
  }
  if (stopping_ && written.ok()) written = absl::CancelledError("the store closes");
  if (written.ok()) written = co_await file.Sync();
  co_await file.Close();
  co_return written;
}

io::Task<Status> SegmentSupply::DropSegment(LogId log, uint64_t sequence, uint64_t bytes) {
  const std::string directory = LogDirectory(options_.data_dir, log);
  // Where only the sync failed the last time, the name is gone already.
  if (!dropped_ || dropped_->log != log || dropped_->sequence != sequence) {
    dropped_.reset();
    const std::string path = directory + "/" + SegmentName(sequence);
    Dropped dropped{log, sequence};
    if (log == options_.log && bytes == options_.segment_bytes &&
        spares_.size() < kSpareSegmentsMax) {
      dropped.spare = next_spare_++;
      CO_RETURN_IF_ERROR(co_await io::Rename(path, Path(SpareName(*dropped.spare))));
    } else {
      CO_RETURN_IF_ERROR(co_await io::Remove(path));
    }
    dropped_ = dropped;
  }
  CO_RETURN_IF_ERROR(co_await io::SyncDirectory(directory));
  --held_segments_;
  if (dropped_->spare) {
    spares_.push_back(*dropped_->spare);
    metrics_.segments_recycled.Add();
  } else {
    disk_bytes_ -= bytes;
  }
  dropped_.reset();
  metrics_.segments_dropped.Add();
  wake_.Notify();
  Changed();
  co_return absl::OkStatus();
}

}  // namespace ringmail::storage
