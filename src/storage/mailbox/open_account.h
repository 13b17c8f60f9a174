// An account that is open: its state in memory, and the way of its changes into the log.
//
// A change is encoded, appended to the log and, once durable, applied: in the order of the log, for
// every one of them. When many have come since the last checkpoint, another is written beside them,
// while changes go on: what it writes is a view of one moment.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ringmail/io/timer.h"
#include "ringmail/storage/account.h"
#include "storage/content_writer.h"
#include "storage/log.h"
#include "storage/mailbox/account_ledger.h"
#include "storage/mailbox/account_state.h"

namespace ringmail::storage {

class AccountsCore;
class StoreCore;

class OpenAccount final : public Account, public ListHook<class IdleTag> {
 public:
  OpenAccount(StoreCore& store, AccountsCore& accounts, AccountId id);

  AccountId id() const override { return id_; }
  ModSeq applied() const override { return state_.applied(); }
  std::vector<MailboxSummary> Mailboxes() const override;
  std::optional<MailboxSummary> Find(MailboxId id) const override;
  std::optional<MailboxSummary> FindName(std::string_view name) const override;
  MailboxView View(MailboxId id) const override { return state_.View(id); }
  std::optional<std::vector<UidRange>> VanishedSince(MailboxId id, ModSeq since) const override;
  std::vector<std::string> Subscriptions() const override;
  std::optional<std::string_view> Value(MailboxId id, std::string_view name) const override;
  uint64_t bytes() const override { return state_.bytes(); }
  uint32_t messages() const override { return state_.messages(); }
  std::string_view DeliveredTo(const MessageEntry& entry) const override {
    return state_.DeliveredTo(entry);
  }
  io::Task<StatusOr<std::vector<ChangeResult>>> Apply(AccountTransaction transaction) override;
  io::Task<StatusOr<std::vector<ChangeResult>>> ApplyWithContent(
      AccountTransaction transaction, std::vector<NewContent> contents) override;
  void Watch(AccountWatcher& watcher) override { watchers_.PushBack(watcher); }

  // --- for AccountsCore ---

  // What the log has. Once.
  io::Task<Status> Load();
  // Errors: why it could not be loaded.
  const Status& status() const { return loaded_; }
  bool loading() const { return loading_; }
  std::vector<io::Event*>& waiting() { return waiting_; }
  bool held() const { return refs_ > 0; }
  uint64_t memory_bytes() const { return memory_bytes_; }
  MonotonicTime idle_since() const { return idle_since_; }
  // Contents that wait to be released, from this one on, `count_max` of them at most.
  std::vector<ContentId> Released(ContentId from, size_t count_max) const;
  // Makes it empty, durably, with a record that ends all others of it.
  io::Task<Status> Erase();
  // The logs that held them know that the account needs them no more.
  io::Task<Status> Forget(std::vector<ContentId> released);

 private:
  // Who changes: nobody but the store changes an account that is being erased.
  enum class Caller : uint8_t { kUser, kStore };
  // A change on its way to stable storage.
  struct Change {
    uint64_t number = 0;
    AccountTransaction transaction;
    uint32_t at = 0;  // in its batch
    size_t record_bytes = 0;
    AccountMeta::Releases releases = AccountMeta::Releases::kUnchanged;
    std::vector<ChangeResult> results;
  };
  // A new content, appended in the group of the change that refers to it.
  struct Deposit {
    std::unique_ptr<ContentWriter::State> state;
    uint32_t at = 0, piece = 0;
    size_t record_bytes = 0;
  };
  // What a checkpoint says, taken at one moment.
  struct Snapshot {
    uint64_t number = 0;
    std::string root;
    std::vector<std::pair<PageKey, MailboxPageRef>> pages;
    std::vector<PageKey> gone;
    AccountMeta::Releases releases = AccountMeta::Releases::kUnchanged;
  };

  void Ref() override;
  void Unref() override;
  MailboxSummary Summary(const MailboxState& mailbox) const;

  // open_account.cc
  Status Admit(const AccountTransaction& transaction) const;
  io::Task<StatusOr<std::vector<ChangeResult>>> Write(AccountTransaction transaction,
                                                      std::vector<NewContent> contents,
                                                      Caller caller);
  io::Task<Status> Prepare(AccountTransaction& transaction, std::vector<NewContent>& contents,
                           std::vector<Deposit>& deposits);
  size_t GroupBytes(const std::vector<Deposit>& deposits, size_t body_bytes) const;
  void AppendDeposit(Deposit& deposit);
  AccountMeta::Releases ReleasesOf(const AccountTransaction& transaction) const;
  void AppendChange(Change& change, std::string_view body);
  void KeepDeposit(Deposit& deposit, const Log::Committed& committed);
  void Applied(Change& change, const Log::Committed& committed);
  void Measure();
  void JudgeQuota(const Change& change);
  void TellWatchers();
  io::Task<Status> Empty();
  io::Task<Status> EraseAlone();

  // account_checkpoint.cc
  bool CheckpointDue() const;
  void BeginCheckpoint();
  static io::Task<void> RunCheckpoint(OpenAccount* self, AccountRef keep);
  io::Task<Status> WriteCheckpoint();
  Snapshot Take();
  io::Task<Status> WritePages(const Snapshot& snapshot, std::vector<AccountRecords::Page>& written);
  io::Task<Status> WriteRoot(const Snapshot& snapshot, std::vector<RecordPlace>& written);

  StoreCore& store_;
  AccountsCore& accounts_;
  const AccountId id_;
  AccountState state_;
  uint64_t last_number_ = 0;  // of what was appended to the log
  std::vector<Change*> under_way_;
  IntrusiveList<AccountWatcher, AccountWatcherTag> watchers_;
  uint32_t refs_ = 0;
  bool loading_ = false, erasing_ = false, checkpointing_ = false;
  bool full_ = false;  // all shards were told so
  Status loaded_;
  std::vector<io::Event*> waiting_;  // for the end of loading, or of a checkpoint
  uint64_t memory_bytes_ = 0;
  // As the last Append named them.
  uint64_t quota_bytes_ = 0;
  uint32_t quota_messages_ = 0;
  MonotonicTime idle_since_{};

  uint64_t checkpoint_failed_at_ = 0;  // how many changes there were since the last
  std::vector<PageKey> gone_;          // that no durable checkpoint says yet
};

}  // namespace ringmail::storage
