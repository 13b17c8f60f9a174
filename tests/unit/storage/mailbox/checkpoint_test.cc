// What the log keeps of an account gives back the account: by transactions, by checkpoints, and by
// any mixture of both.
#include "storage/mailbox/checkpoint.h"

#include <algorithm>
#include <map>
#include <random>

#include "gtest/gtest.h"
#include "storage/mailbox/transaction_codec.h"
#include "tests/unit/storage/mailbox/account.h"

namespace ringmail::storage {
namespace {

// The records of one account, as a log would hold them.
struct Records {
  std::map<PageKey, std::string> pages;
  std::string root;
  ModSeq at;
  std::vector<std::pair<ModSeq, std::string>> later;  // transactions after it

  void Checkpoint(AccountState& state) {
    state.JoinPages();
    for (const PageKey gone : AccountCheckpoint::TakeGone(state)) pages.erase(gone);
    for (const auto& [key, page] : AccountCheckpoint::Changed(state, at)) {
      pages[key].clear();
      AccountCheckpoint::EncodePage(*page, pages[key]);
    }
    root.clear();
    AccountCheckpoint::EncodeRoot(state, root);
    at = state.applied();
    later.clear();
  }
  StatusOr<AccountState> Restore() const {
    auto state = AccountCheckpoint::Restore(root, [this](PageKey key) -> StatusOr<MailboxPageRef> {
      const auto found = pages.find(key);
      if (found == pages.end()) return absl::DataLossError("no such page");
      return AccountCheckpoint::DecodePage(key, found->second);
    });
    if (!state.ok()) return state;
    for (const auto& [number, bytes] : later) {
      const auto transaction = DecodeTransaction(bytes);
      if (!transaction) return absl::DataLossError("transaction");
      state->Apply(number, *transaction);
    }
    return state;
  }
};

// All that anybody can see, so that two states can be compared.
std::string Seen(const AccountState& state) {
  std::string seen;
  std::string root;
  AccountCheckpoint::EncodeRoot(state, root);
  for (const auto& [id, mailbox] : state.mailboxes()) {
    seen += mailbox.name + ":" + std::to_string(mailbox.count) + "," +
            std::to_string(mailbox.unseen) + "," + std::to_string(mailbox.bytes) + "," +
            std::to_string(mailbox.uid_validity) + "," + std::to_string(mailbox.uid_next.value) +
            "," + std::to_string(mailbox.highest_mod_seq.value) + ";";
    const MailboxView view = state.View(id);
    for (uint32_t i = 0; i < view.count(); ++i) {
      const MessageEntry& entry = view.at(i);
      seen.append(reinterpret_cast<const char*>(&entry), sizeof entry);
    }
  }
  seen += std::to_string(state.bytes()) + "/" + std::to_string(state.messages()) + "/";
  for (const ContentId content : state.released()) seen += std::to_string(content.value) + " ";
  for (const std::string& name : state.subscriptions()) seen += name + " ";
  return seen;
}

// Changes such as clients make, and senseless ones.
class Clients {
 public:
  explicit Clients(uint64_t seed) : random_(seed) {}

  AccountTransaction Next(const AccountState& state) {
    AccountTransaction transaction{.time_seconds = ++time_};
    for (uint64_t i = 0, count = 1 + Random(3); i < count; ++i)
      transaction.changes.push_back(Change(state));
    return transaction;
  }
  uint64_t Random(uint64_t limit) { return random_() % limit; }

 private:
  MailboxId Mailbox(const AccountState& state) {
    if (Random(20) == 0) return MailboxId(static_cast<uint32_t>(Random(50)));
    auto one = state.mailboxes().begin();
    std::advance(one, static_cast<ptrdiff_t>(Random(state.mailboxes().size())));
    return one->first;
  }
  std::string Name() {
    static constexpr const char* kNames[] = {"a", "a/b", "a/b/c", "b", "INBOX/x", "bad//name", "c"};
    return kNames[Random(std::size(kNames))];
  }
  std::vector<UidRange> Ranges(const AccountState& state, MailboxId id) {
    const MailboxState* const mailbox = state.Find(id);
    if (mailbox == nullptr || Random(15) == 0) return Uids({{1, UINT32_MAX}});
    std::vector<UidRange> ranges;
    uint64_t at = 1 + Random(mailbox->uid_next.value);
    for (uint64_t i = 0, count = 1 + Random(4); i < count; ++i) {
      const uint64_t last = at + Random(Random(4) == 0 ? 700 : 5);
      ranges.push_back({Uid(static_cast<uint32_t>(at)), Uid(static_cast<uint32_t>(last))});
      at = last + 2 + Random(100);
    }
    return ranges;
  }
  std::vector<std::string> Keywords() {
    if (Random(3) != 0) return {};
    return {"k" + std::to_string(Random(8))};
  }
  AccountChange Change(const AccountState& state) {
    const MailboxId mailbox = Mailbox(state);
    switch (Random(25)) {
      case 0:
        return CreateMailbox{.name = Name()};
      case 1:
        return Random(4) == 0 ? AccountChange(DeleteMailbox{mailbox}) : Subscribe{Name()};
      case 2:
        return RenameMailbox{mailbox, Name()};
      case 3:
        return Subscribe{Name(), Subscribe::Change::kOff};
      case 4:
        return SetValue{mailbox, "v" + std::to_string(Random(3)), std::string(Random(3), 'x')};
      case 5: {
        ForgetReleased forget;
        for (const ContentId content : state.released()) {
          if (Random(2) == 0) forget.contents.push_back(content);
        }
        return forget;
      }
      case 6:
      case 7:
        return Expunge{mailbox, Ranges(state, mailbox), static_cast<Expunge::Which>(Random(2))};
      case 8:
      case 9:
        return CopyMessages{.from = mailbox,
                            .to = Mailbox(state),
                            .uids = Ranges(state, mailbox),
                            .mode = static_cast<CopyMessages::Mode>(Random(4) != 0),
                            .quota_messages = Random(2) == 0 ? 5000u : 0u};
      case 10:
      case 11:
      case 12:
        return StoreFlags{.mailbox = mailbox,
                          .uids = Ranges(state, mailbox),
                          .mode = static_cast<StoreFlags::Mode>(Random(3)),
                          .system_flags = Random(32),
                          .keywords = Keywords(),
                          .unchanged_since = ModSeq(
                              Random(3) == 0 ? Random(state.applied().value + 2) : UINT64_MAX)};
      case 13:
        return ContinueUids{
            .mailbox = mailbox,
            .uid_validity = Random(2) == 0 ? 0 : static_cast<uint32_t>(Random(2'000)),
            .uid_next = Uid(static_cast<uint32_t>(Random(2 * next_)))};
      default:
        return Append{.mailbox = mailbox,
                      .content = Content(Random(5) == 0 ? 1 + Random(next_) : next_++),
                      .bytes = static_cast<uint32_t>(Random(1000)),
                      .system_flags = Random(32),
                      .keywords = Keywords(),
                      .internal_date_seconds = time_,
                      .quota_messages = Random(3) == 0 ? 6000u : 0u,
                      .twice = static_cast<Append::Twice>(Random(5) == 0),
                      .delivered_to = Random(3) == 0 ? "a+" + std::to_string(Random(9)) + "@b" : "",
                      .uid = Uid(static_cast<uint32_t>(Random(4) == 0 ? Random(2 * next_) : 0))};
    }
  }

  std::mt19937_64 random_;
  uint32_t time_ = 1000;
  uint64_t next_ = 1;
};

// How often each content is referred to, counted.
std::map<ContentId, uint32_t> References(const AccountState& state) {
  std::map<ContentId, uint32_t> references;
  for (const auto& [id, mailbox] : state.mailboxes()) {
    for (const MailboxPageRef& page : mailbox.pages) {
      for (const MessageEntry& entry : page.entries()) ++references[entry.content];
    }
  }
  return references;
}

TEST(AccountCheckpoint, AnyMixtureOfCheckpointsAndTransactionsGivesTheAccountBack) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Clients clients(seed);
    AccountState state(1);
    Records records;
    records.Checkpoint(state);
    std::set<ContentId> ever;
    std::vector<MailboxView> held;
    for (int i = 0; i < 1500; ++i) {
      const AccountTransaction transaction = clients.Next(state);
      std::string bytes;
      EncodeTransaction(transaction, bytes);
      const ModSeq number(state.applied().value + 1 + clients.Random(3));
      state.Apply(number, transaction);
      records.later.emplace_back(number, std::move(bytes));
      // Views that clients hold make changes copy.
      if (clients.Random(10) == 0) held.push_back(state.View(state.mailboxes().begin()->first));
      if (held.size() > 3) held.erase(held.begin());
      if (clients.Random(60) == 0) records.Checkpoint(state);
      if (clients.Random(100) != 0) continue;
      const auto restored = records.Restore();
      ASSERT_TRUE(restored.ok()) << seed << " " << restored.status();
      ASSERT_TRUE(Seen(*restored) == Seen(state)) << "seed " << seed << ", transaction " << i;
      const auto references = References(state);
      for (const ContentId content : state.released())
        ASSERT_FALSE(references.contains(content)) << "released while in use; seed " << seed;
      for (const auto& [content, count] : references) {
        ASSERT_TRUE(state.Has(content)) << seed;
        ever.insert(content);
      }
      for (const ContentId content : ever)
        ASSERT_EQ(state.Has(content), references.contains(content)) << seed;
    }
    // Nothing is left behind: when all messages go, all contents are released.
    for (const auto& [id, mailbox] : std::map(state.mailboxes())) {
      state.Apply(ModSeq(state.applied().value + 1),
                  {.changes = {Expunge{.mailbox = id, .uids = Uids({{1, UINT32_MAX}})}}});
    }
    EXPECT_EQ(state.messages() + state.bytes(), 0u);
    for (const ContentId content : ever) EXPECT_FALSE(state.Has(content));
  }
}

// A root as it was before mailboxes could bring their UIDVALIDITYs: without the two fields that
// version 2 has behind the highest.
TEST(AccountCheckpoint, ReadsARootOfVersion1) {
  Account account{.state = AccountState(100)};
  account.Do(CreateMailbox{.name = "a", .uid_validity = 110});
  std::string root;
  AccountCheckpoint::EncodeRoot(account.state, root);
  ASSERT_EQ(root.substr(0, 6), std::string("\2\1\3\x6E\x64\0", 6));
  root = "\1" + root.substr(1, 3) + root.substr(6);
  auto restored = AccountCheckpoint::Restore(
      root, [](PageKey) -> StatusOr<MailboxPageRef> { return absl::InternalError("no pages"); });
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_TRUE(Seen(*restored) == Seen(account.state));
  const auto bring = [&restored](uint32_t uid_validity) {
    return restored
        ->Apply(ModSeq(restored->applied().value + 1),
                {.changes = {ContinueUids{.mailbox = kInbox, .uid_validity = uid_validity}}})
        .at(0)
        .status;
  };
  EXPECT_EQ(bring(105), ChangeStatus::kUidsUsed) << "may have been some mailbox's";
  EXPECT_EQ(bring(99), ChangeStatus::kOk);
}

TEST(AccountCheckpoint, WritesOnlyPagesThatChanged) {
  Account account;
  for (uint64_t i = 1; i <= 5000; ++i) account.Deliver(i);
  const ModSeq since = account.state.applied();
  EXPECT_EQ(AccountCheckpoint::Changed(account.state, ModSeq()).size(), 10u);
  EXPECT_TRUE(AccountCheckpoint::Changed(account.state, since).empty());
  account.Do(StoreFlags{.mailbox = kInbox, .uids = Uids({{600, 601}}), .system_flags = kFlagSeen});
  EXPECT_EQ(AccountCheckpoint::Changed(account.state, since).size(), 1u);
  account.Deliver(9000);
  EXPECT_EQ(AccountCheckpoint::Changed(account.state, since).size(), 2u);
}

TEST(AccountCheckpoint, DamageIsRefusedAndNeverBelieved) {
  Clients clients(5);
  AccountState state(1);
  for (int i = 0; i < 300; ++i) state.Apply(ModSeq(state.applied().value + 1), clients.Next(state));
  Records records;
  records.Checkpoint(state);
  ASSERT_TRUE(records.Restore().ok());
  // Cut short it is never good; an octet changed may still be one (a name, a date), and must do no
  // harm.
  for (size_t size = 0; size < records.root.size(); size += 1 + size / 50) {
    Records cut = records;
    cut.root.resize(size);
    EXPECT_FALSE(cut.Restore().ok()) << size;
  }
  for (int i = 0; i < 3000; ++i) {
    Records damaged = records;
    std::string* target = &damaged.root;
    if (!damaged.pages.empty() && clients.Random(2) == 0) {
      auto page = damaged.pages.begin();
      std::advance(page, static_cast<ptrdiff_t>(clients.Random(damaged.pages.size())));
      target = &page->second;
    }
    (*target)[clients.Random(target->size())] ^= static_cast<char>(1 + clients.Random(255));
    auto restored = damaged.Restore();
    if (!restored.ok()) continue;
    for (int k = 0; k < 3; ++k)
      restored->Apply(ModSeq(restored->applied().value + 1), clients.Next(*restored));
  }
  Records missing = records;
  missing.pages.erase(missing.pages.begin());
  EXPECT_FALSE(missing.Restore().ok());
}

TEST(TransactionCodec, ReadsBackWhatItWrote) {
  Clients clients(9);
  AccountState state(1);
  for (int i = 0; i < 2000; ++i) {
    const AccountTransaction transaction = clients.Next(state);
    state.Apply(ModSeq(state.applied().value + 1), transaction);
    std::string bytes, again;
    EncodeTransaction(transaction, bytes);
    const auto decoded = DecodeTransaction(bytes);
    ASSERT_TRUE(decoded.has_value());
    EncodeTransaction(*decoded, again);
    EXPECT_EQ(bytes, again);
    EXPECT_FALSE(DecodeTransaction(bytes + "x").has_value());
    for (size_t size = 0; size < bytes.size(); ++size)
      EXPECT_FALSE(DecodeTransaction(std::string_view(bytes).substr(0, size)).has_value());
  }
}

}  // namespace
}  // namespace ringmail::storage
