// The queue's side of the store: taking messages in, recording what became of them, walking through
// them.
#include <algorithm>
#include <utility>

#include "ringmail/base/canary.h"
#include "ringmail/base/check.h"
#include "storage/content_writer.h"
#include "storage/store_core.h"

namespace ringmail::storage {
namespace {

// What replies are cut to, one after the other, until a record fits.
constexpr std::array<size_t, 3> kReplyTextSteps = {message::kReplyTextBytesMax, 100, 0};

// Shared content must not go while a message that refers to it is being made.
class ContentHold {
 public:
  ContentHold(Index& index, Content* content) : index_(index), content_(content) {
    if (content_ != nullptr) index_.Ref(*content_);
  }
  ContentHold(const ContentHold&) = delete;
  ContentHold& operator=(const ContentHold&) = delete;
  ~ContentHold() {
    if (content_ != nullptr) index_.Unref(*content_);
  }

 private:
  Index& index_;
  Content* const content_;
};

// A message that is not in the index yet, and is given up unless it gets there.
class NewMessage {
 public:
  NewMessage(Index& index, QueuedMessage* message) : index_(index), message_(message) {
    CHECK(message != nullptr);  // REQUIRES: an envelope with at least one recipient
  }
  NewMessage(const NewMessage&) = delete;
  NewMessage& operator=(const NewMessage&) = delete;
  ~NewMessage() {
    if (message_ != nullptr) index_.Free(*message_);
  }
  QueuedMessage* Release() { return std::exchange(message_, nullptr); }

 private:
  Index& index_;
  QueuedMessage* message_;
};

}  // namespace

ContentWriter StoreCore::NewContent() {
  return ContentWriter(std::make_unique<ContentWriter::State>(this));
}

Status StoreCore::Acceptance() const {
  RETURN_IF_ERROR(log_->failed());
  if (closing_) return absl::UnavailableError("the store closes");
  if (log_->active_rest() + supply_->Headroom() > options_.reserve_bytes) return absl::OkStatus();
  if (!supply_->status().ok()) return supply_->status();
  return absl::ResourceExhaustedError(
      "no space for new mail: what is left is kept for the mail that is queued");
}

size_t StoreCore::EncodeUpdate(const MessageUpdate& update, size_t text_bytes_max) {
  const size_t begin = scratch_.size();
  const int64_t next = update.next_attempt == WallTime{}
                           ? 0
                           : std::max<int64_t>(1, UnixSeconds(update.next_attempt));
  EncodeUpdateMeta(
      {.id = update.id,
       .next_attempt_seconds = static_cast<uint32_t>(std::min<int64_t>(next, UINT32_MAX)),
       .attempt_counted = update.attempt_counted,
       .held = update.held,
       .delay_warned = Planted(Canary::kWarnAgainAfterRestart) ? MessageUpdate::Flag::kUnchanged
                                                               : update.delay_warned},
      scratch_);
  OutcomeEncoder encoder(scratch_, text_bytes_max);
  for (const RecipientOutcome& outcome : update.outcomes) {
    encoder.Add({.recipient = outcome.recipient,
                 .state = outcome.state,
                 .reply = outcome.reply.code == 0 ? nullptr : &outcome.reply,
                 .remote_host = outcome.remote_host});
  }
  return scratch_.size() - begin;
}

size_t StoreCore::HoldBytes(const MessageUpdate& update) {
  if (update.holds.empty()) return 0;
  return RecordBytes(kHoldMetaBytes + update.holds.size() * sizeof(uint64_t), 0);
}

void StoreCore::AppendHold(Content& content, HoldMeta::Op op, std::span<const AccountId> accounts) {
  scratch_meta_.clear();
  EncodeHoldMeta(content.id, op, accounts, scratch_meta_);
  log_->Append(RecordType::kHold, scratch_meta_, {});
  index_.Apply(content, op, accounts);
}

// Encodes all into scratch_; valid until the next co_await. Returns the room they need.
size_t StoreCore::PrepareUpdates(const std::vector<MessageUpdate>& updates, size_t text_bytes_max) {
  scratch_.clear();
  prepared_.clear();
  size_t bytes = 0;
  for (const MessageUpdate& update : updates) {
    const size_t begin = scratch_.size();
    const size_t meta_bytes = EncodeUpdate(update, text_bytes_max);
    prepared_.push_back({&update, begin, meta_bytes});
    bytes += RecordBytes(meta_bytes, 0) + HoldBytes(update);
  }
  return bytes;
}

void StoreCore::AppendPrepared(std::vector<QueueId>& finished) {
  for (const PreparedUpdate& prepared : prepared_) {
    QueuedMessage* message = index_.Find(prepared.update->id);
    // What has left, or is leaving, is not changed any more.
    if (message == nullptr || !index_.Apply(*message, *prepared.update)) continue;
    log_->Append(RecordType::kUpdate,
                 std::string_view(scratch_).substr(prepared.meta_begin, prepared.meta_bytes), {});
    if (!prepared.update->holds.empty())
      AppendHold(message->content(), HoldMeta::Op::kAdd, prepared.update->holds);
    metrics_.updates.Add();
    if (message->pending_count() == 0) finished.push_back(message->id());
  }
}

void StoreCore::Leave(const std::vector<QueueId>& finished) {
  for (const QueueId id : finished) {
    QueuedMessage* message = index_.Find(id);
    CHECK(message != nullptr);  // only its own last update makes it leave
    if (observer_ != nullptr) observer_->Leaving(*message);
    index_.Free(*message);
  }
  if (finished.empty()) return;
  metrics_.messages.Set(static_cast<int64_t>(size()));
  metrics_.cache_bytes.Set(static_cast<int64_t>(index_.cache_bytes()));
  SpaceFreed();
}

io::Task<StatusOr<QueuedMessage*>> StoreCore::Enqueue(QueueId id, const message::Envelope& envelope,
                                                      ContentWriter content,
                                                      std::vector<MessageUpdate> updates) {
  CHECK(content.open());
  std::string packed;
  message::PackEnvelope(envelope, packed);
  return EnqueueContent(id, std::move(packed), nullptr, content.TakeState(), std::move(updates));
}

io::Task<StatusOr<QueuedMessage*>> StoreCore::EnqueueShared(QueueId id,
                                                            const message::Envelope& envelope,
                                                            Content& content,
                                                            std::vector<MessageUpdate> updates) {
  CHECK_EQ(content.index, &index_);
  std::string packed;
  message::PackEnvelope(envelope, packed);
  return EnqueueContent(id, std::move(packed), &content, nullptr, std::move(updates));
}

io::Task<StatusOr<QueuedMessage*>> StoreCore::EnqueueContent(
    QueueId id, std::string packed, Content* content, std::unique_ptr<ContentWriter::State> state,
    std::vector<MessageUpdate> updates) {
  CHECK(id.valid() && index_.Find(id) == nullptr);
  const ContentHold hold(index_, content);
  // A DSN goes with the outcome it reports, and outcomes have a reserve.
  const Status acceptance = Acceptance();
  if (!acceptance.ok() && (updates.empty() || !absl::IsResourceExhausted(acceptance)))
    co_return acceptance;
  if (state != nullptr && !state->FitsOnePiece()) CO_RETURN_IF_ERROR(co_await state->DrainAll());
  const size_t message_bytes = RecordBytes(kMessageMetaBytes + packed.size(), 0);
  size_t piece_bytes = state == nullptr ? 0 : state->PieceRecordBytes();
  size_t step = 0;
  size_t bytes = piece_bytes + message_bytes + PrepareUpdates(updates, kReplyTextSteps[step]);
  while (bytes > log_->group_bytes_max() && step + 1 < kReplyTextSteps.size()) {
    bytes = piece_bytes + message_bytes + PrepareUpdates(updates, kReplyTextSteps[++step]);
  }
  if (bytes > log_->group_bytes_max())
    co_return absl::InvalidArgumentError("the envelope is too large for one record");
  if (!log_->HasRoom(bytes)) {
    CO_RETURN_IF_ERROR(co_await log_->Room(bytes));
    PrepareUpdates(updates, kReplyTextSteps[step]);
  }
  uint32_t piece_at = 0, piece = 0;
  size_t piece_record_bytes = 0;
  if (state != nullptr) {
    state->BeginContent();
    content = state->content;
    piece = state->next_piece;
    piece_at = state->AppendPiece(0, state->staged->used, 0, state->staged->dot_lines.size(),
                                  /*last=*/true, piece_record_bytes);
  }
  NewMessage made(index_, index_.MakeMessage(id, *content, packed, 0));
  scratch_meta_.clear();
  EncodeMessageMeta({.id = id, .content = content->id, .envelope = packed}, scratch_meta_);
  const size_t record_bytes = sizeof(RecordHeader) + scratch_meta_.size();
  log_->Append(RecordType::kMessage, scratch_meta_, {});
  std::vector<QueueId> finished;
  AppendPrepared(finished);
  const Log::Committed committed = co_await log_->Commit();
  CO_RETURN_IF_ERROR(committed.status);
  QueuedMessage* message = made.Release();
  if (state != nullptr) {
    index_.SetPiece(*content, piece, committed.Place(piece_at, piece_record_bytes));
    content->complete = true;
    content->bytes = state->total_bytes;
    content->prefix_bytes = state->prefix_bytes;
    content->flags = state->flags;
    if (piece == 0) index_.Cache(*content, std::move(state->staged));
    state.reset();
  }
  index_.SetPlace(*message, committed.segment, static_cast<uint32_t>(record_bytes));
  index_.Insert(*message);
  metrics_.enqueued_messages.Add();
  metrics_.messages.Set(static_cast<int64_t>(size()));
  metrics_.cache_bytes.Set(static_cast<int64_t>(index_.cache_bytes()));
  if (observer_ != nullptr) observer_->Entered(*message);
  Leave(finished);
  co_return message;
}

io::Task<Status> StoreCore::Record(std::vector<MessageUpdate> updates) {
  CO_RETURN_IF_ERROR(log_->failed());
  std::vector<QueueId> finished;
  bool appended = false;
  for (const MessageUpdate& update : updates) {
    QueuedMessage* message = index_.Find(update.id);
    if (message == nullptr || message->pending_count() == 0) continue;
    size_t step = 0, bytes;
    for (;; ++step) {
      scratch_.clear();
      bytes = RecordBytes(EncodeUpdate(update, kReplyTextSteps[step]), 0) + HoldBytes(update);
      if (bytes <= log_->group_bytes_max() || step + 1 == kReplyTextSteps.size()) break;
    }
    if (bytes > log_->group_bytes_max())
      co_return absl::InvalidArgumentError("the update is too large for one record");
    if (!log_->HasRoom(bytes)) {
      const Status room = co_await log_->Room(bytes);
      if (!room.ok()) {
        // What was appended before is on its way and takes effect: those messages leave when it is
        // durable.
        if (!finished.empty()) gate_.Spawn(LeaveLater(this, std::move(finished)));
        co_return room;
      }
      message = index_.Find(update.id);
      if (message == nullptr || message->pending_count() == 0) continue;
      scratch_.clear();
      EncodeUpdate(update, kReplyTextSteps[step]);
    }
    CHECK(index_.Apply(*message, update));
    log_->Append(RecordType::kUpdate, scratch_, {});
    if (!update.holds.empty()) AppendHold(message->content(), HoldMeta::Op::kAdd, update.holds);
    appended = true;
    metrics_.updates.Add();
    if (message->pending_count() == 0) finished.push_back(message->id());
  }
  if (!appended) co_return absl::OkStatus();
  const Log::Committed committed = co_await log_->Commit();
  CO_RETURN_IF_ERROR(committed.status);
  Leave(finished);
  co_return absl::OkStatus();
}

io::Task<void> StoreCore::LeaveLater(StoreCore* self, std::vector<QueueId> finished) {
  const Log::Committed committed = co_await self->log_->Commit();
  if (committed.status.ok()) self->Leave(finished);
}

QueueId StoreCore::Visit(QueueId after, size_t count_max,
                         void (*visit)(void* context, QueuedMessage& message), void* context) {
  const auto& messages = index_.messages();
  QueueId last;
  size_t count = 0;
  auto it = messages.upper_bound(after.value);
  for (; it != messages.end() && count < count_max; ++it, ++count) {
    last = QueueId(it->first);
    visit(context, *it->second);
  }
  return it == messages.end() ? QueueId() : last;
}

void StoreCore::SetObserver(Observer* observer) {
  observer_ = observer;
  if (observer_ == nullptr) return;
  for (const auto& [id, message] : index_.messages()) observer_->Entered(*message);
}

}  // namespace ringmail::storage
