// Opening and closing: what is on the disk becomes a queue, a fresh segment begins, and background
// work starts.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fmt/format.h"
#include "ringmail/base/canary.h"
#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"
#include "storage/store_core.h"

namespace ringmail::storage {
namespace {

uint32_t EffectiveBatchBytes(const StoreOptions& options) {
  const uint64_t bytes = std::min<uint64_t>(
      {options.batch_bytes_max, kBatchBytesMax, options.segment_bytes - kSegmentHeaderBytes});
  return static_cast<uint32_t>(bytes / io::kBlockBytes * io::kBlockBytes);
}

}  // namespace

io::Task<StatusOr<std::unique_ptr<ShardStore>>> ShardStore::Open(StoreOptions options) {
  auto store = std::make_unique<StoreCore>(std::move(options), LogId(io::ThisShard().value));
  const Status opened = co_await store->OpenAll();
  if (!opened.ok()) {
    (void)co_await store->Close();
    co_return opened;
  }
  co_return std::unique_ptr<ShardStore>(std::move(store));
}

StoreCore::StoreCore(StoreOptions options, LogId own)
    : options_(std::move(options)),
      own_(own),
      index_(options_.content_cache_bytes, metrics_),
      directory_(*this, options_.directory),
      accounts_(*this) {}

StoreCore::~StoreCore() = default;

Status StoreCore::CheckOptions() {
  if (options_.segment_bytes % kSegmentBytesMin != 0 || options_.segment_bytes < kSegmentBytesMin ||
      options_.segment_bytes > kSegmentBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("segment_bytes ", options_.segment_bytes,
                                                   ": a multiple of 1 MiB up to 1 GiB is needed"));
  }
  constexpr uint32_t kBatchBytesMin = 512u << 10;
  if (EffectiveBatchBytes(options_) < kBatchBytesMin) {
    return absl::InvalidArgumentError(absl::StrCat("batch_bytes_max ", options_.batch_bytes_max,
                                                   ": at least ", kBatchBytesMin, " are needed"));
  }
  const uint64_t quota_min = options_.reserve_bytes + kCompactSegmentsMin * options_.segment_bytes;
  if (options_.quota_bytes != 0 && options_.quota_bytes < quota_min) {
    return absl::InvalidArgumentError(absl::StrCat("quota_bytes ", options_.quota_bytes,
                                                   ": at least ", quota_min,
                                                   " are needed (the reserve and four segments)"));
  }
  return absl::OkStatus();
}

io::Task<Status> StoreCore::OpenAll() {
  CO_RETURN_IF_ERROR(CheckOptions());
  CO_RETURN_IF_ERROR(co_await PrepareDirectories());
  CO_RETURN_IF_ERROR(co_await Recover());
  directory_.Opened();
  metrics_.directory_entries.Set(static_cast<int64_t>(directory_.size()));
  metrics_.directory_damaged.Set(directory_.complete() ? 0 : 1);
  if (directory_.ledger().newly_incomplete()) {
    const Status written = co_await directory_.WriteLoss();
    // With no room for it the next start finds out anew.
    if (!written.ok() && !absl::IsResourceExhausted(written)) co_return written;
  }
  index_.set_on_returned(&StoreCore::ContentReturned, this);
  gate_.Spawn(RunCompaction(this));
  co_return absl::OkStatus();
}

io::Task<Status> StoreCore::PrepareDirectories() {
  const std::string logs = LogsDirectory(options_.data_dir);
  CO_RETURN_IF_ERROR(co_await io::CreateDirectory(logs));
  CO_RETURN_IF_ERROR(co_await io::CreateDirectory(LogDirectory(options_.data_dir, own_)));
  CO_RETURN_IF_ERROR(co_await io::SyncDirectory(options_.data_dir));
  co_return co_await io::SyncDirectory(logs);
}

bool StoreCore::Mine(LogId log) const {
  if (Planted(Canary::kForgetVanishedShards)) return log == own_;
  return log.value % io::ShardCount() == own_.value;
}

io::Task<Status> StoreCore::Recover() {
  auto logs = co_await ListLogs(options_.data_dir);
  CO_RETURN_IF_ERROR(logs.status());
  std::vector<SegmentGroup> groups = GroupSegments(*logs);
  std::erase_if(groups, [this](const SegmentGroup& group) { return !Mine(group.owner); });
  // What is being adopted now goes before the own log's newest segments.
  std::stable_partition(groups.begin(), groups.end(), [this](const SegmentGroup& group) {
    return !(group.log == own_ && group.owner == own_ && group.depth == 0);
  });
  Replay replay(options_.data_dir, Bodies::kVerifyLast, index_, directory_.ledger(),
                accounts_.ledger(), segments_, report_);
  CO_RETURN_IF_ERROR(co_await replay.Run(groups));
  (void)index_.EndReplay();
  HoldDamaged();
  report_.messages = index_.messages().size();
  metrics_.messages.Set(static_cast<int64_t>(report_.messages));

  co_await ClearSummaries(*logs, replay);
  uint64_t next_sequence = 1;
  std::vector<uint64_t> spares;
  for (const LogFiles& files : *logs) {
    const auto& states = replay.logs();
    const auto state = std::find_if(states.begin(), states.end(),
                                    [&](const LogState& s) { return s.log == files.log; });
    const LogState* known = state == states.end() ? nullptr : &*state;
    if (known != nullptr && known->last_header_bad)
      CO_RETURN_IF_ERROR(co_await MendHeader(*known, replay));
    if (known != nullptr && known->last_batch != 0)
      CO_RETURN_IF_ERROR(co_await WriteTailAgain(*known));
    if (Mine(files.log)) CO_RETURN_IF_ERROR(co_await ClearLeftovers(files, known, spares));
    if (files.log != own_) continue;
    sequences_ = {replay.NextQueueSequence(own_), replay.NextContentSequence(own_)};
    for (const Adoption& adoption : files.adoptions) {
      next_sequence = std::max(next_sequence, adoption.through + 1);
      sequences_.queue = std::max(sequences_.queue, adoption.next_sequence);
      sequences_.content = std::max(sequences_.content, adoption.next_sequence);
    }
    for (const uint64_t segment : files.segments) {
      const bool empty =
          known != nullptr && std::count(known->empty.begin(), known->empty.end(), segment) != 0;
      if (!empty) next_sequence = std::max(next_sequence, segment + 1);
    }
  }
  // Numbers given out before a crash, but never written, are not given out again.
  if (!segments_.empty() || next_sequence > 1) {
    sequences_.queue += kSequenceSkip;
    sequences_.content += kSequenceSkip;
  }
  CO_RETURN_IF_ERROR(co_await OpenLog(replay, std::move(spares), next_sequence));
  WriteReplayed(replay);
  co_return co_await Adopt(*logs, groups, replay);
}

io::Task<Status> StoreCore::OpenLog(const Replay& replay, std::vector<uint64_t> spares,
                                    uint64_t next_sequence) {
  uint64_t held_bytes = 0;
  for (const auto& segment : segments_) held_bytes += segment->bytes;
  supply_ = std::make_unique<SegmentSupply>(
      SegmentSupply::Options{.data_dir = options_.data_dir,
                             .log = own_,
                             .segment_bytes = options_.segment_bytes,
                             .quota_bytes = options_.quota_bytes,
                             .reserve_bytes = options_.reserve_bytes,
                             .next_sequence = next_sequence,
                             .held_segments = segments_.size(),
                             .held_bytes = held_bytes,
                             .spares = std::move(spares)},
      metrics_);
  Log::Options log{.log = own_, .batch_bytes_max = EffectiveBatchBytes(options_)};
  for (const LogState& state : replay.logs()) {
    if (state.log != own_) continue;
    log.log_key = state.log_key;
    log.next_batch = std::max<uint64_t>(1, state.next_batch);
    log.previous_sequence = state.last_sequence;
    log.previous_end = state.last_end;
  }
  while (log.log_key == 0) log.log_key = io::RandomUint64();
  CO_RETURN_IF_ERROR(co_await supply_->Start());
  summaries_ = std::make_unique<SummaryWriter>(options_.data_dir, *supply_, metrics_);
  summaries_->Start();
  log_ = std::make_unique<Log>(log, *supply_, segments_, sequences_, *summaries_, metrics_);
  supply_->set_on_change(&StoreCore::SpaceChanged, this);
  co_return co_await log_->Start();
}

// Only summaries that were believed stay, before anything new is written: so none is ever found
// beside a segment that it was not made of, whatever was copied or restored meanwhile.
io::Task<void> StoreCore::ClearSummaries(const std::vector<LogFiles>& logs, const Replay& replay) {
  std::set<std::pair<LogId, uint64_t>> believed, replayed;
  for (const auto& segment : segments_) {
    replayed.emplace(segment->log, segment->sequence);
    if (segment->from_summary) believed.emplace(segment->log, segment->sequence);
  }
  for (const LogState& state : replay.logs()) {
    for (const uint64_t sequence : state.empty) replayed.emplace(state.log, sequence);
  }
  for (const LogFiles& files : logs) {
    bool removed = false;
    for (const uint64_t sequence : files.summaries) {
      const bool orphan =
          !std::binary_search(files.segments.begin(), files.segments.end(), sequence);
      const bool ours = orphan ? Mine(files.log) : replayed.contains({files.log, sequence});
      if (!ours || believed.contains({files.log, sequence})) continue;
      (void)co_await io::Remove(SummaryPath(options_.data_dir, files.log, sequence));
      removed = true;
    }
    // Best effort, as all about summaries is: log key, batches and end are compared anyway.
    if (removed) (void)co_await io::SyncDirectory(LogDirectory(options_.data_dir, files.log));
  }
}

// Segments that a crash or an older program left without a summary get it from what was just read.
// Those of an adopted log do not: they are emptied at once.
void StoreCore::WriteReplayed(Replay& replay) {
  for (ReplayedSummary& replayed : replay.TakeSummaries()) {
    if (replayed.key.log == own_) summaries_->Submit(replayed.key, std::move(replayed.summary));
  }
}

// Files that a former process was making, spare ones of another size, and segments made ready but
// never begun.
io::Task<Status> StoreCore::ClearLeftovers(const LogFiles& files, const LogState* state,
                                           std::vector<uint64_t>& spares) {
  const std::string directory = LogDirectory(options_.data_dir, files.log) + "/";
  const bool own = files.log == own_;
  for (const std::string& name : files.unfinished)
    CO_RETURN_IF_ERROR(co_await io::Remove(directory + name));
  uint64_t next_spare = 1;
  for (const uint64_t spare : files.spares) next_spare = std::max(next_spare, spare + 1);
  std::vector<std::string> names;
  for (const uint64_t spare : files.spares) names.push_back(SpareName(spare));
  if (state != nullptr) {
    for (const uint64_t sequence : state->empty) names.push_back(SegmentName(sequence));
  }
  for (const std::string& name : names) {
    auto file =
        co_await io::File::Open(directory + name, io::OpenMode::kRead, io::Access::kBuffered);
    CO_RETURN_IF_ERROR(file.status());
    auto bytes = co_await file->Size();
    co_await file->Close();
    CO_RETURN_IF_ERROR(bytes.status());
    if (!own || *bytes != options_.segment_bytes || spares.size() >= kSpareSegmentsMax) {
      CO_RETURN_IF_ERROR(co_await io::Remove(directory + name));
    } else if (const auto spare = ParseSpareName(name)) {
      spares.push_back(*spare);
    } else {
      CO_RETURN_IF_ERROR(co_await io::Rename(directory + name, directory + SpareName(next_spare)));
      spares.push_back(next_spare++);
    }
  }
  co_return co_await io::SyncDirectory(LogDirectory(options_.data_dir, files.log));
}

// What can be read is not yet durable: the last batch may be what a killed process had in flight,
// or what a failed write left behind. Before anything is done because of it, it is written again
// where it stands, octet for octet.
io::Task<Status> StoreCore::WriteTailAgain(const LogState& state) {
  // The header is written with the first batch.
  const uint64_t begin = state.last_batch == kSegmentHeaderBytes ? 0 : state.last_batch;
  auto file =
      co_await io::File::Open(SegmentPath(options_.data_dir, state.log, state.last_sequence),
                              io::OpenMode::kReadWrite, io::Access::kDirect);
  CO_RETURN_IF_ERROR(file.status());
  io::DmaBuffer buffer(RoundUp(state.last_end - begin, io::kBlockBytes));
  Status written;
  // Of a segment that was cut the last block is not whole: there is nothing behind it.
  const auto read = co_await file->Read(begin, {buffer.data(), buffer.size()});
  if (!read.ok()) {
    written = read.status();
  } else {
    written = co_await file->Write(begin, {buffer.data(), buffer.size()}, io::Durability::kDurable,
                                   &buffer);
  }
  co_await file->Close();
  co_return written;
}

// A crash in the first write of a segment may leave its header half written though the batch is
// whole: the header is written again, so that it is not taken for damage once the segment is no
// longer the last.
io::Task<Status> StoreCore::MendHeader(const LogState& state, const Replay& replay) {
  SegmentHeader header = state.last_header;
  if (header.sequence == 0) {
    header.sequence = state.last_sequence;
    header.log = state.log;
    header.log_key = state.log_key;
    header.next_queue_sequence = replay.NextQueueSequence(state.log);
    header.next_content_sequence = replay.NextContentSequence(state.log);
    header.first_batch = state.next_batch - 1;
    for (const auto& segment : segments_) {
      if (segment->log != state.log) continue;
      if (segment->sequence == state.last_sequence) header.segment_bytes = segment->bytes;
      if (segment->sequence + 1 != state.last_sequence) continue;
      header.previous_sequence = segment->sequence;
      header.previous_end = segment->end;
    }
  }
  io::DmaBuffer buffer(kSegmentHeaderBytes);
  EncodeSegmentHeader(header, buffer.data());
  auto file =
      co_await io::File::Open(SegmentPath(options_.data_dir, state.log, state.last_sequence),
                              io::OpenMode::kReadWrite, io::Access::kDirect);
  CO_RETURN_IF_ERROR(file.status());
  const Status written =
      co_await file->Write(0, {buffer.data(), buffer.size()}, io::Durability::kDurable, &buffer);
  co_await file->Close();
  co_return written;
}

// Logs without a shard of their own become part of this one's: README, "Adoption". Before the first
// record about their messages is written here, the name that says so is durable.
io::Task<Status> StoreCore::Adopt(const std::vector<LogFiles>& logs,
                                  const std::vector<SegmentGroup>& groups, const Replay& replay) {
  std::vector<LogId> adopted;
  for (const SegmentGroup& group : groups) {
    if (group.owner != own_ && std::count(adopted.begin(), adopted.end(), group.owner) == 0)
      adopted.push_back(group.owner);
  }
  for (const LogId log : adopted) {
    Adoption adoption{.by = own_, .at = log_->active()->sequence};
    for (const LogState& state : replay.logs()) {
      if (state.log == log) adoption.through = state.last_sequence;
    }
    for (const LogFiles& files : logs) {
      for (const Adoption& other : files.adoptions) {
        if (other.by == log) adoption.through = std::max(adoption.through, other.at);
        if (files.log == log)
          adoption.next_sequence = std::max(adoption.next_sequence, other.next_sequence);
      }
    }
    adoption.next_sequence = std::max({adoption.next_sequence, replay.NextQueueSequence(log),
                                       replay.NextContentSequence(log)}) +
                             kSequenceSkip;
    // Its last segment is cut to what is valid, so that nothing after it can ever be taken for
    // more.
    for (const auto& segment : segments_) {
      if (segment->log != log || segment->sequence != adoption.through ||
          segment->end >= segment->bytes)
        continue;
      auto file = co_await io::File::Open(SegmentPath(options_.data_dir, log, segment->sequence),
                                          io::OpenMode::kReadWrite, io::Access::kBuffered);
      CO_RETURN_IF_ERROR(file.status());
      Status cut = co_await file->Truncate(segment->end);
      if (cut.ok()) cut = co_await file->Sync();
      co_await file->Close();
      CO_RETURN_IF_ERROR(cut);
      segment->bytes = segment->end;
    }
    const std::string directory = LogDirectory(options_.data_dir, log);
    auto marker = co_await io::File::Open(directory + "/" + AdoptionName(adoption),
                                          io::OpenMode::kCreateOrReplace, io::Access::kBuffered);
    CO_RETURN_IF_ERROR(marker.status());
    co_await marker->Close();
    CO_RETURN_IF_ERROR(co_await io::SyncDirectory(directory));
    LogLine(io::ShardLog(), LogLevel::kInfo, "log-adopted")
        .Field("log", LogDirectoryName(log))
        .Field("by", LogDirectoryName(own_))
        .Field("through", adoption.through);
  }
  co_return absl::OkStatus();
}

// Mail whose content cannot be read is not given to the next hop, nor to nobody: it is kept, held,
// and reported.
void StoreCore::HoldDamaged() {
  for (const auto& [id, message] : index_.messages()) {
    Content& content = message->content();
    bool whole = content.complete && !content.damaged;
    for (uint32_t i = 0; i < content.piece_count && whole; ++i)
      whole = content.piece(i).segment != nullptr;
    if (whole) continue;
    content.damaged = true;
    Index::Hold(*message);
    if (report_.damages.size() < kDamagesMax) {
      const Segment* segment = Index::SegmentOf(*message);
      report_.damages.push_back(
          {SegmentPath(options_.data_dir, segment->log, segment->sequence), 0, 0,
           fmt::format("message {}: its content {} is damaged; the message is held",
                       message->id().ToString(), QueueId(content.id.value).ToString())});
    }
    LogLine(io::ShardLog(), LogLevel::kError, "content-damaged")
        .Id(message->id())
        .Field("action", "held");
  }
}

void StoreCore::SpaceChanged(void* self) {
  auto* store = static_cast<StoreCore*>(self);
  if (store->log_ == nullptr) return;
  store->log_->SpaceChanged();
  store->metrics_.accepting.Set(store->Acceptance().ok() ? 1 : 0);
  store->compact_.Notify();
}

io::Task<Status> StoreCore::Close() {
  co_await accounts_.Close();
  closing_ = true;
  compact_.Notify();
  co_await gate_.Close();
  co_await directory_.Close();
  Status status;
  if (log_ != nullptr) {
    co_await log_->Stop();
    status = log_->failed();
  }
  if (summaries_ != nullptr) co_await summaries_->Stop();
  if (supply_ != nullptr) co_await supply_->Stop();
  for (ReadFile& file : read_files_) {
    CHECK_EQ(file.readers, 0u);
    co_await file.file.Close();
  }
  read_files_.clear();
  closed_ = true;
  co_return status;
}

}  // namespace ringmail::storage
