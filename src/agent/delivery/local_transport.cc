#include <algorithm>
#include <string>
#include <utility>

#include "fmt/format.h"
#include "ringmail/agent/delivery.h"
#include "ringmail/agent/local_recipient.h"
#include "ringmail/agent/routes.h"
#include "ringmail/agent/transfer.h"
#include "ringmail/base/canary.h"
#include "ringmail/base/check.h"
#include "ringmail/base/log.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/shard.h"
#include "ringmail/message/status_reply.h"
#include "ringmail/storage/message_source.h"

namespace ringmail::agent {
namespace {

using message::Reply;
using storage::ChangeStatus;

struct DeliveryMetrics {
  Counter delivered, repeated, over_quota, unknown, unavailable;
};

// What the directory says of a recipient, copied: its views end where anything waits.
struct Addressee {
  AccountId account;
  uint64_t quota_bytes = 0;
  uint32_t quota_messages = 0;
  std::string detail;
  std::string delivered_to;
};

class Delivery final : public LocalTransport {
 public:
  Delivery(storage::Accounts& accounts, const storage::Directory& directory,
           DeliveryOptions options)
      : accounts_(accounts), directory_(directory), options_(options) {}

  io::Task<SessionResult> Open(const NextHop& hop, MonotonicTime deadline) override;
  void Cancel() override { cancelled_ = true; }
  void Reconfigure(DeliveryOptions options) override { options_ = options; }
  void RegisterMetrics(MetricRegistry& registry) override;

  bool cancelled() const { return cancelled_; }
  // Delivers to one recipient of `attempt`, which stays until this is over.
  static io::Task<void> DeliverOne(Delivery* self, const DeliveryAttempt* attempt,
                                   RecipientResult* result, Addressee addressee);
  // Who it is, or the result.
  std::optional<Addressee> Judge(std::string_view path, RecipientResult& result);

 private:
  io::Task<RecipientResult> Deliver(const DeliveryAttempt& attempt, const Addressee& addressee);
  storage::MailboxSummary Choose(const storage::Account& account, const Addressee& addressee) const;
  RecipientResult Result(ChangeStatus status, const Addressee& addressee,
                         const std::string& mailbox);

  storage::Accounts& accounts_;
  const storage::Directory& directory_;
  DeliveryOptions options_;
  DeliveryMetrics metrics_;
  bool cancelled_ = false;
};

class LocalSession final : public TransportSession {
 public:
  explicit LocalSession(Delivery& delivery) : delivery_(delivery) {}

  // All at once: the accounts are opened side by side, and what is appended in one turn goes to
  // disk in one group commit.
  io::Task<void> Deliver(DeliveryAttempt& attempt) override {
    io::Gate recipients;
    auto cursor = attempt.envelope.recipients();
    message::EnvelopeView::RecipientView named;
    uint32_t next = 0;
    for (size_t i = 0; i < attempt.recipients.size(); ++i) {
      while (next <= attempt.recipients[i] && cursor.Next(named)) ++next;
      RecipientResult& result = attempt.results[i];
      if (std::optional<Addressee> addressee = delivery_.Judge(named.path, result))
        recipients.Spawn(
            Delivery::DeliverOne(&delivery_, &attempt, &result, *std::move(addressee)));
    }
    co_await recipients.Close();
  }
  bool usable() const override { return !delivery_.cancelled(); }
  uint32_t recipients_max() const override { return kLocalRecipientsMax; }
  io::Task<void> Quit() override { co_return; }
  // What waits for our own disk ends with it, one way or the other; nothing waits for a peer.
  void Cancel() override {}
  const std::string& remote_host() const override { return host_; }

 private:
  Delivery& delivery_;
  const std::string host_;  // DSNs and logs name no host for what we said ourselves
};

io::Task<SessionResult> Delivery::Open(const NextHop& hop, MonotonicTime) {
  CHECK(hop.local() && hop.port == io::ThisShard().value);
  SessionResult result;
  if (cancelled_) {
    result.reply = {451, {4, 3, 2}, "this server is being shut down"};
    co_return result;
  }
  result.reply = {250, {}, "ready"};
  result.session = std::make_unique<LocalSession>(*this);
  co_return result;
}

void Delivery::RegisterMetrics(MetricRegistry& registry) {
  registry.Add("ringmail_local_delivered_messages_total", "Messages put into mailboxes",
               &metrics_.delivered);
  registry.Add("ringmail_local_repeated_messages_total",
               "Messages that a repeated delivery found in their mailbox", &metrics_.repeated);
  registry.Add("ringmail_local_over_quota_total", "Deliveries put off because of a quota",
               &metrics_.over_quota);
  registry.Add("ringmail_local_unknown_recipients_total",
               "Recipients that were taken in and are nobody's now", &metrics_.unknown);
  registry.Add("ringmail_local_unavailable_total",
               "Deliveries put off because an account or the directory could not be read",
               &metrics_.unavailable);
}

std::optional<Addressee> Delivery::Judge(std::string_view path, RecipientResult& result) {
  const std::string_view domain = DomainOf(path);
  const message::Mailbox mailbox{
      .local_part = path.substr(0, path.size() - std::min(path.size(), domain.size() + 1)),
      .domain = domain};
  LocalRecipient judged = JudgeLocalRecipient(directory_, mailbox);
  if (judged.resolution.kind == storage::Resolution::Kind::kAccount && !judged.refusal) {
    const storage::AccountView& account = *judged.resolution.account;
    // What the sender added to the account's name is shown, for whoever sorts by it.
    const bool plain = judged.resolution.detail.empty() && !judged.resolution.catch_all;
    return Addressee{
        .account = AccountId(account.id()),
        .quota_bytes = account.quota_bytes(),
        .quota_messages =
            static_cast<uint32_t>(std::min<uint64_t>(account.quota_messages(), UINT32_MAX)),
        .detail = std::string(judged.resolution.detail),
        .delivered_to = plain ? storage::WrittenAddress(account.address()) : std::string(path)};
  }
  if (!judged.refusal) {
    // It became an alias, or was never ours, since it was taken in. Where its mail goes now is told
    // to whoever sends it again; what waits here waits for the operator.
    judged.refusal = Reply{451, {4, 3, 5}, "this address has become another kind of address"};
  }
  const bool failed = judged.refusal->permanent();
  (failed ? metrics_.unknown : metrics_.unavailable).Add();
  result.outcome = failed ? Outcome::kFailed : Outcome::kDeferred;
  result.reply = *std::move(judged.refusal);
  return std::nullopt;
}

io::Task<void> Delivery::DeliverOne(Delivery* self, const DeliveryAttempt* attempt,
                                    RecipientResult* result, Addressee addressee) {
  *result = co_await self->Deliver(*attempt, addressee);
}

storage::MailboxSummary Delivery::Choose(const storage::Account& account,
                                         const Addressee& addressee) const {
  if (options_.detail == DetailMailbox::kNamed && !addressee.detail.empty()) {
    if (const auto named = account.FindName(addressee.detail)) return *named;
  }
  const auto inbox = account.FindName("INBOX");
  CHECK(inbox.has_value());  // every account has one
  return *inbox;
}

io::Task<RecipientResult> Delivery::Deliver(const DeliveryAttempt& attempt,
                                            const Addressee& addressee) {
  RecipientResult result;
  result.outcome = Outcome::kDeferred;
  const uint64_t bytes = attempt.content_bytes + attempt.content_prefix_bytes;
  if (bytes > UINT32_MAX - storage::DeliveredToFieldBytesMax()) {
    result.outcome = Outcome::kFailed;
    result.reply = {552, {5, 3, 4}, "the message is too large for a mailbox"};
    co_return result;
  }
  auto account = co_await accounts_.Open(addressee.account);
  if (!account.ok()) {
    metrics_.unavailable.Add();
    LogLine(io::ShardLog(), LogLevel::kError, "account-not-opened")
        .Id(attempt.id)
        .Field("account", addressee.account.value)
        .Field("error", Std(account.status().message()));
    result.reply = message::ReplyForFault(account.status());
    co_return result;
  }
  const storage::MailboxSummary mailbox = Choose(**account, addressee);
  const std::string name(mailbox.name);
  storage::AccountTransaction transaction;
  transaction.time_seconds = static_cast<uint32_t>(UnixSeconds(io::WallNow()));
  transaction.changes.push_back(storage::Append{.mailbox = mailbox.id,
                                                .content = attempt.content_id,
                                                .bytes = static_cast<uint32_t>(bytes),
                                                .internal_date_seconds = transaction.time_seconds,
                                                .quota_bytes = addressee.quota_bytes,
                                                .quota_messages = addressee.quota_messages,
                                                .delivered_to = addressee.delivered_to});
  const auto applied = co_await (*account)->Apply(std::move(transaction));
  if (!applied.ok()) {
    metrics_.unavailable.Add();
    if (Planted(Canary::kUnwrittenIsDelivered))
      co_return Result(ChangeStatus::kOk, addressee, name);
    result.reply = message::ReplyForFault(applied.status());
    co_return result;
  }
  CHECK_EQ(applied->size(), 1u);
  co_return Result(applied->front().status, addressee, name);
}

RecipientResult Delivery::Result(ChangeStatus status, const Addressee& addressee,
                                 const std::string& mailbox) {
  RecipientResult result;
  switch (status) {
    case ChangeStatus::kOk:
    case ChangeStatus::kAlreadyThere:
      (status == ChangeStatus::kOk ? metrics_.delivered : metrics_.repeated).Add();
      result.outcome = Outcome::kDelivered;
      result.account = addressee.account;
      result.reply = {250,
                      {2, 1, 5},
                      fmt::format("{} account={} mailbox={}",
                                  status == ChangeStatus::kOk ? "delivered" : "already there",
                                  addressee.account.value, mailbox)};
      break;
    case ChangeStatus::kOverQuota:
      metrics_.over_quota.Add();
      result.outcome = Outcome::kDeferred;
      result.reply = {452, {4, 2, 2}, "the mailbox is full"};
      break;
    case ChangeStatus::kLimit:
      result.outcome = Outcome::kDeferred;
      result.reply = {452, {4, 2, 2}, "the mailbox can hold no more messages"};
      break;
    default:
      // The mailbox went while this was on its way: the next attempt chooses anew.
      result.outcome = Outcome::kDeferred;
      result.reply = {451, {4, 2, 0}, "the mailbox has changed meanwhile"};
      break;
  }
  return result;
}

}  // namespace

std::unique_ptr<LocalTransport> MakeLocalTransport(storage::Accounts& accounts,
                                                   const storage::Directory& directory,
                                                   DeliveryOptions options) {
  return std::make_unique<Delivery>(accounts, directory, options);
}

}  // namespace ringmail::agent
