// What leaves the queue, over which sessions, in which order of things.
#include "ringmail/agent/transfer.h"

#include <gtest/gtest.h>

#include <set>

#include "fmt/format.h"
#include "tests/unit/agent/office.h"

namespace ringmail::agent {
namespace {

using io::Task;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(Transfer, DeliversAMessageAndForgetsIt) {
  Office office;
  static QueueId id;
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    id = co_await Office::Post(desk, {.to = {"a@b.example"}, .text = "Subject: x\r\n\r\n.dot\r\n"});
    EXPECT_TRUE(co_await o.Empty(minutes(1)));
  }));
  const Peer& peer = office.peers["home.example"];
  ASSERT_EQ(peer.taken.size(), 1u);
  EXPECT_EQ(peer.taken[0].path, "a@b.example");
  EXPECT_EQ(peer.taken[0].reverse_path, "sender@example.org");
  EXPECT_EQ(peer.taken[0].id, id);
  EXPECT_TRUE(peer.taken[0].text.ends_with("\r\nSubject: x\r\n\r\n.dot\r\n"));
  EXPECT_EQ(office.Metric("ringmail_delivered_recipients_total"), 1u);
  EXPECT_EQ(office.Metric("ringmail_attempts_in_flight"), 0u);
  EXPECT_EQ(office.LogCount("event=delivered id=" + id.ToString() + " to=a@b.example"), 1u);
  // Gone from the disk too.
  ASSERT_TRUE(office.Run([](Office&, Desk& desk) -> Task<void> {
    EXPECT_EQ(desk.queue().size(), 0u);
    co_return;
  }));
}

// 4 shards, 40 destinations, some slow, some that refuse at times: each recipient gets one copy.
struct Sum {
  uint16_t shards = 1;
  uint64_t seed = 1;
  size_t messages = 100;  // of each shard
};

void DeliverAll(Office& office) {
  for (int i = 0; i < 40; ++i) {
    const std::string host = fmt::format("mx{}.example", i);
    Peer& peer = office.peers[host];
    office.transfer.routes.push_back(RouteTo(fmt::format("d{}.example", i), host));
    peer.transaction_time = milliseconds(1 + i * 3);
    peer.recipients_max = i % 7 == 0 ? 3 : 1000;
    peer.transactions_max = i % 5 == 0 ? 4 : 1000;
    peer.sessions_max = i % 6 == 0 ? 2 : 1000;
    peer.closes_idle = i % 11 == 10;
    if (i % 4 == 1) {
      peer.answer = [n = 0](const std::string&) mutable {
        return ++n % 3 == 0 ? RecipientResult{Outcome::kDeferred, {451, {4, 2, 0}, "busy"}}
                            : RecipientResult{Outcome::kDelivered, {250, {2, 0, 0}, "ok"}};
      };
    }
  }
  office.transfer.destination.recipients_per_transaction_max = 5;
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    for (int i = 0; i < 100; ++i) {
      Letter letter;
      for (int r = 0; r < 1 + i % 13; ++r) {
        letter.to.push_back(
            fmt::format("s{}m{}r{}@d{}.example", desk.index.value, i, r, (i * 7 + r % 4) % 40));
      }
      EXPECT_TRUE((co_await Office::Post(desk, letter)).valid());
    }
    EXPECT_TRUE(co_await o.Empty(hours(48)));
  }));
}

void ExpectEachOnce(Office& office) {
  std::map<std::string, int> copies;
  for (const auto& [host, peer] : office.peers) {
    EXPECT_LE(peer.sessions_peak, office.transfer.destination.sessions_max) << host;
    EXPECT_EQ(peer.sessions, 0u) << host;
    for (const Taken& taken : peer.taken) ++copies[taken.path];
    std::set<uint16_t> owners;
    for (const Taken& taken : peer.taken) owners.insert(taken.shard);
    EXPECT_LE(owners.size(), 1u) << host << " is served by more than the shard that owns it";
  }
  size_t expected = 0;
  for (int s = 0; s < office.shards; ++s) {
    for (int i = 0; i < 100; ++i) {
      for (int r = 0; r < 1 + i % 13; ++r, ++expected) {
        const std::string path =
            fmt::format("s{}m{}r{}@d{}.example", s, i, r, (i * 7 + r % 4) % 40);
        EXPECT_EQ(copies[path], 1) << path;
      }
    }
  }
  EXPECT_EQ(copies.size(), expected);
  EXPECT_EQ(office.Metric("ringmail_delivered_recipients_total"), expected);
}

class Shards : public testing::TestWithParam<uint16_t> {};
INSTANTIATE_TEST_SUITE_P(Transfer, Shards, testing::Values(1, 2, 3, 4));

TEST_P(Shards, EachRecipientOfManyMessagesGetsOneCopyWhateverThePeersDo) {
  Office office({.seed = GetParam() + 100u, .shards = GetParam()});
  DeliverAll(office);
  ExpectEachOnce(office);
  if (GetParam() == 1) return;
  std::set<uint16_t> owners;
  for (const auto& [host, peer] : office.peers) {
    for (const Taken& taken : peer.taken) owners.insert(taken.shard);
  }
  EXPECT_EQ(owners.size(), GetParam());  // the destinations are spread over all shards
}

TEST(Transfer, TheSameSeedGivesTheSameRun) {
  std::string logs[2];
  for (std::string& log : logs) {
    Office office({.seed = 7, .shards = 3});
    DeliverAll(office);
    log = office.node.log();
  }
  EXPECT_EQ(logs[0], logs[1]);
  Office other({.seed = 8, .shards = 3});
  DeliverAll(other);
  EXPECT_NE(other.node.log(), logs[0]);
}

TEST(Transfer, OneTransactionCarriesAllRecipientsOfADestinationUpToTheLimit) {
  Office office;
  office.transfer.destination.recipients_per_transaction_max = 100;
  office.transfer.destination.sessions_max = 1;
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    Letter letter;
    for (int i = 0; i < 250; ++i) letter.to.push_back(fmt::format("r{}@b.example", i));
    EXPECT_TRUE((co_await Office::Post(desk, letter)).valid());
    EXPECT_TRUE(co_await o.Empty(minutes(1)));
  }));
  const Peer& peer = office.peers["home.example"];
  EXPECT_EQ(peer.taken.size(), 250u);
  EXPECT_EQ(peer.transactions, 3u);
  EXPECT_EQ(peer.taken.front().recipients, 100u);
  EXPECT_EQ(peer.taken.back().recipients, 50u);
}

TEST(Transfer, SplitsForAPeerThatTakesFewerRecipientsAndCountsNoAttemptForTheRest) {
  Office office;
  office.peers["home.example"].recipients_max = 7;
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    Letter letter;
    for (int i = 0; i < 50; ++i) letter.to.push_back(fmt::format("r{}@b.example", i));
    EXPECT_TRUE((co_await Office::Post(desk, letter)).valid());
    EXPECT_TRUE(co_await o.Empty(seconds(10)));
  }));
  EXPECT_EQ(office.peers["home.example"].taken.size(), 50u);
  EXPECT_EQ(office.peers["home.example"].transactions, 8u);
  EXPECT_EQ(office.Metric("ringmail_deferred_recipients_total"), 0u);
}

// Found by the simulator (storm 516067): the outcome waited for the peer's word on the other
// recipients.
TEST(Transfer, WhatWasDeliveredIsWrittenDownBeforeThePeerIsAskedForTheRest) {
  Office office;
  Peer& peer = office.peers["home.example"];
  peer.recipients_max = 1;
  peer.answer = [&peer](const std::string&) {
    peer.hangs = peer.transactions == 1;
    return RecipientResult{Outcome::kDelivered, {250, {2, 0, 0}, "ok"}};
  };
  office.Start([](Office&, Desk& desk) -> Task<void> {
    co_await Office::Post(desk, {.to = {"a@b.example", "b@b.example", "c@b.example"}});
    co_await Office::Sleep(hours(1));
  });
  ASSERT_TRUE(office.world.RunUntil([&] { return peer.transactions == 2; }));
  ASSERT_EQ(peer.taken.size(), 1u);
  office.Crash(sim::DiskLoss::kEverything);
  peer.hangs = false;
  ASSERT_TRUE(office.Run(
      [](Office& o, Desk&) -> Task<void> { EXPECT_TRUE(co_await o.Empty(seconds(10))); }));
  for (const std::string_view path : {"a@b.example", "b@b.example", "c@b.example"})
    EXPECT_EQ(peer.Count(path), 1u) << path;
}

TEST(Transfer, OneSessionCarriesMessageAfterMessageAndIsKeptForMore) {
  Office office;
  office.transfer.destination.sessions_max = 1;
  office.transfer.destination.idle_session = seconds(5);
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    for (int i = 0; i < 20; ++i) co_await Office::Post(desk, {.to = {"a@b.example"}});
    EXPECT_TRUE(co_await o.Empty(seconds(10)));
    co_await Office::Sleep(seconds(4));
    co_await Office::Post(desk, {.to = {"a@b.example"}});
    EXPECT_TRUE(co_await o.Empty(seconds(1)));
    EXPECT_EQ(o.peers["home.example"].opens, 1u);
    EXPECT_EQ(o.peers["home.example"].quits, 0u);
    co_await Office::Sleep(seconds(6));
    EXPECT_EQ(o.peers["home.example"].quits, 1u);  // it had nothing to do for too long
    co_await Office::Post(desk, {.to = {"a@b.example"}});
    EXPECT_TRUE(co_await o.Empty(seconds(1)));
    EXPECT_EQ(o.peers["home.example"].opens, 2u);
  }));
  EXPECT_EQ(office.peers["home.example"].quits, 2u);
}

TEST(Transfer, ASessionEndsAfterAsManyMessagesAsTheLimit) {
  Office office;
  office.transfer.destination.sessions_max = 1;
  office.transfer.destination.messages_per_session_max = 10;
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    for (int i = 0; i < 35; ++i) co_await Office::Post(desk, {.to = {"a@b.example"}});
    EXPECT_TRUE(co_await o.Empty(seconds(10)));
  }));
  EXPECT_EQ(office.peers["home.example"].opens, 4u);
}

TEST(Transfer, OpensMoreSessionsAsEarlierOnesArriveAndNeverMoreThanTheLimit) {
  Office office;
  office.transfer.destination.sessions_max = 8;
  office.peers["home.example"].transaction_time = seconds(1);
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    for (int i = 0; i < 200; ++i) co_await Office::Post(desk, {.to = {"a@b.example"}});
    EXPECT_TRUE(co_await o.Empty(minutes(2)));
  }));
  const Peer& peer = office.peers["home.example"];
  EXPECT_EQ(peer.sessions_peak, 8u);
  EXPECT_EQ(peer.opens, 8u);
  // The second waited for the first.
  EXPECT_GE(peer.open_times[1] - peer.open_times[0], peer.open_time);
}

// Found in review: each refusal of one session more brought the next try at once.
TEST(Transfer, APeerThatTakesFewerSessionsIsNotAskedAgainAndAgain) {
  Office office;
  office.transfer.destination.sessions_max = 20;
  office.peers["home.example"].sessions_max = 3;
  office.peers["home.example"].transaction_time = seconds(1);
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    for (int i = 0; i < 300; ++i) co_await Office::Post(desk, {.to = {"a@b.example"}});
    EXPECT_TRUE(co_await o.Empty(minutes(10)));
  }));
  const Peer& peer = office.peers["home.example"];
  EXPECT_EQ(peer.sessions_peak, 3u);
  EXPECT_LE(peer.opens, 3u + 6u);  // at most a few in the 100 seconds that it took
  EXPECT_EQ(office.Metric("ringmail_deferred_recipients_total"), 0u);
}

// More messages than credits: the rest waits at home, and none is forgotten.
TEST(Transfer, ManyMoreMessagesThanCreditsAllArrive) {
  Office office({.shards = 2});
  office.transfer.destination.sessions_max = 2;
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    for (int i = 0; i < 1500; ++i) {
      const QueueId id = co_await Office::Post(desk, {.to = {fmt::format("m{}@b.example", i)}});
      EXPECT_TRUE(id.valid());
    }
    for (const auto& other : o.desks) {
      for (const DestinationStatus& d : other->transfer->Destinations())
        EXPECT_LE(d.waiting + d.sessions, 2u * 256u);
    }
    EXPECT_TRUE(co_await o.Empty(minutes(5)));
  }));
  EXPECT_EQ(office.peers["home.example"].taken.size(), 3000u);
}

// Found in review: a message that went on to wait elsewhere stopped the lane it came from.
TEST(Transfer, AMessageForASlowAndAFastDestinationHoldsUpNeither) {
  Office office;
  office.transfer.routes = {RouteTo("slow.example", "slow.example"),
                            RouteTo("fast.example", "fast.example")};
  office.peers["slow.example"].hangs = true;
  office.peers["fast.example"];
  office.transfer.destination.recipients_per_transaction_max = 1;
  office.stop_after = seconds(1);
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    for (int i = 0; i < 600; ++i)
      co_await Office::Post(desk, {.to = {"a@slow.example", fmt::format("f{}@fast.example", i)}});
    EXPECT_TRUE(co_await Office::Until([&o] { return o.peers["fast.example"].taken.size() == 600; },
                                       minutes(5)));
  }));
}

TEST(Transfer, WaitsOutARestartAndContinuesWhereItWas) {
  Office office({.shards = 4});
  office.peers["home.example"].hangs = true;
  office.stop_after = seconds(1);
  ASSERT_TRUE(office.Run([](Office&, Desk& desk) -> Task<void> {
    for (int i = 0; i < 300; ++i)
      co_await Office::Post(desk, {.to = {fmt::format("s{}m{}@b.example", desk.index.value, i)}});
  }));
  EXPECT_EQ(office.peers["home.example"].taken.size(), 0u);
  office.peers["home.example"].hangs = false;
  office.shards = 2;  // the number of shards is another one now
  ASSERT_TRUE(
      office.Run([](Office& o, Desk&) -> Task<void> { EXPECT_TRUE(co_await o.Empty(hours(12))); }));
  std::set<std::string> paths;
  for (const Taken& taken : office.peers["home.example"].taken) paths.insert(taken.path);
  EXPECT_EQ(paths.size(), 1200u);
  EXPECT_EQ(office.peers["home.example"].taken.size(), 1200u);
}

TEST(Transfer, AtStartOnlyAsManyAsTheCreditsAreOnTheirWay) {
  Office office;
  office.peers["home.example"].hangs = true;
  office.stop_after = seconds(1);
  office.transfer.destination.sessions_max = 1;
  ASSERT_TRUE(office.Run([](Office&, Desk& desk) -> Task<void> {
    for (int i = 0; i < 1000; ++i) co_await Office::Post(desk, {.to = {"a@b.example"}});
  }));
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    EXPECT_EQ(desk.queue().size(), 1000u);
    co_await Office::Sleep(seconds(10));
    const std::vector<DestinationStatus> all = desk.transfer->Destinations();
    EXPECT_EQ(all.size(), 1u);
    if (all.size() == 1) EXPECT_EQ(all[0].waiting, 255u);
    EXPECT_EQ(o.peers["home.example"].sessions, 1u);
  }));
}

TEST(Transfer, AnAttemptThatHasBegunMayFinishWhileItStops) {
  Office office({.shards = 2});
  office.peers["home.example"].transaction_time = seconds(10);
  office.transfer.destination.sessions_max = 1;
  office.stop_after = seconds(60);
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    for (int i = 0; i < 20; ++i)
      co_await Office::Post(desk, {.to = {fmt::format("s{}m{}@b.example", desk.index.value, i)}});
    EXPECT_TRUE(co_await Office::Until([&o] { return o.peers["home.example"].transactions > 0; },
                                       seconds(5)));
  }));
  EXPECT_EQ(office.peers["home.example"].taken.size(), 1u);  // the one, and no other was begun
  EXPECT_EQ(office.Metric("ringmail_delivered_recipients_total"), 1u);
  office.peers["home.example"].transaction_time = milliseconds(1);
  ASSERT_TRUE(office.Run(
      [](Office& o, Desk&) -> Task<void> { EXPECT_TRUE(co_await o.Empty(minutes(1))); }));
  EXPECT_EQ(office.peers["home.example"].taken.size(), 40u);  // its outcome was recorded
}

TEST(Transfer, StopIsBoundedWhateverThePeerDoes) {
  Office office({.shards = 3});
  office.peers["home.example"].hangs = true;
  office.stop_after = seconds(5);
  ASSERT_TRUE(office.Run(
      [](Office& o, Desk& desk) -> Task<void> {
        for (int i = 0; i < 50; ++i) co_await Office::Post(desk, {.to = {"a@b.example"}});
        EXPECT_TRUE(co_await Office::Until([&o] { return o.peers["home.example"].sessions > 3; },
                                           seconds(5)));
      },
      minutes(1)));
  EXPECT_EQ(office.peers["home.example"].taken.size(), 0u);
  EXPECT_EQ(office.peers["home.example"].sessions, 0u);
}

TEST(Transfer, ReloadedRoutesApplyToWhatIsTriedNext) {
  Office office;
  office.peers["old.example"].answer = [](const std::string&) {
    return RecipientResult{Outcome::kDeferred, {451, {4, 2, 0}, "not here"}};
  };
  office.transfer.relay_next_hop = NextHop::Parse("old.example");
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    co_await Office::Post(desk, {.to = {"a@b.example"}});
    co_await Office::Sleep(seconds(10));
    EXPECT_EQ(o.peers["old.example"].tried_recipients, 1u);
    TransferOptions options = o.transfer;
    options.relay_next_hop = NextHop::Parse("home.example");
    desk.transfer->Reconfigure(options);
    EXPECT_TRUE(co_await o.Empty(minutes(10)));
  }));
  EXPECT_EQ(office.CountTaken("a@b.example"), 1u);
  EXPECT_EQ(office.peers["old.example"].tried_recipients, 1u);
}

// ── the operator ──

TEST(Transfer, AHeldMessageIsNotTriedUntilReleasedEvenAfterARestart) {
  Office office;
  static QueueId id;
  office.peers["home.example"].answer = [](const std::string&) {
    return RecipientResult{Outcome::kDeferred, {451, {4, 2, 0}, "later"}};
  };
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    id = co_await Office::Post(desk, {.to = {"a@b.example"}});
    co_await Office::Sleep(seconds(1));
    EXPECT_TRUE((co_await desk.transfer->Hold(id)).ok());
    EXPECT_EQ((co_await desk.transfer->Retry(id)).code(), absl::StatusCode::kFailedPrecondition);
    o.peers["home.example"].answer = nullptr;
    co_await Office::Sleep(hours(24));
    EXPECT_EQ(o.peers["home.example"].transactions, 1u);
  }));
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    co_await Office::Sleep(hours(24 * 6));  // older than any message gets
    EXPECT_EQ(desk.queue().size(), 1u);
    EXPECT_TRUE(desk.queue().Find(id)->held());
    EXPECT_EQ(o.peers["home.example"].transactions, 1u);
    o.transfer.retry.expire_after = hours(24 * 30);
    desk.transfer->Reconfigure(o.transfer);
    EXPECT_TRUE((co_await desk.transfer->Release(id)).ok());
    EXPECT_TRUE(co_await o.Empty(seconds(10)));
  }));
  EXPECT_EQ(office.CountTaken("a@b.example"), 1u);
}

TEST(Transfer, RetryTriesAtOnceWhateverTheScheduleAndTheBackOff) {
  Office office;
  static QueueId id;
  office.peers["home.example"].refuse = [] { return message::Reply{421, {4, 3, 2}, "down"}; };
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    id = co_await Office::Post(desk, {.to = {"a@b.example"}});
    const QueueId other = co_await Office::Post(desk, {.to = {"c@b.example"}});
    EXPECT_TRUE(other.valid());
    co_await Office::Sleep(hours(3));
    o.peers["home.example"].refuse = nullptr;
    EXPECT_TRUE((co_await desk.transfer->Retry(id)).ok());
    co_await Office::Sleep(seconds(1));
    EXPECT_EQ(desk.queue().Find(id), nullptr);
    // Its answer brings the one that waited for the destination, too.
    EXPECT_TRUE((co_await desk.transfer->Retry(other)).ok());
    EXPECT_TRUE(co_await o.Empty(seconds(1)));
  }));
}

TEST(Transfer, RetryIsRememberedOverARestart) {
  Office office;
  static QueueId id;
  office.peers["home.example"].answer = [](const std::string&) {
    return RecipientResult{Outcome::kDeferred, {451, {4, 2, 0}, "later"}};
  };
  office.transfer.retry.first_delay = hours(4);
  office.Start([](Office& o, Desk& desk) -> Task<void> {
    id = co_await Office::Post(desk, {.to = {"a@b.example"}});
    co_await Office::Sleep(seconds(1));
    EXPECT_GT(desk.queue().Find(id)->next_attempt(), io::WallNow() + hours(3));
    o.peers["home.example"].hangs = true;
    EXPECT_TRUE((co_await desk.transfer->Retry(id)).ok());
    id = QueueId();
    co_await Office::Sleep(hours(1));
  });
  ASSERT_TRUE(office.world.RunUntil([] { return !id.valid(); }) ||
              office.peers["home.example"].hangs);
  ASSERT_TRUE(office.world.RunUntil(
      [&] { return office.peers["home.example"].transactions == 2 && !id.valid(); }));
  office.Crash();
  office.peers["home.example"].hangs = false;
  office.peers["home.example"].answer = nullptr;
  ASSERT_TRUE(office.Run(
      [](Office& o, Desk&) -> Task<void> { EXPECT_TRUE(co_await o.Empty(seconds(10))); }));
}

TEST(Transfer, ADroppedMessageGoesWithoutAReportAndIsLogged) {
  Office office;
  static QueueId id;
  office.peers["home.example"].answer = [](const std::string&) {
    return RecipientResult{Outcome::kDeferred, {451, {4, 2, 0}, "later"}};
  };
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    id = co_await Office::Post(desk, {.to = {"a@b.example", "c@b.example"}});
    co_await Office::Sleep(seconds(1));
    EXPECT_TRUE((co_await desk.transfer->Drop(id)).ok());
    EXPECT_EQ(o.queued(), 0u);
    EXPECT_TRUE(absl::IsNotFound(co_await desk.transfer->Drop(id)));
    EXPECT_TRUE(absl::IsNotFound(co_await desk.transfer->Retry(id)));
    EXPECT_TRUE(absl::IsNotFound(co_await desk.transfer->Hold(id)));
    EXPECT_TRUE(absl::IsNotFound(co_await desk.transfer->Release(id)));
    co_await Office::Sleep(hours(1));
    EXPECT_EQ(o.queued(), 0u);
  }));
  EXPECT_EQ(office.LogCount("event=dropped id=" + id.ToString() + " recipients=2"), 1u);
}

TEST(Transfer, WhatIsDroppedWhileOnItsWayIsNeverSentAgain) {
  Office office;
  static QueueId id;
  office.transfer.destination.recipients_per_transaction_max = 1;
  office.transfer.destination.sessions_max = 1;
  office.peers["home.example"].transaction_time = seconds(30);
  office.peers["home.example"].answer = [](const std::string&) {
    return RecipientResult{Outcome::kDeferred, {451, {4, 2, 0}, "later"}};
  };
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    id = co_await Office::Post(desk, {.to = {"a@b.example", "c@b.example"}});
    co_await Office::Sleep(seconds(1));
    EXPECT_TRUE((co_await desk.transfer->Drop(id)).ok());
    EXPECT_NE(desk.queue().Find(id), nullptr);  // the peer still speaks of it
    co_await Office::Sleep(minutes(2));
    EXPECT_EQ(o.queued(), 0u);
    co_await Office::Sleep(hours(1));
  }));
  EXPECT_LE(office.peers["home.example"].transactions, 2u);
}

TEST(Transfer, WhatIsDroppedWhileOnItsWayIsHeldAfterACrash) {
  Office office;
  static QueueId id;
  static bool dropped;
  dropped = false;
  office.peers["home.example"].hangs = true;
  office.Start([](Office&, Desk& desk) -> Task<void> {
    id = co_await Office::Post(desk, {.to = {"a@b.example"}});
    co_await Office::Sleep(seconds(1));
    dropped = (co_await desk.transfer->Drop(id)).ok();
    co_await Office::Sleep(hours(1));
  });
  ASSERT_TRUE(office.world.RunUntil([] { return dropped; }));
  office.Crash(sim::DiskLoss::kEverything);
  office.peers["home.example"].hangs = false;
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    co_await Office::Sleep(hours(1));
    EXPECT_EQ(o.peers["home.example"].taken.size(), 0u);
    EXPECT_NE(desk.queue().Find(id), nullptr);
    EXPECT_TRUE((co_await desk.transfer->Drop(id)).ok());
    EXPECT_EQ(o.queued(), 0u);
  }));
}

}  // namespace
}  // namespace ringmail::agent
