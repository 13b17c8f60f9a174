#include "protocol/pop3/maildrop.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "protocol/pop3/limits.h"
#include "ringmail/base/canary.h"
#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"
#include "ringmail/storage/account.h"
#include "ringmail/storage/message_source.h"

namespace ringmail::pop3 {
namespace {

class AccountMaildrop final : public Maildrop {
 public:
  AccountMaildrop(storage::Accounts& accounts, storage::ShardStore& store,
                  storage::AccountRef account, storage::MailboxId inbox)
      : accounts_(accounts),
        store_(store),
        account_(std::move(account)),
        view_(account_->View(inbox)) {}

  uint32_t count() const override {
    if (Planted(Canary::kMaildropMoves)) return account_->View(view_.facts().id).count();
    return view_.count();
  }
  uint64_t bytes() const override { return view_.facts().bytes; }
  uint32_t uid_validity() const override { return view_.facts().uid_validity; }
  MaildropMessage at(uint32_t place) const override {
    if (Planted(Canary::kMaildropMoves) && place >= view_.count()) {
      const storage::MailboxView now = account_->View(view_.facts().id);
      return {.uid = now.at(place).uid, .bytes = now.at(place).bytes};
    }
    const storage::MessageEntry& entry = view_.at(place);
    return {.uid = entry.uid, .bytes = entry.bytes};
  }

  io::Task<StatusOr<OpenedMessage>> Open(uint32_t place) override {
    const storage::MessageEntry& entry = view_.at(place);
    StatusOr<std::unique_ptr<storage::MessageSource>> source =
        co_await storage::OpenMessage(store_, accounts_, *account_, entry);
    if (!source.ok()) co_return source.status();
    // What the flags say is what the client sent: the fields before it may be in UTF-8 all the same
    // (RFC 6531 §3.7.3).
    const uint8_t flags = static_cast<uint8_t>((*source)->flags() | storage::kContent8Bit);
    co_return OpenedMessage{*std::move(source), flags};
  }

  io::Task<Status> Update(std::vector<storage::UidRange> uids) override {
    for (size_t at = 0; at < uids.size(); at += kDeletedRangesMax) {
      const size_t end = std::min(uids.size(), at + kDeletedRangesMax);
      storage::Expunge expunge;
      expunge.mailbox = view_.facts().id;
      expunge.uids.assign(uids.begin() + static_cast<ptrdiff_t>(at),
                          uids.begin() + static_cast<ptrdiff_t>(end));
      storage::AccountTransaction transaction;
      transaction.time_seconds = static_cast<uint32_t>(UnixSeconds(io::WallNow()));
      transaction.changes.emplace_back(std::move(expunge));
      const auto results = co_await account_->Apply(std::move(transaction));
      if (!results.ok()) co_return results.status();
      // Who else has deleted a message before us has done what was asked.
      for (const storage::ChangeResult& result : *results) {
        if (result.status != storage::ChangeStatus::kOk &&
            result.status != storage::ChangeStatus::kNoMailbox)
          co_return absl::InternalError("the mailbox cannot be changed");
      }
    }
    co_return absl::OkStatus();
  }

 private:
  storage::Accounts& accounts_;
  storage::ShardStore& store_;
  const storage::AccountRef account_;
  const storage::MailboxView view_;
};

class AccountMaildrops final : public Maildrops {
 public:
  AccountMaildrops(storage::Accounts& accounts, storage::ShardStore& store)
      : accounts_(accounts), store_(store) {}

  ShardIndex ShardOf(AccountId account) const override { return accounts_.ShardOf(account); }

  io::Task<StatusOr<std::unique_ptr<Maildrop>>> Open(AccountId account) override {
    StatusOr<storage::AccountRef> opened = co_await accounts_.Open(account);
    if (!opened.ok()) co_return opened.status();
    const std::optional<storage::MailboxSummary> inbox = (*opened)->FindName("INBOX");
    // Every account has one (RFC 9051 §5.1).
    CHECK(inbox.has_value());
    co_return std::make_unique<AccountMaildrop>(accounts_, store_, *std::move(opened), inbox->id);
  }

 private:
  storage::Accounts& accounts_;
  storage::ShardStore& store_;
};

}  // namespace

std::unique_ptr<Maildrops> MakeAccountMaildrops(storage::Accounts& accounts,
                                                storage::ShardStore& store) {
  return std::make_unique<AccountMaildrops>(accounts, store);
}

}  // namespace ringmail::pop3
