// What cannot be delivered: probing, the schedule, reports, warnings, expiry, and our own disk.
#include <gtest/gtest.h>

#include <algorithm>

#include "fmt/format.h"
#include "ringmail/agent/transfer.h"
#include "tests/unit/agent/office.h"

namespace ringmail::agent {
namespace {

using io::Task;
using message::Reply;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

RecipientResult Deferred() { return {Outcome::kDeferred, {451, {4, 2, 0}, "mailbox busy"}}; }
RecipientResult Failed() { return {Outcome::kFailed, {550, {5, 1, 1}, "no such user"}}; }
RecipientResult Delivered() { return {Outcome::kDelivered, {250, {2, 0, 0}, "ok"}}; }

// Mail to "sender@example.org" is what comes back; all other mail goes to this peer.
Peer& Elsewhere(Office& office) {
  office.transfer.routes.push_back(RouteTo("example.org", "home.example"));
  office.transfer.relay_next_hop = NextHop::Parse("far.example");
  return office.peers["far.example"];
}

const Taken* Report(Office& office, size_t index = 0) {
  const std::vector<Taken>& taken = office.peers["home.example"].taken;
  return index < taken.size() ? &taken[index] : nullptr;
}

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)
#define EXPECT_HAS_NOT(text, part) EXPECT_EQ((text).find(part), std::string::npos) << (text)

// ── a destination that fails ──

TEST(TransferFailure, AFailingDestinationIsProbedByOneConnectionAndNotByItsWholeQueue) {
  Office office({.shards = 2});
  Peer& peer = Elsewhere(office);
  peer.refuse = [] { return Reply{421, {4, 3, 2}, "down for maintenance"}; };
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    for (int i = 0; i < 300; ++i)
      co_await Office::Post(desk, {.to = {fmt::format("s{}m{}@b.example", desk.index.value, i)}});
    co_await Office::Sleep(hours(3));
    Peer& far = o.peers["far.example"];
    EXPECT_EQ(far.opening_peak, 1u);
    EXPECT_LE(far.opens, 20u);  // 600 messages waited
    EXPECT_GE(far.opens, 5u);
    // Further apart each time, up to half an hour.
    for (size_t i = 2; i < far.open_times.size(); ++i)
      EXPECT_LE(far.open_times[i] - far.open_times[i - 1], Nanoseconds(minutes(40)));
    EXPECT_GT(far.open_times.back() - far.open_times[far.open_times.size() - 2],
              far.open_times[1] - far.open_times[0]);
    const auto all = desk.transfer->Destinations();
    for (const DestinationStatus& d : all) {
      if (d.name != "far.example:25") continue;
      EXPECT_EQ(d.last_error, "421 4.3.2 down for maintenance");
      EXPECT_GT(d.back_off_until, io::WallNow() - minutes(1));
    }
    far.refuse = nullptr;
    EXPECT_TRUE(co_await o.Empty(hours(2)));
  }));
  EXPECT_EQ(peer.taken.size(), 600u);
  EXPECT_GE(office.LogCount("event=destination-failed"), 5u);
}

TEST(TransferFailure, AHostThatTakesNoMailAtAllFailsWhatWaitsForIt) {
  Office office;
  Elsewhere(office).refuse = [] { return Reply{521, {5, 3, 2}, "no mail here"}; };
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    for (int i = 0; i < 20; ++i) co_await Office::Post(desk, {.to = {"a@b.example"}});
    EXPECT_TRUE(co_await o.Empty(minutes(1)));
  }));
  EXPECT_EQ(office.CountTaken("sender@example.org"), 20u);
  EXPECT_HAS(Report(office)->text, "521");
}

// A peer that refuses us says nothing about the messages: one word of a badly set relay must not
// send the whole queue back.
TEST(TransferFailure, ARefusedHelloDefersAndReturnsNothing) {
  Office office;
  Elsewhere(office).refuse = [] { return Reply{550, {5, 7, 1}, "go away"}; };
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    for (int i = 0; i < 20; ++i) co_await Office::Post(desk, {.to = {"a@b.example"}});
    co_await Office::Sleep(hours(3));
    EXPECT_EQ(o.queued(), 20u);
    EXPECT_EQ(o.CountTaken("sender@example.org"), 0u);
    o.peers["far.example"].refuse = nullptr;
    EXPECT_TRUE(co_await o.Empty(hours(1)));
  }));
}

TEST(TransferFailure, APeerThatEndsEverySessionUnansweredIsLeftAloneLikeOneThatIsDown) {
  Office office;
  Peer& peer = Elsewhere(office);
  peer.closes_unanswered = true;
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    for (int i = 0; i < 200; ++i) co_await Office::Post(desk, {.to = {"a@b.example"}});
    co_await Office::Sleep(hours(2));
    EXPECT_EQ(o.queued(), 200u);
    EXPECT_LE(o.peers["far.example"].opens, 3u * 20u);
    o.peers["far.example"].closes_unanswered = false;
    EXPECT_TRUE(co_await o.Empty(hours(2)));
  }));
  EXPECT_EQ(peer.taken.size(), 200u);
}

// Found in review: sessions that the peer had closed while idle counted against the message.
TEST(TransferFailure, KeptSessionsThatThePeerHasClosedCostNoMessageAnAttempt) {
  Office office;
  Peer& peer = Elsewhere(office);
  peer.closes_idle = true;
  office.transfer.destination.idle_session = minutes(10);
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    o.peers["far.example"].transaction_time = seconds(1);
    for (int i = 0; i < 10; ++i) co_await Office::Post(desk, {.to = {"a@b.example"}});
    EXPECT_TRUE(co_await o.Empty(minutes(1)));
    for (int i = 0; i < 10; ++i) co_await Office::Post(desk, {.to = {"a@b.example"}});
    EXPECT_TRUE(co_await o.Empty(minutes(1)));
  }));
  EXPECT_EQ(peer.taken.size(), 20u);
  EXPECT_EQ(office.Metric("ringmail_deferred_recipients_total"), 0u);
}

// ── the schedule ──

TEST(TransferFailure, IsTriedByTheScheduleForFiveDaysAndThenReturned) {
  Office office;
  Peer& peer = Elsewhere(office);
  static std::vector<MonotonicTime> tries;
  tries.clear();
  peer.answer = [](const std::string&) {
    tries.push_back(io::Now());
    return Deferred();
  };
  office.transfer.retry.delay_warning_after = seconds(0);
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    co_await Office::Post(desk, {.to = {"a@b.example"}});
    co_await Office::Sleep(hours(119));
    EXPECT_EQ(o.queued(), 1u);
    EXPECT_EQ(o.CountTaken("sender@example.org"), 0u);
    EXPECT_TRUE(co_await o.Empty(hours(2)));
  }));
  // 5, 10, 20, 40, 80, 160 minutes and then every 4 hours, each a fifth more or less.
  EXPECT_GE(tries.size(), 28u);
  EXPECT_LE(tries.size(), 42u);
  double planned = 5;
  for (size_t i = 1; i < tries.size(); ++i, planned = std::min(planned * 2, 240.0)) {
    const double delay =
        std::chrono::duration<double, std::ratio<60>>(tries[i] - tries[i - 1]).count();
    EXPECT_GE(delay, planned * 0.8 - 0.1) << i;
    EXPECT_LE(delay, planned * 1.2 + 0.1) << i;
  }
  ASSERT_NE(Report(office), nullptr);
  const std::string& text = Report(office)->text;
  EXPECT_EQ(Report(office)->reverse_path, "");
  EXPECT_HAS(text, "Action: failed");
  EXPECT_HAS(text, "Status: 5.4.7");
  EXPECT_HAS(text, "451 4.2.0 mailbox busy");  // what was said last, and who said it
  EXPECT_HAS(text, "far.example");
  EXPECT_EQ(office.Metric("ringmail_expired_messages_total"), 1u);
  EXPECT_EQ(office.LogCount("event=expired"), 1u);
}

TEST(TransferFailure, TheScheduleGoesOnOverARestart) {
  Office office;
  Peer& peer = Elsewhere(office);
  peer.answer = [](const std::string&) { return Deferred(); };
  ASSERT_TRUE(office.Run([](Office&, Desk& desk) -> Task<void> {
    co_await Office::Post(desk, {.to = {"a@b.example"}});
    co_await Office::Sleep(minutes(1));
  }));
  EXPECT_EQ(peer.tried_recipients, 1u);
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    co_await Office::Sleep(minutes(2));
    EXPECT_EQ(o.peers["far.example"].tried_recipients, 1u);  // not before its time
    co_await Office::Sleep(minutes(4));
    EXPECT_EQ(o.peers["far.example"].tried_recipients, 2u);
    desk.queue().Visit(
        QueueId(), 10, [](void*, storage::QueuedMessage& m) { EXPECT_EQ(m.attempts(), 2); },
        nullptr);
  }));
}

// Found by the simulator (storm 503611): what grew old while the server was down was given up, and
// the report of it with it, though the next hop would have taken both.
TEST(TransferFailure, WhatGrewOldWhileTheServerWasDownIsTriedOnceMore) {
  Office office;
  Peer& peer = Elsewhere(office);
  peer.answer = [](const std::string&) { return Deferred(); };
  ASSERT_TRUE(office.Run([](Office&, Desk& desk) -> Task<void> {
    co_await Office::Post(desk, {.to = {"a@b.example"}});
    co_await Office::Sleep(minutes(1));
  }));
  office.world.ShiftWallClock(hours(24 * 6));
  peer.answer = nullptr;
  ASSERT_TRUE(office.Run(
      [](Office& o, Desk&) -> Task<void> { EXPECT_TRUE(co_await o.Empty(minutes(1))); }));
  EXPECT_EQ(office.CountTaken("a@b.example"), 1u);
  EXPECT_EQ(office.CountTaken("sender@example.org"), 0u);
}

TEST(TransferFailure, WhatGrewOldWhileTheServerWasDownIsReturnedWhenItIsRefusedOnceMore) {
  Office office;
  Peer& peer = Elsewhere(office);
  peer.answer = [](const std::string&) { return Deferred(); };
  ASSERT_TRUE(office.Run([](Office&, Desk& desk) -> Task<void> {
    co_await Office::Post(desk, {.to = {"a@b.example"}});
    co_await Office::Sleep(minutes(1));
  }));
  office.world.ShiftWallClock(hours(24 * 6));
  ASSERT_TRUE(office.Run(
      [](Office& o, Desk&) -> Task<void> { EXPECT_TRUE(co_await o.Empty(minutes(2))); }));
  EXPECT_EQ(peer.tried_recipients, 2u);
  ASSERT_NE(Report(office), nullptr);
  EXPECT_HAS(Report(office)->text, "Status: 5.4.7");
}

TEST(TransferFailure, WhatGrewOldWhileTheServerWasDownIsReturnedWhenItsNextHopStaysAway) {
  Office office;
  Peer& peer = Elsewhere(office);
  peer.answer = [](const std::string&) { return Deferred(); };
  ASSERT_TRUE(office.Run([](Office&, Desk& desk) -> Task<void> {
    for (int i = 0; i < 3; ++i) co_await Office::Post(desk, {.to = {"a@b.example"}});
    co_await Office::Sleep(minutes(1));
  }));
  office.world.ShiftWallClock(hours(24 * 6));
  peer.refuse = [] { return Reply{421, {4, 3, 2}, "down for maintenance"}; };
  ASSERT_TRUE(office.Run([](Office& o, Desk&) -> Task<void> {
    EXPECT_FALSE(co_await o.Empty(minutes(10)));
    EXPECT_TRUE(co_await o.Empty(minutes(20)));
  }));
  EXPECT_EQ(office.CountTaken("a@b.example"), 0u);
  EXPECT_EQ(office.CountTaken("sender@example.org"), 3u);
}

// Found in review: each transaction of a round counted as an attempt and doubled the delay.
TEST(TransferFailure, AMessageOfManyTransactionsIsPutOffOnceARound) {
  Office office;
  Peer& peer = Elsewhere(office);
  peer.answer = [](const std::string&) { return Deferred(); };
  office.transfer.destination.recipients_per_transaction_max = 10;
  for (int i = 0; i < 5; ++i) {
    const std::string host = fmt::format("p{}.example", i);
    office.peers[host].answer = peer.answer;
    office.transfer.routes.push_back(RouteTo(fmt::format("d{}.example", i), host));
  }
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    Letter letter;
    for (int i = 0; i < 200; ++i) letter.to.push_back(fmt::format("r{}@d{}.example", i, i % 6));
    const QueueId id = co_await Office::Post(desk, letter);
    co_await Office::Sleep(minutes(1));
    const storage::QueuedMessage* message = desk.queue().Find(id);
    EXPECT_EQ(message->attempts(), 1);
    EXPECT_EQ(message->in_flight_count(), 0u);
    EXPECT_LE(message->next_attempt(), io::WallNow() + minutes(6));
    co_await Office::Sleep(minutes(7));
    EXPECT_EQ(desk.queue().Find(id)->attempts(), 2);
    EXPECT_EQ(desk.transfer->Destinations().size(), 6u);
  }));
}

// ── reports ──

TEST(TransferFailure, ReturnsWhatIsRefusedWithTheReplyAndTheHeaderOfTheMessage) {
  Office office;
  Elsewhere(office).answer = [](const std::string&) { return Failed(); };
  static QueueId id;
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    Letter letter{.to = {"a@b.example"}, .text = "Subject: the subject\r\n\r\nthe body\r\n"};
    letter.parameters.envelope_id = "env1";
    letter.original_recipient = "rfc822;first@b.example";
    id = co_await Office::Post(desk, letter);
    EXPECT_TRUE(co_await o.Empty(minutes(1)));
  }));
  ASSERT_EQ(office.CountTaken("sender@example.org"), 1u);
  const Taken& report = *Report(office);
  EXPECT_EQ(report.reverse_path, "");
  EXPECT_HAS(report.text, "550 5.1.1 no such user");
  EXPECT_HAS(report.text, "Status: 5.1.1");
  EXPECT_HAS(report.text, "Final-Recipient: rfc822; a@b.example");
  EXPECT_HAS(report.text, "Original-Recipient: rfc822; first@b.example");
  EXPECT_HAS(report.text, "Original-Envelope-Id: env1");
  EXPECT_HAS(report.text, "Remote-MTA: dns; far.example");
  EXPECT_HAS(report.text, "Subject: the subject");
  EXPECT_HAS_NOT(report.text, "the body");
  EXPECT_EQ(office.Metric("ringmail_dsn_failed_total"), 1u);
  EXPECT_EQ(office.LogCount("event=failed id=" + id.ToString()), 1u);
  EXPECT_EQ(
      office.LogCount("event=returned id=" + id.ToString() + " report=" + report.id.ToString()),
      1u);
}

TEST(TransferFailure, ReturnsTheWholeWhereTheSenderAskedForIt) {
  Office office;
  Elsewhere(office).answer = [](const std::string&) { return Failed(); };
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    Letter letter{.to = {"a@b.example"}, .text = "Subject: x\r\n\r\nthe body\r\n"};
    letter.parameters.dsn_return = message::DsnReturn::kFull;
    co_await Office::Post(desk, letter);
    letter.text = "Subject: large\r\n\r\n" + std::string(70, 'x') + "\r\n";
    while (letter.text.size() < 200'000) letter.text += std::string(70, 'y') + "\r\n";
    co_await Office::Post(desk, letter);
    EXPECT_TRUE(co_await o.Empty(minutes(1)));
  }));
  ASSERT_EQ(office.CountTaken("sender@example.org"), 2u);
  EXPECT_HAS(Report(office, 0)->text, "the body");
  EXPECT_HAS(Report(office, 0)->text, "message/rfc822");
  EXPECT_LT(Report(office, 1)->text.size(), 100'000u);  // too large to go back whole
  EXPECT_HAS(Report(office, 1)->text, "Subject: large");
}

TEST(TransferFailure, OneReportTellsOfAllRecipientsThatFailedTogetherAndOfNoOther) {
  Office office;
  Elsewhere(office).answer = [](const std::string& path) {
    return path.starts_with("bad") ? Failed() : path.starts_with("slow") ? Deferred() : Delivered();
  };
  office.transfer.destination.recipients_per_transaction_max = 2;
  office.transfer.destination.sessions_max = 1;
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    const QueueId id = co_await Office::Post(
        desk, {.to = {"bad1@b.example", "bad2@b.example", "good@b.example", "slow@b.example"}});
    co_await Office::Sleep(minutes(1));
    const storage::QueuedMessage* message = desk.queue().Find(id);
    EXPECT_NE(message, nullptr);
    if (message != nullptr) EXPECT_EQ(message->pending_count(), 1u);
    o.peers["far.example"].answer = nullptr;
    EXPECT_TRUE(co_await o.Empty(hours(1)));
  }));
  ASSERT_EQ(office.CountTaken("sender@example.org"), 1u);
  EXPECT_HAS(Report(office)->text, "bad1@b.example");
  EXPECT_HAS(Report(office)->text, "bad2@b.example");
  EXPECT_HAS_NOT(Report(office)->text, "good@b.example");
  EXPECT_HAS_NOT(Report(office)->text, "slow@b.example");
  EXPECT_EQ(office.CountTaken("slow@b.example"), 1u);
}

TEST(TransferFailure, NoReportGoesToTheNullReversePathAndTheLogSaysSo) {
  Office office;
  Elsewhere(office).answer = [](const std::string&) { return Failed(); };
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    co_await Office::Post(desk, {.from = "", .to = {"a@b.example"}});
    EXPECT_TRUE(co_await o.Empty(minutes(1)));
    co_await Office::Sleep(hours(1));
  }));
  EXPECT_EQ(office.peers["home.example"].opens, 0u);
  EXPECT_EQ(office.LogCount("event=not-returned"), 1u);
  EXPECT_EQ(office.LogCount("null reverse-path"), 1u);
  EXPECT_EQ(office.Metric("ringmail_dsn_not_owed_total"), 1u);
}

TEST(TransferFailure, NotifySaysWhoIsTold) {
  Office office;
  Elsewhere(office).answer = [](const std::string&) { return Failed(); };
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    co_await Office::Post(desk, {.to = {"never@b.example"}, .notify = message::kNotifyNever});
    co_await Office::Post(desk, {.to = {"delay@b.example"}, .notify = message::kNotifyDelay});
    co_await Office::Post(desk, {.to = {"failure@b.example"},
                                 .notify = message::kNotifyFailure | message::kNotifyDelay});
    EXPECT_TRUE(co_await o.Empty(minutes(1)));
  }));
  ASSERT_EQ(office.CountTaken("sender@example.org"), 1u);
  EXPECT_HAS(Report(office)->text, "failure@b.example");
  EXPECT_EQ(office.LogCount("event=not-returned"), 2u);
}

// The report's own failure ends there (RFC 5321 §4.5.5).
TEST(TransferFailure, AReportThatFailsIsNotReported) {
  Office office;
  Elsewhere(office).answer = [](const std::string&) { return Failed(); };
  office.peers["home.example"].answer = [](const std::string&) { return Failed(); };
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    co_await Office::Post(desk, {.to = {"a@b.example"}});
    EXPECT_TRUE(co_await o.Empty(minutes(1)));
    co_await Office::Sleep(hours(1));
  }));
  EXPECT_EQ(office.peers["home.example"].transactions, 1u);
  EXPECT_EQ(office.LogCount("event=not-returned"), 1u);
}

TEST(TransferFailure, ManyFailuresMakeAsManyReports) {
  Office office({.shards = 2});
  Elsewhere(office).answer = [](const std::string&) { return Failed(); };
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    for (int i = 0; i < 400; ++i) co_await Office::Post(desk, {.to = {"a@b.example"}});
    EXPECT_TRUE(co_await o.Empty(minutes(5)));
  }));
  EXPECT_EQ(office.CountTaken("sender@example.org"), 800u);
  EXPECT_EQ(office.Metric("ringmail_dsn_failed_total"), 800u);
}

// The failure and its report are one batch: a crash finds both or neither, never a message that
// has failed with nobody told.
TEST(TransferFailure, ACrashLosesNeitherAMessageNorItsReport) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Office office({.seed = seed});
    Elsewhere(office).answer = [](const std::string& path) {
      return path.starts_with("bad") ? Failed() : Delivered();
    };
    static std::vector<std::string> accepted;
    accepted.clear();
    office.Start([](Office&, Desk& desk) -> Task<void> {
      for (int i = 0;; ++i) {
        Letter letter{.from = fmt::format("from{}@example.org", i),
                      .to = {fmt::format("bad{}@b.example", i)}};
        if ((co_await Office::Post(desk, letter)).valid()) accepted.push_back(letter.from);
      }
    });
    ASSERT_TRUE(office.world.RunUntil([&] { return accepted.size() >= 20 + seed * 3; }));
    office.world.RunFor(std::chrono::microseconds(seed * 37));
    office.Crash();
    ASSERT_TRUE(office.Run(
        [](Office& o, Desk&) -> Task<void> { EXPECT_TRUE(co_await o.Empty(hours(6))); }));
    for (const std::string& from : accepted)
      EXPECT_GE(office.CountTaken(from), 1u) << from << ", seed " << seed;
  }
}

// ── warnings ──

TEST(TransferFailure, WarnsOnceAfterFourHours) {
  Office office;
  Elsewhere(office).answer = [](const std::string&) { return Deferred(); };
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    co_await Office::Post(desk, {.to = {"a@b.example"}});
    co_await Office::Post(desk, {.to = {"n@b.example"}, .notify = message::kNotifyFailure});
    co_await Office::Post(desk, {.from = "", .to = {"b@b.example"}});
    co_await Office::Sleep(hours(4) - minutes(1));
    EXPECT_EQ(o.CountTaken("sender@example.org"), 0u);
    co_await Office::Sleep(minutes(2));
    EXPECT_EQ(o.CountTaken("sender@example.org"), 1u);
    co_await Office::Sleep(hours(20));
  }));
  ASSERT_TRUE(office.Run([](Office&, Desk&) -> Task<void> { co_await Office::Sleep(hours(24)); }));
  ASSERT_EQ(office.CountTaken("sender@example.org"), 1u);  // a restart does not warn again
  const std::string& text = Report(office)->text;
  EXPECT_HAS(text, "Action: delayed");
  EXPECT_HAS(text, "a@b.example");
  EXPECT_HAS(text, "451 4.2.0 mailbox busy");
  EXPECT_HAS(text, "Will-Retry-Until:");
}

// It never had a turn of its own: what the destination said to others is what is told.
TEST(TransferFailure, WarnsOfADestinationThatCannotBeReachedWithItsOwnWords) {
  Office office;
  Elsewhere(office).refuse = [] { return Reply{421, {4, 3, 2}, "down for maintenance"}; };
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    for (int i = 0; i < 100; ++i) co_await Office::Post(desk, {.to = {"a@b.example"}});
    co_await Office::Sleep(hours(4) + minutes(2));
    EXPECT_EQ(o.CountTaken("sender@example.org"), 100u);
  }));
  for (const Taken& taken : office.peers["home.example"].taken)
    EXPECT_HAS(taken.text, "421 4.3.2 down for maintenance");
}

TEST(TransferFailure, WhatLosesItsRouteWaitsForOneAndSaysSo) {
  Office office;
  office.transfer.relay_next_hop.reset();
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    const QueueId id = co_await Office::Post(desk, {.to = {"a@b.example"}});
    co_await Office::Sleep(minutes(1));
    const storage::LastReply* last = desk.queue().Find(id)->last_reply(0);
    EXPECT_NE(last, nullptr);
    if (last != nullptr) EXPECT_EQ(last->reply.status, (message::EnhancedStatus{4, 4, 4}));
    EXPECT_EQ(desk.queue().Find(id)->attempts(), 1);
    TransferOptions options = o.transfer;
    options.relay_next_hop = NextHop::Parse("home.example");
    desk.transfer->Reconfigure(options);
    EXPECT_TRUE(co_await o.Empty(minutes(7)));
  }));
  EXPECT_EQ(office.CountTaken("a@b.example"), 1u);
}

TEST(TransferFailure, AnAmbiguousEndIsTriedAgainAndLoggedAsSuch) {
  Office office;
  Peer& peer = Elsewhere(office);
  peer.ambiguous = true;
  peer.answer = [](const std::string&) { return Deferred(); };
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    co_await Office::Post(desk, {.to = {"a@b.example"}});
    co_await Office::Sleep(seconds(10));
    o.peers["far.example"].ambiguous = false;
    o.peers["far.example"].answer = nullptr;
    EXPECT_TRUE(co_await o.Empty(minutes(10)));
  }));
  EXPECT_EQ(office.Metric("ringmail_ambiguous_attempts_total"), 1u);
  EXPECT_EQ(office.LogCount("the peer may have it"), 1u);
}

// ── our own disk ──

// A disk that has no room for the report keeps the message; with room again the sender is told.
TEST(TransferFailure, WhatCannotBeReportedNowIsNotGivenUp) {
  Office office;
  Elsewhere(office).answer = [](const std::string&) { return Failed(); };
  office.door.limits.message_bytes_max = 400;  // no report passes the door
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    const QueueId id = co_await Office::Post(desk, {.to = {"a@b.example"}});
    co_await Office::Sleep(minutes(1));
    EXPECT_NE(desk.queue().Find(id), nullptr);
    EXPECT_EQ(desk.queue().Find(id)->pending_count(), 1u);
    co_await Office::Sleep(hours(1));
    EXPECT_EQ(o.queued(), 1u);
    MailDoor::Options options = o.door;
    options.limits = {};
    desk.door->Reconfigure(options);
    EXPECT_TRUE(co_await o.Empty(minutes(20)));
  }));
  EXPECT_EQ(office.CountTaken("sender@example.org"), 1u);
  EXPECT_GE(office.LogCount("event=report-not-sent"), 1u);
}

}  // namespace
}  // namespace ringmail::agent
