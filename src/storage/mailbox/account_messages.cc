// Messages: how they come, change and leave.
#include <algorithm>

#include "ringmail/base/check.h"
#include "ringmail/codec/ascii.h"
#include "ringmail/storage/message_source.h"
#include "storage/mailbox/account_state.h"

namespace ringmail::storage {
namespace {

ChangeResult Failed(ChangeStatus status) {
  ChangeResult result;
  result.status = status;
  return result;
}

uint64_t SequenceOf(ContentId content) { return QueueId(content.value).sequence(); }

// RFC 9051 §9, flag-keyword: an atom. Compared without case (RFC 8621 §4.1.1 keeps them in lower
// case).
bool IsKeyword(std::string_view text) {
  if (text.empty() || text.size() > AccountLimits::kKeywordBytesMax) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7F && std::string_view("(){%*\"\\]").find(c) == std::string_view::npos;
  });
}

// The part of the pages that may hold `range`.
size_t FirstPage(const std::vector<MailboxPageRef>& pages, Uid first) {
  const auto page = std::partition_point(
      pages.begin(), pages.end(),
      [first](const MailboxPageRef& one) { return one.entries().back().uid < first; });
  return static_cast<size_t>(page - pages.begin());
}

size_t FirstEntry(std::span<const MessageEntry> entries, Uid first) {
  const auto entry = std::partition_point(
      entries.begin(), entries.end(), [first](const MessageEntry& one) { return one.uid < first; });
  return static_cast<size_t>(entry - entries.begin());
}

}  // namespace

// --- Pages

// The page as it may be written to: a copy, if a view holds it.
MailboxPage& AccountState::Writable(MailboxPageRef& page, const Step& step) {
  if (page.get()->shared()) page = MailboxPageRef(new MailboxPage(*page.get()));
  page.get()->set_changed(step.number);
  return *page.get();
}

void AccountState::JoinPages() {
  const Step step{applied_};
  for (auto& [id, mailbox] : mailboxes_) {
    std::vector<MailboxPageRef> kept;
    for (MailboxPageRef& page : mailbox.pages) {
      const std::span<const MessageEntry> entries = page.entries();
      if (kept.empty() || kept.back().entries().size() + entries.size() > kPageEntries / 2) {
        kept.push_back(std::move(page));
        continue;
      }
      std::vector<MessageEntry>& joined = Writable(kept.back(), step).entries;
      joined.insert(joined.end(), entries.begin(), entries.end());
      gone_pages_.emplace_back(id, page.get()->number());
    }
    mailbox.pages = std::move(kept);
  }
}

Uid AccountState::Add(MailboxState& mailbox, const Step& step, MessageEntry entry) {
  entry.uid = mailbox.uid_next;
  mailbox.uid_next = Uid(entry.uid.value + 1);
  entry.mod_seq = mailbox.highest_mod_seq = step.number;
  entry.save_date_seconds = step.time_seconds;
  if (mailbox.pages.empty() || mailbox.pages.back().entries().size() >= kPageEntries) {
    mailbox.pages.emplace_back(new MailboxPage(mailbox.next_page++, step.number));
    // What grows to a page grows by doubling; a second page says that there will be many.
    if (mailbox.pages.size() > 1) mailbox.pages.back().get()->entries.reserve(kPageEntries);
  }
  Writable(mailbox.pages.back(), step).entries.push_back(entry);
  ++mailbox.count;
  ++messages_;
  mailbox.bytes += entry.bytes;
  bytes_ += entry.bytes;
  mailbox.unseen += (entry.flags & kFlagSeen) == 0;
  return entry.uid;
}

template <typename Take>
std::vector<MessageEntry> AccountState::TakeOut(MailboxState& mailbox, const Step& step,
                                                const std::vector<UidRange>& uids, Take take) {
  std::vector<MessageEntry> taken;
  std::vector<UidRange> left;
  for (const UidRange& range : uids) {
    for (size_t p = FirstPage(mailbox.pages, range.first); p < mailbox.pages.size(); ++p) {
      const std::span<const MessageEntry> entries = mailbox.pages[p].entries();
      const size_t begin = FirstEntry(entries, range.first);
      if (begin == entries.size() || range.last < entries[begin].uid) break;
      const size_t end = range.last.value == UINT32_MAX
                             ? entries.size()
                             : FirstEntry(entries, Uid(range.last.value + 1));
      if (std::none_of(entries.begin() + static_cast<ptrdiff_t>(begin),
                       entries.begin() + static_cast<ptrdiff_t>(end), take)) {
        continue;
      }
      std::vector<MessageEntry>& page = Writable(mailbox.pages[p], step).entries;
      size_t kept = begin;
      for (size_t i = begin; i < page.size(); ++i) {
        if (i < end && take(page[i])) {
          taken.push_back(page[i]);
          AddUid(page[i].uid, left);
        } else {
          page[kept++] = page[i];
        }
      }
      page.resize(kept);
    }
    // Before the next range looks for its first page.
    std::erase_if(mailbox.pages, [this, &mailbox](const MailboxPageRef& page) {
      if (!page.entries().empty()) return false;
      gone_pages_.emplace_back(mailbox.id, page.get()->number());
      return true;
    });
  }
  for (const MessageEntry& entry : taken) {
    --mailbox.count;
    --messages_;
    mailbox.bytes -= entry.bytes;
    bytes_ -= entry.bytes;
    mailbox.unseen -= (entry.flags & kFlagSeen) == 0;
  }
  if (!taken.empty()) {
    mailbox.highest_mod_seq = step.number;
    Vanish(mailbox, left, step.number);
  }
  return taken;
}

void AccountState::Vanish(MailboxState& mailbox, const std::vector<UidRange>& uids,
                          ModSeq mod_seq) {
  for (const UidRange& range : uids) mailbox.vanished.push_back({range, mod_seq});
  if (mailbox.vanished.size() > AccountLimits::kVanishedRangesMax) {
    const auto kept = mailbox.vanished.end() - AccountLimits::kVanishedRangesMax;
    mailbox.vanished_since = (kept - 1)->mod_seq;
    mailbox.vanished.erase(mailbox.vanished.begin(), kept);
  }
}

std::optional<std::vector<UidRange>> AccountState::VanishedSince(const MailboxState& mailbox,
                                                                 ModSeq since) {
  if (since < mailbox.vanished_since) return std::nullopt;
  std::vector<UidRange> ranges;
  for (auto one = mailbox.vanished.rbegin(); one != mailbox.vanished.rend(); ++one) {
    if (one->mod_seq <= since) break;
    ranges.push_back(one->uids);
  }
  // No uid leaves twice: sorted, they do not overlap, though they may touch.
  std::sort(ranges.begin(), ranges.end(),
            [](const UidRange& a, const UidRange& b) { return a.first < b.first; });
  std::vector<UidRange> joined;
  for (const UidRange& range : ranges) {
    if (!joined.empty() && joined.back().last.value + 1 == range.first.value) {
      joined.back().last = range.last;
    } else {
      joined.push_back(range);
    }
  }
  return joined;
}

// --- Keywords

// The bits of `keywords`, which the mailbox learns. False: one is none, or there is no room for
// another; then it has learnt nothing.
bool AccountState::KeywordBits(MailboxState& mailbox, const std::vector<std::string>& keywords,
                               uint64_t& bits) {
  bits = KnownKeywordBits(mailbox, keywords);
  std::vector<std::string> more;
  for (const std::string& keyword : keywords) {
    if (!IsKeyword(keyword)) return false;
    const auto same = [&keyword](const std::string& known) {
      return codec::AsciiEqualNoCase(known, keyword);
    };
    if (std::any_of(mailbox.keywords.begin(), mailbox.keywords.end(), same) ||
        std::any_of(more.begin(), more.end(), same)) {
      continue;
    }
    bits |= uint64_t{1} << (kKeywordShift + mailbox.keywords.size() + more.size()) % 64;
    more.push_back(keyword);
    if (mailbox.keywords.size() + more.size() > kKeywordsMax) return false;
  }
  mailbox.keywords.insert(mailbox.keywords.end(), more.begin(), more.end());
  return true;
}

uint64_t AccountState::KnownKeywordBits(const MailboxState& mailbox,
                                        const std::vector<std::string>& keywords) {
  uint64_t bits = 0;
  for (size_t i = 0; i < mailbox.keywords.size(); ++i) {
    const bool named =
        std::any_of(keywords.begin(), keywords.end(), [&](const std::string& keyword) {
          return codec::AsciiEqualNoCase(mailbox.keywords[i], keyword);
        });
    if (named) bits |= uint64_t{1} << (kKeywordShift + i);
  }
  return bits;
}

// --- Changes

bool AccountState::OverQuota(uint64_t bytes_more, uint64_t messages_more, uint64_t quota_bytes,
                             uint32_t quota_messages) const {
  return (quota_bytes > 0 && bytes_ + bytes_more > quota_bytes) ||
         (quota_messages > 0 && messages_ + messages_more > quota_messages);
}

// One more than the place of the address, which the account learns while it has room.
uint64_t AccountState::DeliveredToNumber(const std::string& address) {
  if (address.empty()) return 0;
  const auto known = std::find(delivered_to_.begin(), delivered_to_.end(), address);
  if (known != delivered_to_.end()) return static_cast<uint64_t>(known - delivered_to_.begin()) + 1;
  if (delivered_to_.size() == AccountLimits::kDeliveredToMax) return 1;
  delivered_to_.push_back(address);
  return delivered_to_.size();
}

std::string_view AccountState::DeliveredTo(const MessageEntry& entry) const {
  const uint64_t number = entry.flags >> kDeliveredToShift;
  return number == 0 || number > delivered_to_.size() ? std::string_view()
                                                      : delivered_to_[number - 1];
}

ChangeResult AccountState::Do(const Step& step, const Append& change) {
  ChangeResult result = DoAppend(step, change);
  const bool refused =
      result.status != ChangeStatus::kOk && result.status != ChangeStatus::kAlreadyThere;
  if (refused && change.origin == Append::Origin::kDeposited) released_.insert(change.content);
  return result;
}

ChangeResult AccountState::DoAppend(const Step& step, const Append& change) {
  ChangeResult result;
  // It came, and left again, before its delivery was written down.
  if (change.twice == Append::Twice::kRefuse && released_.contains(change.content)) {
    result.status = ChangeStatus::kAlreadyThere;
    return result;
  }
  if (change.twice == Append::Twice::kRefuse && Has(change.content)) {
    result.status = ChangeStatus::kAlreadyThere;
    const MessageEntry* const entry = Locate(change.content, result.mailbox);
    CHECK(entry != nullptr);
    AddUid(entry->uid, result.uids);
    return result;
  }
  MailboxState* const mailbox = Mutable(change.mailbox);
  if (mailbox == nullptr) return Failed(ChangeStatus::kNoMailbox);
  // It becomes a line of a header section.
  if (change.delivered_to.size() > AccountLimits::kDeliveredToBytesMax ||
      std::any_of(change.delivered_to.begin(), change.delivered_to.end(),
                  [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7F; })) {
    return Failed(ChangeStatus::kBadAddress);
  }
  const Uid uid = change.uid.value == 0 ? mailbox->uid_next : change.uid;
  if (uid < mailbox->uid_next || change.uid.value > AccountLimits::kUidMax)
    return Failed(ChangeStatus::kUidsUsed);
  const uint64_t field_bytes = DeliveredToFieldBytes(change.delivered_to);
  if (OverQuota(change.bytes + field_bytes, 1, change.quota_bytes, change.quota_messages))
    return Failed(ChangeStatus::kOverQuota);
  uint64_t bits = 0;
  if (change.bytes > UINT32_MAX - DeliveredToFieldBytesMax() ||
      mailbox->count >= AccountLimits::kMessagesMax || uid.value == UINT32_MAX ||
      !KeywordBits(*mailbox, change.keywords, bits)) {
    return Failed(ChangeStatus::kLimit);
  }
  mailbox->uid_next = uid;
  Refer(change.content);
  result.mailbox = mailbox->id;
  const uint64_t number = DeliveredToNumber(change.delivered_to);
  // The address that is shown, which is another where there was no room for this one.
  const std::string_view shown =
      number == 0 ? std::string_view() : std::string_view(delivered_to_[number - 1]);
  AddUid(Add(*mailbox, step,
             {.content = change.content,
              .flags = (change.system_flags & kSystemFlags) | bits | number << kDeliveredToShift,
              .bytes = change.bytes + static_cast<uint32_t>(DeliveredToFieldBytes(shown)),
              .internal_date_seconds = change.internal_date_seconds}),
         result.uids);
  return result;
}

ChangeResult AccountState::Do(const Step& step, const StoreFlags& change) {
  MailboxState* const mailbox = Mutable(change.mailbox);
  if (mailbox == nullptr) return Failed(ChangeStatus::kNoMailbox);
  ChangeResult result;
  result.mailbox = mailbox->id;
  uint64_t bits = 0;
  if (change.mode == StoreFlags::Mode::kRemove) {
    bits = KnownKeywordBits(*mailbox, change.keywords);
  } else if (!KeywordBits(*mailbox, change.keywords, bits)) {
    return Failed(ChangeStatus::kLimit);
  }
  bits |= change.system_flags & kSystemFlags;
  const auto changed = [&change, bits](uint64_t flags) {
    if (change.mode == StoreFlags::Mode::kAdd) return flags | bits;
    return change.mode == StoreFlags::Mode::kRemove ? flags & ~bits
                                                    : bits | (flags & kDeliveredToBits);
  };
  for (const UidRange& range : change.uids) {
    for (size_t p = FirstPage(mailbox->pages, range.first); p < mailbox->pages.size(); ++p) {
      MailboxPageRef& page = mailbox->pages[p];
      size_t i = FirstEntry(page.entries(), range.first);
      if (i == page.entries().size() || range.last < page.entries()[i].uid) break;
      for (; i < page.entries().size() && page.entries()[i].uid <= range.last; ++i) {
        const MessageEntry& entry = page.entries()[i];
        if (entry.mod_seq > change.unchanged_since) {
          AddUid(entry.uid, result.modified);
          continue;
        }
        const uint64_t flags = changed(entry.flags);
        if (flags == entry.flags) continue;
        AddUid(entry.uid, result.uids);
        mailbox->unseen += (entry.flags & kFlagSeen) != 0 && (flags & kFlagSeen) == 0;
        mailbox->unseen -= (entry.flags & kFlagSeen) == 0 && (flags & kFlagSeen) != 0;
        MessageEntry& written = Writable(page, step).entries[i];
        written.flags = flags;
        written.mod_seq = mailbox->highest_mod_seq = step.number;
      }
    }
  }
  return result;
}

ChangeResult AccountState::Do(const Step& step, const Expunge& change) {
  MailboxState* const mailbox = Mutable(change.mailbox);
  if (mailbox == nullptr) return Failed(ChangeStatus::kNoMailbox);
  ChangeResult result;
  result.mailbox = mailbox->id;
  const bool all = change.which == Expunge::Which::kAll;
  for (const MessageEntry& entry :
       TakeOut(*mailbox, step, change.uids,
               [all](const MessageEntry& one) { return all || (one.flags & kFlagDeleted) != 0; })) {
    AddUid(entry.uid, result.uids);
    Release(entry.content);
  }
  return result;
}

ChangeResult AccountState::Do(const Step& step, const CopyMessages& change) {
  MailboxState* const from = Mutable(change.from);
  MailboxState* const to = Mutable(change.to);
  if (from == nullptr || to == nullptr) return Failed(ChangeStatus::kNoMailbox);
  const bool move = change.mode == CopyMessages::Mode::kMove;
  std::vector<MessageEntry> messages;
  uint64_t bytes = 0, used = 0;
  for (const UidRange& range : change.uids) {
    for (size_t p = FirstPage(from->pages, range.first); p < from->pages.size(); ++p) {
      const std::span<const MessageEntry> entries = from->pages[p].entries();
      size_t i = FirstEntry(entries, range.first);
      if (i == entries.size() || range.last < entries[i].uid) break;
      for (; i < entries.size() && entries[i].uid <= range.last; ++i) {
        messages.push_back(entries[i]);
        bytes += entries[i].bytes;
        used |= entries[i].flags;
      }
    }
  }
  if (!move && OverQuota(bytes, messages.size(), change.quota_bytes, change.quota_messages))
    return Failed(ChangeStatus::kOverQuota);
  if (messages.size() > AccountLimits::kMessagesMax - to->count ||
      messages.size() >= UINT32_MAX - to->uid_next.value) {
    return Failed(ChangeStatus::kLimit);
  }
  // Each mailbox numbers its keywords itself.
  std::vector<std::pair<uint64_t, uint64_t>> bit_of_bit;
  std::vector<std::string> keywords;
  for (size_t i = 0; i < from->keywords.size(); ++i) {
    if ((used >> (kKeywordShift + i) & 1) != 0) keywords.push_back(from->keywords[i]);
  }
  uint64_t ignored = 0;
  if (!KeywordBits(*to, keywords, ignored)) return Failed(ChangeStatus::kLimit);
  for (size_t i = 0; i < from->keywords.size(); ++i) {
    const uint64_t bit = uint64_t{1} << (kKeywordShift + i);
    if ((used & bit) != 0) bit_of_bit.emplace_back(bit, KnownKeywordBits(*to, {from->keywords[i]}));
  }
  if (move) TakeOut(*from, step, change.uids, [](const MessageEntry&) { return true; });
  ChangeResult result;
  result.mailbox = to->id;
  for (MessageEntry entry : messages) {
    AddUid(entry.uid, result.source_uids);
    uint64_t flags = entry.flags & (kSystemFlags | kDeliveredToBits);
    for (const auto& [bit, there] : bit_of_bit) {
      if ((entry.flags & bit) != 0) flags |= there;
    }
    entry.flags = flags;
    if (!move) Refer(entry.content);
    AddUid(Add(*to, step, entry), result.uids);
  }
  return result;
}

// --- Contents

void AccountState::Refer(ContentId content) {
  if (Has(content)) {
    ++more_refs_[content];
  } else {
    released_.erase(content);
    Remember(content);
  }
}

void AccountState::Release(ContentId content) {
  if (const auto more = more_refs_.find(content); more != more_refs_.end()) {
    if (--more->second == 0) more_refs_.erase(more);
    return;
  }
  recent_.erase(content);
  released_.insert(content);
}

void AccountState::Remember(ContentId content) {
  const uint64_t sequence = SequenceOf(content);
  uint64_t& newest = newest_[content.log()];
  newest = std::max(newest, sequence);
  if (newest - sequence >= kRecentContents) return;
  recent_.insert(content);
  if (recent_.size() <= 2 * kRecentContents * newest_.size()) return;
  absl::erase_if(recent_, [this](ContentId one) {
    return newest_[one.log()] - SequenceOf(one) >= kRecentContents;
  });
}

bool AccountState::Has(ContentId content) const {
  const auto newest = newest_.find(content.log());
  const uint64_t sequence = SequenceOf(content);
  if (newest == newest_.end() || sequence > newest->second) return false;
  if (newest->second - sequence < kRecentContents) return recent_.contains(content);
  MailboxId mailbox;
  return Locate(content, mailbox) != nullptr;
}

const MessageEntry* AccountState::Locate(ContentId content, MailboxId& mailbox) const {
  for (const auto& [id, one] : mailboxes_) {
    for (const MailboxPageRef& page : one.pages) {
      for (const MessageEntry& entry : page.entries()) {
        if (entry.content != content) continue;
        mailbox = id;
        return &entry;
      }
    }
  }
  return nullptr;
}

}  // namespace ringmail::storage
