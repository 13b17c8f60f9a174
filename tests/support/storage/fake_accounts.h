// Accounts in memory, for tests of what stands on their contract: one account, over the store's own
// state of mailboxes, without a log and without contents.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringmail/base/check.h"
#include "ringmail/storage/account.h"
#include "storage/mailbox/account_state.h"

namespace ringmail::storage {

inline constexpr MailboxId kInbox(1);

class FakeAccount final : public Account {
 public:
  AccountId id() const override { return AccountId(5); }
  ModSeq applied() const override { return state.applied(); }
  std::vector<MailboxSummary> Mailboxes() const override { return {}; }
  std::optional<MailboxSummary> Find(MailboxId) const override { return {}; }
  std::optional<MailboxSummary> FindName(std::string_view name) const override {
    CHECK(name == "INBOX");
    return MailboxSummary{.id = kInbox};
  }
  MailboxView View(MailboxId id) const override { return state.View(id); }
  std::optional<std::vector<UidRange>> VanishedSince(MailboxId, ModSeq) const override {
    return {};
  }
  std::vector<std::string> Subscriptions() const override { return {}; }
  std::optional<std::string_view> Value(MailboxId, std::string_view) const override { return {}; }
  std::string_view DeliveredTo(const MessageEntry& entry) const override {
    return state.DeliveredTo(entry);
  }
  uint64_t bytes() const override { return state.bytes(); }
  uint32_t messages() const override { return state.messages(); }
  io::Task<StatusOr<std::vector<ChangeResult>>> Apply(AccountTransaction transaction) override {
    if (transactions == fails_after) co_return absl::ResourceExhaustedError("the disk is full");
    ++transactions;
    co_return state.Apply(ModSeq(state.applied().value + 1), transaction);
  }
  io::Task<StatusOr<std::vector<ChangeResult>>> ApplyWithContent(AccountTransaction,
                                                                 std::vector<NewContent>) override {
    co_return absl::UnimplementedError("not of a maildrop");
  }
  void Watch(AccountWatcher&) override {}

  void Deliver(uint32_t count) {
    AccountTransaction many;
    for (uint32_t i = 1; i <= count; ++i) {
      Append append;
      append.mailbox = kInbox;
      append.content = ContentId(state.messages() + i);
      append.bytes = 100 + i;
      append.delivered_to = delivered_to;
      many.changes.emplace_back(append);
    }
    (void)state.Apply(ModSeq(state.applied().value + 1), many);
  }

  AccountState state{7};
  std::string delivered_to;  // of what is delivered
  uint32_t transactions = 0, fails_after = UINT32_MAX;
  int refs = 0;

 private:
  void Ref() override { ++refs; }
  void Unref() override { --refs; }
};

class FakeAccounts final : public Accounts {
 public:
  ShardIndex ShardOf(AccountId id) const override {
    return ShardIndex(static_cast<uint16_t>(id.value));
  }
  io::Task<StatusOr<AccountRef>> Open(AccountId) override {
    if (!open_fails.ok()) co_return open_fails;
    co_return AccountRef(&account);
  }
  bool Full(AccountId) const override { return false; }
  io::Task<Status> Erase(AccountId) override { co_return absl::OkStatus(); }
  io::Task<StatusOr<BorrowedContent>> Borrow(ContentId) override {
    co_return absl::NotFoundError("no log has it");
  }
  uint64_t open_count() const override { return 0; }
  io::Task<void> Stop() override { co_return; }
  io::Task<void> Publish(std::vector<Accounts*>) override { co_return; }
  // Nothing is borrowed here.
  void GiveBack(const Content&, ShardIndex) override { CHECK(false); }

  FakeAccount account;
  Status open_fails;
};

}  // namespace ringmail::storage
