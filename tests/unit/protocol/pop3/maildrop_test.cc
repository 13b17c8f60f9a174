// An account's INBOX as a maildrop: over the contract of accounts, with an account in memory.
#include "protocol/pop3/maildrop.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "protocol/pop3/limits.h"
#include "ringmail/base/check.h"
#include "ringmail/storage/account.h"
#include "ringmail/storage/store.h"
#include "storage/mailbox/account_state.h"
#include "tests/sim/io/world.h"

namespace ringmail::storage {

// The log's own stands in its place where there is one. Nothing is borrowed here.
__attribute__((weak)) BorrowedContent::~BorrowedContent() { CHECK(content_ == nullptr); }

}  // namespace ringmail::storage

namespace ringmail::pop3 {
namespace {

using storage::Uid;

constexpr storage::MailboxId kInbox(1);

class FakeAccount final : public storage::Account {
 public:
  AccountId id() const override { return AccountId(5); }
  storage::ModSeq applied() const override { return state.applied(); }
  std::vector<storage::MailboxSummary> Mailboxes() const override { return {}; }
  std::optional<storage::MailboxSummary> Find(storage::MailboxId) const override { return {}; }
  std::optional<storage::MailboxSummary> FindName(std::string_view name) const override {
    CHECK(name == "INBOX");
    return storage::MailboxSummary{.id = kInbox};
  }
  storage::MailboxView View(storage::MailboxId id) const override { return state.View(id); }
  std::optional<std::vector<storage::UidRange>> VanishedSince(storage::MailboxId,
                                                              storage::ModSeq) const override {
    return {};
  }
  std::vector<std::string> Subscriptions() const override { return {}; }
  std::optional<std::string_view> Value(storage::MailboxId, std::string_view) const override {
    return {};
  }
  std::string_view DeliveredTo(const storage::MessageEntry& entry) const override {
    return state.DeliveredTo(entry);
  }
  uint64_t bytes() const override { return state.bytes(); }
  uint32_t messages() const override { return state.messages(); }
  io::Task<StatusOr<std::vector<storage::ChangeResult>>> Apply(
      storage::AccountTransaction transaction) override {
    if (transactions == fails_after) co_return absl::ResourceExhaustedError("the disk is full");
    ++transactions;
    co_return state.Apply(storage::ModSeq(state.applied().value + 1), transaction);
  }
  io::Task<StatusOr<std::vector<storage::ChangeResult>>> ApplyWithContent(
      storage::AccountTransaction, std::vector<NewContent>) override {
    co_return absl::UnimplementedError("not of a maildrop");
  }
  void Watch(storage::AccountWatcher&) override {}

  void Deliver(uint32_t count) {
    storage::AccountTransaction many;
    for (uint32_t i = 1; i <= count; ++i) {
      storage::Append append;
      append.mailbox = kInbox;
      append.content = ContentId(state.messages() + i);
      append.bytes = 100 + i;
      append.delivered_to = delivered_to;
      many.changes.emplace_back(append);
    }
    (void)state.Apply(storage::ModSeq(state.applied().value + 1), many);
  }

  storage::AccountState state{7};
  std::string delivered_to;  // of what is delivered
  uint32_t transactions = 0, fails_after = UINT32_MAX;
  int refs = 0;

 private:
  void Ref() override { ++refs; }
  void Unref() override { --refs; }
};

class FakeAccounts final : public storage::Accounts {
 public:
  ShardIndex ShardOf(AccountId id) const override {
    return ShardIndex(static_cast<uint16_t>(id.value));
  }
  io::Task<StatusOr<storage::AccountRef>> Open(AccountId) override {
    if (!open_fails.ok()) co_return open_fails;
    co_return storage::AccountRef(&account);
  }
  io::Task<Status> Erase(AccountId) override { co_return absl::OkStatus(); }
  io::Task<StatusOr<storage::BorrowedContent>> Borrow(ContentId) override {
    co_return absl::NotFoundError("no log has it");
  }
  uint64_t open_count() const override { return 0; }
  io::Task<void> Publish(std::vector<Accounts*>) override { co_return; }

  FakeAccount account;
  Status open_fails;
};

class Pop3Maildrop : public testing::Test {
 public:
  // Runs `test` on a shard, with the maildrop.
  void With(void (*test)(Pop3Maildrop& self, Maildrop& maildrop)) {
    body_ = test;
    sim::World world;
    sim::Node& node = world.AddNode({.name = "pop"});
    node.Start(&Pop3Maildrop::Main, this);
    ASSERT_TRUE(world.RunUntil([this] { return done_; }));
    EXPECT_EQ(accounts_.account.refs, 0);
  }
  void Update(Maildrop& maildrop, std::vector<storage::UidRange> uids) {
    wanted_ = std::move(uids);
    maildrop_ = &maildrop;
  }

  static io::Task<void> Main(void* context) {
    auto& self = *static_cast<Pop3Maildrop*>(context);
    // A store is only for what is borrowed.
    alignas(64) static char nothing[64];
    const auto maildrops = MakeAccountMaildrops(
        self.accounts_, *reinterpret_cast<storage::ShardStore*>(static_cast<void*>(nothing)));
    EXPECT_EQ(maildrops->ShardOf(AccountId(3)), ShardIndex(3));
    {
      auto maildrop = co_await maildrops->Open(AccountId(5));
      self.opened_ = maildrop.status();
      if (maildrop.ok()) {
        self.body_(self, **maildrop);
        if (self.maildrop_ != nullptr) {
          self.updated_ = co_await self.maildrop_->Update(std::move(self.wanted_));
          self.message_ = (co_await self.maildrop_->Open(0)).status();
        }
      }
    }
    self.done_ = true;
  }

  FakeAccounts accounts_;
  void (*body_)(Pop3Maildrop& self, Maildrop& maildrop) = nullptr;
  std::vector<storage::UidRange> wanted_;
  Maildrop* maildrop_ = nullptr;
  Status opened_, updated_, message_;
  bool done_ = false;
};

TEST_F(Pop3Maildrop, ShowsTheInboxAsItWas) {
  accounts_.account.Deliver(3);
  With([](Pop3Maildrop& self, Maildrop& maildrop) {
    self.accounts_.account.Deliver(2);
    EXPECT_EQ(maildrop.count(), 3u);
    EXPECT_EQ(maildrop.bytes(), 306u);
    EXPECT_EQ(maildrop.uid_validity(), 7u);
    EXPECT_EQ(maildrop.at(2).uid, Uid(3));
    EXPECT_EQ(maildrop.at(2).bytes, 103u);
  });
  EXPECT_TRUE(opened_.ok());
}

TEST_F(Pop3Maildrop, CountsTheFieldsThatDeliveryPutsBeforeAMessage) {
  accounts_.account.delivered_to = "ann+list@example.org";
  accounts_.account.Deliver(1);
  With([](Pop3Maildrop&, Maildrop& maildrop) {
    EXPECT_EQ(maildrop.at(0).bytes,
              101u + std::string_view("Delivered-To: ann+list@example.org\r\n").size());
  });
  EXPECT_TRUE(opened_.ok());
}

TEST_F(Pop3Maildrop, DeletesWhatItIsToldAndOnlyThat) {
  accounts_.account.Deliver(5);
  With([](Pop3Maildrop& self, Maildrop& maildrop) {
    self.Update(maildrop, {{Uid(1), Uid(2)}, {Uid(5), Uid(5)}});
    // Who else was faster has done what was asked.
    storage::Expunge expunge;
    expunge.mailbox = kInbox;
    expunge.uids = {{Uid(2), Uid(2)}};
    storage::AccountState& state = self.accounts_.account.state;
    (void)state.Apply(storage::ModSeq(state.applied().value + 1), {.changes = {expunge}});
  });
  EXPECT_TRUE(updated_.ok()) << updated_;
  EXPECT_TRUE(absl::IsNotFound(message_));
  EXPECT_EQ(accounts_.account.transactions, 1u);
  const storage::MailboxView view = accounts_.account.state.View(kInbox);
  ASSERT_EQ(view.count(), 2u);
  EXPECT_EQ(view.at(0).uid, Uid(3));
  EXPECT_EQ(view.at(1).uid, Uid(4));
}

TEST_F(Pop3Maildrop, DeletesManyRangesInTransactionsThatFit) {
  accounts_.account.Deliver(2 * kDeletedRangesMax + 3);
  With([](Pop3Maildrop& self, Maildrop& maildrop) {
    // kDeletedRangesMax + 1 of them.
    std::vector<storage::UidRange> ranges;
    for (uint32_t uid = 1; uid <= 2 * kDeletedRangesMax + 1; uid += 2)
      ranges.push_back({Uid(uid), Uid(uid)});
    ASSERT_EQ(ranges.size(), kDeletedRangesMax + 1);
    self.Update(maildrop, std::move(ranges));
  });
  EXPECT_TRUE(updated_.ok()) << updated_;
  EXPECT_EQ(accounts_.account.transactions, 2u);
  EXPECT_EQ(accounts_.account.messages(), kDeletedRangesMax + 2);
}

TEST_F(Pop3Maildrop, SaysWhereATransactionFailed) {
  accounts_.account.Deliver(2);
  accounts_.account.fails_after = 0;
  With([](Pop3Maildrop& self, Maildrop& maildrop) { self.Update(maildrop, {{Uid(1), Uid(2)}}); });
  EXPECT_TRUE(absl::IsResourceExhausted(updated_));
  EXPECT_EQ(accounts_.account.messages(), 2u);
}

TEST_F(Pop3Maildrop, SaysThatAnAccountCannotBeOpened) {
  accounts_.open_fails = absl::DataLossError("a record cannot be read");
  With([](Pop3Maildrop&, Maildrop&) { FAIL(); });
  EXPECT_TRUE(absl::IsDataLoss(opened_));
}

}  // namespace
}  // namespace ringmail::pop3
