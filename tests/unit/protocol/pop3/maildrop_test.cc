// An account's INBOX as a maildrop: over the contract of accounts, with an account in memory.
#include "protocol/pop3/maildrop.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "protocol/pop3/limits.h"
#include "ringmail/base/check.h"
#include "ringmail/storage/store.h"
#include "tests/sim/io/world.h"
#include "tests/support/storage/fake_accounts.h"

namespace ringmail::pop3 {
namespace {

using storage::Uid;

using storage::kInbox;

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

  storage::FakeAccounts accounts_;
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
