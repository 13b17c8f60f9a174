// RCPT at the door: whose the recipient is, who may send there, and what an alias becomes.
#include <utility>

#include "fmt/format.h"
#include "ringmail/agent/local_recipient.h"
#include "ringmail/agent/mail_transaction.h"
#include "ringmail/base/canary.h"
#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"

namespace ringmail::agent {
namespace {

using message::Mailbox;
using message::ParsedPath;
using message::Reply;

Reply Welcome() { return {250, {2, 1, 5}, "Recipient ok"}; }

// RFC 5321 §2.4: the case of a local part may mean something, that of a domain never does.
std::string KeyOf(std::string_view path) {
  const std::string_view domain = DomainOf(path);
  std::string key(path.substr(0, path.size() - domain.size()));
  key += message::NormalizedDomain(domain);
  return key;
}

}  // namespace

Reply MailTransaction::RefuseRecipient(uint16_t code, message::EnhancedStatus status,
                                       std::string text) {
  door_.metrics_.refused_recipients.Add();
  return {code, status, std::move(text)};
}

bool MailTransaction::Routable(std::string_view domain) const {
  const MailDoor::Options& options = door_.options_;
  // Our own reports go in whatever the routes say: they wait in the queue until these are mended.
  return !options.routes || source_.own || options.routes->Find(domain) != nullptr;
}

MailTransaction::Meant MailTransaction::Means(const ParsedPath& path) const {
  const MailDoor::Options& options = door_.options_;
  const Mailbox& mailbox = path.mailbox;
  Meant out{.forward_path = std::string(path.text), .postmaster = mailbox.domain.empty()};
  if (options.directory != nullptr && message::IsPostmaster(mailbox.local_part) &&
      options.directory->IsLocalDomain(mailbox.domain)) {
    // RFC 5321 §4.5.1: every domain has one, whoever else lives there.
    const auto kind = options.directory->Resolve(mailbox.local_part, mailbox.domain).kind;
    out.postmaster |=
        kind == storage::Resolution::Kind::kUnknown && !options.relay.postmaster.empty();
  }
  // RFC 5321 §4.5.1: <postmaster> alone is the postmaster of this host.
  if (out.postmaster) out.forward_path = options.relay.postmaster;
  return out;
}

const BackendRecipient* MailTransaction::AskedOf(const Mailbox& mailbox) const {
  for (const Asked& one : asked_) {
    if (one.local_part == mailbox.local_part && one.domain == mailbox.domain) return &one.answer;
  }
  return nullptr;
}

bool MailTransaction::MustAsk(const ParsedPath& path) {
  AccountBackends* const backends = door_.options_.backends;
  if (backends == nullptr || door_.options_.directory == nullptr) return false;
  const auto must = [&](const Mailbox& mailbox) {
    if (mailbox.domain.empty() || AskedOf(mailbox) != nullptr ||
        !backends->Concerns(mailbox.local_part, mailbox.domain)) {
      return false;
    }
    asked_.push_back({std::string(mailbox.local_part), std::string(mailbox.domain), {}});
    return true;
  };
  // Its own postmaster before that of the host.
  if (must(path.mailbox)) return true;
  const Meant meant = Means(path);
  if (!meant.postmaster) return false;
  const auto postmaster = message::ParseMailbox(meant.forward_path, message::Utf8::kAllowed);
  return postmaster && must(*postmaster);
}

io::Task<void> MailTransaction::Ask() {
  CHECK(!asked_.empty() && door_.options_.backends != nullptr);
  BackendRecipient answer = co_await door_.options_.backends->FindRecipient(
      asked_.back().local_part, asked_.back().domain);
  asked_.back().answer = std::move(answer);
}

Reply MailTransaction::TakeTargets(const BackendRecipient& asked, std::string_view forward_path,
                                   std::string_view original_recipient, uint8_t notify) {
  using Kind = BackendRecipient::Kind;
  if (asked.kind == Kind::kUnavailable)
    return RefuseRecipient(451, {4, 3, 0}, "the directory cannot tell now; try later");
  if (asked.kind == Kind::kDisabled)
    return RefuseRecipient(550, {5, 2, 1}, "this mailbox takes no mail");
  if (asked.kind == Kind::kUnknown) return RefuseRecipient(550, {5, 1, 1}, "no such user here");
  if (asked.truncated)
    return RefuseRecipient(451, {4, 2, 4},
                           "this alias leads too far; its postmaster must see to it");
  if (asked.targets.empty()) return RefuseRecipient(550, {5, 1, 1}, "this alias leads to nobody");
  if (envelope_.recipients.size() + asked.targets.size() > kExpandedRecipientsMax)
    return RefuseRecipient(452, {4, 5, 3}, "Too many recipients in one transaction");
  for (const std::string& path : asked.targets) {
    const std::string_view domain = DomainOf(path);
    if (!door_.options_.directory->IsLocalDomain(domain) && !Routable(domain))
      return RefuseRecipient(451, {4, 4, 4}, "No route to a domain that this alias leads to");
  }
  if (std::optional<Reply> refusal = TakeRate(forward_path)) return *std::move(refusal);
  for (const std::string& path : asked.nowhere) {
    LogLine(io::ShardLog(), LogLevel::kWarning, "alias-leads-nowhere")
        .Field("alias", forward_path)
        .Field("target", path);
  }
  ++named_count_;
  for (const std::string& path : asked.targets) AddRecipient(path, original_recipient, notify);
  return Welcome();
}

Reply MailTransaction::Recipient(const ParsedPath& path, std::string_view original_recipient,
                                 uint8_t notify) {
  const MailDoor::Options& options = door_.options_;
  // They are of this command alone.
  const std::vector<Asked> asked = std::exchange(asked_, {});
  if (named_count_ >= options.limits.recipients_max ||
      envelope_.recipients.size() >= kExpandedRecipientsMax) {
    // RFC 5321 §4.5.3.1.10: the client sends the rest in another transaction.
    return RefuseRecipient(452, {4, 5, 3}, "Too many recipients in one transaction");
  }
  auto [forward_path, postmaster] = Means(path);
  Mailbox mailbox = path.mailbox;
  if (postmaster) {
    if (options.relay.postmaster.empty())
      return RefuseRecipient(550, {5, 1, 1}, "No postmaster is configured here");
    mailbox = message::ParseMailbox(forward_path, message::Utf8::kAllowed).value_or(Mailbox{});
  }
  // Our own reports go in whatever is said of their recipient: delivery says it again.
  for (const Asked& one : asked) {
    const bool meant = one.local_part == mailbox.local_part && one.domain == mailbox.domain;
    const bool unavailable = one.answer.kind == BackendRecipient::Kind::kUnavailable;
    const bool targets = one.answer.kind == BackendRecipient::Kind::kTargets;
    if (source_.own && !targets) continue;
    if (unavailable || (meant && one.answer.kind != BackendRecipient::Kind::kNoPart))
      return TakeTargets(one.answer, forward_path, original_recipient, notify);
  }
  if (options.directory != nullptr) {
    if (std::optional<Reply> answer =
            LocalRecipient(mailbox, forward_path, original_recipient, notify)) {
      return *std::move(answer);
    }
  }
  if (!postmaster && !options.relay.Allows(source_, mailbox.domain)) {
    // A directory that lost entries may have lost this very domain.
    if (options.directory != nullptr && !options.directory->complete())
      return RefuseRecipient(451, {4, 3, 0}, "the directory cannot tell now; try later");
    return RefuseRecipient(550, {5, 7, 1}, "Relaying denied");
  }
  if (!Routable(DomainOf(forward_path)))
    return RefuseRecipient(451, {4, 4, 4}, "No route to this domain is configured");
  if (std::optional<Reply> refusal = TakeRate(forward_path)) return *std::move(refusal);
  ++named_count_;
  AddRecipient(std::move(forward_path), original_recipient, notify);
  return Welcome();
}

std::optional<Reply> MailTransaction::LocalRecipient(const Mailbox& mailbox,
                                                     std::string_view forward_path,
                                                     std::string_view original_recipient,
                                                     uint8_t notify) {
  using Kind = storage::Resolution::Kind;
  const struct LocalRecipient judged = JudgeLocalRecipient(*door_.options_.directory, mailbox);
  if (!judged.local()) return std::nullopt;
  if (judged.resolution.kind == Kind::kAlias)
    return ExpandAlias(mailbox, forward_path, original_recipient, notify);
  // Our own reports go in whatever the directory says: delivery says the same, and they are logged.
  if (judged.refusal && !source_.own) {
    door_.metrics_.refused_recipients.Add();
    return judged.refusal;
  }
  const storage::Accounts* const accounts = door_.options_.accounts;
  if (accounts != nullptr && !source_.own && judged.resolution.kind == Kind::kAccount &&
      accounts->Full(AccountId(judged.resolution.account->id()))) {
    // RFC 3463 §3.3, X.2.2. Space may be made: the client tries again.
    return RefuseRecipient(452, {4, 2, 2}, "the mailbox is full");
  }
  if (std::optional<Reply> refusal = TakeRate(forward_path)) return refusal;
  ++named_count_;
  AddRecipient(std::string(forward_path), original_recipient, notify);
  return Welcome();
}

Reply MailTransaction::ExpandAlias(const Mailbox& mailbox, std::string_view forward_path,
                                   std::string_view original_recipient, uint8_t notify) {
  const storage::Expansion targets =
      door_.options_.directory->Expand(mailbox.local_part, mailbox.domain);
  if (targets.unavailable)
    return RefuseRecipient(451, {4, 3, 0}, "the directory cannot tell now; try later");
  // RFC 3463 §3.3, X.2.4. The postmaster can mend it: the client tries again.
  if (targets.truncated)
    return RefuseRecipient(451, {4, 2, 4},
                           "this alias leads too far; its postmaster must see to it");
  if (targets.accounts.empty() && targets.foreign.empty())
    return RefuseRecipient(550, {5, 1, 1}, "this alias leads to nobody");
  if (envelope_.recipients.size() + targets.accounts.size() + targets.foreign.size() >
      kExpandedRecipientsMax) {
    return RefuseRecipient(452, {4, 5, 3}, "Too many recipients in one transaction");
  }
  for (const std::string& path : targets.foreign) {
    if (!Routable(DomainOf(path)))
      return RefuseRecipient(451, {4, 4, 4}, "No route to a domain that this alias leads to");
  }
  // Those whom an alias leads to are its postmaster's choice: the account has named one.
  if (std::optional<Reply> refusal = TakeRate(forward_path)) return *std::move(refusal);
  for (const std::string& path : targets.unknown) {
    LogLine(io::ShardLog(), LogLevel::kWarning, "alias-leads-nowhere")
        .Field("alias", forward_path)
        .Field("target", path);
  }
  ++named_count_;
  // RFC 3461 §5.2.7.2: NOTIFY and ORCPT go with each of those who are meant.
  for (const storage::Expansion::Local& local : targets.accounts) {
    if (Planted(Canary::kAliasLosesTarget) && &local != &targets.accounts.front()) continue;
    AddRecipient(local.path, original_recipient, notify);
  }
  for (const std::string& path : targets.foreign) AddRecipient(path, original_recipient, notify);
  return Welcome();
}

std::optional<Reply> MailTransaction::TakeRate(std::string_view forward_path) {
  if (!submitted() || Knows(forward_path)) return std::nullopt;
  std::optional<Reply> refusal =
      door_.rates_.TakeRecipient(source_.account, door_.options_.submission.limits, io::Now());
  if (refusal) {
    door_.metrics_.refused_recipients.Add();
  } else {
    ++rated_recipients_;
  }
  return refusal;
}

bool MailTransaction::Knows(std::string_view forward_path) const {
  const std::vector<message::Recipient>& recipients = envelope_.recipients;
  if (recipients.empty()) return false;
  const std::string key = KeyOf(forward_path);
  return known_.empty() ? KeyOf(recipients.front().path) == key : known_.contains(key);
}

void MailTransaction::AddRecipient(std::string forward_path, std::string_view original_recipient,
                                   uint8_t notify) {
  std::vector<message::Recipient>& recipients = envelope_.recipients;
  if (!recipients.empty()) {
    if (known_.empty()) known_.insert(KeyOf(recipients.front().path));
    if (!known_.insert(KeyOf(forward_path)).second) return;
  }
  recipients.push_back({std::move(forward_path), std::string(original_recipient), notify});
}

}  // namespace ringmail::agent
