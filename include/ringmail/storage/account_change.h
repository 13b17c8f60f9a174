// What can be done to an account's mailboxes, and what came of it: the values that a transaction is
// made of.
//
// The log keeps the changes themselves. What they do follows from them and from the state before,
// and from nothing else (no clock, no random number, no configuration), so that recovery, which
// does them again, comes to the same uids. Limits: AccountLimits; a change that would pass one
// fails alone and changes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "ringmail/storage/mailbox.h"

namespace ringmail::storage {

// Names are UTF-8 (RFC 9051 §5.1), levels parted by '/'. "INBOX" in any case is the one INBOX,
// which every account has.
struct CreateMailbox {
  std::string name;
  MailboxRole role = MailboxRole::kNone;
  uint32_t uid_validity = 0;  // raised over all that the account has used: the time will do
};
// RFC 9051 §6.3.5: with all its messages. Mailboxes below it stay. INBOX stays.
struct DeleteMailbox {
  MailboxId mailbox;
};
// RFC 9051 §6.3.6: with those below it. From INBOX: its messages move to a new mailbox of that
// name.
struct RenameMailbox {
  MailboxId mailbox;
  std::string name;
  uint32_t uid_validity = 0;  // for the new mailbox, where INBOX is renamed
};
// RFC 9051 §6.3.7: whether a mailbox of that name is there or not.
struct Subscribe {
  enum class Change : uint8_t { kOn, kOff };
  std::string name;
  Change change = Change::kOn;
};
struct Append {
  MailboxId mailbox;
  ContentId content;
  uint32_t bytes = 0;  // of the content, with its prefix
  uint64_t system_flags = 0;
  std::vector<std::string> keywords;
  uint32_t internal_date_seconds = 0;
  // 0: none. What the account holds beyond them after this is refused (RFC 9208).
  uint64_t quota_bytes = 0;
  uint32_t quota_messages = 0;
  // A delivery that is tried again after a crash must find its own copy, also where it has been
  // expunged meanwhile: one content comes once.
  enum class Twice : uint8_t { kRefuse, kAllow };
  Twice twice = Twice::kRefuse;
  // The address that final delivery writes before the message, in a field that counts in its size;
  // "": none. Of addresses beyond kDeliveredToMax the account knows only that they came by its
  // first.
  std::string delivered_to;
  // Whether the content came with this very transaction, and is the account's already: refused, it
  // is released. Account::ApplyWithContent says so.
  enum class Origin : uint8_t { kElsewhere, kDeposited };
  Origin origin = Origin::kElsewhere;
  // The one it had in another server; 0: the mailbox's next. Below that, or above kUidMax, it is
  // refused (kUidsUsed).
  Uid uid;
};
// RFC 9051 §6.4.6.
struct StoreFlags {
  enum class Mode : uint8_t { kAdd, kRemove, kReplace };
  MailboxId mailbox;
  std::vector<UidRange> uids;
  Mode mode = Mode::kAdd;
  uint64_t system_flags = 0;
  std::vector<std::string> keywords;
  // Messages changed after it are left alone and named (RFC 7162 §3.1.3). UINT64_MAX: none is.
  ModSeq unchanged_since{UINT64_MAX};
};
struct Expunge {
  enum class Which : uint8_t {
    kAll,
    kDeleted,  // only those with \Deleted (RFC 9051 §6.4.3, §6.4.9)
  };
  MailboxId mailbox;
  std::vector<UidRange> uids;
  Which which = Which::kAll;
};
// RFC 9051 §6.4.7, §6.4.8.
struct CopyMessages {
  enum class Mode : uint8_t { kCopy, kMove };
  MailboxId from, to;
  std::vector<UidRange> uids;
  Mode mode = Mode::kCopy;
  uint64_t quota_bytes = 0;
  uint32_t quota_messages = 0;
};
// A named value of the account (mailbox 0) or of a mailbox: annotations (RFC 5464), scripts,
// identities. Empty removes it.
struct SetValue {
  MailboxId mailbox;
  std::string name;
  std::string value;
};
// The log that holds them has been told that the account needs these contents no more.
struct ForgetReleased {
  std::vector<ContentId> contents;
};
// A mailbox goes on where it was in another server, so that clients know its messages again (RFC
// 9051 §2.3.1.1).
struct ContinueUids {
  MailboxId mailbox;
  // 0: as it is. Another one is refused where the mailbox has given a UID, where a mailbox of the
  // account has or had it, and above kUidValidityMax (kUidsUsed).
  uint32_t uid_validity = 0;
  // Of the next message. 0: as it is. Below what it is, or above kUidMax: kUidsUsed.
  Uid uid_next;
};

using AccountChange =
    std::variant<CreateMailbox, DeleteMailbox, RenameMailbox, Subscribe, Append, StoreFlags,
                 Expunge, CopyMessages, SetValue, ForgetReleased, ContinueUids>;

enum class ChangeStatus : uint8_t {
  kOk,
  kNoMailbox,     // it is not there (RFC 9051 §7.1 NONEXISTENT, TRYCREATE)
  kExists,        // a mailbox of that name is (ALREADYEXISTS)
  kBadName,       // not UTF-8, a control character, an empty level, too long (CANNOT)
  kForbidden,     // INBOX cannot be deleted (CANNOT)
  kOverQuota,     // RFC 9208 OVERQUOTA
  kLimit,         // of AccountLimits, or of keywords (RFC 9051 §7.1 LIMIT)
  kBadAddress,    // of Append: delivered_to is too long, or would end its line
  kAlreadyThere,  // of Append: the account has this content; `mailbox` and `uids` say where. Or it
                  // had it, and its log does not know yet that it is gone; then `uids` is empty
  kUidsUsed,      // of Append, ContinueUids: another message has, had or may have had them
};

struct ChangeResult {
  ChangeStatus status = ChangeStatus::kOk;
  MailboxId mailbox;           // made or changed; of Append, Copy: where `uids` are
  std::vector<UidRange> uids;  // of messages appended, changed or expunged; of Copy: the new ones
  std::vector<UidRange> source_uids;  // of Copy: those that were there, in the order of `uids`
  std::vector<UidRange> modified;     // of StoreFlags: changed after unchanged_since
};

// All together, in this order, in one group commit.
struct AccountTransaction {
  uint32_t time_seconds = 0;  // of Unix time, when it began
  std::vector<AccountChange> changes;
};

struct AccountLimits {
  static constexpr uint32_t kMailboxesMax = 10'000;
  static constexpr uint32_t kNameBytesMax = 1'000;
  static constexpr uint32_t kNameLevelsMax = 32;
  // Of an account: 12 bits of a message say which (RFC 5321 §4.5.3.1.3 bounds each).
  static constexpr uint32_t kDeliveredToMax = 4'095;
  static constexpr uint32_t kDeliveredToBytesMax = 512;
  static constexpr uint32_t kSubscriptionsMax = 10'000;
  static constexpr uint32_t kKeywordBytesMax = 255;
  static constexpr uint32_t kMessagesMax = 50'000'000;  // in a mailbox
  static constexpr uint32_t kValueBytesMax = 1u << 20;
  static constexpr uint32_t kValueNameBytesMax = 1'000;
  static constexpr uint32_t kValuesMax = 10'000;
  static constexpr uint32_t kRangesMax = 100'000;  // in one change
  // UIDs that are brought: room is left above them for those that are given here.
  static constexpr uint32_t kUidMax = 1u << 31;
  // UIDVALIDITYs that are brought: as well.
  static constexpr uint32_t kUidValidityMax = UINT32_MAX - (1u << 20);
  // How many of them an account takes; more are refused (kLimit).
  static constexpr uint32_t kForeignUidValiditiesMax = 100'000;
  // How many ranges of vanished uids a mailbox remembers (RFC 7162 §5).
  static constexpr uint32_t kVanishedRangesMax = 10'000;
};

}  // namespace ringmail::storage
