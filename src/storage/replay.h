// Recovery: reads the segments of one lineage in order and replays their records into an Index.
//
// Used by ShardStore::Open, which then goes on writing, and by Fsck, which writes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ringmail/storage/store.h"
#include "storage/directory/ledger.h"
#include "storage/index.h"
#include "storage/lineage.h"
#include "storage/mailbox/account_ledger.h"
#include "storage/segment_scan.h"
#include "storage/segment_summary.h"

namespace ringmail::storage {

// kVerifyLast: a start, which reads the summary of a full segment in its place where it can.
// kVerifyAll: every segment is read, every body too, and a summary is only compared with it.
enum class Bodies : uint8_t { kVerifyLast, kVerifyAll };

// What replay found out about one log directory.
struct LogState {
  LogId log;
  uint64_t log_key = 0;        // 0: unknown
  uint64_t last_sequence = 0;  // of the last segment with anything in it
  uint64_t last_end = 0;
  uint64_t last_batch = 0;  // offset of the last batch in it that is whole; 0: none
  uint64_t next_batch = 1;
  std::vector<uint64_t> empty;   // segments made ready but never begun
  bool last_header_bad = false;  // the last segment's header must be written again
  SegmentHeader last_header;
};

// The summary of a segment that had none, or none that could be used.
struct ReplayedSummary {
  SummaryKey key;
  SegmentSummary summary;
};

class Replay {
 public:
  Replay(std::string data_dir, Bodies bodies, Index& index, DirectoryLedger& directory,
         AccountLedger& accounts, SegmentList& segments, RecoveryReport& report)
      : data_dir_(std::move(data_dir)),
        bodies_(bodies),
        index_(index),
        directory_(directory),
        accounts_(accounts),
        segments_(segments),
        report_(report) {}

  // All groups of the lineages to be read, in replay order.
  io::Task<Status> Run(const std::vector<SegmentGroup>& groups);

  const std::vector<LogState>& logs() const { return logs_; }
  // Greatest numbers seen, by log, and one more.
  uint64_t NextQueueSequence(LogId log) const;
  uint64_t NextContentSequence(LogId log) const;
  uint64_t bad_bodies() const { return bad_bodies_; }
  // Of undamaged segments, up to kSummaryWaitingBytesMax together.
  std::vector<ReplayedSummary> TakeSummaries() { return std::move(gathered_); }

 private:
  struct SegmentInfo {
    LogId log;
    uint64_t sequence = 0;
    uint64_t bytes = 0;
    uint64_t key = 0;  // of its log, when it was written; 0: unknown
    ReadSegmentHeader header;
  };
  LogState& State(LogId log);
  void AddDamage(LogId log, uint64_t sequence, uint64_t offset, uint64_t bytes, std::string what);
  // As AddDamage, of what may have held records.
  void AddLoss(LogId log, uint64_t sequence, uint64_t offset, uint64_t bytes, std::string what);
  io::Task<Status> ReadHeaders(const std::vector<SegmentGroup>& groups);
  io::Task<Status> ReplayGroup(std::span<const SegmentInfo> group);
  io::Task<Status> ReplaySegment(const SegmentInfo& info, uint64_t limit, bool last);
  io::Task<Status> ScanSegment(const SegmentInfo& info, uint64_t limit, bool last,
                               Segment& segment);
  void ReplaySummary(SummaryView view, Segment& segment);
  io::Task<std::string_view> ReadSummary(LogId log, uint64_t sequence);
  io::Task<void> CheckSummary(SummaryKey key, const SegmentSummary* scanned);
  void Keep(const SummaryKey& key, SegmentSummary summary);
  SummaryKey KeyOf(const SegmentInfo& info, uint64_t end) const;
  void JudgeHeader(const SegmentInfo& info, LogState& state, bool last, uint64_t batches);
  void BeginBatch(const Segment& segment, uint64_t offset, uint64_t sequence);
  // False where something in it cannot be read.
  bool ReplayBatch(Segment& segment, const SegmentScan::Step& step, SegmentSalt salt, bool verify);
  void ReplayRecord(Segment& segment, const RecordView& record, bool verify);
  bool ReplayContent(Segment& segment, const RecordView& record, bool verify);
  bool ReplayMessage(Segment& segment, const RecordView& record);
  bool ReplayUpdate(const RecordView& record);
  bool ReplayDirectory(Segment& segment, const RecordView& record);
  bool ReplayAccount(Segment& segment, const RecordView& record, bool verify);
  bool ReplayHold(const RecordView& record);
  void Seen(std::vector<uint64_t>& next, LogId log, uint64_t sequence);

  const std::string data_dir_;
  const Bodies bodies_;
  Index& index_;
  DirectoryLedger& directory_;
  AccountLedger& accounts_;
  SegmentList& segments_;
  RecoveryReport& report_;
  ReadWindow window_;
  std::vector<SegmentInfo> infos_;
  std::vector<LogState> logs_;
  std::vector<uint64_t> next_queue_, next_content_;  // by log
  DecodedOutcomes outcomes_;
  io::DmaBuffer summary_buffer_;  // the file of one
  std::vector<ReplayedSummary> gathered_;
  size_t gathered_bytes_ = 0;
  uint64_t damage_count_ = 0;
  uint64_t bad_bodies_ = 0;
  bool after_damage_ = false;
};

}  // namespace ringmail::storage
