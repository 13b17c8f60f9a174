#include "storage/mailbox/checkpoint.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "fmt/format.h"
#include "ringmail/base/canary.h"
#include "ringmail/base/check.h"
#include "storage/mailbox/mailbox_name.h"
#include "storage/mailbox/packing.h"

namespace ringmail::storage {
namespace {

// Root, version 2: varints and texts in the order of EncodeRoot; version 1 has no UIDVALIDITYs that
// came from elsewhere. Page, version 1: octet version, varint number of its last change, varint
// number of entries, then the entries as they lie in memory.
constexpr uint8_t kRootVersion = 2;
constexpr uint8_t kPageVersion = 1;
static_assert(std::endian::native == std::endian::little, "pages are little endian; swap here");

Status Wrong(std::string_view what) {
  return absl::DataLossError(Absl(fmt::format("account checkpoint: {}", what)));
}

void PackMailbox(const MailboxState& mailbox, std::string& out) {
  PackVarint(mailbox.id.value, out);
  PackText(mailbox.name, out);
  PackVarint(static_cast<uint8_t>(mailbox.role), out);
  PackVarint(mailbox.uid_validity, out);
  PackVarint(mailbox.uid_next.value, out);
  PackVarint(mailbox.highest_mod_seq.value, out);
  PackVarint(mailbox.next_page, out);
  PackVarint(mailbox.keywords.size(), out);
  for (const std::string& keyword : mailbox.keywords) PackText(keyword, out);
  PackVarint(mailbox.vanished_since.value, out);
  PackVarint(mailbox.vanished.size(), out);
  for (const Vanished& one : mailbox.vanished) {
    PackVarint(one.uids.first.value, out);
    PackVarint(one.uids.last.value - one.uids.first.value, out);
    PackVarint(one.mod_seq.value, out);
  }
  PackVarint(mailbox.pages.size(), out);
  for (const MailboxPageRef& page : mailbox.pages) PackVarint(page.get()->number(), out);
}

uint32_t UnpackU32(Unpacker& in) { return static_cast<uint32_t>(in.Varint(UINT32_MAX)); }

MailboxState UnpackMailbox(Unpacker& in, std::vector<uint32_t>& pages) {
  MailboxState mailbox;
  mailbox.id = MailboxId(UnpackU32(in));
  mailbox.name = in.Text(AccountLimits::kNameBytesMax);
  mailbox.role = static_cast<MailboxRole>(in.Varint(kMailboxRoleCount - 1));
  mailbox.uid_validity = UnpackU32(in);
  mailbox.uid_next = Uid(UnpackU32(in));
  mailbox.highest_mod_seq = ModSeq(in.Varint(UINT64_MAX));
  mailbox.next_page = UnpackU32(in);
  mailbox.keywords.resize(in.Count(kKeywordsMax));
  for (std::string& keyword : mailbox.keywords) keyword = in.Text(AccountLimits::kKeywordBytesMax);
  mailbox.vanished_since = ModSeq(in.Varint(UINT64_MAX));
  mailbox.vanished.resize(in.Count(AccountLimits::kVanishedRangesMax));
  for (Vanished& one : mailbox.vanished) {
    const uint64_t first = in.Varint(UINT32_MAX);
    const uint64_t last = first + in.Varint(UINT32_MAX);
    if (first == 0 || last > UINT32_MAX) in.Fail();
    one.uids = {Uid(static_cast<uint32_t>(first)), Uid(static_cast<uint32_t>(last))};
    one.mod_seq = ModSeq(in.Varint(UINT64_MAX));
  }
  pages.resize(in.Count(SIZE_MAX));
  for (uint32_t& number : pages) number = UnpackU32(in);
  if (mailbox.id.value == 0 || mailbox.uid_validity == 0 || mailbox.uid_next.value == 0) in.Fail();
  if (in.ok() && NormalMailboxName(mailbox.name) != mailbox.name) in.Fail();
  return mailbox;
}

}  // namespace

std::vector<std::pair<PageKey, const MailboxPage*>> AccountCheckpoint::Changed(
    const AccountState& state, ModSeq since) {
  std::vector<std::pair<PageKey, const MailboxPage*>> changed;
  for (const auto& [id, mailbox] : state.mailboxes_) {
    for (const MailboxPageRef& page : mailbox.pages) {
      if (page.get()->changed() > since)
        changed.emplace_back(PageKey{id, page.get()->number()}, page.get());
    }
  }
  return changed;
}

std::vector<PageKey> AccountCheckpoint::TakeGone(AccountState& state) {
  std::vector<PageKey> gone;
  for (const auto& [mailbox, number] : std::exchange(state.gone_pages_, {}))
    gone.push_back({mailbox, number});
  return gone;
}

void AccountCheckpoint::EncodeRoot(const AccountState& state, std::string& out) {
  out += static_cast<char>(kRootVersion);
  PackVarint(state.applied_.value, out);
  PackVarint(state.next_mailbox_, out);
  PackVarint(state.uid_validity_max_, out);
  PackVarint(state.uid_validity_min_, out);
  PackVarint(state.foreign_uid_validities_.size(), out);
  for (const uint32_t one : state.foreign_uid_validities_) PackVarint(one, out);
  // Before the mailboxes, whose pages refer to them.
  PackVarint(state.delivered_to_.size(), out);
  for (const std::string& address : state.delivered_to_) PackText(address, out);
  PackVarint(state.mailboxes_.size(), out);
  for (const auto& [id, mailbox] : state.mailboxes_) PackMailbox(mailbox, out);
  PackVarint(state.subscriptions_.size(), out);
  for (const std::string& name : state.subscriptions_) PackText(name, out);
  PackVarint(state.values_.size(), out);
  for (const auto& [key, value] : state.values_) {
    PackVarint(key.first.value, out);
    PackText(key.second, out);
    PackText(value, out);
  }
  // Sorted, so that one state has one root.
  std::vector<std::pair<ContentId, uint32_t>> refs(state.more_refs_.begin(),
                                                   state.more_refs_.end());
  std::sort(refs.begin(), refs.end());
  PackVarint(refs.size(), out);
  for (const auto& [content, more] : refs) {
    PackVarint(content.value, out);
    PackVarint(more, out);
  }
  PackVarint(state.released_.size(), out);
  for (const ContentId content : state.released_) PackVarint(content.value, out);
}

void AccountCheckpoint::EncodePage(const MailboxPage& page, std::string& out) {
  out += static_cast<char>(kPageVersion);
  PackVarint(page.changed().value, out);
  PackVarint(page.entries.size(), out);
  out.append(reinterpret_cast<const char*>(page.entries.data()),
             page.entries.size() * sizeof(MessageEntry));
}

StatusOr<MailboxPageRef> AccountCheckpoint::DecodePage(PageKey key, std::string_view bytes) {
  Unpacker in(bytes);
  const bool version = in.Varint(kPageVersion) == kPageVersion;
  const ModSeq changed(in.Varint(UINT64_MAX));
  const auto count = static_cast<size_t>(in.Varint(kPageEntries));
  const std::string_view entries = in.Bytes(count * sizeof(MessageEntry));
  if (!version || !in.done() || count == 0)
    return Wrong(fmt::format("page {} of mailbox {}", key.number, key.mailbox.value));
  const MailboxPageRef page(new MailboxPage(key.number, changed));
  page.get()->entries.resize(count);
  std::memcpy(page.get()->entries.data(), entries.data(), entries.size());
  return page;
}

Status AccountCheckpoint::RestorePages(AccountState& state, MailboxState& mailbox,
                                       const std::vector<uint32_t>& numbers, const Pages& page) {
  Uid next(1);
  const uint64_t known =
      ((uint64_t{1} << (kKeywordShift + mailbox.keywords.size())) - 1) | kDeliveredToBits;
  for (const uint32_t number : numbers) {
    ASSIGN_OR_RETURN(MailboxPageRef ref, page({mailbox.id, number}));
    if (number >= mailbox.next_page || ref.get()->number() != number ||
        ref.get()->changed() > state.applied_) {
      return Wrong(fmt::format("page {} of mailbox {}", number, mailbox.id.value));
    }
    for (const MessageEntry& entry : ref.entries()) {
      if (entry.uid < next || entry.uid >= mailbox.uid_next || (entry.flags & ~known) != 0 ||
          entry.mod_seq > state.applied_ ||
          entry.flags >> kDeliveredToShift > state.delivered_to_.size()) {
        return Wrong(fmt::format("message {} of mailbox {}", entry.uid.value, mailbox.id.value));
      }
      next = Uid(entry.uid.value + 1);
      mailbox.bytes += entry.bytes;
      mailbox.unseen += (entry.flags & kFlagSeen) == 0;
    }
    mailbox.count += static_cast<uint32_t>(ref.entries().size());
    mailbox.pages.push_back(std::move(ref));
  }
  if (Planted(Canary::kUidTwice)) mailbox.uid_next = next;
  // The newest first: of those long before it nothing is remembered.
  for (auto one = mailbox.pages.rbegin(); one != mailbox.pages.rend(); ++one) {
    const auto entries = one->entries();
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry)
      state.Remember(entry->content);
  }
  state.bytes_ += mailbox.bytes;
  state.messages_ += mailbox.count;
  return absl::OkStatus();
}

StatusOr<AccountState> AccountCheckpoint::Restore(std::string_view root, const Pages& page) {
  AccountState state(1);
  state.mailboxes_.clear();
  state.by_name_.clear();
  Unpacker in(root);
  const uint64_t version = in.Varint(kRootVersion);
  if (version == 0) return Wrong("of another version");
  state.applied_ = ModSeq(in.Varint(UINT64_MAX));
  state.next_mailbox_ = UnpackU32(in);
  state.uid_validity_max_ = UnpackU32(in);
  if (version > 1) {
    state.uid_validity_min_ = UnpackU32(in);
    for (size_t i = in.Count(AccountLimits::kForeignUidValiditiesMax); i > 0; --i)
      state.foreign_uid_validities_.insert(UnpackU32(in));
  }
  state.delivered_to_.resize(in.Count(AccountLimits::kDeliveredToMax));
  for (std::string& address : state.delivered_to_)
    address = in.Text(AccountLimits::kDeliveredToBytesMax);
  const size_t mailboxes = in.Count(AccountLimits::kMailboxesMax);
  for (size_t i = 0; i < mailboxes && in.ok(); ++i) {
    std::vector<uint32_t> pages;
    MailboxState mailbox = UnpackMailbox(in, pages);
    const MailboxId id = mailbox.id;
    if (!in.ok() || id.value >= state.next_mailbox_ || state.mailboxes_.contains(id) ||
        !state.by_name_.try_emplace(mailbox.name, id).second) {
      return Wrong(fmt::format("mailbox {}", id.value));
    }
    MailboxState& kept = state.mailboxes_[id] = std::move(mailbox);
    RETURN_IF_ERROR(RestorePages(state, kept, pages, page));
  }
  const MailboxState* const inbox = state.FindName(kInboxName);
  if (inbox == nullptr) return Wrong("no INBOX");
  // Before mailboxes could bring their own, that of INBOX was the first.
  if (version == 1) state.uid_validity_min_ = inbox->uid_validity;
  for (size_t i = in.Count(AccountLimits::kSubscriptionsMax); i > 0; --i)
    state.subscriptions_.emplace(in.Text(AccountLimits::kNameBytesMax));
  for (size_t i = in.Count(AccountLimits::kValuesMax); i > 0 && in.ok(); --i) {
    const MailboxId mailbox(UnpackU32(in));
    std::string name(in.Text(AccountLimits::kValueNameBytesMax));
    state.values_[{mailbox, std::move(name)}] = in.Text(AccountLimits::kValueBytesMax);
  }
  for (size_t i = in.Count(SIZE_MAX); i > 0 && in.ok(); --i) {
    const ContentId content(in.Varint(UINT64_MAX));
    state.more_refs_[content] = UnpackU32(in);
  }
  for (size_t i = in.Count(SIZE_MAX); i > 0 && in.ok(); --i)
    state.released_.insert(ContentId(in.Varint(UINT64_MAX)));
  if (!in.done()) return Wrong("cut short, or too long");
  return state;
}

}  // namespace ringmail::storage
