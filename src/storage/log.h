// The log of one shard: records in, group commits out.
//
// Made by: the store, after recovery.
// Order: Start; then for each group of records that belongs together if (!log.HasRoom(bytes))
//   co_await log.Room(bytes);  log.Append(…)…;  co_await log.Commit(); with no other await between.
//   A group lies in one batch: recovery finds all of it or nothing.
// Promise: Commit returns OK when the batch is on stable storage. One batch is in flight; what is
//   appended meanwhile makes the next; a lone group is written at the end of the loop turn it was
//   appended in. A failed write fails the log for good: everything waiting and everything later
//   gets the error.
#pragma once

#include <coroutine>
#include <cstdint>
#include <string_view>

#include "ringmail/base/intrusive_list.h"
#include "ringmail/base/status.h"
#include "ringmail/io/file.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/timer.h"
#include "storage/format.h"
#include "storage/limits.h"
#include "storage/metrics.h"
#include "storage/segment.h"
#include "storage/segment_summary.h"
#include "storage/segment_supply.h"
#include "storage/summary_writer.h"

namespace ringmail::storage {

class Log {
 public:
  struct Options {
    LogId log;
    uint64_t log_key = 0;
    uint32_t batch_bytes_max = 0;
    uint64_t next_batch = 1;
    uint64_t previous_sequence =
        0;  // the last segment that recovery found in this log, and where its valid bytes end
    uint64_t previous_end = 0;
  };
  // What a segment's header says of the numbers in use.
  struct Sequences {
    uint64_t queue = 1, content = 1;
  };

  Log(const Options& options, SegmentSupply& supply, SegmentList& segments,
      const Sequences& sequences, SummaryWriter& summaries, StorageMetrics& metrics);
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Begins a fresh segment, durably: the end of what recovery found is fixed from then on.
  io::Task<Status> Start();
  // Writes what was appended, then ends.
  io::Task<void> Stop();

  const Status& failed() const { return failed_; }
  // Records of one group may be this long together (RecordBytes of each).
  size_t group_bytes_max() const { return batch_bytes_max_ - sizeof(BatchHeader); }
  const Segment* active() const { return active_; }
  uint64_t active_rest() const { return active_ == nullptr ? 0 : active_->bytes - active_at_; }

  bool HasRoom(size_t bytes) const { return failed_.ok() && room_waiters_.empty() && Fits(bytes); }

  class [[nodiscard]] RoomOp : public ListHook<class RoomTag> {
   public:
    RoomOp(Log& log, size_t bytes) : log_(log), bytes_(bytes) {}
    bool await_ready();
    void await_suspend(std::coroutine_handle<> waiter);
    Status await_resume() { return std::move(status_); }

   private:
    friend class Log;
    Log& log_;
    const size_t bytes_;
    Status status_;
    std::coroutine_handle<> waiter_;
  };
  // Waits for room in a batch, in turn. REQUIRES: bytes <= group_bytes_max().
  // Errors: the log failed; kResourceExhausted: no segment is left and none can be made.
  RoomOp Room(size_t bytes) { return {*this, bytes}; }

  // REQUIRES: room. Returns the place in the batch.
  uint32_t Append(RecordType type, std::string_view meta, std::string_view body);

  struct Committed {
    Status status;
    Segment* segment = nullptr;
    uint64_t offset = 0;  // of the batch
    RecordPlace Place(uint32_t at, size_t bytes) const {
      return {segment, static_cast<uint32_t>(offset + at), static_cast<uint32_t>(bytes)};
    }
  };
  class [[nodiscard]] CommitOp : public ListHook<class CommitTag> {
   public:
    explicit CommitOp(Log& log) : log_(log) {}
    bool await_ready();
    void await_suspend(std::coroutine_handle<> waiter);
    Committed await_resume() { return std::move(committed_); }

   private:
    friend class Log;
    Log& log_;
    Committed committed_;
    std::coroutine_handle<> waiter_;
  };
  // Waits until everything appended so far is durable, and says where the last batch of it lies.
  CommitOp Commit() { return CommitOp(*this); }

  // For SegmentSupply: a segment became ready, or cannot be made.
  void SpaceChanged() { PumpRoom(); }

 private:
  struct Batch {
    io::DmaBuffer buffer;  // kSegmentHeaderBytes of headroom for the header of a fresh segment,
                           // then the batch
    uint32_t used = sizeof(BatchHeader);
    uint32_t records = 0;
    IntrusiveList<CommitOp, CommitTag> waiters;
    char* data() { return buffer.data() + kSegmentHeaderBytes; }
  };

  bool Fits(size_t bytes) const;
  bool OutOfSpace(size_t bytes) const;
  void PumpRoom();
  void Rotate(char* header);
  void SummarizeActive();
  io::Task<void> WriteOpenBatch();
  void Fail(Status status);
  static void Resume(IntrusiveList<CommitOp, CommitTag>& waiters, const Committed& committed);
  static io::Task<void> Run(Log* self);

  const Options options_;
  const size_t batch_bytes_max_;
  SegmentSupply& supply_;
  SegmentList& segments_;
  const Sequences& sequences_;
  SummaryWriter& summaries_;
  StorageMetrics& metrics_;
  Batch batches_[2];
  Batch* open_ = &batches_[0];
  Batch* in_flight_ = nullptr;
  Segment* active_ = nullptr;
  io::File active_file_;
  uint64_t active_at_ = 0;
  uint64_t active_first_batch_ = 0;
  SegmentSummary gathering_;  // of the active segment
  uint64_t next_batch_;
  Status failed_;
  IntrusiveList<RoomOp, RoomTag> room_waiters_;
  bool pumping_ = false;
  io::Gate gate_;
  io::Event wake_;
  bool stopping_ = false;
};

}  // namespace ringmail::storage
