#include "ringmail/agent/mail_transaction.h"

#include <gtest/gtest.h>

#include "tests/unit/agent/office.h"

namespace ringmail::agent {
namespace {

using io::Task;
using message::Reply;

IpAddress Address(std::string_view text) { return *IpAddress::Parse(text); }

MailSource From(std::string_view address) {
  return {.client = Address(address), .helo = "client.example"};
}

// Hangs every message up on its peer, so that it stays in the queue to be looked at.
void KeepAll(Office& office) { office.transfer.relay_next_hop = NextHop::Parse("nowhere.example"); }

Task<std::string> Content(Desk& desk, QueueId id,
                          storage::ContentPart part = storage::ContentPart::kMessage) {
  std::string text;
  storage::QueuedMessage* message = desk.queue().Find(id);
  EXPECT_NE(message, nullptr);
  if (message == nullptr) co_return text;
  storage::Content& content = message->content();
  storage::Lend(content);
  {
    storage::ContentReader reader(*desk.store, content, part);
    for (;;) {
      auto piece = co_await reader.Next();
      EXPECT_TRUE(piece.ok()) << piece.status();
      if (!piece.ok() || piece->bytes.empty()) break;
      text += piece->bytes;
    }
  }
  storage::Return(content);
  co_return text;
}

TEST(RelayPolicy, WithNothingConfiguredNothingIsRelayed) {
  const RelayPolicy policy;
  EXPECT_FALSE(policy.Allows(From("127.0.0.1"), "example.net"));
  EXPECT_FALSE(policy.Allows(From("192.0.2.1"), "example.net"));
  EXPECT_FALSE(policy.Allows(From("192.0.2.1"), "[192.0.2.1]"));
}

TEST(RelayPolicy, KnownClientsSendAnywhereAndOthersToRelayDomains) {
  RelayPolicy policy;
  policy.networks = {*IpNetwork::Parse("192.0.2.0/24"), *IpNetwork::Parse("2001:db8::/32")};
  policy.domains = {"backup.example", ".wild.example"};
  EXPECT_TRUE(policy.Allows(From("192.0.2.7"), "anything.example"));
  EXPECT_TRUE(policy.Allows(From("2001:db8::7"), "[203.0.113.1]"));
  EXPECT_FALSE(policy.Allows(From("192.0.3.7"), "anything.example"));
  EXPECT_TRUE(policy.Allows(From("192.0.3.7"), "BACKUP.Example"));
  EXPECT_FALSE(policy.Allows(From("192.0.3.7"), "sub.backup.example"));
  EXPECT_FALSE(policy.Allows(From("192.0.3.7"), "notbackup.example"));
  EXPECT_TRUE(policy.Allows(From("192.0.3.7"), "a.b.Wild.example"));
  EXPECT_FALSE(policy.Allows(From("192.0.3.7"), "wild.example"));
  EXPECT_FALSE(policy.Allows(From("192.0.3.7"), ".wild.example"));
  EXPECT_FALSE(policy.Allows(From("192.0.3.7"), "notwild.example"));
  EXPECT_FALSE(policy.Allows(From("192.0.3.7"), "[203.0.113.1]"));
  MailSource known = From("192.0.3.7");
  known.authenticated = true;
  EXPECT_TRUE(policy.Allows(known, "anything.example"));
}

TEST(MailTransaction, RefusesToRelayForStrangersAndSaysSo) {
  Office office;
  office.door.relay.domains = {"backup.example"};
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    Reply reply = co_await Office::Submit(desk, {.to = {"a@example.net"}}, From("192.0.2.1"));
    EXPECT_EQ(reply.code, 550);
    EXPECT_EQ(reply.status, (message::EnhancedStatus{5, 7, 1}));
    reply = co_await Office::Submit(desk, {.to = {"a@backup.example"}}, From("192.0.2.1"));
    EXPECT_EQ(reply.code, 250) << reply.ToLine();
    EXPECT_TRUE(co_await o.Empty(std::chrono::minutes(1)));
  }));
  EXPECT_EQ(office.CountTaken("a@backup.example"), 1u);
  EXPECT_EQ(office.CountTaken("a@example.net"), 0u);
  EXPECT_EQ(office.Metric("ringmail_refused_recipients_total"), 1u);
}

TEST(MailTransaction, PostmasterAloneGoesWhereConfiguredOrNowhere) {
  Office office;
  office.door.relay.postmaster = "root@admin.example";
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    Reply reply = co_await Office::Submit(desk, {.to = {"PostMaster"}}, From("192.0.2.1"));
    EXPECT_EQ(reply.code, 250) << reply.ToLine();
    MailDoor::Options none = o.door;
    none.relay.postmaster.clear();
    desk.door->Reconfigure(none);
    reply = co_await Office::Submit(desk, {.to = {"postmaster"}}, From("192.0.2.1"));
    EXPECT_EQ(reply.code, 550);
    EXPECT_EQ(reply.status, (message::EnhancedStatus{5, 1, 1}));
    EXPECT_TRUE(co_await o.Empty(std::chrono::minutes(1)));
  }));
  EXPECT_EQ(office.CountTaken("root@admin.example"), 1u);
}

TEST(MailTransaction, WhatCannotBeRoutedIsNotTakenIn) {
  Office office;
  office.transfer.relay_next_hop.reset();
  office.transfer.routes = {RouteTo("known.example", "home.example")};
  office.door.routes = RouteTable(office.transfer.routes, std::nullopt);
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    Reply reply = co_await Office::Submit(desk, {.to = {"a@other.example"}}, From("127.0.0.1"));
    EXPECT_EQ(reply.code, 451);
    EXPECT_EQ(reply.status, (message::EnhancedStatus{4, 4, 4}));
    reply = co_await Office::Submit(desk, {.to = {"a@[192.0.2.9]"}}, From("127.0.0.1"));
    EXPECT_EQ(reply.code, 451);
    reply = co_await Office::Submit(desk, {.to = {"a@known.example"}}, From("127.0.0.1"));
    EXPECT_EQ(reply.code, 250) << reply.ToLine();
    EXPECT_TRUE(co_await o.Empty(std::chrono::minutes(1)));
  }));
  EXPECT_EQ(office.CountTaken("a@known.example"), 1u);
}

TEST(MailTransaction, TakesAsManyRecipientsAsTheLimitAndNoMore) {
  Office office;
  office.door.limits.recipients_max = 100;
  ASSERT_TRUE(office.Run([](Office&, Desk& desk) -> Task<void> {
    const MailSource source = From("127.0.0.1");
    MailTransaction transaction(*desk.door, source);
    EXPECT_EQ(transaction.Mail("s@example.org", {}).code, 250);
    for (int i = 0; i < 101; ++i) {
      const std::string text = "<r" + std::to_string(i) + "@example.net>";
      const auto path =
          message::ParsePath(text, message::PathKind::kForward, message::Utf8::kRefused);
      const Reply reply = transaction.Recipient(path, {}, 0);
      EXPECT_EQ(reply.code, i < 100 ? 250 : 452) << i;
      if (i == 100) EXPECT_EQ(reply.status, (message::EnhancedStatus{4, 5, 3}));
    }
    EXPECT_EQ(transaction.recipient_count(), 100u);
    co_return;
  }));
}

TEST(MailTransaction, ARecipientNamedTwiceGetsOneCopy) {
  Office office;
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    const QueueId id =
        co_await Office::Post(desk, {.to = {"a@example.net", "b@example.net", "a@example.net",
                                            "a@EXAMPLE.net", "A@example.net"}});
    EXPECT_TRUE(id.valid());
    EXPECT_TRUE(co_await o.Empty(std::chrono::minutes(1)));
  }));
  EXPECT_EQ(office.CountTaken("a@example.net"), 1u);
  EXPECT_EQ(office.CountTaken("a@EXAMPLE.net"), 0u);  // a domain's case means nothing
  EXPECT_EQ(office.CountTaken("b@example.net"), 1u);
  EXPECT_EQ(office.CountTaken("A@example.net"), 1u);  // a local part's may (RFC 5321 §2.4)
}

TEST(MailTransaction, TakesContentOfExactlyTheLimitAndRefusesOneOctetMore) {
  Office office;
  KeepAll(office);
  office.door.limits.message_bytes_max = 100'000;
  ASSERT_TRUE(office.Run([](Office&, Desk& desk) -> Task<void> {
    std::string text = "Subject: x\r\n\r\n";
    text.append(100'000 - text.size() - 2, 'x');
    text += "\r\n";
    Reply reply =
        co_await Office::Submit(desk, {.to = {"a@b.example"}, .text = text}, From("127.0.0.1"));
    EXPECT_EQ(reply.code, 250) << reply.ToLine();
    text.insert(text.size() - 2, "x");
    reply = co_await Office::Submit(desk, {.to = {"a@b.example"}, .text = text}, From("127.0.0.1"));
    EXPECT_EQ(reply.code, 552);
    EXPECT_EQ(reply.status, (message::EnhancedStatus{5, 3, 4}));
    message::MailParameters declared;
    declared.declared_bytes = 100'000;
    const MailSource source = From("127.0.0.1");
    EXPECT_EQ(MailTransaction(*desk.door, source).Mail("", declared).code, 250);
    declared.declared_bytes = 100'001;
    reply = MailTransaction(*desk.door, source).Mail("", declared);
    EXPECT_EQ(reply.code, 552);
    EXPECT_EQ(reply.status, (message::EnhancedStatus{5, 3, 4}));
    EXPECT_EQ(desk.queue().size(), 1u);
  }));
}

TEST(MailTransaction, WritesOneReceivedFieldFirstAndNamesNoRecipientToTheOthers) {
  Office office;
  KeepAll(office);
  ASSERT_TRUE(office.Run([](Office&, Desk& desk) -> Task<void> {
    const std::string text =
        "Received: from older by other; Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\n"
        ".dot\r\n";
    const QueueId one = co_await Office::Post(desk, {.to = {"one@b.example"}, .text = text});
    std::string stored = co_await Content(desk, one);
    EXPECT_TRUE(stored.starts_with("Received: from client.example")) << stored;
    EXPECT_TRUE(stored.ends_with("\r\n" + text)) << stored;
    EXPECT_NE(stored.find("one@b.example"), std::string::npos);
    EXPECT_NE(stored.find(one.ToString()), std::string::npos);
    EXPECT_NE(stored.find("by mx.example.org"), std::string::npos);
    const QueueId two =
        co_await Office::Post(desk, {.to = {"one@b.example", "two@b.example"}, .text = text});
    stored = co_await Content(desk, two);
    EXPECT_EQ(stored.find("@b.example"), std::string::npos) << stored;
  }));
}

std::string Hops(size_t count, std::string_view host) {
  std::string text;
  for (size_t i = 0; i < count; ++i)
    text += "Received: from x by " + std::string(host) + " with SMTP; date\r\n";
  return text + "Subject: x\r\n\r\nReceived: in the body counts for nothing\r\n";
}

TEST(MailTransaction, RefusesLoopsByHopsAndByOwnHops) {
  Office office;
  KeepAll(office);
  office.door.limits.hops_max = 5;
  office.door.limits.own_hops_max = 2;
  ASSERT_TRUE(office.Run([](Office&, Desk& desk) -> Task<void> {
    struct Case {
      size_t hops;
      std::string_view host;
      uint16_t code;
    };
    for (const Case& c : {Case{5, "other.example", 250}, Case{6, "other.example", 554},
                          Case{2, "mx.example.org", 250}, Case{3, "MX.example.org", 554}}) {
      const Reply reply = co_await Office::Submit(
          desk, {.to = {"a@b.example"}, .text = Hops(c.hops, c.host)}, From("127.0.0.1"));
      EXPECT_EQ(reply.code, c.code) << c.hops << " by " << c.host;
      if (c.code == 554) EXPECT_EQ(reply.status, (message::EnhancedStatus{5, 4, 6}));
    }
  }));
}

// Found in review: the loop check looked into options that a reload had replaced.
TEST(MailTransaction, AReloadInTheMiddleOfATransactionChangesNothingItRefersTo) {
  Office office;
  KeepAll(office);
  office.door.hostname = "a-rather-long-host-name-that-lives-on-the-heap.example.org";
  office.door.limits.own_hops_max = 1;
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    const MailSource source = From("127.0.0.1");
    MailTransaction transaction(*desk.door, source);
    EXPECT_EQ(transaction.Mail("s@example.org", {}).code, 250);
    const auto path =
        message::ParsePath("<a@b.example>", message::PathKind::kForward, message::Utf8::kRefused);
    EXPECT_EQ(transaction.Recipient(path, {}, 0).code, 250);
    transaction.BeginContent();
    MailDoor::Options changed = o.door;
    changed.hostname = "another.example.org";
    desk.door->Reconfigure(changed);
    transaction.Write(Hops(2, o.door.hostname), false);
    const Reply reply = co_await transaction.Commit();
    EXPECT_EQ(reply.code, 554) << reply.ToLine();
  }));
}

TEST(MailTransaction, AnAbortedTransactionLeavesNothing) {
  Office office;
  ASSERT_TRUE(office.Run([](Office&, Desk& desk) -> Task<void> {
    {
      const MailSource source = From("127.0.0.1");
      MailTransaction transaction(*desk.door, source);
      EXPECT_EQ(transaction.Mail("s@example.org", {}).code, 250);
      const auto path =
          message::ParsePath("<a@b.example>", message::PathKind::kForward, message::Utf8::kRefused);
      EXPECT_EQ(transaction.Recipient(path, {}, 0).code, 250);
      transaction.BeginContent();
      transaction.Write("Subject: x\r\n", false);
    }
    EXPECT_EQ(desk.queue().size(), 0u);
    co_return;
  }));
}

TEST(MailTransaction, What250WasSaidToSurvivesTheLossOfPower) {
  Office office;
  KeepAll(office);
  static std::vector<QueueId> accepted;
  accepted.clear();
  office.Start([](Office&, Desk& desk) -> Task<void> {
    for (;;) {
      const QueueId id = co_await Office::Post(desk, {.to = {"a@b.example"}});
      EXPECT_TRUE(id.valid());
      accepted.push_back(id);
    }
  });
  ASSERT_TRUE(office.world.RunUntil([] { return accepted.size() >= 50; }));
  office.Crash(sim::DiskLoss::kEverything);
  ASSERT_TRUE(office.Run([](Office&, Desk& desk) -> Task<void> {
    for (const QueueId id : accepted) EXPECT_NE(desk.queue().Find(id), nullptr) << id.ToString();
    co_return;
  }));
}

TEST(MailTransaction, AFullDiskIs452AndServiceGoesOnWhenThereIsRoom) {
  Office office;
  office.store.quota_bytes = 6u << 20;
  office.peers["home.example"].hangs = true;
  office.stop_after = std::chrono::seconds(1);
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    const std::string text = "Subject: x\r\n\r\n" + std::string(200'000, 'x') + "\r\n";
    Reply reply;
    int accepted = 0;
    for (; accepted < 1000; ++accepted) {
      reply =
          co_await Office::Submit(desk, {.to = {"a@b.example"}, .text = text}, From("127.0.0.1"));
      if (!reply.completed()) break;
    }
    EXPECT_GT(accepted, 3);
    EXPECT_EQ(reply.code, 452) << reply.ToLine();
    EXPECT_EQ(reply.status, (message::EnhancedStatus{4, 3, 1}));
    std::vector<QueueId> ids;
    desk.queue().Visit(
        QueueId(), 10'000,
        [](void* out, storage::QueuedMessage& m) {
          static_cast<std::vector<QueueId>*>(out)->push_back(m.id());
        },
        &ids);
    EXPECT_EQ(ids.size(), static_cast<size_t>(accepted));
    for (const QueueId id : ids) EXPECT_TRUE((co_await desk.transfer->Drop(id)).ok());
    o.peers["home.example"].hangs = false;
    EXPECT_TRUE(co_await Office::Until([&desk] { return desk.queue().Acceptance().ok(); },
                                       std::chrono::hours(2)));
    reply = co_await Office::Submit(desk, {.to = {"a@b.example"}, .text = text}, From("127.0.0.1"));
    EXPECT_EQ(reply.code, 250) << reply.ToLine();
  }));
}

}  // namespace
}  // namespace ringmail::agent
