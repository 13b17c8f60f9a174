// The store of one shard: what ShardStore and Queue promise, over Log, Index, SegmentSupply and
// Replay.
//
// One object, four files: store.cc opens and closes, queue.cc takes in and records, content.cc
// writes and reads content, compaction.cc brings space back.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "ringmail/storage/store.h"
#include "storage/content_entry.h"
#include "storage/directory/directory.h"
#include "storage/index.h"
#include "storage/log.h"
#include "storage/mailbox/accounts.h"
#include "storage/metrics.h"
#include "storage/read_ahead.h"
#include "storage/replay.h"
#include "storage/segment_supply.h"

namespace ringmail::storage {

// A segment open for reading, counted by its readers.
struct ReadFile {
  LogId log;
  uint64_t sequence = 0;
  uint32_t readers = 0;
  io::File file;
};

class StoreCore final : public ShardStore, public Queue {
 public:
  StoreCore(StoreOptions options, LogId own);
  ~StoreCore() override;

  io::Task<Status> OpenAll();

  // ShardStore
  Queue& queue() override { return *this; }
  Directory& directory() override { return directory_; }
  Accounts& accounts() override { return accounts_; }
  const RecoveryReport& recovery() const override { return report_; }
  void RegisterMetrics(MetricRegistry& registry) override { metrics_.Register(registry); }
  io::Task<Status> Close() override;

  // Queue
  QueueId NewId() override { return QueueId::Make(own_, sequences_.queue++); }
  ContentWriter NewContent() override;
  Status Acceptance() const override;
  io::Task<StatusOr<QueuedMessage*>> Enqueue(QueueId id, const message::Envelope& envelope,
                                             ContentWriter content,
                                             std::vector<MessageUpdate> updates) override;
  io::Task<StatusOr<QueuedMessage*>> EnqueueShared(QueueId id, const message::Envelope& envelope,
                                                   Content& content,
                                                   std::vector<MessageUpdate> updates) override;
  io::Task<Status> Record(std::vector<MessageUpdate> updates) override;
  QueuedMessage* Find(QueueId id) override { return index_.Find(id); }
  uint64_t size() const override { return index_.messages().size(); }
  QueueId Visit(QueueId after, size_t count_max,
                void (*visit)(void* context, QueuedMessage& message), void* context) override;
  void SetObserver(Observer* observer) override;

  // Content's side.
  ContentId NewContentId() { return ContentId(QueueId::Make(own_, sequences_.content++).value); }
  Index& index() { return index_; }
  Log& log() { return *log_; }
  StorageMetrics& metrics() { return metrics_; }
  std::string& meta_scratch() { return scratch_meta_; }
  // Opens a segment for reading, or finds it open. Release with ReleaseReadFile.
  io::Task<StatusOr<ReadFile*>> AcquireReadFile(LogId log, uint64_t sequence);
  void ReleaseReadFile(ReadFile* file);
  ReadAhead& read_ahead() { return read_ahead_; }
  const std::string& data_dir() const { return options_.data_dir; }

  // The directory's and the accounts' side: records of theirs may be needed no more.
  void RecordsFreed() { SpaceFreed(); }
  // Says in the open group who holds the content, and notes it; the content may go with it.
  // REQUIRES: room.
  void AppendHold(Content& content, HoldMeta::Op op, std::span<const AccountId> accounts);

 private:
  struct PreparedUpdate {
    const MessageUpdate* update;
    size_t meta_begin, meta_bytes;
  };
  static size_t HoldBytes(const MessageUpdate& update);

  // store.cc
  io::Task<Status> PrepareDirectories();
  io::Task<Status> Recover();
  io::Task<Status> ClearLeftovers(const LogFiles& files, const LogState* state,
                                  std::vector<uint64_t>& spares);
  io::Task<Status> Adopt(const std::vector<LogFiles>& logs, const std::vector<SegmentGroup>& groups,
                         const Replay& replay);
  io::Task<void> ClearSummaries(const std::vector<LogFiles>& logs, const Replay& replay);
  void WriteReplayed(Replay& replay);
  io::Task<Status> WriteTailAgain(const LogState& state);
  io::Task<Status> MendHeader(const LogState& state, const Replay& replay);
  void HoldDamaged();
  Status CheckOptions();
  static void SpaceChanged(void* self);
  static void ContentReturned(void* self, bool awaited);
  bool Mine(LogId log) const;
  io::Task<Status> OpenLog(const Replay& replay, std::vector<uint64_t> spares,
                           uint64_t next_sequence);

  // queue.cc
  size_t PrepareUpdates(const std::vector<MessageUpdate>& updates, size_t text_bytes_max);
  void AppendPrepared(std::vector<QueueId>& finished);
  size_t EncodeUpdate(const MessageUpdate& update, size_t text_bytes_max);
  void Leave(const std::vector<QueueId>& finished);
  static io::Task<void> LeaveLater(StoreCore* self, std::vector<QueueId> finished);
  io::Task<StatusOr<QueuedMessage*>> EnqueueContent(QueueId id, std::string packed,
                                                    Content* content,
                                                    std::unique_ptr<ContentWriter::State> state,
                                                    std::vector<MessageUpdate> updates);

  // compaction.cc
  // The segment over which a pass went last, where that did not empty it.
  struct Stuck {
    const Segment* segment = nullptr;
    bool awaits_return = false;  // lent content kept it back
    Nanoseconds interval{0};
    MonotonicTime not_before{};
  };
  static io::Task<void> RunCompaction(StoreCore* self);
  void SpaceFreed();
  bool ShouldCompact() const;
  bool MustWait() const;
  void SetStuck(const Stuck& stuck);
  io::Task<bool> PassOverOldest(Status* status);
  io::Task<Status> DropDead();
  io::Task<Status> CompactOldest();
  io::Task<void> DamageFound(Segment* segment, uint64_t offset, uint64_t bytes);
  struct Move;
  io::Task<Status> CopyBatch(Segment* from, SegmentScan::Step batch, std::vector<Move>& moves);
  bool PrepareDirectoryCopy(const Segment* from, const RecordView& record, Move& move);
  bool PrepareAccountCopy(const RecordView& record, Move& move, std::string_view& body);
  size_t HoldBytesOf(const Move& move);
  io::Task<Status> RescueDirectory(Segment* from);
  bool PrepareCopy(const Segment* from, const RecordView& record, Move& move,
                   std::string_view& body);
  io::Task<Status> FlushMoves(Segment* from, std::vector<Move>& moves);
  uint64_t LiveBytes() const;

  const StoreOptions options_;
  const LogId own_;
  StorageMetrics metrics_;
  RecoveryReport report_;
  SegmentList segments_;
  Index index_;
  DirectoryCore directory_;
  AccountsCore accounts_;
  Log::Sequences sequences_;
  std::unique_ptr<SegmentSupply> supply_;
  std::unique_ptr<SummaryWriter> summaries_;
  std::unique_ptr<Log> log_;
  Observer* observer_ = nullptr;
  std::string scratch_;       // encoded updates of one group
  std::string scratch_meta_;  // metadata of one other record
  std::vector<PreparedUpdate> prepared_;
  std::list<ReadFile> read_files_;  // the most recently used first
  ReadAhead read_ahead_;
  io::Gate gate_;
  io::Event compact_;
  Stuck stuck_;
  uint32_t freed_count_ = 0;
  bool closing_ = false, closed_ = false;
};

}  // namespace ringmail::storage
