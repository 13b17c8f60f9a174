// An account from the log: its checkpoint and what came after it, read where the ledger says they
// lie.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ringmail/base/status.h"
#include "ringmail/io/file.h"
#include "ringmail/io/task.h"
#include "storage/format.h"
#include "storage/mailbox/account_ledger.h"
#include "storage/mailbox/account_state.h"

namespace ringmail::storage {

class StoreCore;

class AccountLoader {
 public:
  // REQUIRES: the records are pinned, and there are some.
  // Errors: kDataLoss: the file and the place of what cannot be read, or what does not fit.
  static io::Task<StatusOr<AccountState>> Load(StoreCore& store, const AccountRecords& records);

  // The account before its first change, `first`: which gives INBOX its UIDVALIDITY (RFC 9051
  // §2.3.1.1), so that an account that was erased never has its old one again.
  static AccountState Beginning(const AccountTransaction& first);

 private:
  struct Wanted {
    RecordPlace place;
    AccountRecordKind kind;
    PageKey page;
    uint64_t number = 0;
    size_t part = 0;  // of a root
  };
  // Records that are read together.
  struct Window {
    size_t begin = 0, end = 0;  // in wanted_
    uint64_t offset = 0;
    size_t bytes = 0;
  };

  AccountLoader(StoreCore& store, const AccountRecords& records)
      : store_(store), records_(records) {}
  Status Gather();
  void MakeWindows();
  static io::Task<void> ReadWindows(AccountLoader* self);
  io::Task<Status> ReadWindow(const Window& window, io::DmaBuffer& buffer);
  Status Take(const Wanted& wanted, std::string_view bytes);
  Status Lost(const RecordPlace& place, std::string_view what) const;
  StatusOr<AccountState> Restore();
  io::Task<Status> Replay(AccountState& state);

  StoreCore& store_;
  const AccountRecords& records_;
  std::vector<Wanted> wanted_;
  std::vector<Window> windows_;
  size_t next_window_ = 0;
  Status failure_;
  std::vector<std::string> root_;
  absl::flat_hash_map<uint64_t, MailboxPageRef> pages_;  // by mailbox and number
  std::map<uint64_t, AccountTransaction> transactions_;
};

}  // namespace ringmail::storage
