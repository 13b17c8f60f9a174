// The accounts of one shard: opening and closing them, and what they need of other shards.
//
// accounts.cc opens, closes and erases; accounts_across_shards.cc knows who has what, borrows
// contents, and tells those who hold them what is needed no more.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/storage/account.h"
#include "storage/mailbox/account_ledger.h"
#include "storage/mailbox/open_account.h"

namespace ringmail::storage {

class StoreCore;

class AccountsCore final : public Accounts {
 public:
  explicit AccountsCore(StoreCore& store) : store_(store) {}
  ~AccountsCore() override;

  AccountLedger& ledger() { return ledger_; }
  // After Stop, when the store closes: waits until what it lent has come back.
  io::Task<void> Close();

  ShardIndex ShardOf(AccountId id) const override;
  bool Full(AccountId id) const override;
  io::Task<StatusOr<AccountRef>> Open(AccountId id) override;
  io::Task<Status> Erase(AccountId id) override;
  io::Task<StatusOr<BorrowedContent>> Borrow(ContentId id) override;
  uint64_t open_count() const override { return open_.size(); }
  io::Task<void> Stop() override;
  io::Task<void> Publish(std::vector<Accounts*> peers) override;

  // --- for OpenAccount ---
  bool stopping() const { return stopping_; }
  void Spawn(io::Task<void> task) { gate_.Spawn(std::move(task)); }
  // Nobody holds it. It may end here and now.
  void Idle(OpenAccount& account);
  void Measured(uint64_t before, uint64_t now) { open_bytes_ += now - before; }
  // It has contents to release.
  void Releasable(AccountId id);
  // Tells all shards.
  void SetFull(AccountId id, bool full);
  // What is with contents that the queue may still bring, since their delivery is not written down.
  enum class Undecided : uint8_t { kKeep, kRelease };
  // Tells who holds them, durably, then forgets them: some of what waits, from `from` on, which is
  // then behind them.
  io::Task<Status> ReleaseSome(OpenAccount& account, Undecided undecided, ContentId& from);

 private:
  // Where accounts and contents are, the same for all shards and for ever.
  struct Placement {
    absl::flat_hash_map<AccountId, ShardIndex> elsewhere;  // than where they hash to
    // By log: the shards that have contents of it.
    absl::flat_hash_map<LogId, std::vector<ShardIndex>> content_shards;
  };
  struct Holdings;
  struct LendCall;
  struct ReleaseCall;
  struct EraseCall;
  struct PlaceCall;

  // accounts.cc
  void CloseIdle();
  void End(OpenAccount& account);

  io::Task<Status> EraseHere(AccountId id);

  // accounts_across_shards.cc
  static void BeginErase(io::ShardMessage& message);
  static io::Task<void> ServeErase(EraseCall* call);
  static void EraseAnswered(io::ShardMessage& message);
  void GiveBack(const Content& content, ShardIndex owner) override;
  static void TakeBack(io::ShardMessage& message);
  std::vector<ShardIndex> ShardsWith(LogId log) const;
  io::Task<const Content*> LendFrom(ShardIndex shard, ContentId id);
  static void ServeLend(io::ShardMessage& message);
  static io::Task<void> Answer(ShardIndex to, io::ShardMessage message);
  void NoteFull(AccountId id, bool full);
  static void FullHeard(io::ShardMessage& message);
  static void LendAnswered(io::ShardMessage& message);
  // Those of `contents` that are undecided are added to `undecided`.
  io::Task<Status> ReleaseAt(ShardIndex shard, AccountId account, std::vector<ContentId> contents,
                             std::set<ContentId>& undecided);
  io::Task<Status> ReleaseHere(AccountId account, const std::vector<ContentId>& contents,
                               std::set<ContentId>& undecided);
  static void BeginRelease(io::ShardMessage& message);
  static io::Task<void> ServeRelease(ReleaseCall* call);
  static void ReleaseAnswered(io::ShardMessage& message);
  static io::Task<void> RunRelease(AccountsCore* self);
  static io::Task<void> ReleaseAll(AccountsCore* self, AccountId id, MonotonicTime* again);
  io::Task<Status> ReleaseOf(AccountId id);
  void Hold(Holdings& holdings) const;
  static void TellHoldings(io::ShardMessage& message);
  static void TakePlacement(io::ShardMessage& message);
  static void PlaceAnswered(io::ShardMessage& message);
  void Published(std::shared_ptr<const Placement> placement, std::vector<AccountsCore*> peers);
  static io::Task<void> Ask(void (*run)(io::ShardMessage&), PlaceCall* call, ShardIndex shard);

  StoreCore& store_;
  AccountLedger ledger_;
  absl::flat_hash_map<AccountId, std::unique_ptr<OpenAccount>> open_;
  IntrusiveList<OpenAccount, IdleTag> idle_;  // the one idle longest first
  uint64_t open_bytes_ = 0;
  std::shared_ptr<const Placement> placement_;  // null: not published
  std::vector<AccountsCore*> peers_;
  uint64_t lent_ = 0;  // to other shards
  io::Event returned_;
  absl::flat_hash_map<AccountId, MonotonicTime> full_;  // until when that is believed
  absl::flat_hash_set<AccountId> releasable_;
  io::Event release_;
  io::Gate gate_;     // what goes on for our own accounts; until Stop
  io::Gate serving_;  // what goes on for other shards; until Close
  bool stopping_ = false, stopped_ = false;
};

}  // namespace ringmail::storage
