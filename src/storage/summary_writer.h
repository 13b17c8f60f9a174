// Writes summaries of segments beside them, in the background.
//
// Made by: the store, after recovery.
// Order: Start; Submit, Remove; Stop, which writes what waits.
// Promise: nobody waits for it but Remove and Stop, and nothing depends on it: a summary that is
//   not written, or not whole after a power cut, costs the next start the reading of its segment.
//   Plain writes, nothing is synced.
// Limits: kSummaryWaitingBytesMax wait; what is over it is not written.
#pragma once

#include <deque>
#include <string>

#include "ringmail/base/status.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/task.h"
#include "ringmail/io/timer.h"
#include "storage/metrics.h"
#include "storage/segment_summary.h"

namespace ringmail::storage {

class SegmentSupply;

class SummaryWriter {
 public:
  // `supply` says whether there is room: while new mail finds none, no summary takes any.
  SummaryWriter(std::string data_dir, const SegmentSupply& supply, StorageMetrics& metrics)
      : data_dir_(std::move(data_dir)), supply_(supply), metrics_(metrics) {}
  SummaryWriter(const SummaryWriter&) = delete;
  SummaryWriter& operator=(const SummaryWriter&) = delete;

  void Start() { gate_.Spawn(Run(this)); }
  io::Task<void> Stop();

  void Submit(const SummaryKey& key, SegmentSummary summary);
  // The summary of a segment that leaves, or that is not what its summary says.
  io::Task<void> Remove(LogId log, uint64_t sequence);
  size_t waiting_bytes() const { return waiting_bytes_; }

 private:
  struct Job {
    SummaryKey key;
    SegmentSummary summary;
    bool cancelled = false;
  };
  static io::Task<void> Run(SummaryWriter* self);
  io::Task<Status> Write(const Job& job, std::string path);

  const std::string data_dir_;
  const SegmentSupply& supply_;
  StorageMetrics& metrics_;
  std::deque<Job> jobs_;  // the first is being written; addresses last
  size_t waiting_bytes_ = 0;
  io::Gate gate_;
  io::Event wake_;
  bool stopping_ = false;
};

}  // namespace ringmail::storage
