// What the log has of each account, and where: enough to open it, to move its records, and to know
// which of them are needed.
//
// Pure bookkeeping: no input or output. Replayed record by record at a start, kept up by the
// accounts and by compaction afterwards. Records count for their segments while they are here.
// Promise: after EndReplay an account that is not damaged has a checkpoint, or none yet, and every
//   transaction after it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "storage/mailbox/account_record.h"
#include "storage/segment.h"

namespace ringmail::storage {

class AccountRecords {
 public:
  struct Page {
    PageKey key;
    uint64_t number = 0;  // of the checkpoint that wrote it
    RecordPlace place;
  };
  struct Transaction {
    uint64_t number = 0;
    RecordPlace place;
  };

  explicit AccountRecords(AccountId account) : id(account) {}

  bool empty() const { return root.empty() && transactions.empty(); }
  // The last transaction.
  uint64_t last() const { return transactions.empty() ? root_number : transactions.back().number; }

  const AccountId id;
  uint64_t root_number = 0;               // 0: no checkpoint yet
  std::vector<RecordPlace> root;          // its parts
  std::vector<Page> pages;                // by key
  std::vector<Transaction> transactions;  // by number, all over root_number
  uint64_t transaction_bytes = 0;
  uint32_t pins = 0;  // somebody reads the records where they lie, or writes a checkpoint
  bool damaged = false;
  // Of the last changes that said either (AccountMeta::Releases).
  uint64_t may_wait_at = 0, none_waits_at = 0;
  bool may_release() const { return may_wait_at > none_waits_at; }
  void Note(uint64_t number, AccountMeta::Releases releases) {
    if (releases == AccountMeta::Releases::kMayWait) may_wait_at = std::max(may_wait_at, number);
    if (releases == AccountMeta::Releases::kNoneWaits)
      none_waits_at = std::max(none_waits_at, number);
  }
};

class AccountLedger {
 public:
  AccountLedger() = default;
  AccountLedger(const AccountLedger&) = delete;
  AccountLedger& operator=(const AccountLedger&) = delete;

  // --- recovery ---
  void Replay(const AccountMeta& meta, const RecordPlace& place);
  // What is wrong, as sentences for the operator.
  std::vector<std::string> EndReplay();

  // --- the state ---
  const absl::flat_hash_map<AccountId, std::unique_ptr<AccountRecords>>& accounts() const {
    return accounts_;
  }
  AccountRecords* Find(AccountId id) const;
  AccountRecords& FindOrAdd(AccountId id);
  // Durable, and the next of its account.
  void AddTransaction(AccountRecords& records, uint64_t number, const RecordPlace& place,
                      AccountMeta::Releases releases);
  // A checkpoint is durable: what came before it is needed no more.
  void AddCheckpoint(AccountRecords& records, uint64_t number, std::vector<RecordPlace> root,
                     std::vector<AccountRecords::Page> pages, const std::vector<PageKey>& gone,
                     AccountMeta::Releases releases);
  // Everything of the account goes; `records` stays if it is pinned, and is empty.
  void Erase(AccountRecords& records);
  // The highest UIDVALIDITY of what an account was before it was erased; 0: it was not, or nobody
  // knows any more. What it is now begins above.
  uint32_t ErasedUidValidity(AccountId id) const;
  void NoteErased(AccountId id, uint32_t uid_validity);

  // --- compaction ---
  enum class Need : uint8_t { kNo, kYes, kPinned };
  // Whether the record at `place` is needed.
  Need Needs(const AccountMeta& meta, const RecordPlace& place) const;
  // It was copied. REQUIRES: Needs(meta, from) was not kNo when the copy was appended.
  void Moved(const AccountMeta& meta, const RecordPlace& from, const RecordPlace& to);

 private:
  // Of checkpoints whose last part was not seen yet.
  struct Pending {
    std::map<uint64_t, std::vector<RecordPlace>> roots;
    std::map<uint64_t, std::vector<PageKey>> gone;
    std::map<uint64_t, AccountMeta::Releases> releases;
    std::vector<AccountRecords::Page> pages;
  };

  static RecordPlace* Locate(AccountRecords& records, const AccountMeta& meta);
  static void Replace(RecordPlace& old, const RecordPlace& place);
  static void ReplayTransaction(AccountRecords& records, const AccountMeta& meta,
                                const RecordPlace& place);
  void ReplayPage(AccountRecords& records, const AccountMeta& meta, const RecordPlace& place);
  void ReplayRoot(AccountRecords& records, const AccountMeta& meta, const RecordPlace& place);
  static void MergePages(AccountRecords& records, std::vector<AccountRecords::Page> pages,
                         const std::vector<PageKey>& gone);

  absl::flat_hash_map<AccountId, std::unique_ptr<AccountRecords>> accounts_;
  absl::flat_hash_map<AccountId, Pending> pending_;  // while replaying
  absl::flat_hash_map<AccountId, uint32_t> erased_;  // uid validities
};

}  // namespace ringmail::storage
