// Accounts whose states lie in the books of the test, where a loss of power does not reach: what
// delivery does to them, without the log beneath.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/storage/account.h"
#include "storage/mailbox/account_state.h"

namespace ringmail::agent {

struct AccountBooks {
  std::map<AccountId, storage::AccountState> states;
  std::set<AccountId> unreadable;
  // Before a transaction is durable, and from then until its caller is told.
  Nanoseconds write_time = std::chrono::milliseconds(1);
  Nanoseconds answer_time = std::chrono::milliseconds(1);
  uint32_t opens = 0, applied = 0;
  uint32_t under_way = 0, under_way_peak = 0;

  storage::AccountState& At(AccountId id) { return states.try_emplace(id, 1u).first->second; }
  storage::MailboxView Inbox(AccountId id) { return At(id).View(At(id).FindName("INBOX")->id); }
};

class RememberedAccount final : public storage::Account {
 public:
  RememberedAccount(AccountBooks& books, AccountId id) : books_(books), id_(id) {}

  AccountId id() const override { return id_; }
  storage::ModSeq applied() const override { return state().applied(); }
  std::vector<storage::MailboxSummary> Mailboxes() const override {
    std::vector<storage::MailboxSummary> all;
    for (const auto& [id, mailbox] : state().mailboxes()) all.push_back(Summary(mailbox));
    return all;
  }
  std::optional<storage::MailboxSummary> Find(storage::MailboxId id) const override {
    const storage::MailboxState* found = state().Find(id);
    if (found == nullptr) return std::nullopt;
    return Summary(*found);
  }
  std::optional<storage::MailboxSummary> FindName(std::string_view name) const override {
    const storage::MailboxState* found = state().FindName(name);
    if (found == nullptr) return std::nullopt;
    return Summary(*found);
  }
  storage::MailboxView View(storage::MailboxId id) const override { return state().View(id); }
  std::optional<std::vector<storage::UidRange>> VanishedSince(
      storage::MailboxId id, storage::ModSeq since) const override {
    return storage::AccountState::VanishedSince(*state().Find(id), since);
  }
  std::vector<std::string> Subscriptions() const override {
    return {state().subscriptions().begin(), state().subscriptions().end()};
  }
  std::optional<std::string_view> Value(storage::MailboxId id,
                                        std::string_view name) const override {
    const std::string* found = state().FindValue(id, name);
    if (found == nullptr) return std::nullopt;
    return *found;
  }
  std::string_view DeliveredTo(const storage::MessageEntry& entry) const override {
    return state().DeliveredTo(entry);
  }
  uint64_t bytes() const override { return state().bytes(); }
  uint32_t messages() const override { return state().messages(); }
  io::Task<StatusOr<std::vector<storage::ChangeResult>>> Apply(
      storage::AccountTransaction transaction) override {
    books_.under_way_peak = std::max(books_.under_way_peak, ++books_.under_way);
    co_await io::SleepUntil(io::Now() + books_.write_time);
    std::vector<storage::ChangeResult> results =
        state().Apply(storage::ModSeq(state().applied().value + 1), transaction);
    ++books_.applied;
    co_await io::SleepUntil(io::Now() + books_.answer_time);
    --books_.under_way;
    co_return results;
  }
  io::Task<StatusOr<std::vector<storage::ChangeResult>>> ApplyWithContent(
      storage::AccountTransaction, std::vector<NewContent>) override {
    co_return absl::UnimplementedError("no delivery brings content of its own");
  }
  void Watch(storage::AccountWatcher&) override {}

 private:
  storage::AccountState& state() const { return books_.At(id_); }
  static storage::MailboxSummary Summary(const storage::MailboxState& mailbox) {
    return {.id = mailbox.id,
            .name = mailbox.name,
            .role = mailbox.role,
            .uid_validity = mailbox.uid_validity,
            .uid_next = mailbox.uid_next,
            .highest_mod_seq = mailbox.highest_mod_seq,
            .count = mailbox.count,
            .unseen = mailbox.unseen,
            .bytes = mailbox.bytes};
  }
  void Ref() override {}
  void Unref() override {}

  AccountBooks& books_;
  const AccountId id_;
};

class RememberedAccounts final : public storage::Accounts {
 public:
  RememberedAccounts(AccountBooks& books, uint16_t shards) : books_(books), shards_(shards) {}

  ShardIndex ShardOf(AccountId id) const override {
    return ShardIndex(static_cast<uint16_t>(id.value % shards_));
  }
  bool Full(AccountId id) const override { return full.contains(id); }
  io::Task<StatusOr<storage::AccountRef>> Open(AccountId id) override {
    EXPECT_EQ(ShardOf(id), io::ThisShard());
    ++books_.opens;
    if (books_.unreadable.contains(id)) co_return absl::DataLossError("a record is damaged");
    co_return storage::AccountRef(&open_.try_emplace(id, books_, id).first->second);
  }
  io::Task<Status> Erase(AccountId id) override {
    books_.states.erase(id);
    co_return absl::OkStatus();
  }
  io::Task<StatusOr<storage::BorrowedContent>> Borrow(ContentId) override {
    co_return absl::NotFoundError("nothing is kept here");
  }
  uint64_t open_count() const override { return open_.size(); }
  io::Task<void> Stop() override { co_return; }

  std::set<AccountId> full;
  io::Task<void> Publish(std::vector<storage::Accounts*>) override { co_return; }

 private:
  void GiveBack(const storage::Content& content, ShardIndex) override {
    storage::Return(const_cast<storage::Content&>(content));
  }

  AccountBooks& books_;
  const uint16_t shards_;
  std::map<AccountId, RememberedAccount> open_;
};

}  // namespace ringmail::agent
