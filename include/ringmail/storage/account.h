// Accounts: whose mailboxes are in the log of this shard, opened on demand, changed durably.
//
// Made by: ShardStore::Open, one Accounts for each shard; Publish, once all stores are open, tells
//   every shard where each account lives. Before that, only its own shard's accounts can be opened.
// Ends in: Stop, on every shard, before any of the stores is closed.
// Order: Open, on the account's shard (ShardOf); Apply, View and the rest while the AccountRef is
//   held. A closed account costs some 100 octets of memory; one that nobody holds is closed after
//   a while, or when memory is short.
// Promise: Apply says OK when the transaction is on stable storage, together with the contents that
//   came with it. What Account shows is what is durable. An account that has no record in the log
//   is an empty one: who may have one is the directory's business.
// Shard: the account's. An AccountRef ends on its shard.
// Limits: AccountLimits, AccountsLimits.
// Errors: kDataLoss: a record of the account cannot be read; its place is named, the account stays
//   shut, and nothing of it is overwritten. kResourceExhausted, kUnavailable: as Queue::Acceptance.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringmail/base/ids.h"
#include "ringmail/base/intrusive_list.h"
#include "ringmail/base/status.h"
#include "ringmail/base/time.h"
#include "ringmail/io/task.h"
#include "ringmail/storage/account_change.h"
#include "ringmail/storage/content.h"
#include "ringmail/storage/mailbox.h"

namespace ringmail::storage {

// One mailbox, as a list shows it.
struct MailboxSummary {
  MailboxId id;
  std::string_view name;  // valid until the next co_await
  MailboxRole role = MailboxRole::kNone;
  uint32_t uid_validity = 0;
  Uid uid_next;
  ModSeq highest_mod_seq;
  uint32_t count = 0, unseen = 0;
  uint64_t bytes = 0;
};

// Told after each transaction of an account, on its shard; takes no part in it: it may not Apply,
// but wake somebody who does.
class AccountWatcher : public ListHook<class AccountWatcherTag> {
 public:
  virtual ~AccountWatcher() = default;
  virtual void Changed(ModSeq number) = 0;
};

// An open account. All but Apply is synchronous and shows what is durable.
class Account {
 public:
  virtual ~Account() = default;
  virtual AccountId id() const = 0;
  // The last transaction; 0: none ever.
  virtual ModSeq applied() const = 0;

  // --- reading ---

  virtual std::vector<MailboxSummary> Mailboxes() const = 0;  // by id
  virtual std::optional<MailboxSummary> Find(MailboxId id) const = 0;
  // "INBOX" in any case is INBOX.
  virtual std::optional<MailboxSummary> FindName(std::string_view name) const = 0;
  // REQUIRES: the mailbox is there.
  virtual MailboxView View(MailboxId id) const = 0;
  // What left the mailbox after `since`, ascending; nullopt: it no longer knows all of it (RFC
  // 7162 §3.2.5.2), or is not there.
  virtual std::optional<std::vector<UidRange>> VanishedSince(MailboxId id, ModSeq since) const = 0;
  virtual std::vector<std::string> Subscriptions() const = 0;
  // nullopt: there is none of that name. Valid until the next co_await.
  virtual std::optional<std::string_view> Value(MailboxId id, std::string_view name) const = 0;
  // The address that a message of any of its views was delivered to; "": it was not delivered, but
  // put there. Valid until the next co_await. message_source.h shows it in its place.
  virtual std::string_view DeliveredTo(const MessageEntry& entry) const = 0;
  // What the quota counts.
  virtual uint64_t bytes() const = 0;
  virtual uint32_t messages() const = 0;

  // --- changing ---

  // OK: durable, and one result for each change; a change that cannot be made fails alone.
  // Transactions are applied in the order of the calls, and many may be under way.
  // Errors: above; kInvalidArgument: it does not fit one group commit.
  virtual io::Task<StatusOr<std::vector<ChangeResult>>> Apply(AccountTransaction transaction) = 0;
  // As Apply, with contents that are new: change `appends[i]` of the transaction is the Append of
  // contents[i], and gets its content id and octets here. One group commit holds all of it.
  struct NewContent {
    size_t change = 0;  // index into transaction.changes
    ContentWriter content;
  };
  virtual io::Task<StatusOr<std::vector<ChangeResult>>> ApplyWithContent(
      AccountTransaction transaction, std::vector<NewContent> contents) = 0;

  // `watcher` leaves the list by its own end.
  virtual void Watch(AccountWatcher& watcher) = 0;

 private:
  friend class AccountRef;
  virtual void Ref() = 0;
  virtual void Unref() = 0;
};

// Keeps an account open.
class AccountRef {
 public:
  AccountRef() = default;
  explicit AccountRef(Account* account) : account_(account) {
    if (account_ != nullptr) account_->Ref();
  }
  AccountRef(AccountRef&& other) noexcept : account_(std::exchange(other.account_, nullptr)) {}
  AccountRef& operator=(AccountRef&& other) noexcept {
    std::swap(account_, other.account_);
    return *this;
  }
  ~AccountRef() {
    if (account_ != nullptr) account_->Unref();
  }
  explicit operator bool() const { return account_ != nullptr; }
  Account* operator->() const { return account_; }
  Account& operator*() const { return *account_; }

 private:
  Account* account_ = nullptr;
};

// Content that some shard lends to this one, until it is destroyed (on the shard that borrowed).
class Accounts;
class BorrowedContent {
 public:
  BorrowedContent() = default;
  // `from` is told when it goes.
  BorrowedContent(const Content* content, ShardIndex owner, Accounts& from)
      : content_(content), owner_(owner), from_(&from) {}
  BorrowedContent(BorrowedContent&& other) noexcept { *this = std::move(other); }
  BorrowedContent& operator=(BorrowedContent&& other) noexcept {
    std::swap(content_, other.content_);
    std::swap(owner_, other.owner_);
    std::swap(from_, other.from_);
    return *this;
  }
  inline ~BorrowedContent();
  explicit operator bool() const { return content_ != nullptr; }
  // For ContentReader.
  const Content& operator*() const { return *content_; }

 private:
  const Content* content_ = nullptr;
  ShardIndex owner_;
  Accounts* from_ = nullptr;
};

class Accounts {
 public:
  virtual ~Accounts() = default;

  // Where the account lives; the same until the next start. Any shard, once published.
  virtual ShardIndex ShardOf(AccountId id) const = 0;

  // Whether a quota keeps the next message out, as far as is known without opening the account:
  // that an Append met one, or used up the last of it, and nothing was expunged since (RFC 5321
  // §4.2.3: 452). Any shard. Forgotten after AccountsLimits::kFullKnown, since quotas change.
  virtual bool Full(AccountId id) const = 0;

  // REQUIRES: ShardOf(id) is this shard, id is not 0.
  virtual io::Task<StatusOr<AccountRef>> Open(AccountId id) = 0;
  // Everything of the account goes, and its contents are released. Whoever holds it open finds it
  // empty. Durable. Any shard, once published.
  virtual io::Task<Status> Erase(AccountId id) = 0;

  // Of any shard; kNotFound: no log has it.
  virtual io::Task<StatusOr<BorrowedContent>> Borrow(ContentId id) = 0;

  virtual uint64_t open_count() const = 0;
  // Ends what goes on between shards. REQUIRES: nobody holds an account, or a content of another
  // shard. Afterwards nothing can be opened, borrowed or changed.
  virtual io::Task<void> Stop() = 0;

  // --- shard 0 ---
  // Tells all shards (`peers` in order) where accounts and contents live, and begins to release
  // what accounts need no more. Returns when all know. REQUIRES: shard 0, once.
  virtual io::Task<void> Publish(std::vector<Accounts*> peers) = 0;

 private:
  friend class BorrowedContent;
  virtual void GiveBack(const Content& content, ShardIndex owner) = 0;
};

BorrowedContent::~BorrowedContent() {
  if (content_ != nullptr) from_->GiveBack(*content_, owner_);
}

struct AccountsLimits {
  // Memory of the accounts of one shard that are open; those that nobody holds go first.
  static constexpr uint64_t kOpenBytesMax = 256u << 20;
  static constexpr Nanoseconds kFullKnown = std::chrono::minutes(5);
  // An account that nobody holds stays open so long.
  static constexpr Nanoseconds kIdleMax = std::chrono::minutes(5);
};

}  // namespace ringmail::storage
