// An account's mailboxes in memory: what its changes have made of them. Pure.
//
// Made by: its constructor, as every account begins (an empty INBOX), or by Restore.
// Order: Apply in the order of the log. A checkpoint between any two says all that was applied.
// Promise: the same changes give the same state and the same results, always.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "ringmail/storage/account_change.h"
#include "ringmail/storage/mailbox.h"
#include "storage/mailbox/page.h"

namespace ringmail::storage {

// Uids that left together (RFC 7162 §3.2.5).
struct Vanished {
  UidRange uids;
  ModSeq mod_seq;
};

struct MailboxState {
  MailboxId id;
  std::string name;
  MailboxRole role = MailboxRole::kNone;
  uint32_t uid_validity = 1;
  Uid uid_next{1};
  ModSeq highest_mod_seq;  // of its messages, those that left included (RFC 7162 §3.1.2.1)
  std::vector<MailboxPageRef> pages;
  uint32_t next_page = 1;
  uint32_t count = 0;
  uint32_t unseen = 0;
  uint64_t bytes = 0;
  std::vector<std::string> keywords;
  std::vector<Vanished> vanished;  // in the order in which they left
  ModSeq vanished_since;           // what left at or before it may be forgotten
};

class AccountState {
 public:
  explicit AccountState(uint32_t inbox_uid_validity);

  // The last transaction that was applied; 0: none.
  ModSeq applied() const { return applied_; }
  // One result for each change. REQUIRES: number > applied().
  std::vector<ChangeResult> Apply(ModSeq number, const AccountTransaction& transaction);

  const std::map<MailboxId, MailboxState>& mailboxes() const { return mailboxes_; }
  const MailboxState* Find(MailboxId id) const;
  // INBOX in any case.
  const MailboxState* FindName(std::string_view name) const;
  const absl::btree_set<std::string>& subscriptions() const { return subscriptions_; }
  // nullptr: there is none of that name.
  const std::string* FindValue(MailboxId mailbox, std::string_view name) const;
  // REQUIRES: the mailbox is there.
  MailboxView View(MailboxId id) const;
  // What left a mailbox after `since`, ascending; nullopt: it no longer knows all of it.
  static std::optional<std::vector<UidRange>> VanishedSince(const MailboxState& mailbox,
                                                            ModSeq since);

  // Joins neighbouring pages that expunges have left half empty. Changes nothing that anybody sees.
  void JoinPages();

  uint64_t bytes() const { return bytes_; }
  uint32_t messages() const { return messages_; }
  // Contents that no message of the account refers to any more, until ForgetReleased.
  const absl::btree_set<ContentId>& released() const { return released_; }
  bool Has(ContentId content) const;
  // No mailbox had a higher one.
  uint32_t uid_validity_max() const { return uid_validity_max_; }
  // "": none.
  std::string_view DeliveredTo(const MessageEntry& entry) const;

 private:
  friend class AccountCheckpoint;
  struct Step {  // one transaction while it is applied
    ModSeq number;
    uint32_t time_seconds = 0;
  };
  using ValueKey = std::pair<MailboxId, std::string>;
  // Contents written within so many of the last one of their log are known by heart.
  static constexpr uint64_t kRecentContents = 4096;

  ChangeResult Do(const Step& step, const CreateMailbox& change);
  ChangeResult Do(const Step& step, const DeleteMailbox& change);
  ChangeResult Do(const Step& step, const RenameMailbox& change);
  ChangeResult Do(const Step& step, const Subscribe& change);
  ChangeResult Do(const Step& step, const Append& change);
  ChangeResult DoAppend(const Step& step, const Append& change);
  ChangeResult Do(const Step& step, const StoreFlags& change);
  ChangeResult Do(const Step& step, const Expunge& change);
  ChangeResult Do(const Step& step, const CopyMessages& change);
  ChangeResult Do(const Step& step, const SetValue& change);
  ChangeResult Do(const Step& step, const ForgetReleased& change);
  ChangeResult Do(const Step& step, const ContinueUids& change);

  MailboxState* Mutable(MailboxId id);
  bool RoomForMailbox() const;
  MailboxState& Make(std::string name, MailboxRole role, uint32_t uid_validity);
  ChangeStatus TakeUidValidity(uint32_t uid_validity);
  ChangeResult RenameInbox(const Step& step, const RenameMailbox& change);
  static MailboxPage& Writable(MailboxPageRef& page, const Step& step);
  static bool KeywordBits(MailboxState& mailbox, const std::vector<std::string>& keywords,
                          uint64_t& bits);
  static uint64_t KnownKeywordBits(const MailboxState& mailbox,
                                   const std::vector<std::string>& keywords);
  bool OverQuota(uint64_t bytes_more, uint64_t messages_more, uint64_t quota_bytes,
                 uint32_t quota_messages) const;
  uint64_t DeliveredToNumber(const std::string& address);
  Uid Add(MailboxState& mailbox, const Step& step, MessageEntry entry);
  // Takes out what `take` says of each message in `uids`; the entries, in order.
  template <typename Take>
  std::vector<MessageEntry> TakeOut(MailboxState& mailbox, const Step& step,
                                    const std::vector<UidRange>& uids, Take take);
  static void Vanish(MailboxState& mailbox, const std::vector<UidRange>& uids, ModSeq mod_seq);
  void Refer(ContentId content);
  void Release(ContentId content);
  void Remember(ContentId content);
  const MessageEntry* Locate(ContentId content, MailboxId& mailbox) const;

  ModSeq applied_;
  std::map<MailboxId, MailboxState> mailboxes_;
  std::map<std::string, MailboxId, std::less<>> by_name_;
  uint32_t next_mailbox_ = 1;
  // No two mailboxes have one UIDVALIDITY, so that a name made again never has its old one: those
  // given here lie between the two, those brought from elsewhere below them, or above: then the
  // upper one goes there.
  uint32_t uid_validity_min_ = 0, uid_validity_max_ = 0;
  absl::btree_set<uint32_t> foreign_uid_validities_;  // below, mailboxes that are gone included
  absl::btree_set<std::string> subscriptions_;
  absl::btree_map<ValueKey, std::string> values_;
  uint64_t bytes_ = 0;
  uint32_t messages_ = 0;
  // Addresses that messages were delivered to, in the order in which they were first seen; the
  // number in a message's flags is one more than the place here.
  std::vector<std::string> delivered_to_;
  // How many messages refer to a content beyond the first.
  absl::flat_hash_map<ContentId, uint32_t> more_refs_;
  absl::btree_set<ContentId> released_;
  // Of contents that the account refers to: the newest of each log, and those near it.
  absl::flat_hash_map<LogId, uint64_t> newest_;
  absl::flat_hash_set<ContentId> recent_;
  // Pages that a checkpoint must say are gone.
  std::vector<std::pair<MailboxId, uint32_t>> gone_pages_;
};

}  // namespace ringmail::storage
