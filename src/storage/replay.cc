#include "storage/replay.h"

#include <algorithm>

#include "fmt/format.h"
#include "ringmail/base/canary.h"
#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"

namespace ringmail::storage {
namespace {

// No content has more pieces; a number beyond is not ours.
constexpr uint32_t kPiecesMax = 1u << 20;

bool AllZero(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

}  // namespace

LogState& Replay::State(LogId log) {
  const auto it = std::find_if(logs_.begin(), logs_.end(),
                               [&](const LogState& state) { return state.log == log; });
  if (it != logs_.end()) return *it;
  logs_.push_back({.log = log});
  return logs_.back();
}

void Replay::AddDamage(LogId log, uint64_t sequence, uint64_t offset, uint64_t bytes,
                       std::string what) {
  ++damage_count_;
  if (report_.damages.size() >= kDamagesMax) {
    report_.damages.back() = {
        SegmentPath(data_dir_, log, sequence), offset, bytes,
        fmt::format("{} (and more: the first {} are listed)", what, kDamagesMax - 1)};
    return;
  }
  report_.damages.push_back(
      {SegmentPath(data_dir_, log, sequence), offset, bytes, std::move(what)});
}

void Replay::AddLoss(LogId log, uint64_t sequence, uint64_t offset, uint64_t bytes,
                     std::string what) {
  // The directory is in log 0 alone.
  if (log == LogId(0)) directory_.NoteLoss();
  AddDamage(log, sequence, offset, bytes, std::move(what));
}

void Replay::Seen(std::vector<uint64_t>& next, LogId log, uint64_t sequence) {
  if (log.value >= kLogCountMax) return;
  if (next.size() <= log.value) next.resize(log.value + size_t{1}, 1);
  next[log.value] = std::max(next[log.value], sequence + 1);
}

uint64_t Replay::NextQueueSequence(LogId log) const {
  return log.value < next_queue_.size() ? next_queue_[log.value] : 1;
}
uint64_t Replay::NextContentSequence(LogId log) const {
  return log.value < next_content_.size() ? next_content_[log.value] : 1;
}

io::Task<Status> Replay::ReadHeaders(const std::vector<SegmentGroup>& groups) {
  io::DmaBuffer buffer(kSegmentHeaderBytes);
  for (const SegmentGroup& group : groups) {
    const size_t begin = infos_.size();
    uint64_t group_key = 0;
    for (const uint64_t sequence : group.segments) {
      SegmentInfo info{.log = group.log, .sequence = sequence};
      auto file = co_await io::File::Open(SegmentPath(data_dir_, group.log, sequence),
                                          io::OpenMode::kRead, io::Access::kDirect);
      CO_RETURN_IF_ERROR(file.status());
      auto bytes = co_await file->Size();
      CO_RETURN_IF_ERROR(bytes.status());
      info.bytes = *bytes;
      auto read = co_await file->Read(0, {buffer.data(), buffer.size()});
      co_await file->Close();
      CO_RETURN_IF_ERROR(read.status());
      info.header = DecodeSegmentHeader({buffer.data(), *read});
      // A recycled file whose header was not yet written shows the one of its former life.
      if (info.header.header &&
          (info.header.header->sequence != sequence || info.header.header->log != group.log)) {
        info.header = {};
      }
      if (info.header.header) {
        group_key = info.key = info.header.header->log_key;
        Seen(next_queue_, group.log, info.header.header->next_queue_sequence - 1);
        Seen(next_content_, group.log, info.header.header->next_content_sequence - 1);
      }
      infos_.push_back(info);
    }
    // A segment whose header is lost has the key of its neighbours.
    for (size_t i = begin; i < infos_.size(); ++i) {
      if (infos_[i].key == 0) infos_[i].key = group_key;
    }
    State(group.log).log_key = group_key;
  }
  co_return absl::OkStatus();
}

io::Task<Status> Replay::Run(const std::vector<SegmentGroup>& groups) {
  index_.BeginReplay();
  CO_RETURN_IF_ERROR(co_await ReadHeaders(groups));
  std::span<const SegmentInfo> rest = infos_;
  for (const SegmentGroup& group : groups) {
    CO_RETURN_IF_ERROR(co_await ReplayGroup(rest.first(group.segments.size())));
    rest = rest.subspan(group.segments.size());
  }
  report_.messages = index_.messages().size();
  for (std::string& wrong : directory_.EndReplay()) {
    if (report_.damages.size() < kDamagesMax)
      report_.damages.push_back({LogDirectory(data_dir_, LogId(0)), 0, 0, std::move(wrong)});
  }
  report_.directory_entries = directory_.table().size();
  for (std::string& wrong : accounts_.EndReplay()) {
    if (report_.damages.size() < kDamagesMax)
      report_.damages.push_back({LogsDirectory(data_dir_), 0, 0, std::move(wrong)});
  }
  report_.accounts = accounts_.accounts().size();
  co_return absl::OkStatus();
}

// Segments made ready but never begun are at the end: no header, no batch. Without the log's key
// nothing can be read: then zeros are empty, and anything else is damage.
io::Task<StatusOr<bool>> IsEmptySegment(ReadWindow& window, std::string path, SegmentSalt salt,
                                        uint64_t sequence, bool know_key) {
  SegmentScan scan(window,
                   {.path = std::move(path), .sequence = sequence, .salt = salt, .last = true});
  CO_RETURN_IF_ERROR(co_await scan.Open());
  bool empty = true;
  if (know_key) {
    auto step = co_await scan.Next();
    CO_RETURN_IF_ERROR(step.status());
    empty = step->kind == SegmentScan::Step::kEnd && scan.torn_bytes() == 0;
  } else {
    for (uint64_t at = kSegmentHeaderBytes; at < window.file_bytes() && empty;
         at += io::kBlockBytes) {
      auto block = co_await window.View(at, io::kBlockBytes);
      CO_RETURN_IF_ERROR(block.status());
      empty = AllZero(*block);
    }
  }
  co_await scan.Close();
  co_return empty;
}

io::Task<Status> Replay::ReplayGroup(std::span<const SegmentInfo> group) {
  const LogId log = group.front().log;
  size_t count = group.size();
  for (; count > 0 && !group[count - 1].header.header; --count) {
    const SegmentInfo& info = group[count - 1];
    auto empty = co_await IsEmptySegment(window_, SegmentPath(data_dir_, log, info.sequence),
                                         SegmentSalt::Of(info.key, info.sequence), info.sequence,
                                         info.key != 0);
    CO_RETURN_IF_ERROR(empty.status());
    if (!*empty) break;
    State(log).empty.push_back(info.sequence);
  }
  State(log).next_batch = 0;  // unknown
  after_damage_ = false;
  for (size_t i = 0; i < count; ++i) {
    const SegmentInfo& info = group[i];
    if (i > 0 && info.sequence != group[i - 1].sequence + 1) {
      for (uint64_t missing = group[i - 1].sequence + 1;
           missing < info.sequence && missing < group[i - 1].sequence + 100; ++missing) {
        AddLoss(log, missing, 0, 0, "the segment is missing");
      }
      after_damage_ = true;
    }
    const bool final = i + 1 == count;
    uint64_t limit = 0;
    if (!final && group[i + 1].header.header &&
        group[i + 1].header.header->previous_sequence == info.sequence) {
      limit = group[i + 1].header.header->previous_end;
    }
    // A segment of an adopted log was cut to what is valid in it.
    const bool sealed = info.header.header && info.bytes < info.header.header->segment_bytes;
    if (limit == 0 && sealed) limit = info.bytes;
    CO_RETURN_IF_ERROR(co_await ReplaySegment(info, limit, final && !sealed));
  }
  LogState& state = State(log);
  if (state.next_batch == 0) state.next_batch = 1;
  co_return absl::OkStatus();
}

io::Task<Status> Replay::ReplaySegment(const SegmentInfo& info, uint64_t limit, bool last) {
  auto owned = std::make_unique<Segment>();
  Segment& segment = *owned;
  segment.log = info.log;
  segment.sequence = info.sequence;
  segment.bytes = info.bytes;
  segment.salt = SegmentSalt::Of(info.key, info.sequence).value;
  segments_.push_back(std::move(owned));
  ++report_.segments;
  if (info.key == 0) {
    AddLoss(info.log, info.sequence, 0, info.bytes, "no segment of this log has a readable header");
    co_return absl::OkStatus();
  }
  if (info.header.header) {
    const uint64_t first = info.header.header->first_batch;
    LogState& state = State(info.log);
    if (state.next_batch != 0 && first > state.next_batch && !after_damage_) {
      AddLoss(info.log, info.sequence, 0, 0,
              fmt::format("batches {} to {} before this segment are missing", state.next_batch,
                          first - 1));
    }
    state.next_batch = std::max(state.next_batch, first);
  }
  bool read = false;
  if (bodies_ == Bodies::kVerifyLast && !last && limit != 0 && limit <= info.bytes &&
      info.header.header) {
    const std::string_view file = co_await ReadSummary(info.log, info.sequence);
    if (const auto view = SummaryView::Decode(file, KeyOf(info, limit))) {
      ReplaySummary(*view, segment);
      report_.bytes_read += file.size();
      segment.end = limit;
      State(info.log).last_batch = 0;
      JudgeHeader(info, State(info.log), last, 0);
      read = true;
    }
  }
  if (!read) CO_RETURN_IF_ERROR(co_await ScanSegment(info, limit, last, segment));
  LogState& state = State(info.log);
  if (info.sequence > state.last_sequence) {
    state.last_sequence = info.sequence;
    state.last_end = segment.end;
  }
  co_return absl::OkStatus();
}

io::Task<Status> Replay::ScanSegment(const SegmentInfo& info, uint64_t limit, bool last,
                                     Segment& segment) {
  const SegmentSalt salt{segment.salt};
  SegmentScan scan(window_, {.path = SegmentPath(data_dir_, info.log, info.sequence),
                             .sequence = info.sequence,
                             .salt = salt,
                             .limit = limit,
                             .last = last});
  CO_RETURN_IF_ERROR(co_await scan.Open());
  const uint64_t damages = damage_count_;
  SegmentSummary summary;
  uint64_t batches = 0, last_batch = 0;
  for (;;) {
    auto step = co_await scan.Next();
    CO_RETURN_IF_ERROR(step.status());
    if (step->kind == SegmentScan::Step::kEnd) break;
    ++batches;
    if (step->kind == SegmentScan::Step::kDamage) {
      AddLoss(info.log, info.sequence, step->offset, step->bytes, "no readable batch");
      after_damage_ = true;
      continue;
    }
    report_.bytes_read += step->bytes;
    last_batch = step->offset;
    if (ReplayBatch(segment, *step, salt, bodies_ == Bodies::kVerifyAll || last))
      summary.Add(step->batch.substr(0, step->header.used), step->offset);
  }
  co_await scan.Close();
  segment.end = scan.end();
  if (info.sequence > State(info.log).last_sequence) State(info.log).last_batch = last_batch;
  report_.torn_tail_bytes += scan.torn_bytes();
  JudgeHeader(info, State(info.log), last, batches);
  if (!info.header.header) co_return absl::OkStatus();
  // What is damaged is looked at by every start anew.
  const bool whole = damage_count_ == damages;
  if (bodies_ == Bodies::kVerifyAll) {
    co_await CheckSummary(KeyOf(info, segment.end), whole ? &summary : nullptr);
  } else if (whole) {
    Keep(KeyOf(info, segment.end), std::move(summary));
  }
  co_return absl::OkStatus();
}

SummaryKey Replay::KeyOf(const SegmentInfo& info, uint64_t end) const {
  return {.log = info.log,
          .log_key = info.key,
          .sequence = info.sequence,
          .first_batch = info.header.header->first_batch,
          .end = end};
}

void Replay::Keep(const SummaryKey& key, SegmentSummary summary) {
  if (!summary.whole() || gathered_bytes_ + summary.bytes() > kSummaryWaitingBytesMax) return;
  gathered_bytes_ += summary.bytes();
  gathered_.push_back({key, std::move(summary)});
}

// The file, or nothing: whatever keeps it from being read costs time only. Valid until the next.
io::Task<std::string_view> Replay::ReadSummary(LogId log, uint64_t sequence) {
  auto file = co_await io::File::Open(SummaryPath(data_dir_, log, sequence), io::OpenMode::kRead,
                                      io::Access::kDirect);
  if (!file.ok()) co_return std::string_view();
  auto bytes = co_await file->Size();
  std::string_view read;
  if (bytes.ok() && *bytes > 0 && *bytes <= kSummaryHeaderBytes + kSummaryBytesMax) {
    const size_t room = RoundUp(*bytes, io::kBlockBytes);
    if (summary_buffer_.size() < room) summary_buffer_ = io::DmaBuffer(room);
    auto got = co_await file->Read(0, {summary_buffer_.data(), room});
    if (got.ok()) read = {summary_buffer_.data(), *got};
  }
  co_await file->Close();
  co_return read;
}

void Replay::ReplaySummary(SummaryView view, Segment& segment) {
  segment.from_summary = true;
  ++report_.summaries;
  SummaryBatch batch;
  RecordView record;
  while (view.NextBatch(batch)) {
    BeginBatch(segment, batch.offset, batch.sequence);
    while (view.NextRecord(record)) {
      ++report_.records;
      ReplayRecord(segment, record, false);
    }
  }
}

// A summary that a start would not use is only mentioned; one that it would believe must say what
// the segment says. `scanned`: nullptr where the segment is damaged, which is reported.
io::Task<void> Replay::CheckSummary(SummaryKey key, const SegmentSummary* scanned) {
  const std::string path = SummaryPath(data_dir_, key.log, key.sequence);
  if (const auto names = co_await io::File::Open(path, io::OpenMode::kRead, io::Access::kBuffered);
      !names.ok())
    co_return;
  const std::string_view file = co_await ReadSummary(key.log, key.sequence);
  const auto view = SummaryView::Decode(file, key);
  if (!view) {
    if (report_.ignored_summaries.size() < kDamagesMax) {
      report_.ignored_summaries.push_back(
          {path, 0, file.size(), "not a whole summary of this segment; a start does without it"});
    }
    co_return;
  }
  if (scanned == nullptr) co_return;
  std::string_view rest = view->payload();
  bool same = scanned->whole() && rest.size() == scanned->bytes();
  for (const std::string& piece : scanned->pieces()) {
    if (!same) break;
    same = rest.substr(0, piece.size()) == piece;
    rest.remove_prefix(piece.size());
  }
  if (same) {
    ++report_.summaries;
  } else if (report_.damages.size() < kDamagesMax) {
    report_.damages.push_back(
        {path, 0, file.size(),
         "the summary says other things than its segment: remove the summary"});
  }
}

// The header is written with the first batch: a crash there may leave one copy or none, and is no
// damage. Where it left no batch that is whole, the header is not known to be durable either.
void Replay::JudgeHeader(const SegmentInfo& info, LogState& state, bool last, uint64_t batches) {
  if (info.header.copies == 2 && !(last && batches == 0)) return;
  if (last && batches <= 1) {
    state.last_header_bad = true;
    state.last_header = info.header.header.value_or(SegmentHeader{});
    return;
  }
  AddDamage(info.log, info.sequence, 0, kSegmentHeaderBytes,
            info.header.copies == 1 ? "one of the two segment headers is not readable"
                                    : "the segment header is not readable");
}

void Replay::BeginBatch(const Segment& segment, uint64_t offset, uint64_t sequence) {
  LogState& state = State(segment.log);
  if (state.next_batch != 0 && sequence != state.next_batch && !after_damage_) {
    AddLoss(segment.log, segment.sequence, offset, 0,
            fmt::format("expected batch {}, found batch {}", state.next_batch, sequence));
  }
  after_damage_ = false;
  state.next_batch = sequence + 1;
}

bool Replay::ReplayBatch(Segment& segment, const SegmentScan::Step& step, SegmentSalt salt,
                         bool verify) {
  BeginBatch(segment, step.offset, step.header.sequence);
  const uint64_t damages = damage_count_;
  uint32_t records = 0;
  RecordCursor cursor(step.batch, step.header, salt, step.offset);
  RecordView record;
  for (;;) {
    const RecordCursor::Step next = cursor.Next(record);
    if (next == RecordCursor::Step::kEnd) break;
    if (next == RecordCursor::Step::kDamage) {
      AddLoss(segment.log, segment.sequence, record.offset, record.bytes, "no readable record");
    } else {
      ++report_.records;
      ++records;
      const bool last = records > 1 && records == step.header.records;
      if (Planted(Canary::kDropLastRecord) && last) continue;
      ReplayRecord(segment, record, verify);
    }
  }
  return damage_count_ == damages && records == step.header.records;
}

void Replay::ReplayRecord(Segment& segment, const RecordView& record, bool verify) {
  bool understood = false;
  if (record.version >= kRecordVersionOldest && record.version <= kRecordVersion) {
    switch (record.type) {
      case RecordType::kContent:
        understood = ReplayContent(segment, record, verify);
        break;
      case RecordType::kMessage:
        understood = ReplayMessage(segment, record);
        break;
      case RecordType::kUpdate:
        understood = ReplayUpdate(record);
        break;
      case RecordType::kDirectory:
        understood = ReplayDirectory(segment, record);
        break;
      case RecordType::kAccount:
        understood = ReplayAccount(segment, record, verify);
        break;
      case RecordType::kHold:
        understood = ReplayHold(record);
        break;
    }
  }
  if (!understood) {
    AddLoss(segment.log, segment.sequence, record.offset, record.bytes,
            fmt::format("a record of type {} version {} that says nothing we understand",
                        static_cast<int>(record.type), record.version));
  }
}

bool Replay::ReplayContent(Segment& segment, const RecordView& record, bool verify) {
  // From a summary the body is missing, but not its length.
  const size_t body_bytes = record.bytes - sizeof(RecordHeader) - record.meta.size();
  const auto meta = DecodeContentMeta(record.meta, body_bytes);
  if (!meta || meta->piece >= kPiecesMax) return false;
  Seen(next_content_, meta->content.log(),
       meta->content.value & ((uint64_t{1} << QueueId::kSequenceBits) - 1));
  Content* content = index_.FindContent(meta->content);
  if (content == nullptr) content = &index_.AddContent(meta->content);
  index_.SetPiece(*content, meta->piece,
                  {&segment, static_cast<uint32_t>(record.offset), record.bytes});
  if (meta->last) {
    content->complete = true;
    content->bytes = meta->total_bytes;
    content->prefix_bytes = meta->prefix_bytes;
    content->flags = meta->flags;
  }
  if (verify && !BodyIntact(*meta, record.body)) {
    ++bad_bodies_;
    content->damaged = true;
    AddDamage(segment.log, segment.sequence, record.offset, record.bytes,
              fmt::format("content {} piece {}: wrong checksum",
                          QueueId(meta->content.value).ToString(), meta->piece));
  }
  return true;
}

bool Replay::ReplayMessage(Segment& segment, const RecordView& record) {
  const auto meta = DecodeMessageMeta(record.meta);
  if (!meta || !DecodeOutcomes(meta->outcomes, outcomes_)) return false;
  Seen(next_queue_, meta->id.log(), meta->id.sequence());
  Content* content = index_.FindContent(meta->content);
  if (content == nullptr) content = &index_.AddContent(meta->content);
  QueuedMessage* message =
      index_.MakeMessage(meta->id, *content, meta->envelope, meta->next_attempt_seconds);
  if (message == nullptr) return false;
  // A copy made by compaction takes the place of what it was copied from.
  if (QueuedMessage* old = index_.Find(meta->id)) index_.Free(*old);
  index_.Insert(*message);
  index_.SetPlace(*message, &segment, record.bytes);
  index_.Apply(*message, *meta, outcomes_);
  if (message->pending_count() == 0) index_.Free(*message);
  return true;
}

bool Replay::ReplayUpdate(const RecordView& record) {
  const auto meta = DecodeUpdateMeta(record.meta);
  if (!meta || !DecodeOutcomes(meta->outcomes, outcomes_)) return false;
  Seen(next_queue_, meta->id.log(), meta->id.sequence());
  QueuedMessage* message = index_.Find(meta->id);
  if (message == nullptr) return true;  // it left, and its record with its segment
  if (Planted(Canary::kForgetPartialOutcome) &&
      outcomes_.outcomes.size() < message->recipient_count())
    return true;
  index_.Apply(*message, *meta, outcomes_);
  if (message->pending_count() == 0) index_.Free(*message);
  return true;
}

bool Replay::ReplayDirectory(Segment& segment, const RecordView& record) {
  // Shard 0 always is there, and log 0 its own: nobody else writes such a record.
  return segment.log == LogId(0) && directory_.Replay(record, segment);
}

bool Replay::ReplayAccount(Segment& segment, const RecordView& record, bool verify) {
  const auto meta = DecodeAccountMeta(record.meta);
  if (!meta) return false;
  accounts_.Replay(*meta, {&segment, static_cast<uint32_t>(record.offset), record.bytes});
  if (verify && !BodyIntact(*meta, record.body)) {
    ++bad_bodies_;
    AddDamage(
        segment.log, segment.sequence, record.offset, record.bytes,
        fmt::format("account {} change {}: wrong checksum", meta->account.value, meta->number));
  }
  return true;
}

bool Replay::ReplayHold(const RecordView& record) {
  const auto meta = DecodeHoldMeta(record.meta);
  if (!meta) return false;
  // Where the content is not known, a later copy of it says who holds it.
  if (Content* const content = index_.FindContent(meta->content))
    index_.Apply(*content, meta->op, UnpackAccounts(meta->accounts));
  return true;
}

}  // namespace ringmail::storage
