// Everything at once, by seed: peers that fail in every way, an operator who meddles, crashes, and
// another number of shards after each. What was accepted is delivered, or reported, or was dropped
// by the operator's command; and nothing is delivered twice but over a crash.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "fmt/format.h"
#include "ringmail/agent/transfer.h"
#include "tests/unit/agent/office.h"

namespace ringmail::agent {
namespace {

using io::Task;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr int kPeers = 12;

struct Accepted {
  QueueId id;
  bool null_reverse_path = false;
};

struct Ledger {
  std::map<std::string, Accepted> accepted;  // by forward-path
  std::set<uint64_t> dropped;                // asked for, whether answered or not
  uint64_t round = 0;
  int letters = 60;
};

Ledger* ledger;  // of the test that runs

uint64_t Random(uint64_t bound) { return io::RandomUint64() % bound; }

RecipientResult AnyAnswer(const std::string&) {
  switch (Random(8)) {
    case 0:
    case 1:
      return {Outcome::kDeferred, {451, {4, 2, 0}, "busy"}};
    case 2:
      return {Outcome::kFailed, {550, {5, 1, 1}, "no such user"}};
    default:
      return {Outcome::kDelivered, {250, {2, 0, 0}, "ok"}};
  }
}

void SetUpPeers(Office& office) {
  office.transfer.routes.push_back(RouteTo("example.org", "home.example"));
  for (int i = 0; i < kPeers; ++i) {
    const std::string host = fmt::format("mx{}.example", i);
    office.transfer.routes.push_back(RouteTo(fmt::format("d{}.example", i), host));
    Peer& peer = office.peers[host];
    peer.answer = AnyAnswer;
    peer.recipients_max = i % 3 == 0 ? 2 : 1000;
    peer.transactions_max = i % 4 == 0 ? 3 : 1000;
    peer.sessions_max = i % 4 == 1 ? 1 : 1000;
    peer.closes_idle = i % 5 == 4;
    peer.transaction_time = milliseconds(1 + 50 * (i % 3));
    if (i % 4 == 3) {
      peer.refuse = [] {
        return Random(3) == 0 ? message::Reply{} : message::Reply{421, {4, 3, 2}, "down"};
      };
    }
  }
  office.peers["mx5.example"].transaction_time = seconds(2);
  office.transfer.destination.recipients_per_transaction_max = 3;
  office.transfer.destination.sessions_max = 4;
  office.transfer.retry.expire_after = hours(30);
  office.stop_after = seconds(20);
}

Task<void> PostOne(Desk& desk, int number) {
  Letter letter;
  if (Random(6) == 0) letter.from.clear();
  const size_t count = 1 + Random(7);
  for (size_t r = 0; r < count; ++r) {
    letter.to.push_back(fmt::format("k{}s{}m{}r{}@d{}.example", ledger->round, desk.index.value,
                                    number, r, Random(kPeers)));
  }
  const QueueId id = co_await Office::Post(desk, letter);
  EXPECT_TRUE(id.valid());
  for (const std::string& path : letter.to) ledger->accepted[path] = {id, letter.from.empty()};
}

Task<void> Meddle(Desk& desk) {
  const QueueId after = QueueId(desk.queue().NewId().value - Random(40));
  QueueId id;
  desk.queue().Visit(
      after, 1, [](void* out, storage::QueuedMessage& m) { *static_cast<QueueId*>(out) = m.id(); },
      &id);
  if (!id.valid()) co_return;
  Status status;
  switch (Random(8)) {
    case 0:
      ledger->dropped.insert(id.value);
      status = co_await desk.transfer->Drop(id);
      break;
    case 1:
    case 2:
      status = co_await desk.transfer->Hold(id);
      break;
    case 3:
    case 4:
      status = co_await desk.transfer->Release(id);
      break;
    default:
      status = co_await desk.transfer->Retry(id);
      break;
  }
  const bool expected =
      status.ok() || absl::IsNotFound(status) || absl::IsFailedPrecondition(status);
  EXPECT_TRUE(expected) << status;
}

Task<void> Busy(Office&, Desk& desk) {
  for (int i = 0; i < ledger->letters; ++i) {
    co_await PostOne(desk, i);
    if (Random(3) == 0) co_await Meddle(desk);
    if (Random(8) == 0) co_await Office::Sleep(milliseconds(Random(2000)));
    if (Random(40) == 0) co_await Office::Sleep(minutes(Random(20)));
  }
}

Task<void> ReleaseAll(Desk& desk) {
  std::vector<QueueId> held;
  desk.queue().Visit(
      QueueId(), SIZE_MAX,
      [](void* out, storage::QueuedMessage& m) {
        if (m.held()) static_cast<std::vector<QueueId>*>(out)->push_back(m.id());
      },
      &held);
  for (const QueueId id : held) {
    if (ledger->dropped.contains(id.value)) {
      (void)co_await desk.transfer->Drop(id);
    } else {
      (void)co_await desk.transfer->Release(id);
    }
  }
}

Task<void> Drain(Office& office, Desk& desk) {
  co_await ReleaseAll(desk);
  EXPECT_TRUE(co_await office.Empty(hours(24 * 10)));
}

Task<void> BusyThenDrain(Office& office, Desk& desk) {
  co_await Busy(office, desk);
  co_await Office::Sleep(minutes(1));  // every shard has done what it did
  co_await Drain(office, desk);
}

std::set<std::string> Reported(Office& office) {
  std::set<std::string> paths;
  constexpr std::string_view kField = "Final-Recipient: rfc822; ";
  for (const Taken& taken : office.peers["home.example"].taken) {
    for (size_t at = 0; (at = taken.text.find(kField, at)) != std::string::npos;) {
      at += kField.size();
      const size_t end = taken.text.find("\r\n", at);
      if (taken.text.compare(end + 2, 14, "Action: failed") == 0)
        paths.insert(taken.text.substr(at, end - at));
    }
  }
  return paths;
}

enum class Copies { kOne, kAtLeastOne };

void Audit(Office& office, Copies copies) {
  const std::set<std::string> reported = Reported(office);
  std::map<std::string, int> delivered;
  for (const auto& [host, peer] : office.peers) {
    EXPECT_EQ(peer.sessions, 0u) << host;
    for (const Taken& taken : peer.taken) ++delivered[taken.path];
  }
  size_t told = 0, came = 0;
  for (const auto& [path, accepted] : ledger->accepted) {
    const int count = delivered[path];
    told += reported.contains(path);
    came += count > 0;
    const bool dropped = ledger->dropped.contains(accepted.id.value);
    EXPECT_TRUE(count > 0 || reported.contains(path) || dropped || accepted.null_reverse_path)
        << path << " of " << accepted.id.ToString() << " is lost";
    if (accepted.null_reverse_path) EXPECT_FALSE(reported.contains(path)) << path;
    if (copies == Copies::kAtLeastOne) continue;
    EXPECT_LE(count, 1) << path;
    EXPECT_FALSE(count > 0 && reported.contains(path)) << path;
  }
  EXPECT_GT(told, ledger->accepted.size() / 20);
  EXPECT_GT(came, ledger->accepted.size() / 4);
}

class Chaos : public testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override { ledger = &ledger_; }
  Ledger ledger_;
};
INSTANTIATE_TEST_SUITE_P(Seeds, Chaos, testing::Range(uint64_t{1}, uint64_t{13}));

TEST_P(Chaos, WithoutACrashEachRecipientHasOneEndAndOneOnly) {
  Office office({.seed = GetParam(), .shards = static_cast<uint16_t>(1 + GetParam() % 4)});
  SetUpPeers(office);
  ASSERT_TRUE(office.Run(&BusyThenDrain));
  Audit(office, Copies::kOne);
  EXPECT_EQ(office.Metric("ringmail_attempts_in_flight"), 0u);
}

TEST_P(Chaos, OverCrashesAndOrderlyRestartsNothingIsLost) {
  Office office({.seed = 1000 + GetParam(), .shards = 2});
  SetUpPeers(office);
  ledger_.letters = 25;
  for (; ledger_.round < 6; ++ledger_.round) {
    office.Start(&Busy);
    if (ledger_.round % 3 == 2) {
      ASSERT_TRUE(office.Finish());
    } else {
      office.world.RunFor(milliseconds(20 + office.world.Random(3000)));
      if (office.node.running()) office.Crash(sim::DiskLoss::kRandom);
    }
    office.shards = static_cast<uint16_t>(1 + office.world.Random(4));
  }
  ASSERT_TRUE(office.Run(&Drain));
  Audit(office, Copies::kAtLeastOne);
}

}  // namespace
}  // namespace ringmail::agent
