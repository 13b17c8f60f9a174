// What the log says, in memory: messages by id, contents by id, replies once each, and how much of
// each segment is needed.
//
// Pure bookkeeping: no input or output. Used by recovery (which replays records into it), by the
// running store and by fsck.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "ringmail/message/envelope.h"
#include "ringmail/storage/queue.h"
#include "storage/content_entry.h"
#include "storage/format.h"
#include "storage/mailbox/account_record.h"
#include "storage/metrics.h"
#include "storage/settled_contents.h"

namespace ringmail::storage {

// Replies, each kept once and counted.
class ReplyTable {
 public:
  // 1 + index, with one reference more.
  uint32_t Intern(const message::Reply& reply, std::string_view remote_host);
  void Release(uint32_t number);
  const LastReply* Get(uint32_t number) const {
    return number == 0 ? nullptr : &entries_[number - 1].reply;
  }
  size_t size() const { return by_text_.size(); }

 private:
  struct Entry {
    LastReply reply;
    uint32_t refs = 0;
  };
  static void Key(const message::Reply& reply, std::string_view remote_host, std::string& key);
  std::deque<Entry> entries_;
  std::vector<uint32_t> free_;
  absl::flat_hash_map<std::string, uint32_t> by_text_;
  std::string key_;
};

class Index {
 public:
  explicit Index(uint64_t cache_bytes_max, StorageMetrics& metrics)
      : cache_bytes_max_(cache_bytes_max), metrics_(metrics) {}
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;
  ~Index();

  // --- messages ---
  using Messages = absl::btree_map<uint64_t, QueuedMessage*>;
  const Messages& messages() const { return messages_; }
  QueuedMessage* Find(QueueId id) const;
  // Not yet in the index. nullptr: `packed` is no envelope, or has no recipient. Takes a reference
  // to `content`.
  QueuedMessage* MakeMessage(QueueId id, Content& content, std::string_view packed,
                             uint32_t next_attempt_seconds);
  // Frees a message, in the index or not, and what only it referred to.
  void Free(QueuedMessage& message);
  // REQUIRES: no message with its id is there.
  void Insert(QueuedMessage& message);
  void SetPlace(QueuedMessage& message, Segment* segment, uint32_t record_bytes);
  static const Segment* SegmentOf(const QueuedMessage& message);

  // Changes the message at once. False: it has left already, nothing was changed.
  bool Apply(QueuedMessage& message, const MessageUpdate& update);
  void Apply(QueuedMessage& message, const UpdateMeta& update, const DecodedOutcomes& outcomes);
  // State as a message record keeps it when it is copied.
  void Apply(QueuedMessage& message, const MessageMeta& meta, const DecodedOutcomes& outcomes);
  // Appends the folded record's metadata to `out`.
  void EncodeFolded(const QueuedMessage& message, size_t text_bytes_max, std::string& out) const;
  static void Hold(QueuedMessage& message);

  // --- contents ---
  // Those that are in use, or have more about them than a row of the settled ones takes.
  const absl::btree_map<uint64_t, Content*>& contents() const { return contents_; }
  const SettledContents& settled() const { return settled_; }
  uint64_t content_count() const { return contents_.size() + settled_.size(); }
  // Whoever finds one and leaves it as it was says Settle.
  Content* FindContent(ContentId id);
  // The first at or after `id`.
  std::optional<ContentId> FirstContentFrom(ContentId id) const;
  // Whether its piece lies there.
  bool LiesAt(ContentId id, uint32_t piece, const RecordPlace& place) const;
  // Frees it if nothing refers to it; lets it rest if only one account does.
  void Settle(Content& content);
  // With no reference yet.
  Content& AddContent(ContentId id);
  void Ref(Content& content) { ++content.refs; }
  void Unref(Content& content);
  void SetPiece(Content& content, uint32_t piece, const RecordPlace& place);
  void Returned(Content& content);
  // What a hold record says (mailbox/README.md, "Contents").
  void Apply(Content& content, HoldMeta::Op op, std::span<const AccountId> accounts);
  // Keeps `bytes` in memory for delivery, within the limit.
  void Cache(Content& content, std::unique_ptr<StagedBytes> bytes);
  uint64_t cache_bytes() const { return cache_bytes_; }

  // --- recovery ---
  // While replaying, contents without references stay, since a later record may refer to them.
  void BeginReplay() { replaying_ = true; }
  // Drops contents that nothing refers to; returns how many of them were complete.
  uint64_t EndReplay();

  ReplyTable& replies() { return replies_; }
  const ReplyTable& replies() const { return replies_; }
  // Called when something was returned that a segment's dropping may wait for; `awaited`: some of
  // it lies in the awaited segment.
  void set_on_returned(void (*call)(void* context, bool awaited), void* context) {
    on_returned_ = call;
    on_returned_context_ = context;
  }
  // nullptr: none is awaited.
  void AwaitReturn(const Segment* segment) { awaited_ = segment; }

 private:
  void SetRecipient(QueuedMessage& message, uint32_t recipient, RecipientState state,
                    uint32_t reply);
  void FreeContent(Content& content);
  void Evict();
  void Uncache(Content& content);

  const uint64_t cache_bytes_max_;
  StorageMetrics& metrics_;
  Messages messages_;
  absl::btree_map<uint64_t, Content*> contents_;
  SettledContents settled_;
  ReplyTable replies_;
  IntrusiveList<StagedBytes, CacheTag> cached_;
  uint64_t cache_bytes_ = 0;
  bool replaying_ = false;
  const Segment* awaited_ = nullptr;
  void (*on_returned_)(void* context, bool awaited) = nullptr;
  void* on_returned_context_ = nullptr;
};

}  // namespace ringmail::storage
