// Bringing space back: segments leave from the oldest end, one at a time; what is still needed in
// the oldest is copied to the head of the log first. README, "Space", has the bound on what that
// costs.
#include <algorithm>

#include "ringmail/base/canary.h"
#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"
#include "storage/store_core.h"

namespace ringmail::storage {
namespace {

// A pass over a segment that did not empty it is not repeated sooner. Where the pass moved nothing,
// and waits for nothing that it would be told of, the time doubles up to the longest.
constexpr Nanoseconds kRetryInterval = std::chrono::seconds(1);
constexpr Nanoseconds kRetryIntervalMax = std::chrono::minutes(1);
// With no space for new mail, compaction goes on while it can win this many segments.
constexpr uint64_t kTightDeadSegments = 3;
// How often leaving messages ask whether compaction is due.
constexpr uint32_t kFreedCountPerCheck = 64;

}  // namespace

// A record copied to the open batch, and where from.
struct StoreCore::Move {
  QueueId message;  // valid, or else a piece of content, or else the directory's
  ContentId content;
  uint32_t piece = 0;
  uint64_t directory_version = 0;  // not 0: an entry of the directory, or its state
  std::string directory_name;
  std::optional<AccountMeta> account;  // a record of an account; without its views
  RecordPlace from;
  uint32_t at = 0;  // in the batch
  uint32_t bytes = 0;
};

uint64_t StoreCore::LiveBytes() const {
  uint64_t live = 0;
  for (const auto& segment : segments_) live += segment->live_bytes;
  return live;
}

void StoreCore::SpaceFreed() {
  if (segments_.empty() || closing_) return;
  const bool dead = segments_.front()->live_records == 0 && segments_.size() > 1;
  if (dead || ++freed_count_ % kFreedCountPerCheck == 0) compact_.Notify();
}

bool StoreCore::ShouldCompact() const {
  if (!log_->failed().ok() || segments_.size() < 2) return false;
  // An adopted log is emptied into our own.
  if (segments_.front()->log != own_) return true;
  const uint64_t count = segments_.size();
  if (count <= kCompactSegmentsMin) return false;
  const uint64_t total = count * options_.segment_bytes, live = LiveBytes();
  if (total > 2 * live) return true;
  return absl::IsResourceExhausted(Acceptance()) &&
         total - live >= kTightDeadSegments * options_.segment_bytes;
}

// The oldest segment kept something back. A pass reads all of it, so it comes again only once lent
// content in it was returned (ContentReturned), or for what nothing tells of, after a while.
bool StoreCore::MustWait() const {
  return segments_.front().get() == stuck_.segment &&
         (stuck_.awaits_return || io::Now() < stuck_.not_before);
}

void StoreCore::SetStuck(const Stuck& stuck) {
  stuck_ = stuck;
  index_.AwaitReturn(stuck_.segment);
}

void StoreCore::ContentReturned(void* context, bool awaited) {
  auto* self = static_cast<StoreCore*>(context);
  if (awaited && self->stuck_.awaits_return) {
    self->stuck_.awaits_return = false;
    self->compact_.Notify();
  }
  self->SpaceFreed();
}

// One pass over the oldest, and what it means for the next. True where nothing is left in it.
io::Task<bool> StoreCore::PassOverOldest(Status* status) {
  const Segment* oldest = segments_.front().get();
  const bool again = oldest == stuck_.segment;
  const Nanoseconds interval = again ? stuck_.interval : Nanoseconds(0);
  // What returns while the pass goes on counts as well.
  SetStuck({.segment = oldest});
  const uint64_t copied_before = metrics_.compacted_records.value();
  *status = co_await CompactOldest();
  if (status->ok() && oldest->live_records == 0) {
    SetStuck({});
    co_return true;
  }
  const bool idle =
      again && !stuck_.awaits_return && metrics_.compacted_records.value() == copied_before;
  stuck_.interval = idle ? std::min<Nanoseconds>(2 * interval, kRetryIntervalMax) : kRetryInterval;
  stuck_.not_before = io::Now() + stuck_.interval;
  co_return false;
}

io::Task<void> StoreCore::RunCompaction(StoreCore* self) {
  while (!self->closing_) {
    Status status = co_await self->DropDead();
    const bool due = status.ok() && !self->closing_ && self->ShouldCompact();
    if (due && !self->MustWait() && co_await self->PassOverOldest(&status)) continue;
    if (self->closing_) break;
    if (!status.ok() && !absl::IsResourceExhausted(status)) {
      LogLine(io::ShardLog(), LogLevel::kError, "compaction-failed")
          .Field("error", Std(status.message()));
    }
    self->metrics_.live_bytes.Set(static_cast<int64_t>(self->LiveBytes()));
    self->metrics_.contents.Set(static_cast<int64_t>(self->index_.content_count()));
    MonotonicTime again = kNever;
    if (due && !self->stuck_.awaits_return) again = self->stuck_.not_before;
    if (!status.ok()) again = std::min(again, io::Now() + kRetryInterval);
    (void)co_await self->compact_.Wait(again);
  }
}

io::Task<Status> StoreCore::DropDead() {
  while (segments_.size() > 1 && segments_.front()->live_records == 0 && !closing_) {
    const Segment& oldest = *segments_.front();
    if (&oldest == log_->active()) break;
    CO_RETURN_IF_ERROR(co_await supply_->DropSegment(oldest.log, oldest.sequence, oldest.bytes));
    co_await summaries_->Remove(oldest.log, oldest.sequence);
    if (&oldest == stuck_.segment) SetStuck({});
    segments_.pop_front();
  }
  co_return absl::OkStatus();
}

// Rot that came after the start, or that the start did not see because it read the summary. What
// lies there stays in the index, and its segment with it; the next start reads the segment itself,
// and holds the messages.
io::Task<void> StoreCore::DamageFound(Segment* segment, uint64_t offset, uint64_t bytes) {
  if (segment->damage_reported) co_return;
  segment->damage_reported = true;
  LogLine(io::ShardLog(), LogLevel::kError, "segment-damaged")
      .Field("file", SegmentPath(options_.data_dir, segment->log, segment->sequence))
      .Field("offset", offset)
      .Field("bytes", bytes);
  co_await summaries_->Remove(segment->log, segment->sequence);
}

io::Task<Status> StoreCore::CompactOldest() {
  Segment* from = segments_.front().get();
  CHECK(from != log_->active());
  ReadWindow window;
  SegmentScan scan(window, {.path = SegmentPath(options_.data_dir, from->log, from->sequence),
                            .sequence = from->sequence,
                            .salt = SegmentSalt{from->salt},
                            .limit = from->end});
  Status status = co_await scan.Open();
  std::vector<Move> moves;
  while (status.ok() && !closing_ && from->live_records > 0) {
    auto step = co_await scan.Next();
    status = step.status();
    if (!status.ok() || step->kind == SegmentScan::Step::kEnd) break;
    if (step->kind == SegmentScan::Step::kBatch) status = co_await CopyBatch(from, *step, moves);
    if (step->kind == SegmentScan::Step::kDamage)
      co_await DamageFound(from, step->offset, step->bytes);
  }
  if (status.ok()) status = co_await FlushMoves(from, moves);
  co_await scan.Close();
  if (status.ok() && from->damage_reported && from->live_records > 0)
    status = co_await RescueDirectory(from);
  metrics_.segments_compacted.Add();
  co_return status;
}

// Whether the record is needed and can move now; its metadata then is in scratch_meta_.
bool StoreCore::PrepareCopy(const Segment* from, const RecordView& record, Move& move,
                            std::string_view& body) {
  scratch_meta_.clear();
  move.from = {const_cast<Segment*>(from), static_cast<uint32_t>(record.offset), record.bytes};
  if (record.type == RecordType::kContent) {
    const auto meta = DecodeContentMeta(record.meta, record.body.size());
    if (!meta) return false;
    if (!index_.LiesAt(meta->content, meta->piece, move.from)) return false;
    const Content* const content = index_.FindContent(meta->content);
    if (content->lent > 0) {
      stuck_.awaits_return = true;
      return false;
    }
    move.content = meta->content;
    move.piece = meta->piece;
    scratch_meta_ = record.meta;
    body = record.body;  // as it is, damage and all: its checksum goes with it
    return true;
  }
  if (record.type == RecordType::kDirectory) return PrepareDirectoryCopy(from, record, move);
  if (record.type == RecordType::kAccount) return PrepareAccountCopy(record, move, body);
  if (record.type != RecordType::kMessage) return false;
  const auto meta = DecodeMessageMeta(record.meta);
  if (!meta) return false;
  const QueuedMessage* message = index_.Find(meta->id);
  if (message == nullptr || message->pending_count() == 0 || Index::SegmentOf(*message) != from)
    return false;
  move.message = meta->id;
  for (const size_t text_bytes : {message::kReplyTextBytesMax, size_t{100}, size_t{0}}) {
    scratch_meta_.clear();
    index_.EncodeFolded(*message, text_bytes, scratch_meta_);
    if (RecordBytes(scratch_meta_.size(), 0) <= log_->group_bytes_max()) return true;
  }
  return false;
}

// As the ledger has it: what was staged counts by itself from now on, and the state says what it
// says now.
bool StoreCore::PrepareDirectoryCopy(const Segment* from, const RecordView& record, Move& move) {
  const auto meta = DecodeDirectoryMeta(record.meta);
  const DirectoryLedger& ledger = directory_.ledger();
  if (!meta || meta->tombstone || !ledger.Needs(*meta, from)) return false;
  move.directory_version = meta->version;
  move.directory_name = meta->name;
  std::string state;
  if (meta->state) EncodeDirectoryState(ledger.state(), state);
  EncodeDirectoryMeta({.version = meta->version,
                       .state = meta->state,
                       .name = meta->name,
                       .value = meta->state ? std::string_view(state) : meta->value},
                      scratch_meta_);
  return true;
}

// As it is, damage and all: its checksum goes with it.
bool StoreCore::PrepareAccountCopy(const RecordView& record, Move& move, std::string_view& body) {
  const auto meta = DecodeAccountMeta(record.meta);
  if (!meta || accounts_.ledger().Needs(*meta, move.from) != AccountLedger::Need::kYes)
    return false;
  move.account = *meta;
  move.account->gone = {};
  scratch_meta_ = record.meta;
  body = record.body;
  return true;
}

// The segment has rotted, but what it said of the directory is in memory: it is written anew, from
// there.
io::Task<Status> StoreCore::RescueDirectory(Segment* from) {
  DirectoryLedger& ledger = directory_.ledger();
  struct Search {
    const Segment* from;
    std::vector<std::string> names;
    static void Visit(void* context, const EntryNode& entry) {
      auto& self = *static_cast<Search*>(context);
      if (entry.segment == self.from && !entry.changing) self.names.emplace_back(entry.name());
    }
  };
  constexpr size_t kEntriesPerTurn = 1000;
  std::vector<Move> moves;
  uint64_t cursor = 0;
  do {
    Search search{.from = from};
    cursor = VisitEntries(ledger.table().root(), cursor, kEntriesPerTurn, Search::Visit, &search);
    if (cursor == 0 && ledger.state_segment() == from) search.names.emplace_back();
    for (const std::string& name : search.names) {
      constexpr size_t kRoom = DirectoryRecordBytes(UINT16_MAX, kDirectoryValueBytesMax);
      if (!log_->HasRoom(kRoom)) {
        CO_RETURN_IF_ERROR(co_await FlushMoves(from, moves));
        CO_RETURN_IF_ERROR(co_await log_->Room(kRoom));
      }
      std::string value;
      DirectoryMeta meta{.version = ledger.version(), .state = name.empty(), .name = name};
      if (name.empty()) {
        if (ledger.state_segment() != from) continue;
        EncodeDirectoryState(ledger.state(), value);
      } else {
        const EntryNode* entry = ledger.table().Find(name);
        if (entry == nullptr || entry->segment != from || entry->changing) continue;
        meta.version = entry->version;
        value = entry->value();
      }
      meta.value = value;
      scratch_meta_.clear();
      EncodeDirectoryMeta(meta, scratch_meta_);
      Move move{.directory_version = meta.version,
                .directory_name = name,
                .bytes = static_cast<uint32_t>(sizeof(RecordHeader) + scratch_meta_.size())};
      move.at = log_->Append(RecordType::kDirectory, scratch_meta_, {});
      moves.push_back(std::move(move));
      metrics_.compacted_records.Add();
    }
    CO_RETURN_IF_ERROR(co_await FlushMoves(from, moves));
    co_await io::Yield();
  } while (cursor != 0 && !closing_);
  co_return absl::OkStatus();
}

// What a copy of the content's first piece needs beside it.
size_t StoreCore::HoldBytesOf(const Move& move) {
  if (move.content.value == 0 || move.piece != 0) return 0;
  const Content* const content = index_.FindContent(move.content);
  if (content == nullptr || content->holders.empty()) return 0;
  return RecordBytes(kHoldMetaBytes + content->holders.size() * sizeof(uint64_t), 0);
}

io::Task<Status> StoreCore::CopyBatch(Segment* from, SegmentScan::Step batch,
                                      std::vector<Move>& moves) {
  RecordCursor cursor(batch.batch, batch.header, SegmentSalt{from->salt}, batch.offset);
  RecordView record;
  size_t step_bytes = 0;
  for (;;) {
    const RecordCursor::Step next = cursor.Next(record);
    if (next == RecordCursor::Step::kEnd) break;
    if (next == RecordCursor::Step::kDamage) {
      co_await DamageFound(from, record.offset, record.bytes);
      continue;
    }
    Move move;
    std::string_view body;
    if (!PrepareCopy(from, record, move, body)) continue;
    const size_t bytes = RecordBytes(scratch_meta_.size(), body.size()) + HoldBytesOf(move);
    if (!log_->HasRoom(bytes)) {
      CO_RETURN_IF_ERROR(co_await FlushMoves(from, moves));
      CO_RETURN_IF_ERROR(co_await log_->Room(bytes));
      // Much may have happened meanwhile; what grew beyond the room waits for the next pass.
      if (!PrepareCopy(from, record, move, body)) continue;
      if (!log_->HasRoom(RecordBytes(scratch_meta_.size(), body.size()) + HoldBytesOf(move)))
        continue;
    }
    move.bytes = static_cast<uint32_t>(sizeof(RecordHeader) + scratch_meta_.size() + body.size());
    if (Planted(Canary::kCompactionDropsRecord) && move.message.valid() && !moves.empty()) {
      move.at = moves.back().at;
    } else {
      move.at = log_->Append(record.type, scratch_meta_, body);
    }
    // What was said of the first piece, with what it was said in, may be dropped after this.
    if (HoldBytesOf(move) > 0) {
      Content& content = *index_.FindContent(move.content);
      AppendHold(content, HoldMeta::Op::kExactly, content.holders.List());
    }
    moves.push_back(std::move(move));
    metrics_.compacted_records.Add();
    metrics_.compacted_bytes.Add(moves.back().bytes);
    step_bytes += bytes;
    if (step_bytes >= kCompactStepBytes) {
      step_bytes = 0;
      CO_RETURN_IF_ERROR(co_await FlushMoves(from, moves));
    }
  }
  // All moves of one flush lie in one batch.
  CO_RETURN_IF_ERROR(co_await FlushMoves(from, moves));
  co_await io::Yield();
  co_return absl::OkStatus();
}

// Waits for the copies, then lets the index point at those that are still wanted.
io::Task<Status> StoreCore::FlushMoves(Segment* from, std::vector<Move>& moves) {
  if (moves.empty()) co_return absl::OkStatus();
  const Log::Committed committed = co_await log_->Commit();
  CO_RETURN_IF_ERROR(committed.status);
  for (const Move& move : moves) {
    const RecordPlace place = committed.Place(move.at, move.bytes);
    if (move.directory_version != 0) {
      directory_.ledger().Moved(move.directory_name, move.directory_version, from, place.segment);
      continue;
    }
    if (move.account) {
      accounts_.ledger().Moved(*move.account, move.from, place);
      continue;
    }
    if (move.message.valid()) {
      QueuedMessage* message = index_.Find(move.message);
      if (message != nullptr && Index::SegmentOf(*message) == from)
        index_.SetPlace(*message, place.segment, place.bytes);
      continue;
    }
    if (!index_.LiesAt(move.content, move.piece, move.from)) continue;
    Content* const content = index_.FindContent(move.content);
    // Lent meanwhile: another shard reads where it lies, so there it stays until it is returned.
    if (content->lent > 0) {
      stuck_.awaits_return = true;
      continue;
    }
    index_.SetPiece(*content, move.piece, place);
    index_.Settle(*content);
  }
  moves.clear();
  co_return absl::OkStatus();
}

}  // namespace ringmail::storage
