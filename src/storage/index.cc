#include "storage/index.h"

#include <algorithm>
#include <cstring>

#include "ringmail/base/canary.h"
#include "ringmail/base/check.h"

namespace ringmail::storage {

// Before the packed envelope, in the same allocation.
struct EnvelopePrefix {
  uint32_t bytes = 0;
  uint32_t arrival_seconds = 0;
};

// The store's way to the private parts of a message.
struct QueueAccess {
  using Slot = QueuedMessage::RecipientSlot;
  static Slot* Slots(QueuedMessage& m) { return m.recipient_count_ == 1 ? &m.one_ : m.many_; }
  static const Slot* Slots(const QueuedMessage& m) {
    return m.recipient_count_ == 1 ? &m.one_ : m.many_;
  }

  static QueuedMessage* Make(QueueId id, Content& content, std::string_view packed,
                             const message::EnvelopeView& view, uint32_t next_attempt_seconds) {
    auto* m = new QueuedMessage;
    m->id_ = id;
    m->content_ = &content;
    m->envelope_ = new char[sizeof(EnvelopePrefix) + packed.size()];
    const EnvelopePrefix prefix{.bytes = static_cast<uint32_t>(packed.size()),
                                .arrival_seconds = static_cast<uint32_t>(std::clamp<int64_t>(
                                    UnixSeconds(view.arrival()), 0, UINT32_MAX))};
    std::memcpy(m->envelope_, &prefix, sizeof(prefix));
    std::memcpy(m->envelope_ + sizeof(prefix), packed.data(), packed.size());
    m->recipient_count_ = m->pending_count_ = view.recipient_count();
    if (m->recipient_count_ != 1) m->many_ = new Slot[m->recipient_count_];
    m->next_attempt_seconds_ = next_attempt_seconds;
    return m;
  }
  static EnvelopePrefix Prefix(const QueuedMessage& m) {
    EnvelopePrefix prefix;
    std::memcpy(&prefix, m.envelope_, sizeof(prefix));
    return prefix;
  }
  static const char* Packed(const QueuedMessage& m) { return m.envelope_ + sizeof(EnvelopePrefix); }
  static void SetPlace(QueuedMessage& m, Segment* segment, uint32_t record_bytes) {
    if (m.segment_ != nullptr) m.segment_->SubLive(m.record_bytes_);
    m.segment_ = segment;
    m.record_bytes_ = record_bytes;
    if (segment != nullptr) segment->AddLive(record_bytes);
  }
  static const Segment* SegmentOf(const QueuedMessage& m) { return m.segment_; }
  static void Settle(QueuedMessage& m) { --m.pending_count_; }
  static void SetFlags(QueuedMessage& m, MessageUpdate::Flag held, MessageUpdate::Flag warned) {
    if (held != MessageUpdate::Flag::kUnchanged) m.held_ = held == MessageUpdate::Flag::kOn;
    if (warned != MessageUpdate::Flag::kUnchanged)
      m.delay_warned_ = warned == MessageUpdate::Flag::kOn;
  }
  static void SetNextAttempt(QueuedMessage& m, uint32_t seconds) {
    m.next_attempt_seconds_ = seconds;
  }
  static void SetAttempts(QueuedMessage& m, uint16_t attempts) { m.attempts_ = attempts; }
  static uint32_t NextAttempt(const QueuedMessage& m) { return m.next_attempt_seconds_; }
  static void CountInFlight(QueuedMessage& m, int by) {
    m.in_flight_count_ = static_cast<uint32_t>(static_cast<int64_t>(m.in_flight_count_) + by);
  }
};

// The entry's size is most of what a queued message costs (queue.h, Limits).
static_assert(sizeof(QueuedMessage) <= 128);

QueuedMessage::~QueuedMessage() {
  delete[] envelope_;
  if (recipient_count_ > 1) delete[] many_;
}

std::string_view QueuedMessage::packed_envelope() const {
  return {QueueAccess::Packed(*this), QueueAccess::Prefix(*this).bytes};
}

WallTime QueuedMessage::arrival() const {
  return FromUnixSeconds(QueueAccess::Prefix(*this).arrival_seconds);
}

message::EnvelopeView QueuedMessage::envelope() const {
  auto view = message::EnvelopeView::Parse(packed_envelope());
  CHECK(view.has_value());  // it was parsed when the entry was made
  return *view;
}

RecipientState QueuedMessage::state(uint32_t recipient) const {
  CHECK_LT(recipient, recipient_count_);
  return QueueAccess::Slots(*this)[recipient].state;
}

const LastReply* QueuedMessage::last_reply(uint32_t recipient) const {
  CHECK_LT(recipient, recipient_count_);
  return content_->index->replies().Get(QueueAccess::Slots(*this)[recipient].reply);
}

bool QueuedMessage::in_flight(uint32_t recipient) const {
  CHECK_LT(recipient, recipient_count_);
  return QueueAccess::Slots(*this)[recipient].in_flight;
}

void QueuedMessage::set_in_flight(uint32_t recipient, bool on) {
  CHECK_LT(recipient, recipient_count_);
  bool& flag = QueueAccess::Slots(*this)[recipient].in_flight;
  if (flag == on) return;
  flag = on;
  QueueAccess::CountInFlight(*this, on ? 1 : -1);
}

// --- replies ---

void ReplyTable::Key(const message::Reply& reply, std::string_view remote_host, std::string& key) {
  const std::array<uint16_t, 4> numbers = {reply.code, reply.status.klass, reply.status.subject,
                                           reply.status.detail};
  key.assign(reinterpret_cast<const char*>(numbers.data()), sizeof(numbers));
  key += remote_host;
  key += '\0';
  key += reply.text;
}

uint32_t ReplyTable::Intern(const message::Reply& reply, std::string_view remote_host) {
  Key(reply, remote_host, key_);
  const auto [it, fresh] = by_text_.try_emplace(key_, 0u);
  if (fresh) {
    if (free_.empty()) {
      entries_.emplace_back();
      it->second = static_cast<uint32_t>(entries_.size());
    } else {
      it->second = free_.back();
      free_.pop_back();
    }
    entries_[it->second - 1].reply = {reply, std::string(remote_host)};
  }
  ++entries_[it->second - 1].refs;
  return it->second;
}

void ReplyTable::Release(uint32_t number) {
  if (number == 0) return;
  Entry& entry = entries_[number - 1];
  CHECK_GT(entry.refs, 0u);
  if (--entry.refs > 0) return;
  Key(entry.reply.reply, entry.reply.remote_host, key_);
  CHECK_EQ(by_text_.erase(key_), 1u);
  entry.reply = {};
  free_.push_back(number);
}

// --- messages ---

Index::~Index() {
  while (!messages_.empty()) Free(*messages_.begin()->second);
  for (auto& [id, content] : contents_) delete content;
}

QueuedMessage* Index::Find(QueueId id) const {
  const auto it = messages_.find(id.value);
  return it == messages_.end() ? nullptr : it->second;
}

QueuedMessage* Index::MakeMessage(QueueId id, Content& content, std::string_view packed,
                                  uint32_t next_attempt_seconds) {
  const auto view = message::EnvelopeView::Parse(packed);
  if (!view || view->recipient_count() == 0) return nullptr;
  QueuedMessage* message = QueueAccess::Make(id, content, packed, *view, next_attempt_seconds);
  Ref(content);
  return message;
}

void Index::Free(QueuedMessage& message) {
  const auto it = messages_.find(message.id().value);
  if (it != messages_.end() && it->second == &message) messages_.erase(it);
  QueueAccess::SetPlace(message, nullptr, 0);
  const auto* slots = QueueAccess::Slots(message);
  for (uint32_t i = 0; i < message.recipient_count(); ++i) replies_.Release(slots[i].reply);
  Content& content = message.content();
  delete &message;
  Unref(content);
}

void Index::Insert(QueuedMessage& message) {
  // New ids are the greatest of their log, so nearly always this goes at the end.
  const size_t before = messages_.size();
  messages_.insert(messages_.end(), {message.id().value, &message});
  CHECK_EQ(messages_.size(), before + 1);
}

void Index::SetPlace(QueuedMessage& message, Segment* segment, uint32_t record_bytes) {
  QueueAccess::SetPlace(message, segment, record_bytes);
}

const Segment* Index::SegmentOf(const QueuedMessage& message) {
  return QueueAccess::SegmentOf(message);
}

void Index::SetRecipient(QueuedMessage& message, uint32_t recipient, RecipientState state,
                         uint32_t reply) {
  if (recipient >= message.recipient_count()) return replies_.Release(reply);
  auto& slot = QueueAccess::Slots(message)[recipient];
  // What was settled stays settled: the operator's drop and a delivery may cross.
  if (slot.state != RecipientState::kPending) return replies_.Release(reply);
  if (reply != 0) {
    replies_.Release(slot.reply);
    slot.reply = reply;
  }
  slot.state = state;
  if (state != RecipientState::kPending) QueueAccess::Settle(message);
}

bool Index::Apply(QueuedMessage& message, const MessageUpdate& update) {
  if (message.pending_count() == 0) return false;
  QueueAccess::SetFlags(message, update.held, update.delay_warned);
  if (update.next_attempt != WallTime{}) {
    QueueAccess::SetNextAttempt(message, static_cast<uint32_t>(std::clamp<int64_t>(
                                             UnixSeconds(update.next_attempt), 1, UINT32_MAX)));
  }
  if (update.attempt_counted && message.attempts() < UINT16_MAX) {
    QueueAccess::SetAttempts(message, static_cast<uint16_t>(message.attempts() + 1));
  }
  for (const RecipientOutcome& outcome : update.outcomes) {
    const uint32_t reply =
        outcome.reply.code == 0 ? 0 : replies_.Intern(outcome.reply, outcome.remote_host);
    SetRecipient(message, outcome.recipient, outcome.state, reply);
  }
  return true;
}

void Index::Apply(QueuedMessage& message, const UpdateMeta& update,
                  const DecodedOutcomes& outcomes) {
  if (message.pending_count() == 0) return;
  QueueAccess::SetFlags(message, update.held, update.delay_warned);
  if (update.next_attempt_seconds != 0)
    QueueAccess::SetNextAttempt(message, update.next_attempt_seconds);
  if (update.attempt_counted && message.attempts() < UINT16_MAX) {
    QueueAccess::SetAttempts(message, static_cast<uint16_t>(message.attempts() + 1));
  }
  for (const DecodedOutcome& outcome : outcomes.outcomes) {
    const LastReply* reply = outcome.reply == 0 ? nullptr : &outcomes.replies[outcome.reply - 1];
    SetRecipient(message, outcome.recipient, outcome.state,
                 reply == nullptr ? 0 : replies_.Intern(reply->reply, reply->remote_host));
  }
}

void Index::Apply(QueuedMessage& message, const MessageMeta& meta,
                  const DecodedOutcomes& outcomes) {
  Apply(message, UpdateMeta{.id = meta.id, .next_attempt_seconds = meta.next_attempt_seconds},
        outcomes);
  using Flag = MessageUpdate::Flag;
  QueueAccess::SetFlags(message, meta.held ? Flag::kOn : Flag::kOff,
                        meta.delay_warned ? Flag::kOn : Flag::kOff);
  QueueAccess::SetAttempts(message, meta.attempts);
}

void Index::EncodeFolded(const QueuedMessage& message, size_t text_bytes_max,
                         std::string& out) const {
  EncodeMessageMeta({.id = message.id(),
                     .content = message.content().id,
                     .next_attempt_seconds = QueueAccess::NextAttempt(message),
                     .attempts = message.attempts(),
                     .held = message.held(),
                     .delay_warned = message.delay_warned(),
                     .envelope = message.packed_envelope()},
                    out);
  OutcomeEncoder encoder(out, text_bytes_max);
  const auto* slots = QueueAccess::Slots(message);
  for (uint32_t i = 0; i < message.recipient_count(); ++i) {
    const auto& slot = slots[i];
    if (slot.state == RecipientState::kPending && slot.reply == 0) continue;
    const LastReply* last = replies_.Get(slot.reply);
    encoder.Add({.recipient = i,
                 .state = slot.state,
                 .reply = last == nullptr ? nullptr : &last->reply,
                 .remote_host = last == nullptr ? std::string_view() : last->remote_host});
  }
}

void Index::Hold(QueuedMessage& message) {
  QueueAccess::SetFlags(message, MessageUpdate::Flag::kOn, MessageUpdate::Flag::kUnchanged);
}

// --- contents ---

Content* Index::FindContent(ContentId id) {
  const auto it = contents_.find(id.value);
  if (it != contents_.end()) return it->second;
  const auto row = settled_.Find(id);
  if (!row) return nullptr;
  settled_.Remove(id);
  Content& content = AddContent(id);
  content.ResizePieces(1);
  content.piece(0) = row->place;  // it counts for its segment already
  content.bytes = row->bytes;
  content.prefix_bytes = row->prefix_bytes;
  content.flags = row->flags;
  content.complete = true;
  content.holders.Add(row->holder);
  return &content;
}

void Index::Settle(Content& content) {
  if (content.refs > 0 || content.lent > 0) return;
  if (content.holders.empty() || Planted(Canary::kFreeHeld)) {
    if (!replaying_) FreeContent(content);
    return;
  }
  if (content.holders.size() > 1 || content.piece_count != 1 || !content.complete ||
      content.damaged || content.cache != nullptr || content.bytes > UINT32_MAX) {
    return;
  }
  const bool settled = settled_.Add({.id = content.id,
                                     .place = content.piece(0),
                                     .bytes = static_cast<uint32_t>(content.bytes),
                                     .prefix_bytes = content.prefix_bytes,
                                     .flags = content.flags,
                                     .holder = content.holders.List().front()});
  if (!settled) return;
  CHECK_EQ(contents_.erase(content.id.value), 1u);
  delete &content;
}

std::optional<ContentId> Index::FirstContentFrom(ContentId id) const {
  std::optional<ContentId> first = settled_.FirstFrom(id);
  const auto it = contents_.lower_bound(id.value);
  if (it != contents_.end() && (!first || it->first < first->value)) first = ContentId(it->first);
  return first;
}

bool Index::LiesAt(ContentId id, uint32_t piece, const RecordPlace& place) const {
  const auto it = contents_.find(id.value);
  if (it != contents_.end())
    return piece < it->second->piece_count && it->second->piece(piece) == place;
  const auto row = settled_.Find(id);
  return row && piece == 0 && row->place == place;
}

Content& Index::AddContent(ContentId id) {
  auto* content = new Content(this, id);
  const size_t before = contents_.size();
  contents_.insert(contents_.end(), {id.value, content});
  CHECK_EQ(contents_.size(), before + 1);
  return *content;
}

void Index::Unref(Content& content) {
  CHECK_GT(content.refs, 0u);
  --content.refs;
  Settle(content);
}

void Index::Apply(Content& content, HoldMeta::Op op, std::span<const AccountId> accounts) {
  switch (op) {
    case HoldMeta::Op::kAdd:
      content.holders.Add(accounts);
      break;
    case HoldMeta::Op::kRelease:
      for (const AccountId account : accounts) content.holders.Remove(account);
      break;
    case HoldMeta::Op::kExactly:
      content.holders.Assign({accounts.begin(), accounts.end()});
      break;
  }
  Settle(content);
}

void Index::Returned(Content& content) {
  CHECK_GT(content.lent, 0u);
  if (--content.lent > 0) return;
  bool awaited = false;
  for (uint32_t i = 0; awaited_ != nullptr && i < content.piece_count; ++i)
    awaited = awaited || content.piece(i).segment == awaited_;
  Settle(content);
  if (on_returned_ != nullptr) on_returned_(on_returned_context_, awaited);
}

void Index::SetPiece(Content& content, uint32_t piece, const RecordPlace& place) {
  content.ResizePieces(piece + 1);
  RecordPlace& old = content.piece(piece);
  const bool counts = !Planted(Canary::kReuseContentEarly);
  if (old.segment != nullptr && counts) old.segment->SubLive(old.bytes);
  old = place;
  if (place.segment != nullptr && counts) place.segment->AddLive(place.bytes);
}

void Index::FreeContent(Content& content) {
  for (uint32_t i = 0; i < content.piece_count; ++i) {
    const RecordPlace& place = content.piece(i);
    if (place.segment != nullptr && !Planted(Canary::kReuseContentEarly))
      place.segment->SubLive(place.bytes);
  }
  if (content.cache) cache_bytes_ -= content.cache->memory_bytes();
  CHECK_EQ(contents_.erase(content.id.value), 1u);
  delete &content;
}

void Index::Cache(Content& content, std::unique_ptr<StagedBytes> bytes) {
  CHECK(content.cache == nullptr);
  bytes->ShrinkToFit();
  if (bytes->memory_bytes() > cache_bytes_max_) return;
  cache_bytes_ += bytes->memory_bytes();
  bytes->content = &content;
  cached_.PushBack(*bytes);
  content.cache = std::move(bytes);
  if (cache_bytes_ <= cache_bytes_max_ || Planted(Canary::kCacheOverLimit)) return;
  Evict();
  // What is lent fills it: this one is read from the log when its turn comes.
  if (cache_bytes_ > cache_bytes_max_ && content.cache != nullptr) Uncache(content);
}

void Index::Uncache(Content& content) {
  cache_bytes_ -= content.cache->memory_bytes();
  metrics_.cache_evictions.Add();
  content.cache.reset();
  Settle(content);
}

// The oldest go first; what is lent is skipped, and comes round again.
void Index::Evict() {
  constexpr int kSkipsMax = 64;
  for (int skips = 0; cache_bytes_ > cache_bytes_max_ && !cached_.empty() && skips < kSkipsMax;) {
    StagedBytes& oldest = cached_.PopFront();
    if (oldest.content->lent > 0 && !Planted(Canary::kEvictLentContent)) {
      cached_.PushBack(oldest);
      ++skips;
      continue;
    }
    Uncache(*oldest.content);
  }
}

uint64_t Index::EndReplay() {
  replaying_ = false;
  std::vector<Content*> orphans;
  uint64_t complete = 0;
  for (auto& [id, content] : contents_) {
    if (content->refs == 0 && content->lent == 0 && content->holders.empty())
      orphans.push_back(content);
  }
  for (Content* orphan : orphans) {
    if (orphan->complete) ++complete;
    FreeContent(*orphan);
  }
  std::vector<Content*> rest;
  for (const auto& [id, content] : contents_) rest.push_back(content);
  for (Content* const content : rest) Settle(*content);
  return complete;
}

}  // namespace ringmail::storage
