#include "storage/mailbox/account_state.h"

#include <algorithm>

#include "gtest/gtest.h"
#include "tests/unit/storage/mailbox/account.h"

namespace ringmail::storage {
namespace {

TEST(AccountState, BeginsWithAnEmptyInbox) {
  const AccountState state(7);
  ASSERT_EQ(state.mailboxes().size(), 1u);
  const MailboxState* const inbox = state.FindName("inbox");
  ASSERT_NE(inbox, nullptr);
  EXPECT_EQ(inbox->name, "INBOX");
  EXPECT_EQ(inbox->role, MailboxRole::kInbox);
  EXPECT_EQ(inbox->uid_validity, 7u);
  EXPECT_EQ(inbox->uid_next, Uid(1));
}

TEST(AccountState, GivesAscendingUidsAndCountsWhatItHolds) {
  Account account;
  EXPECT_EQ(account.Deliver(1, 100).uids, Uids({{1, 1}}));
  EXPECT_EQ(account.Deliver(2, 50).uids, Uids({{2, 2}}));
  EXPECT_EQ(account.state.bytes(), 150u);
  EXPECT_EQ(account.inbox().unseen, 2u);
  account.Do(StoreFlags{.mailbox = kInbox, .uids = Uids({{1, 1}}), .system_flags = kFlagSeen});
  EXPECT_EQ(account.inbox().unseen, 1u);
  EXPECT_EQ(account.Do(Expunge{.mailbox = kInbox, .uids = Uids({{1, 9}})}).uids, Uids({{1, 2}}));
  EXPECT_EQ(account.state.bytes() + account.state.messages() + account.inbox().unseen, 0u);
  EXPECT_EQ(account.Deliver(3).uids, Uids({{3, 3}})) << "a uid is never used again";
}

TEST(AccountState, RefusesNamesThatWouldConfuse) {
  Account account;
  for (const std::string name : {"", "/a", "a/", "a//b", "a*", "50%", "a\nb", "\xC3", "\xC2\x85"}) {
    EXPECT_EQ(account.Do(CreateMailbox{.name = name}).status, ChangeStatus::kBadName) << name;
  }
  EXPECT_EQ(account.Do(CreateMailbox{.name = std::string(1001, 'a')}).status,
            ChangeStatus::kBadName);
  EXPECT_EQ(account.Do(CreateMailbox{.name = "Inbox"}).status, ChangeStatus::kExists);
  EXPECT_EQ(account.Do(CreateMailbox{.name = "inbox/Work"}).status, ChangeStatus::kOk);
  EXPECT_NE(account.state.FindName("INBOX/Work"), nullptr);
  EXPECT_EQ(account.Do(CreateMailbox{.name = "Gel\xC3\xB6scht"}).status, ChangeStatus::kOk);
}

TEST(AccountState, GivesARoleToOneMailboxOnly) {
  Account account;
  EXPECT_EQ(account.Do(CreateMailbox{"Sent", MailboxRole::kSent}).status, ChangeStatus::kOk);
  EXPECT_EQ(account.Do(CreateMailbox{"Out", MailboxRole::kSent}).status, ChangeStatus::kExists);
  EXPECT_EQ(account.Do(CreateMailbox{"In", MailboxRole::kInbox}).status, ChangeStatus::kExists);
}

TEST(AccountState, NeverGivesAUidValidityTwice) {
  Account account;
  const MailboxId first = account.Do(CreateMailbox{.name = "a", .uid_validity = 100}).mailbox;
  EXPECT_EQ(account.state.Find(first)->uid_validity, 100u);
  account.Do(DeleteMailbox{first});
  const MailboxId again = account.Do(CreateMailbox{.name = "a", .uid_validity = 50}).mailbox;
  EXPECT_NE(again, first);
  EXPECT_EQ(account.state.Find(again)->uid_validity, 101u);
}

TEST(AccountState, MessagesBringTheirUidsWhereTheyAreNotUsed) {
  Account account;
  const auto bring = [&account](uint64_t content, uint32_t uid) {
    return account.Do(
        Append{.mailbox = kInbox, .content = Content(content), .bytes = 1, .uid = Uid(uid)});
  };
  EXPECT_EQ(bring(1, 7).uids, Uids({{7, 7}}));
  EXPECT_EQ(bring(2, 7).status, ChangeStatus::kUidsUsed);
  EXPECT_EQ(bring(2, 3).status, ChangeStatus::kUidsUsed) << "they ascend";
  EXPECT_EQ(account.Deliver(3).uids, Uids({{8, 8}}));
  EXPECT_EQ(bring(4, 9).uids, Uids({{9, 9}}));
  EXPECT_EQ(bring(5, AccountLimits::kUidMax + 1).status, ChangeStatus::kUidsUsed);
  EXPECT_EQ(account.inbox().uid_next, Uid(10)) << "what is refused changes nothing";
  EXPECT_EQ(bring(5, AccountLimits::kUidMax).status, ChangeStatus::kOk);
  EXPECT_EQ(account.Deliver(6).status, ChangeStatus::kOk) << "there is room above";
}

TEST(AccountState, RefusedForItsUidADepositedContentIsReleased) {
  Account account;
  account.Deliver(1);
  const ChangeResult result = account.Do(Append{.mailbox = kInbox,
                                                .content = Content(2),
                                                .origin = Append::Origin::kDeposited,
                                                .uid = Uid(1)});
  EXPECT_EQ(result.status, ChangeStatus::kUidsUsed);
  EXPECT_TRUE(account.state.released().contains(Content(2)));
}

TEST(AccountState, AMailboxGoesOnWhereItWasElsewhere) {
  Account account{.state = AccountState(1'000)};
  EXPECT_EQ(
      account.Do(ContinueUids{.mailbox = kInbox, .uid_validity = 300, .uid_next = Uid(40)}).status,
      ChangeStatus::kOk);
  EXPECT_EQ(account.inbox().uid_validity, 300u);
  EXPECT_EQ(account.Deliver(1).uids, Uids({{40, 40}}));
  // Clients know it now.
  EXPECT_EQ(account.Do(ContinueUids{.mailbox = kInbox, .uid_validity = 301}).status,
            ChangeStatus::kUidsUsed);
  EXPECT_EQ(account.Do(ContinueUids{.mailbox = kInbox, .uid_next = Uid(40)}).status,
            ChangeStatus::kUidsUsed);
  EXPECT_EQ(
      account.Do(ContinueUids{.mailbox = kInbox, .uid_validity = 300, .uid_next = Uid(50)}).status,
      ChangeStatus::kOk);
  EXPECT_EQ(account.Deliver(2).uids, Uids({{50, 50}}));
  EXPECT_EQ(account.inbox().uid_validity, 300u);
  EXPECT_EQ(account.Do(ContinueUids{.mailbox = MailboxId(9)}).status, ChangeStatus::kNoMailbox);
  EXPECT_EQ(account.Do(ContinueUids{.mailbox = kInbox, .uid_next = Uid(AccountLimits::kUidMax + 1)})
                .status,
            ChangeStatus::kUidsUsed);
}

TEST(AccountState, AUidValidityThatIsBroughtIsNobodyElses) {
  Account account{.state = AccountState(1'000)};
  const MailboxId a = account.Do(CreateMailbox{.name = "a", .uid_validity = 1'100}).mailbox;
  const MailboxId b = account.Do(CreateMailbox{.name = "b"}).mailbox;
  const auto bring = [&account](MailboxId mailbox, uint32_t uid_validity) {
    return account.Do(ContinueUids{.mailbox = mailbox, .uid_validity = uid_validity}).status;
  };
  EXPECT_EQ(bring(a, 5), ChangeStatus::kOk);
  EXPECT_EQ(bring(b, 5), ChangeStatus::kUidsUsed);
  EXPECT_EQ(bring(b, 1'100), ChangeStatus::kUidsUsed) << "that was a's, whoever saw it";
  EXPECT_EQ(bring(b, 1'050), ChangeStatus::kUidsUsed) << "may have been somebody's";
  account.Do(DeleteMailbox{a});
  EXPECT_EQ(bring(b, 5), ChangeStatus::kUidsUsed) << "a's name may be given to b";
  EXPECT_EQ(bring(b, 2'000), ChangeStatus::kOk);
  EXPECT_EQ(bring(b, 4), ChangeStatus::kOk);
  const MailboxId c = account.Do(CreateMailbox{.name = "c", .uid_validity = 1'500}).mailbox;
  EXPECT_EQ(account.state.Find(c)->uid_validity, 2'001u);
  EXPECT_EQ(bring(c, AccountLimits::kUidValidityMax + 1), ChangeStatus::kUidsUsed);
  EXPECT_EQ(bring(c, AccountLimits::kUidValidityMax), ChangeStatus::kOk);
  const MailboxId d = account.Do(CreateMailbox{.name = "d"}).mailbox;
  EXPECT_EQ(account.state.Find(d)->uid_validity, AccountLimits::kUidValidityMax + 1);
}

TEST(AccountState, RenamesWithAllThatLiesBelow) {
  Account account;
  const MailboxId a = account.Do(CreateMailbox{"a"}).mailbox;
  account.Do(CreateMailbox{"a/b"});
  account.Do(CreateMailbox{"a-c"});
  account.Do(CreateMailbox{"taken/b"});
  EXPECT_EQ(account.Do(RenameMailbox{a, "a/b/c"}).status, ChangeStatus::kBadName) << "into itself";
  EXPECT_EQ(account.Do(RenameMailbox{a, "taken"}).status, ChangeStatus::kExists);
  EXPECT_EQ(account.state.FindName("a")->id, a) << "a rename that fails changes nothing";
  EXPECT_EQ(account.Do(RenameMailbox{a, "z/y"}).status, ChangeStatus::kOk);
  EXPECT_EQ(account.state.FindName("z/y")->id, a);
  EXPECT_NE(account.state.FindName("z/y/b"), nullptr);
  EXPECT_NE(account.state.FindName("a-c"), nullptr);
  EXPECT_EQ(account.state.FindName("a/b"), nullptr);
}

TEST(AccountState, RenamesInboxByMovingItsMessages) {
  Account account;
  account.Deliver(1);
  account.Deliver(2);
  const ChangeResult result = account.Do(RenameMailbox{kInbox, "old"});
  EXPECT_EQ(result.status, ChangeStatus::kOk);
  EXPECT_EQ(account.state.FindName("old")->count, 2u);
  EXPECT_EQ(account.inbox().count, 0u);
  EXPECT_EQ(account.Deliver(3).uids, Uids({{3, 3}}));
  EXPECT_EQ(account.Do(DeleteMailbox{kInbox}).status, ChangeStatus::kForbidden);
}

TEST(AccountState, TakesAContentOnceAndSaysWhereItIs) {
  Account account;
  account.Deliver(5);
  const MailboxId other = account.Do(CreateMailbox{"other"}).mailbox;
  account.Do(CopyMessages{
      .from = kInbox, .to = other, .uids = Uids({{1, 1}}), .mode = CopyMessages::Mode::kMove});
  const ChangeResult again = account.Deliver(5);
  EXPECT_EQ(again.status, ChangeStatus::kAlreadyThere);
  EXPECT_EQ(again.mailbox, other);
  EXPECT_EQ(again.uids, Uids({{1, 1}}));
  // Also when it is long ago.
  for (uint64_t i = 10'000; i < 10'010; ++i) account.Deliver(i);
  EXPECT_EQ(account.Deliver(5).status, ChangeStatus::kAlreadyThere);
  EXPECT_EQ(account.Deliver(6).status, ChangeStatus::kOk) << "old, but not here";
}

TEST(AccountState, AContentThatWasExpungedDoesNotComeAgainUntilItsLogHasLetItGo) {
  Account account;
  account.Deliver(5);
  account.Do(Expunge{.mailbox = kInbox, .uids = Uids({{1, 1}})});
  const ChangeResult again = account.Deliver(5);
  EXPECT_EQ(again.status, ChangeStatus::kAlreadyThere);
  EXPECT_TRUE(again.uids.empty());
  EXPECT_EQ(account.inbox().count, 0u);
  account.Do(ForgetReleased{{Content(5)}});
  EXPECT_EQ(account.Deliver(5).uids, Uids({{2, 2}}));
}

TEST(AccountState, ReleasesAContentWithTheLastMessageThatRefersToIt) {
  Account account;
  account.Deliver(5);
  const MailboxId other = account.Do(CreateMailbox{"other"}).mailbox;
  account.Do(CopyMessages{.from = kInbox, .to = other, .uids = Uids({{1, 1}})});
  account.Do(CopyMessages{.from = kInbox, .to = kInbox, .uids = Uids({{1, 1}})});
  account.Do(Expunge{.mailbox = kInbox, .uids = Uids({{1, 2}})});
  EXPECT_TRUE(account.state.released().empty());
  account.Do(DeleteMailbox{other});
  EXPECT_EQ(account.state.released(), absl::btree_set<ContentId>{Content(5)});
  account.Do(ForgetReleased{{Content(5)}});
  EXPECT_TRUE(account.state.released().empty());
  EXPECT_EQ(account.Deliver(5).status, ChangeStatus::kOk) << "it may come again";
}

TEST(AccountState, KeepsItsQuota) {
  Account account;
  Append append{.mailbox = kInbox, .content = Content(1), .bytes = 60, .quota_bytes = 100};
  EXPECT_EQ(account.Do(append).status, ChangeStatus::kOk);
  append.content = Content(2);
  EXPECT_EQ(account.Do(append).status, ChangeStatus::kOverQuota);
  append.quota_bytes = 120;
  EXPECT_EQ(account.Do(append).status, ChangeStatus::kOk);
  append.content = Content(3);
  append.quota_bytes = 0;
  append.quota_messages = 2;
  EXPECT_EQ(account.Do(append).status, ChangeStatus::kOverQuota);
  CopyMessages copy{.from = kInbox, .to = kInbox, .uids = Uids({{1, 1}}), .quota_messages = 2};
  EXPECT_EQ(account.Do(copy).status, ChangeStatus::kOverQuota);
  copy.mode = CopyMessages::Mode::kMove;
  EXPECT_EQ(account.Do(copy).status, ChangeStatus::kOk) << "a move adds nothing";
}

TEST(AccountState, StoresFlagsOnlyWhereNobodyWasFaster) {
  Account account;
  account.Deliver(1);
  account.Deliver(2);
  const ModSeq before = account.state.applied();
  account.Do(StoreFlags{.mailbox = kInbox, .uids = Uids({{2, 2}}), .system_flags = kFlagFlagged});
  const ChangeResult result = account.Do(StoreFlags{.mailbox = kInbox,
                                                    .uids = Uids({{1, 2}}),
                                                    .system_flags = kFlagSeen,
                                                    .unchanged_since = before});
  EXPECT_EQ(result.uids, Uids({{1, 1}}));
  EXPECT_EQ(result.modified, Uids({{2, 2}}));
  const ModSeq after = account.inbox().highest_mod_seq;
  EXPECT_TRUE(
      account.Do(StoreFlags{.mailbox = kInbox, .uids = Uids({{1, 1}}), .system_flags = kFlagSeen})
          .uids.empty());
  EXPECT_EQ(account.inbox().highest_mod_seq, after) << "what changes nothing counts for nothing";
}

TEST(AccountState, NumbersKeywordsInEachMailbox) {
  Account account;
  account.Deliver(1);
  const MailboxId other = account.Do(CreateMailbox{"other"}).mailbox;
  StoreFlags store{.mailbox = kInbox, .uids = Uids({{1, 1}}), .keywords = {"$Junk", "b", "B"}};
  account.Do(store);
  EXPECT_EQ(account.inbox().keywords, (std::vector<std::string>{"$Junk", "b"}));
  account.Do(StoreFlags{.mailbox = kInbox,
                        .uids = Uids({{1, 1}}),
                        .mode = StoreFlags::Mode::kRemove,
                        .keywords = {"$junk", "never"}});
  account.Do(CopyMessages{.from = kInbox, .to = other, .uids = Uids({{1, 1}})});
  EXPECT_EQ(account.state.Find(other)->keywords, std::vector<std::string>{"b"});
  EXPECT_EQ(account.state.View(other).at(0).flags, uint64_t{1} << kKeywordShift);
  store.keywords = {"in valid"};
  EXPECT_EQ(account.Do(store).status, ChangeStatus::kLimit);
  store.keywords.clear();
  for (size_t i = 0; i < kKeywordsMax - 2; ++i) store.keywords.push_back("k" + std::to_string(i));
  EXPECT_EQ(account.Do(store).status, ChangeStatus::kOk);
  EXPECT_EQ(account.state.View(kInbox).at(0).flags >> (kDeliveredToShift - 1), 1u);
  store.keywords = {"one-more"};
  EXPECT_EQ(account.Do(store).status, ChangeStatus::kLimit);
  EXPECT_EQ(account.inbox().keywords.size(), kKeywordsMax);
}

TEST(AccountState, RemembersWhichAddressAMessageWasDeliveredTo) {
  Account account;
  const MailboxId other = account.Do(CreateMailbox{.name = "Other"}).mailbox;
  const auto deliver = [&account](uint64_t content, std::string address) {
    return account.Do(Append{.mailbox = kInbox,
                             .content = ContentId(content),
                             .bytes = 100,
                             .delivered_to = std::move(address)});
  };
  deliver(1, "a@example.org");
  deliver(2, "a+list@example.org");
  deliver(3, "a@example.org");
  deliver(4, "");
  const auto at = [&account](MailboxId mailbox, uint32_t place) {
    return account.state.View(mailbox).at(place);
  };
  EXPECT_EQ(account.state.DeliveredTo(at(kInbox, 0)), "a@example.org");
  EXPECT_EQ(account.state.DeliveredTo(at(kInbox, 1)), "a+list@example.org");
  EXPECT_EQ(account.state.DeliveredTo(at(kInbox, 2)), "a@example.org");
  EXPECT_EQ(account.state.DeliveredTo(at(kInbox, 3)), "");
  EXPECT_EQ(at(kInbox, 0).bytes, 100 + std::string_view("Delivered-To: a@example.org\r\n").size());
  EXPECT_EQ(at(kInbox, 3).bytes, 100u);
  // Flags that come and go, and copies, leave it alone.
  account.Do(StoreFlags{.mailbox = kInbox,
                        .uids = Uids({{1, 4}}),
                        .mode = StoreFlags::Mode::kReplace,
                        .system_flags = kFlagSeen});
  account.Do(CopyMessages{.from = kInbox, .to = other, .uids = Uids({{2, 2}})});
  EXPECT_EQ(account.state.DeliveredTo(at(kInbox, 0)), "a@example.org");
  EXPECT_EQ(account.state.DeliveredTo(at(other, 0)), "a+list@example.org");
  EXPECT_EQ(at(other, 0).bytes, at(kInbox, 1).bytes);
}

TEST(AccountState, ShowsItsFirstAddressWhereItHasNoRoomForAnother) {
  Account account;
  const auto deliver = [&account](uint64_t content, const std::string& address) {
    return account.Do(
        Append{.mailbox = kInbox, .content = ContentId(content), .delivered_to = address});
  };
  for (uint64_t i = 1; i <= AccountLimits::kDeliveredToMax; ++i)
    deliver(i, "a+" + std::to_string(i) + "@example.org");
  const MailboxView full = account.state.View(kInbox);
  EXPECT_EQ(account.state.DeliveredTo(full.at(full.count() - 1)), "a+4095@example.org");
  deliver(5000, "a+one-more@example.org");
  const MailboxView view = account.state.View(kInbox);
  const MessageEntry& last = view.at(view.count() - 1);
  EXPECT_EQ(account.state.DeliveredTo(last), "a+1@example.org");
  EXPECT_EQ(last.bytes, std::string_view("Delivered-To: a+1@example.org\r\n").size());
}

TEST(AccountState, RefusesAnAddressThatWouldEndItsLine) {
  Account account;
  for (const std::string& bad : {std::string("a@b\r\nSubject: x"), std::string("a\0b", 3),
                                 std::string(AccountLimits::kDeliveredToBytesMax + 1, 'a')}) {
    EXPECT_EQ(
        account.Do(Append{.mailbox = kInbox, .content = ContentId(1), .delivered_to = bad}).status,
        ChangeStatus::kBadAddress);
  }
  EXPECT_EQ(account
                .Do(Append{.mailbox = kInbox,
                           .content = ContentId(1),
                           .delivered_to = std::string(AccountLimits::kDeliveredToBytesMax, 'a')})
                .status,
            ChangeStatus::kOk);
}

TEST(AccountState, RemembersWhatVanishedAsFarAsItSays) {
  Account account;
  for (uint64_t i = 1; i <= 10; ++i) account.Deliver(i);
  const ModSeq begin = account.state.applied();
  account.Do(Expunge{.mailbox = kInbox, .uids = Uids({{3, 4}, {8, 8}})});
  const ModSeq middle = account.state.applied();
  account.Do(Expunge{.mailbox = kInbox, .uids = Uids({{5, 5}})});
  EXPECT_EQ(*AccountState::VanishedSince(account.inbox(), begin), Uids({{3, 5}, {8, 8}}));
  EXPECT_EQ(*AccountState::VanishedSince(account.inbox(), middle), Uids({{5, 5}}));
  EXPECT_TRUE(AccountState::VanishedSince(account.inbox(), account.state.applied())->empty());
  for (uint64_t i = 0; i < AccountLimits::kVanishedRangesMax; ++i) {
    const Uid uid = account.Deliver(100 + i).uids[0].first;
    account.Do(Expunge{.mailbox = kInbox, .uids = {{uid, uid}}});
  }
  EXPECT_FALSE(AccountState::VanishedSince(account.inbox(), begin).has_value());
}

TEST(AccountState, ViewsStayStill) {
  Account account;
  for (uint64_t i = 1; i <= 1500; ++i) account.Deliver(i);
  const MailboxView before = account.state.View(kInbox);
  account.Do(Expunge{.mailbox = kInbox, .uids = Uids({{2, 3}, {1000, 1000}})});
  account.Do(
      StoreFlags{.mailbox = kInbox, .uids = Uids({{1200, 1201}}), .system_flags = kFlagSeen});
  account.Deliver(2000);
  ASSERT_EQ(before.count(), 1500u);
  for (uint32_t i = 0; i < 1500; ++i) {
    ASSERT_EQ(before.at(i).uid, Uid(i + 1));
    ASSERT_EQ(before.at(i).flags, 0u);
  }
  const MailboxView after = account.state.View(kInbox);
  EXPECT_EQ(after.count(), 1498u);
  EXPECT_EQ(after.LowerBound(Uid(2)), 1u);
  EXPECT_EQ(after.at(1).uid, Uid(4));
  EXPECT_EQ(after.Find(Uid(1000)), nullptr);
  EXPECT_EQ(after.LowerBound(Uid(99'999)), after.count());
  const MailboxDifference difference = Compare(before, after);
  EXPECT_EQ(difference.expunged, (std::vector<uint32_t>{999, 2, 1}));
  EXPECT_EQ(difference.changed,
            (std::vector<uint32_t>{after.LowerBound(Uid(1200)), after.LowerBound(Uid(1201))}));
  EXPECT_EQ(difference.first_new, 1497u);
}

TEST(AccountState, JoinsWhatExpungesLeaveAndNobodySees) {
  Account account;
  for (uint64_t i = 1; i <= 5000; ++i) account.Deliver(i);
  std::vector<UidRange> most;
  for (uint32_t i = 1; i < 5000; i += 100) most.push_back({Uid(i), Uid(i + 98)});
  account.Do(Expunge{.mailbox = kInbox, .uids = most});
  const MailboxView before = account.state.View(kInbox);
  account.state.JoinPages();
  const MailboxView after = account.state.View(kInbox);
  EXPECT_EQ(before.pages().size(), 10u);
  EXPECT_EQ(after.pages().size(), 1u);
  const MailboxDifference difference = Compare(before, after);
  EXPECT_TRUE(difference.expunged.empty() && difference.changed.empty());
  EXPECT_EQ(difference.first_new, before.count());
}

}  // namespace
}  // namespace ringmail::storage
