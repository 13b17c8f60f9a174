#include "storage/mailbox/account_state.h"

#include <algorithm>

#include "ringmail/base/check.h"
#include "storage/mailbox/mailbox_name.h"

namespace ringmail::storage {
namespace {

ChangeResult Failed(ChangeStatus status) {
  ChangeResult result;
  result.status = status;
  return result;
}

}  // namespace

AccountState::AccountState(uint32_t inbox_uid_validity) {
  Make(std::string(kInboxName), MailboxRole::kInbox, inbox_uid_validity);
  uid_validity_min_ = uid_validity_max_;
}

std::vector<ChangeResult> AccountState::Apply(ModSeq number,
                                              const AccountTransaction& transaction) {
  CHECK_GT(number.value, applied_.value);
  applied_ = number;
  const Step step{number, transaction.time_seconds};
  std::vector<ChangeResult> results;
  results.reserve(transaction.changes.size());
  for (const AccountChange& change : transaction.changes) {
    results.push_back(std::visit([&](const auto& one) { return Do(step, one); }, change));
  }
  return results;
}

const MailboxState* AccountState::Find(MailboxId id) const {
  const auto found = mailboxes_.find(id);
  return found == mailboxes_.end() ? nullptr : &found->second;
}

MailboxState* AccountState::Mutable(MailboxId id) {
  const auto found = mailboxes_.find(id);
  return found == mailboxes_.end() ? nullptr : &found->second;
}

const MailboxState* AccountState::FindName(std::string_view name) const {
  const std::optional<std::string> normal = NormalMailboxName(name);
  if (!normal) return nullptr;
  const auto found = by_name_.find(*normal);
  return found == by_name_.end() ? nullptr : Find(found->second);
}

const std::string* AccountState::FindValue(MailboxId mailbox, std::string_view name) const {
  const auto found = values_.find(ValueKey(mailbox, name));
  return found == values_.end() ? nullptr : &found->second;
}

MailboxView AccountState::View(MailboxId id) const {
  const MailboxState* const mailbox = Find(id);
  CHECK(mailbox != nullptr);
  return MailboxView({.id = mailbox->id,
                      .uid_validity = mailbox->uid_validity,
                      .uid_next = mailbox->uid_next,
                      .highest_mod_seq = mailbox->highest_mod_seq,
                      .bytes = mailbox->bytes,
                      .unseen = mailbox->unseen,
                      .keywords = mailbox->keywords},
                     mailbox->pages);
}

// --- Mailboxes

bool AccountState::RoomForMailbox() const {
  return mailboxes_.size() < AccountLimits::kMailboxesMax && next_mailbox_ < UINT32_MAX &&
         uid_validity_max_ < UINT32_MAX;
}

MailboxState& AccountState::Make(std::string name, MailboxRole role, uint32_t uid_validity) {
  const MailboxId id(next_mailbox_++);
  MailboxState& mailbox = mailboxes_[id];
  mailbox.id = id;
  mailbox.role = role;
  mailbox.uid_validity = uid_validity_max_ = std::max(uid_validity, uid_validity_max_ + 1);
  mailbox.highest_mod_seq = mailbox.vanished_since = applied_;
  by_name_[name] = id;
  mailbox.name = std::move(name);
  return mailbox;
}

ChangeResult AccountState::Do(const Step&, const CreateMailbox& change) {
  std::optional<std::string> name = NormalMailboxName(change.name);
  if (!name) return Failed(ChangeStatus::kBadName);
  if (by_name_.contains(*name)) return Failed(ChangeStatus::kExists);
  if (!RoomForMailbox()) return Failed(ChangeStatus::kLimit);
  // One mailbox has a role, and the account has one INBOX.
  const bool taken = std::any_of(mailboxes_.begin(), mailboxes_.end(), [&change](const auto& one) {
    return one.second.role == change.role;
  });
  if (change.role != MailboxRole::kNone && taken) return Failed(ChangeStatus::kExists);
  ChangeResult result;
  result.mailbox = Make(*std::move(name), change.role, change.uid_validity).id;
  return result;
}

ChangeResult AccountState::Do(const Step&, const DeleteMailbox& change) {
  MailboxState* const mailbox = Mutable(change.mailbox);
  if (mailbox == nullptr) return Failed(ChangeStatus::kNoMailbox);
  if (mailbox->name == kInboxName) return Failed(ChangeStatus::kForbidden);
  for (const MailboxPageRef& page : mailbox->pages) {
    for (const MessageEntry& entry : page.entries()) Release(entry.content);
    gone_pages_.emplace_back(mailbox->id, page.get()->number());
  }
  messages_ -= mailbox->count;
  bytes_ -= mailbox->bytes;
  by_name_.erase(mailbox->name);
  values_.erase(values_.lower_bound(ValueKey(mailbox->id, "")),
                values_.lower_bound(ValueKey(MailboxId(mailbox->id.value + 1), "")));
  mailboxes_.erase(change.mailbox);
  ChangeResult result;
  result.mailbox = change.mailbox;
  return result;
}

ChangeResult AccountState::Do(const Step& step, const RenameMailbox& change) {
  MailboxState* const mailbox = Mutable(change.mailbox);
  if (mailbox == nullptr) return Failed(ChangeStatus::kNoMailbox);
  const std::optional<std::string> name = NormalMailboxName(change.name);
  // Into itself there is no way.
  if (!name || LiesBelow(*name, mailbox->name)) return Failed(ChangeStatus::kBadName);
  if (by_name_.contains(*name)) return Failed(ChangeStatus::kExists);
  if (mailbox->name == kInboxName)
    return RenameInbox(step, {change.mailbox, *name, change.uid_validity});
  const std::string from = mailbox->name;
  std::vector<std::pair<std::string, MailboxId>> moved;
  for (auto one = by_name_.lower_bound(from); one != by_name_.end(); ++one) {
    if (!one->first.starts_with(from)) break;
    if (one->second != mailbox->id && !LiesBelow(one->first, from)) continue;
    std::string target = *name + one->first.substr(from.size());
    if (!NormalMailboxName(target)) return Failed(ChangeStatus::kBadName);
    if (by_name_.contains(target)) return Failed(ChangeStatus::kExists);
    moved.emplace_back(std::move(target), one->second);
  }
  for (auto& [target, id] : moved) {
    MailboxState& one = *Mutable(id);
    by_name_.erase(one.name);
    by_name_[target] = id;
    one.name = std::move(target);
  }
  ChangeResult result;
  result.mailbox = change.mailbox;
  return result;
}

// RFC 9051 §6.3.6: the messages go, INBOX and what lies below it stay.
ChangeResult AccountState::RenameInbox(const Step& step, const RenameMailbox& change) {
  if (!RoomForMailbox()) return Failed(ChangeStatus::kLimit);
  const MailboxId target = Make(change.name, MailboxRole::kNone, change.uid_validity).id;
  const std::vector<UidRange> all = {{Uid(1), Uid(UINT32_MAX)}};
  return Do(
      step,
      CopyMessages{
          .from = change.mailbox, .to = target, .uids = all, .mode = CopyMessages::Mode::kMove});
}

ChangeResult AccountState::Do(const Step&, const Subscribe& change) {
  std::optional<std::string> name = NormalMailboxName(change.name);
  if (!name) return Failed(ChangeStatus::kBadName);
  if (change.change == Subscribe::Change::kOff) {
    subscriptions_.erase(*name);
  } else if (!subscriptions_.contains(*name)) {
    if (subscriptions_.size() >= AccountLimits::kSubscriptionsMax)
      return Failed(ChangeStatus::kLimit);
    subscriptions_.insert(*std::move(name));
  }
  return {};
}

ChangeResult AccountState::Do(const Step&, const SetValue& change) {
  if (change.mailbox.value != 0 && Find(change.mailbox) == nullptr)
    return Failed(ChangeStatus::kNoMailbox);
  const ValueKey key(change.mailbox, change.name);
  if (change.value.empty()) {
    values_.erase(key);
    return {};
  }
  if (change.value.size() > AccountLimits::kValueBytesMax || change.name.empty() ||
      change.name.size() > AccountLimits::kValueNameBytesMax ||
      (!values_.contains(key) && values_.size() >= AccountLimits::kValuesMax)) {
    return Failed(ChangeStatus::kLimit);
  }
  values_[key] = change.value;
  return {};
}

ChangeStatus AccountState::TakeUidValidity(uint32_t uid_validity) {
  if (uid_validity > uid_validity_max_) {
    if (uid_validity > AccountLimits::kUidValidityMax) return ChangeStatus::kUidsUsed;
    uid_validity_max_ = uid_validity;
    return ChangeStatus::kOk;
  }
  if (uid_validity >= uid_validity_min_ || foreign_uid_validities_.contains(uid_validity))
    return ChangeStatus::kUidsUsed;
  if (foreign_uid_validities_.size() >= AccountLimits::kForeignUidValiditiesMax)
    return ChangeStatus::kLimit;
  foreign_uid_validities_.insert(uid_validity);
  return ChangeStatus::kOk;
}

ChangeResult AccountState::Do(const Step&, const ContinueUids& change) {
  MailboxState* const mailbox = Mutable(change.mailbox);
  if (mailbox == nullptr) return Failed(ChangeStatus::kNoMailbox);
  const bool other = change.uid_validity != 0 && change.uid_validity != mailbox->uid_validity;
  const bool used = mailbox->uid_next.value > 1;
  const Uid next = change.uid_next.value == 0 ? mailbox->uid_next : change.uid_next;
  if (next < mailbox->uid_next || change.uid_next.value > AccountLimits::kUidMax || (other && used))
    return Failed(ChangeStatus::kUidsUsed);
  ChangeResult result;
  result.mailbox = change.mailbox;
  if (other) {
    result.status = TakeUidValidity(change.uid_validity);
    if (result.status != ChangeStatus::kOk) return result;
    mailbox->uid_validity = change.uid_validity;
  }
  mailbox->uid_next = next;
  return result;
}

ChangeResult AccountState::Do(const Step&, const ForgetReleased& change) {
  for (const ContentId content : change.contents) released_.erase(content);
  return {};
}

}  // namespace ringmail::storage
