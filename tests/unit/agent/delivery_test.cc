// Local delivery, from the door to the mailbox.
#include "ringmail/agent/delivery.h"

#include <gtest/gtest.h>

#include "ringmail/storage/message_source.h"
#include "tests/unit/agent/office.h"

namespace ringmail::agent {
namespace {

using io::Task;
using message::Reply;
using storage::AccountEntry;
using storage::AliasEntry;
using storage::DirectoryChange;
using storage::DomainEntry;
using storage::MovedEntry;

constexpr AccountId kAnn(1), kBob(2);

DomainEntry Domain(std::string name) {
  DomainEntry entry;
  entry.name = std::move(name);
  return entry;
}
AccountEntry Person(std::string address) {
  AccountEntry entry;
  entry.address = std::move(address);
  return entry;
}
AliasEntry Alias(std::string address, std::vector<std::string> targets) {
  AliasEntry entry;
  entry.address = std::move(address);
  entry.targets = std::move(targets);
  return entry;
}

struct Village : Office {
  explicit Village(OfficeOptions options = {}) : Office(options) {
    people = {Domain("example.org"), Person("ann@example.org"), Person("bob@example.org")};
    door.relay = {};  // nothing is relayed for strangers
  }
};

MailSource Stranger() {
  return {.client = *IpAddress::Parse("192.0.2.1"), .helo = "client.example"};
}

Task<Reply> Send(Desk& desk, std::vector<std::string> to) {
  Letter letter;
  letter.to = std::move(to);
  co_return co_await Office::Submit(desk, std::move(letter), Stranger());
}

TEST(Door, TakesMailForWhoLivesHereAndAnswersForWhoDoesNot) {
  Village office;
  office.door.routes = RouteTable({}, std::nullopt);  // what is ours needs none
  office.people.push_back(
      MovedEntry{.address = "gone@example.org", .new_address = "here@elsewhere.example"});
  AccountEntry shut = Person("shut@example.org");
  shut.enabled = false;
  office.people.push_back(shut);
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    EXPECT_EQ((co_await Send(desk, {"ann@example.org"})).code, 250);
    EXPECT_EQ((co_await Send(desk, {"ann+detail@Example.ORG"})).code, 250);
    Reply reply = co_await Send(desk, {"nobody@example.org"});
    EXPECT_EQ(reply.ToLine(), "550 5.1.1 no such user here");
    reply = co_await Send(desk, {"gone@example.org"});
    EXPECT_EQ(reply.code, 551);
    reply = co_await Send(desk, {"shut@example.org"});
    EXPECT_EQ(reply.status, (message::EnhancedStatus{5, 2, 1}));
    reply = co_await Send(desk, {"ann@elsewhere.example"});
    EXPECT_EQ(reply.status, (message::EnhancedStatus{5, 7, 1}));
    EXPECT_TRUE(co_await o.Empty(std::chrono::minutes(1)));
  }));
  EXPECT_EQ(office.accounts.Inbox(kAnn).count(), 2u);
}

TEST(Door, EveryDomainHasThePostmasterOfTheHostUnlessItHasItsOwn) {
  Village office;
  office.door.relay.postmaster = "ann@example.org";
  office.people.push_back(Domain("own.example"));
  office.people.push_back(Alias("postmaster@own.example", {"bob@example.org"}));
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    EXPECT_EQ((co_await Send(desk, {"postmaster"})).code, 250);
    EXPECT_EQ((co_await Send(desk, {"PostMaster@example.org"})).code, 250);
    EXPECT_EQ((co_await Send(desk, {"postmaster@own.example"})).code, 250);
    EXPECT_TRUE(co_await o.Empty(std::chrono::minutes(1)));
  }));
  EXPECT_EQ(office.accounts.Inbox(kAnn).count(), 2u);
  EXPECT_EQ(office.accounts.Inbox(kBob).count(), 1u);
}

TEST(Door, ReplacesAnAliasByThoseItLeadsToEachOnce) {
  Village office;
  office.people.push_back(
      Alias("all@example.org", {"ann@example.org", "bob+list@example.org", "more@example.org"}));
  office.people.push_back(
      Alias("more@example.org", {"all@example.org", "ann@example.org", "x@away.example"}));
  office.people.push_back(Alias("void@example.org", {"void@example.org"}));
  office.peers["away.example"];
  office.transfer.routes = {RouteTo("away.example", "away.example")};
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    const Reply reply = co_await Send(desk, {"all@example.org", "ann@example.org"});
    EXPECT_EQ(reply.code, 250);
    EXPECT_EQ((co_await Send(desk, {"void@example.org"})).status,
              (message::EnhancedStatus{5, 1, 1}));
    EXPECT_TRUE(co_await o.Empty(std::chrono::minutes(1)));
  }));
  EXPECT_EQ(office.accounts.Inbox(kAnn).count(), 1u);
  ASSERT_EQ(office.accounts.Inbox(kBob).count(), 1u);
  EXPECT_EQ(office.accounts.At(kBob).DeliveredTo(office.accounts.Inbox(kBob).at(0)),
            "bob+list@example.org");
  EXPECT_EQ(office.CountTaken("x@away.example"), 1u);
  // Final delivery's field is not for those who are not final.
  EXPECT_TRUE(office.peers["away.example"].taken[0].text.starts_with("Received: "));
}

TEST(Door, CountsWhomAnAccountNamesNotThoseAnAliasMeans) {
  Village office;
  office.people.push_back(
      Alias("all@example.org", {"ann@example.org", "bob@example.org", "cleo@example.org"}));
  office.people.push_back(Person("cleo@example.org"));
  office.people.push_back(Person("dora@example.org"));
  office.door.submission.limits = {.recipients_per_hour = 2, .recipients_per_day = 0};
  ASSERT_TRUE(office.Run([](Office&, Desk& desk) -> Task<void> {
    const MailSource source{.client = *IpAddress::Parse("192.0.2.1"),
                            .helo = "client.example",
                            .with_protocol = "ESMTPSA",
                            .authenticated = true,
                            .account = "ann@example.org"};
    MailTransaction transaction(*desk.door, source);
    EXPECT_EQ(transaction.Mail("ann@example.org", {}).code, 250);
    const auto say = [&](std::string_view path) {
      return transaction
          .Recipient(message::ParsePath(path, message::PathKind::kForward, message::Utf8::kRefused),
                     "", 0)
          .ToLine();
    };
    EXPECT_EQ(say("<all@example.org>").substr(0, 3), "250");
    // Whom the transaction has already costs nothing; who is not there neither.
    EXPECT_EQ(say("<cleo@example.org>").substr(0, 3), "250");
    EXPECT_EQ(say("<nobody@example.org>").substr(0, 9), "550 5.1.1");
    EXPECT_EQ(say("<dora@example.org>").substr(0, 3), "250");
    EXPECT_EQ(say("<all@example.org>").substr(0, 9), "452 4.7.1");
    EXPECT_EQ(transaction.recipient_count(), 4u);
    co_return;
  }));
}

TEST(Door, AFullMailboxIsPutOffAtTheDoorUnlessAnAliasLeadsThere) {
  Village office;
  office.people.push_back(Alias("all@example.org", {"ann@example.org", "bob@example.org"}));
  ASSERT_TRUE(office.Run([](Office&, Desk& desk) -> Task<void> {
    desk.accounts->full.insert(kAnn);
    const Reply reply = co_await Send(desk, {"ann@example.org"});
    EXPECT_EQ(reply.code, 452);
    EXPECT_EQ(reply.status, (message::EnhancedStatus{4, 2, 2}));
    EXPECT_EQ((co_await Send(desk, {"all@example.org"})).code, 250);
    desk.accounts->full.clear();
    EXPECT_EQ((co_await Send(desk, {"ann@example.org"})).code, 250);
  }));
}

TEST(Door, TellsWhoLivesHereOnlyToWhomItMay) {
  Village office;
  office.door.disclosure = Disclosure::kTrusted;
  office.door.relay.networks = {*IpNetwork::Parse("192.0.2.0/24")};
  office.people.push_back(Alias("all@example.org", {"ann@example.org", "x@away.example"}));
  ASSERT_TRUE(office.Run([](Office&, Desk& desk) -> Task<void> {
    const MailSource stranger{.client = *IpAddress::Parse("198.51.100.1")};
    const MailSource known{.client = *IpAddress::Parse("192.0.2.7")};
    const MailDoor& door = *desk.door;
    EXPECT_EQ(door.Verify(stranger, "ann@example.org").code, 252);
    EXPECT_EQ(door.Expand(stranger, "all@example.org").code, 502);
    EXPECT_EQ(door.Verify(known, "Ann+x@Example.org").text, "<ann@example.org>");
    EXPECT_EQ(door.Verify(known, "<ann@example.org>").code, 250);
    EXPECT_EQ(door.Verify(known, "nobody@example.org").code, 550);
    EXPECT_EQ(door.Verify(known, "ann").code, 252);
    EXPECT_EQ(door.Verify(known, "x@away.example").code, 252);
    EXPECT_EQ(door.Expand(known, "all@example.org").text, "<ann@example.org>\n<x@away.example>");
    EXPECT_EQ(door.Expand(known, "ann@example.org").text, "<ann@example.org>");
    EXPECT_EQ(door.Expand(known, "x@away.example").code, 550);
    co_return;
  }));
}

TEST(Door, AnAliasToADomainThatNobodyRoutesIsPutOff) {
  Village office;
  office.door.routes = RouteTable({}, std::nullopt);
  office.people.push_back(Alias("out@example.org", {"ann@example.org", "x@nowhere.example"}));
  ASSERT_TRUE(office.Run([](Office&, Desk& desk) -> Task<void> {
    EXPECT_EQ((co_await Send(desk, {"out@example.org"})).status,
              (message::EnhancedStatus{4, 4, 4}));
  }));
}

TEST(Delivery, EachRecipientOnEveryShardGetsOneAndTheContentIsReferredTo) {
  Village office({.shards = 2});
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    const Reply reply = co_await Send(desk, {"ann@example.org", "bob@example.org"});
    EXPECT_EQ(reply.code, 250);
    EXPECT_TRUE(co_await o.Empty(std::chrono::minutes(1)));
  }));
  ASSERT_EQ(office.accounts.Inbox(kAnn).count(), 2u);
  ASSERT_EQ(office.accounts.Inbox(kBob).count(), 2u);
  for (uint32_t place = 0; place < 2; ++place) {
    EXPECT_EQ(office.accounts.Inbox(kAnn).at(place).bytes,
              office.accounts.Inbox(kBob).at(place).bytes);
  }
  EXPECT_EQ(office.LogCount("event=delivered"), 4u);
  EXPECT_GE(office.LogCount("account=1 mailbox=INBOX"), 2u);
  EXPECT_EQ(office.Metric("ringmail_local_delivered_messages_total"), 4u);
}

TEST(Delivery, ADetailNamesAMailboxWhereThePolicySaysSo) {
  for (const DetailMailbox policy : {DetailMailbox::kInbox, DetailMailbox::kNamed}) {
    Village office;
    office.delivery.detail = policy;
    storage::AccountTransaction made;
    made.changes.push_back(storage::CreateMailbox{.name = "Lists"});
    const storage::MailboxId lists =
        office.accounts.At(kAnn).Apply(storage::ModSeq(1), made)[0].mailbox;
    ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
      (void)co_await Send(desk, {"ann+Lists@example.org"});
      (void)co_await Send(desk, {"ann+Unheard@example.org"});
      EXPECT_TRUE(co_await o.Empty(std::chrono::minutes(1)));
    }));
    const bool named = policy == DetailMailbox::kNamed;
    EXPECT_EQ(office.accounts.At(kAnn).View(lists).count(), named ? 1u : 0u);
    EXPECT_EQ(office.accounts.Inbox(kAnn).count(), named ? 1u : 2u);
  }
}

TEST(Delivery, OverQuotaWaitsForRoom) {
  Village office;
  std::get<AccountEntry>(office.people[1]).quota_messages = 1;
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    (void)co_await Send(desk, {"ann@example.org"});
    EXPECT_TRUE(co_await o.Empty(std::chrono::minutes(1)));
    (void)co_await Send(desk, {"ann@example.org", "bob@example.org"});
    EXPECT_FALSE(co_await o.Empty(std::chrono::minutes(1)));
    EXPECT_EQ(o.accounts.Inbox(kBob).count(), 1u) << "nobody waits for another's quota";
    AccountEntry roomy = Person("ann@example.org");
    roomy.id = 1;
    EXPECT_TRUE((co_await Office::Change(
                     desk, DirectoryChange::Put(roomy, DirectoryChange::Expect::kPresent)))
                    .ok());
    EXPECT_TRUE(co_await o.Empty(std::chrono::hours(5)));
  }));
  EXPECT_EQ(office.accounts.Inbox(kAnn).count(), 2u);
  EXPECT_GE(office.LogCount("452 4.2.2"), 1u);
}

TEST(Delivery, OverQuotaForTooLongIsReported) {
  Village office;
  std::get<AccountEntry>(office.people[1]).quota_bytes = 10;
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    Letter letter;
    letter.from = "friend@away.example";
    letter.to = {"ann@example.org"};
    (void)co_await Office::Submit(desk, std::move(letter), Stranger());
    EXPECT_TRUE(co_await o.Empty(std::chrono::hours(24 * 10)));
  }));
  EXPECT_EQ(office.accounts.Inbox(kAnn).count(), 0u);
  // The warning, and the report.
  EXPECT_EQ(office.CountTaken("friend@away.example"), 2u);
  EXPECT_EQ(office.LogCount("event=expired"), 1u);
}

TEST(Delivery, WhoLeftWhileTheirMailWaitedIsReported) {
  Village office;
  office.accounts.unreadable.insert(kAnn);
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    Letter letter;
    letter.from = "friend@away.example";
    letter.to = {"ann@example.org"};
    (void)co_await Office::Submit(desk, std::move(letter), Stranger());
    EXPECT_FALSE(co_await o.Empty(std::chrono::minutes(1))) << "damage is put off";
    EXPECT_TRUE(
        (co_await Office::Change(
             desk, DirectoryChange::Erase("ann@example.org", DirectoryChange::Expect::kPresent)))
            .ok());
    EXPECT_TRUE(co_await o.Empty(std::chrono::hours(5)));
  }));
  EXPECT_EQ(office.CountTaken("friend@away.example"), 1u);
  EXPECT_GE(office.LogCount("451 4.3.0"), 1u);
  EXPECT_GE(office.LogCount("550 5.1.1"), 1u);
}

TEST(Delivery, ADeliveryThatACrashCutShortIsFoundAgain) {
  // The mailbox has it, and nobody has written that down yet.
  Village office;
  office.accounts.answer_time = std::chrono::hours(1);
  office.Start([](Office&, Desk& desk) -> Task<void> {
    (void)co_await Send(desk, {"ann@example.org"});
    co_await Office::Sleep(std::chrono::hours(2));
  });
  ASSERT_TRUE(office.world.RunUntil([&office] { return office.accounts.applied == 1; },
                                    std::chrono::minutes(1)));
  office.Crash();
  office.accounts.answer_time = std::chrono::milliseconds(1);
  ASSERT_TRUE(office.Run([](Office& o, Desk&) -> Task<void> {
    EXPECT_TRUE(co_await o.Empty(std::chrono::minutes(1)));
  }));
  EXPECT_EQ(office.accounts.applied, 2u);
  EXPECT_EQ(office.accounts.Inbox(kAnn).count(), 1u);
  EXPECT_EQ(office.Metric("ringmail_local_repeated_messages_total"), 1u);
}

TEST(Delivery, ACrashAtAnyMomentLosesNothingAndDoublesNothing) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Village office({.seed = seed, .shards = 2});
    static uint32_t accepted;
    accepted = 0;
    office.Start([](Office&, Desk& desk) -> Task<void> {
      for (int i = 0; i < 20; ++i) {
        const Reply reply = co_await Send(desk, {"ann@example.org", "bob@example.org"});
        accepted += reply.completed();
      }
      co_await Office::Sleep(std::chrono::hours(1));
    });
    const Nanoseconds until = std::chrono::microseconds(500 * seed);
    (void)office.world.RunUntil([] { return accepted > 0; }, std::chrono::minutes(1));
    (void)office.world.RunUntil([] { return false; }, until);
    office.Crash();
    const uint32_t promised = accepted;
    ASSERT_TRUE(office.Run([](Office& o, Desk&) -> Task<void> {
      EXPECT_TRUE(co_await o.Empty(std::chrono::minutes(10)));
    }));
    for (const AccountId id : {kAnn, kBob}) {
      // One of each shard may have been taken in that nobody was told of any more.
      EXPECT_GE(office.accounts.Inbox(id).count(), promised) << seed;
      EXPECT_LE(office.accounts.Inbox(id).count(), promised + 2) << seed;
    }
  }
}

TEST(Delivery, TenThousandAccountsShareOneContentAndGoInBatches) {
  Village office;
  constexpr uint32_t kPeople = 10'000;
  std::vector<AliasEntry> parts;
  for (uint32_t i = 0; i < kPeople; ++i) {
    const std::string address = "p" + std::to_string(i) + "@example.org";
    office.people.push_back(Person(address));
    if (i % 2000 == 0) parts.push_back(Alias("part" + std::to_string(i) + "@example.org", {}));
    parts.back().targets.push_back(address);
  }
  office.store.segment_bytes = 16u << 20;
  for (const AliasEntry& part : parts) office.people.push_back(part);
  static std::vector<std::string> to;
  to.clear();
  for (const AliasEntry& part : parts) to.push_back(part.address);
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    EXPECT_EQ((co_await Send(desk, to)).code, 250);
    const MonotonicTime begin = io::Now();
    EXPECT_TRUE(co_await o.Empty(std::chrono::minutes(1)));
    EXPECT_LT(io::Now() - begin, std::chrono::seconds(1));
  }));
  EXPECT_EQ(office.accounts.applied, kPeople);
  EXPECT_GE(office.accounts.under_way_peak, kLocalRecipientsMax);
  EXPECT_EQ(office.accounts.Inbox(AccountId(kPeople + 2)).at(0).content,
            office.accounts.Inbox(AccountId(3)).at(0).content);
}

TEST(MessageSource, ShowsWhatDeliveryAddedAndAsManyOctetsAsTheEntrySays) {
  Village office;
  office.accounts.unreadable.insert(kBob);  // keeps the message, and with it the content
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    Letter letter;
    letter.from = "friend@away.example";
    letter.to = {"ann+x@example.org", "bob@example.org"};
    letter.text = "Subject: s\r\n\r\n.dot\r\n..\r\n";
    const Reply reply = co_await Office::Submit(desk, std::move(letter), Stranger());
    const QueueId id =
        *QueueId::Parse(std::string_view(reply.text).substr(reply.text.rfind(' ') + 1));
    co_await Office::Sleep(std::chrono::seconds(1));
    const storage::MailboxView inbox = o.accounts.Inbox(kAnn);
    EXPECT_EQ(inbox.count(), 1u);
    if (inbox.count() != 1) co_return;
    storage::Content& content = desk.queue().Find(id)->content();
    EXPECT_EQ(inbox.at(0).content, storage::Id(content));
    storage::Lend(content);
    {
      storage::MessageSource source(*desk.store, {&content, io::ThisShard(), *desk.accounts},
                                    o.accounts.At(kAnn).DeliveredTo(inbox.at(0)));
      std::string first;
      for (int turn = 0; turn < 2; ++turn) {
        std::string text;
        size_t dots = 0;
        for (;;) {
          const auto piece = co_await source.Next();
          EXPECT_TRUE(piece.ok()) << piece.status();
          if (!piece.ok() || piece->bytes.empty()) break;
          for (const uint32_t dot : piece->dot_lines) EXPECT_EQ(piece->bytes[dot], '.');
          dots += piece->dot_lines.size();
          text += piece->bytes;
        }
        EXPECT_TRUE(
            text.starts_with("Return-Path: <friend@away.example>\r\n"
                             "Delivered-To: ann+x@example.org\r\nReceived: "))
            << text;
        EXPECT_TRUE(text.ends_with("\r\n\r\n.dot\r\n..\r\n"));
        EXPECT_EQ(dots, 2u);
        EXPECT_EQ(text.size(), inbox.at(0).bytes);
        if (turn == 0) first = text;
        EXPECT_EQ(text, first);
        source.Rewind();
      }
    }
    EXPECT_TRUE((co_await desk.transfer->Drop(id)).ok());
  }));
}

}  // namespace
}  // namespace ringmail::agent
