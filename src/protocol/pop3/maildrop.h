// A maildrop (RFC 1939 §3): an account's INBOX as it was at login, with numbers that stand still;
// and who has it.
//
// Made by: Maildrops::Open, on the account's shard. Ends in: destruction, there.
// Promise: what it shows does not change while it is held. Update is durable when it says OK.
// Shard: the account's.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "ringmail/base/ids.h"
#include "ringmail/base/status.h"
#include "ringmail/base/time.h"
#include "ringmail/io/task.h"
#include "ringmail/storage/content.h"
#include "ringmail/storage/mailbox.h"

namespace ringmail::storage {
class Accounts;
class ShardStore;
}  // namespace ringmail::storage

namespace ringmail::pop3 {

struct MaildropMessage {
  storage::Uid uid;
  uint32_t bytes = 0;
};

struct OpenedMessage {
  std::unique_ptr<storage::ContentSource> source;
  uint8_t flags = 0;  // storage::kContent...
};

class Maildrop {
 public:
  virtual ~Maildrop() = default;
  // Places are 0 to count() - 1, one less than message numbers.
  virtual uint32_t count() const = 0;
  virtual uint64_t bytes() const = 0;
  virtual uint32_t uid_validity() const = 0;
  // REQUIRES: place < count(), here and below.
  virtual MaildropMessage at(uint32_t place) const = 0;
  // Errors: kNotFound: it left meanwhile; others: it cannot be read at present, or for ever.
  virtual io::Task<StatusOr<OpenedMessage>> Open(uint32_t place) = 0;
  // Deletes these, ascending. Errors: some or all are still there.
  virtual io::Task<Status> Update(std::vector<storage::UidRange> uids) = 0;
};

class Maildrops {
 public:
  virtual ~Maildrops() = default;
  virtual ShardIndex ShardOf(AccountId account) const = 0;
  // REQUIRES: ShardOf(account) is this shard.
  virtual io::Task<StatusOr<std::unique_ptr<Maildrop>>> Open(AccountId account) = 0;
};

// The INBOX of each account in the store.
std::unique_ptr<Maildrops> MakeAccountMaildrops(storage::Accounts& accounts,
                                                storage::ShardStore& store);

// Who has which maildrop of this shard, and when they logged in.
class MaildropLocks {
 public:
  // Ends with the session that has it.
  class Lock {
   public:
    Lock() = default;
    Lock(MaildropLocks* locks, AccountId account) : locks_(locks), account_(account) {}
    Lock(Lock&& other) noexcept
        : locks_(std::exchange(other.locks_, nullptr)), account_(other.account_) {}
    Lock& operator=(Lock&& other) noexcept {
      std::swap(locks_, other.locks_);
      std::swap(account_, other.account_);
      return *this;
    }
    ~Lock() {
      if (locks_ != nullptr) locks_->held_.erase(account_);
    }
    explicit operator bool() const { return locks_ != nullptr; }

   private:
    MaildropLocks* locks_ = nullptr;
    AccountId account_;
  };

  // No lock: somebody has it (RFC 1939 §4).
  Lock Take(AccountId account);
  // Whether `delay` has passed since the last login that was noted (RFC 2449 §6.5).
  bool MayLogIn(AccountId account, MonotonicTime now, Nanoseconds delay) const;
  void NoteLogin(AccountId account, MonotonicTime now, Nanoseconds delay);
  size_t remembered() const { return logins_.size(); }

 private:
  absl::flat_hash_set<AccountId> held_;
  absl::flat_hash_map<AccountId, MonotonicTime> logins_;
  std::deque<std::pair<MonotonicTime, AccountId>> order_;  // of logins_, and of those replaced
};

}  // namespace ringmail::pop3
