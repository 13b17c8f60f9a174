// Mailboxes as those who read mail see them: the messages in each, in views that stay still.
//
// Made by: AccountState (src/storage/mailbox), which the account's owner changes by AccountChange.
// Promise: a view shows one moment, for as long as it is held: neither its messages nor their flags
//   change under it (IMAP's sequence numbers, POP3's message numbers, JMAP's state). Taking a view
//   copies nothing but a pointer for every kPageEntries messages; what changes later copies the
//   pages that it touches.
// Shard: the account's. Views do not leave it.
// Limits: 40 octets of memory for a message, once for all views that see it in the same state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringmail/base/ids.h"

namespace ringmail::storage {

// RFC 9051 §2.3.1.1: from 1, ascending, never used again in a mailbox of one UIDVALIDITY.
using Uid = StrongId<struct UidTag, uint32_t>;
// RFC 7162 §3.1. One sequence for the whole account: the number of the change that made a message
// what it is.
using ModSeq = StrongId<struct ModSeqTag, uint64_t>;
// A mailbox in an account (RFC 8474 §4). From 1, never used again, kept when it is renamed.
using MailboxId = StrongId<struct MailboxIdTag, uint32_t>;

// `first` to `last`, both included.
struct UidRange {
  Uid first, last;
  friend bool operator==(const UidRange&, const UidRange&) = default;
};
// Appends `uid`, larger than all in `ranges`.
void AddUid(Uid uid, std::vector<UidRange>& ranges);
// Whether each range is in order and follows the one before without touching it, from 1 on.
bool Ascending(std::span<const UidRange> ranges);

// RFC 9051 §2.3.2. The bits above are keywords, numbered by each mailbox, and above those which
// address the message was delivered to (Account::DeliveredTo).
inline constexpr uint64_t kFlagSeen = 1;
inline constexpr uint64_t kFlagAnswered = 2;
inline constexpr uint64_t kFlagFlagged = 4;
inline constexpr uint64_t kFlagDeleted = 8;
inline constexpr uint64_t kFlagDraft = 16;
inline constexpr uint64_t kSystemFlags = 31;
inline constexpr int kKeywordShift = 5;
inline constexpr size_t kKeywordsMax = 47;
inline constexpr int kDeliveredToShift = kKeywordShift + static_cast<int>(kKeywordsMax);
inline constexpr uint64_t kDeliveredToBits = ~uint64_t{0} << kDeliveredToShift;
static_assert(kDeliveredToShift == 52);

// RFC 6154 §2, RFC 8621 §2.
enum class MailboxRole : uint8_t {
  kNone,
  kInbox,
  kAll,
  kArchive,
  kDrafts,
  kFlagged,
  kImportant,
  kJunk,
  kSent,
  kTrash,
};
inline constexpr uint8_t kMailboxRoleCount = 10;

// One message in one mailbox.
struct MessageEntry {
  ContentId content;  // also its EMAILID (RFC 8474 §5.1): the same wherever it was copied to
  ModSeq mod_seq;
  uint64_t flags = 0;
  Uid uid;
  uint32_t bytes = 0;                  // RFC822.SIZE
  uint32_t internal_date_seconds = 0;  // of Unix time
  uint32_t save_date_seconds = 0;      // RFC 8514
};
static_assert(sizeof(MessageEntry) == 40);

// Messages of one mailbox with consecutive places. Immutable while more than one holds it.
class MailboxPage;
class MailboxPageRef {
 public:
  MailboxPageRef() = default;
  explicit MailboxPageRef(MailboxPage* page);
  MailboxPageRef(const MailboxPageRef& other);
  MailboxPageRef(MailboxPageRef&& other) noexcept : page_(std::exchange(other.page_, nullptr)) {}
  MailboxPageRef& operator=(MailboxPageRef other) noexcept {
    std::swap(page_, other.page_);
    return *this;
  }
  ~MailboxPageRef();

  MailboxPage* get() const { return page_; }
  std::span<const MessageEntry> entries() const;
  friend bool operator==(const MailboxPageRef&, const MailboxPageRef&) = default;

 private:
  MailboxPage* page_ = nullptr;
};

// One mailbox at one moment. A value: copies see the same.
class MailboxView {
 public:
  struct Facts {
    MailboxId id;
    uint32_t uid_validity = 0;  // RFC 9051 §2.3.1.1
    Uid uid_next;
    ModSeq highest_mod_seq;
    uint64_t bytes = 0;
    uint32_t unseen = 0;
    std::vector<std::string> keywords;  // bit kKeywordShift + index
  };

  MailboxView() = default;
  MailboxView(Facts facts, std::vector<MailboxPageRef> pages);

  const Facts& facts() const { return facts_; }
  // How many messages: their places are 0 to count() - 1, one less than IMAP's sequence numbers.
  uint32_t count() const { return begins_.back(); }
  // REQUIRES: place < count().
  const MessageEntry& at(uint32_t place) const;
  // The first place whose uid is `uid` or more; count() if there is none.
  uint32_t LowerBound(Uid uid) const;
  // nullptr: no message has that uid here.
  const MessageEntry* Find(Uid uid) const;
  // Each page in order: what reads all messages reads them so.
  std::span<const MailboxPageRef> pages() const { return pages_; }

 private:
  Facts facts_;
  std::vector<MailboxPageRef> pages_;
  std::vector<uint32_t> begins_{0};  // the place at which each page begins, and the count
};

// What is different in `after`, a later view of the same mailbox. Costs what has changed: pages
// that both hold are not looked at.
struct MailboxDifference {
  // Places in `before`, descending: as IMAP's EXPUNGE may name them one after the other (RFC 9051
  // §7.5.1).
  std::vector<uint32_t> expunged;
  // Places in `after`, ascending, of messages that `before` has with other flags.
  std::vector<uint32_t> changed;
  // Places from here on in `after` are new.
  uint32_t first_new = 0;
};
MailboxDifference Compare(const MailboxView& before, const MailboxView& after);

}  // namespace ringmail::storage
