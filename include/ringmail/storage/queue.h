// The queue of one shard: every message accepted and not yet finished, in memory as compact
// entries, in the log as records.
//
// The queue remembers; it decides nothing. When to try, where, and what an outcome means is
// agent/transfer's business.
// Promise: what Enqueue and Record said OK to is on stable storage and survives any crash
//   (src/storage/README.md, the crash page).
// Shard: one.
// Limits: 400 bytes of memory per message with one recipient and paths of ordinary length.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/ids.h"
#include "ringmail/base/intrusive_list.h"
#include "ringmail/base/status.h"
#include "ringmail/base/time.h"
#include "ringmail/io/task.h"
#include "ringmail/io/timer.h"
#include "ringmail/message/envelope.h"
#include "ringmail/message/reply.h"
#include "ringmail/storage/content.h"

namespace ringmail::storage {

enum class RecipientState : uint8_t {
  kPending,    // never answered for good: to be tried
  kDelivered,  // the next hop took responsibility (RFC 5321 §6.1)
  kFailed,     // given up; where a DSN was owed, it was enqueued in the same batch
  kDropped,    // by the operator's command
};

// What the last attempt said, kept once per distinct text.
struct LastReply {
  message::Reply reply;
  std::string remote_host;  // who said it, "" for ourselves
};

// One message. Owned by Queue; addresses are stable until it is finished.
// `Schedule` and `Destination` hooks and the timer belong to agent/transfer.
class QueuedMessage : public ListHook<class DestinationTag> {
 public:
  QueuedMessage() = default;
  ~QueuedMessage();
  QueueId id() const { return id_; }
  // Views into the entry: valid until the next co_await.
  message::EnvelopeView envelope() const;
  std::string_view packed_envelope() const;
  Content& content() const { return *content_; }
  WallTime arrival() const;
  WallTime next_attempt() const { return FromUnixSeconds(next_attempt_seconds_); }
  uint16_t attempts() const { return attempts_; }
  bool held() const { return held_; }
  bool delay_warned() const { return delay_warned_; }

  uint32_t recipient_count() const { return recipient_count_; }
  uint32_t pending_count() const { return pending_count_; }
  RecipientState state(uint32_t recipient) const;
  // nullptr when nothing was said yet.
  const LastReply* last_reply(uint32_t recipient) const;
  // In memory only: an attempt for this recipient is under way.
  bool in_flight(uint32_t recipient) const;
  void set_in_flight(uint32_t recipient, bool on);
  uint32_t in_flight_count() const { return in_flight_count_; }

  // The scheduler's: `fired` gets the context it was armed with.
  io::Timer& timer() { return timer_; }
  void* scheduler() const { return scheduler_; }
  void set_scheduler(void* scheduler) { scheduler_ = scheduler; }

 private:
  friend struct QueueAccess;  // the store's

  struct RecipientSlot {
    uint32_t reply = 0;  // 1 + index of the interned reply, 0 for none
    RecipientState state = RecipientState::kPending;
    bool in_flight = false;
  };
  QueueId id_;
  io::Timer timer_;
  void* scheduler_ = nullptr;
  Content* content_ = nullptr;
  char* envelope_ = nullptr;           // EnvelopePrefix, then the packed form
  struct Segment* segment_ = nullptr;  // where its message record lies
  uint32_t record_bytes_ = 0;
  uint32_t recipient_count_ = 0;
  uint32_t pending_count_ = 0;
  uint32_t in_flight_count_ = 0;
  uint32_t next_attempt_seconds_ = 0;
  uint16_t attempts_ = 0;
  bool held_ = false;
  bool delay_warned_ = false;
  union {
    RecipientSlot one_{};  // where recipient_count_ is 1
    RecipientSlot* many_;  // otherwise
  };
};

// What changes about one message, all together or not at all.
struct RecipientOutcome {
  uint32_t recipient = 0;
  RecipientState state =
      RecipientState::kPending;  // kPending: deferred, with the reply that says why
  message::Reply reply;
  std::string remote_host;
};
struct MessageUpdate {
  QueueId id;
  std::vector<RecipientOutcome> outcomes;
  bool attempt_counted = false;  // attempts() + 1
  WallTime next_attempt{};       // epoch: unchanged
  enum class Flag : uint8_t { kUnchanged, kOff, kOn };
  Flag held = Flag::kUnchanged;
  Flag delay_warned = Flag::kUnchanged;
  // Accounts that refer to the message's content from now on, and durably: the content stays when
  // the message has left, until each has released it. Saying it twice is saying it once.
  std::vector<AccountId> holds;
};

class Queue {
 public:
  // Told of what enters and leaves, synchronously, on the shard; never calls back into Enqueue or
  // Record.
  class Observer {
   public:
    virtual ~Observer() = default;
    // After it is durable (or, at start, recovered).
    virtual void Entered(QueuedMessage& message) = 0;
    // No recipient is pending any more; the entry is gone when this returns.
    virtual void Leaving(QueuedMessage& message) = 0;
  };

  virtual ~Queue() = default;

  // The id of the next message; ids that are never enqueued are simply skipped.
  virtual QueueId NewId() = 0;
  virtual ContentWriter NewContent() = 0;
  // Whether new messages can be taken now. kResourceExhausted: disk or quota full; kUnavailable:
  // the log failed a write or sync and this shard accepts nothing until restart.
  virtual Status Acceptance() const = 0;

  // Takes a message in, with `updates` to other messages of this shard in the same batch after it
  // (a DSN and the failure that it reports). OK: durable. Otherwise: nothing of it is in the queue,
  // nor will be after a restart, except where the write itself failed, when recovery may find it
  // (the peer then has its 4yz and sends it again: RFC 5321 §4.2.5). With updates it may use the
  // space that is reserved for outcomes, since it is one.
  // Errors: kResourceExhausted, kUnavailable as Acceptance; kInvalidArgument: envelope and updates
  //   do not fit one group commit (some 40,000 recipients): the caller splits.
  virtual io::Task<StatusOr<QueuedMessage*>> Enqueue(QueueId id, const message::Envelope& envelope,
                                                     ContentWriter content,
                                                     std::vector<MessageUpdate> updates) = 0;
  // As Enqueue, for content that the store already holds.
  virtual io::Task<StatusOr<QueuedMessage*>> EnqueueShared(QueueId id,
                                                           const message::Envelope& envelope,
                                                           Content& content,
                                                           std::vector<MessageUpdate> updates) = 0;
  // Changes messages; OK: durable. Updates to messages that have left are ignored.
  // States and counters change at once, in memory; a message whose last recipient is settled leaves
  // when that is durable.
  virtual io::Task<Status> Record(std::vector<MessageUpdate> updates) = 0;

  virtual QueuedMessage* Find(QueueId id) = 0;
  virtual uint64_t size() const = 0;
  // Calls `visit(context, message)` for up to `count_max` messages with id > `after`, in id order,
  // and returns the last id seen, or an invalid id at the end. Cheap enough to be called between
  // other work: O(log n + count).
  virtual QueueId Visit(QueueId after, size_t count_max,
                        void (*visit)(void* context, QueuedMessage& message), void* context) = 0;
  // Calls observer->Entered for every message that is already there, before it returns. nullptr:
  // nobody is told any more.
  virtual void SetObserver(Observer* observer) = 0;
};

}  // namespace ringmail::storage
