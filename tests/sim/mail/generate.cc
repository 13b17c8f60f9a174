// Plans by scenario and seed. Every choice follows from the seed, drawn in a fixed order.
#include <algorithm>
#include <initializer_list>

#include "ringmail/base/check.h"
#include "tests/sim/mail/plan.h"

namespace ringmail::sim {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// A stream of numbers of its own for each plan.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(Mix(seed, 0x706c616e)) {}
  uint64_t Next() { return state_ = Mix(state_, ++count_); }
  // In [0, bound). REQUIRES: bound > 0.
  uint64_t Below(uint64_t bound) { return Next() % bound; }
  uint64_t Between(uint64_t low, uint64_t high) { return low + Below(high - low + 1); }
  bool Percent(uint32_t percent) { return Below(100) < percent; }
  // Small more often than large, up to `high`.
  uint64_t Skewed(uint64_t low, uint64_t high) { return low + Below(Below(high - low + 1) + 1); }
  Nanoseconds Time(Nanoseconds low, Nanoseconds high) {
    return Nanoseconds(static_cast<int64_t>(
        Between(static_cast<uint64_t>(low.count()), static_cast<uint64_t>(high.count()))));
  }
  template <typename T>
  T Any(std::initializer_list<T> of) {
    return of.begin()[Below(of.size())];
  }

 private:
  uint64_t state_;
  uint64_t count_ = 0;
};

struct Shape {
  uint32_t messages = 100;
  uint32_t recipients_max = 3;
  uint32_t bytes_max = 8000;
  uint32_t bytes_min = 0;
  uint32_t large_percent = 0;        // of messages: up to 600 KiB, streamed to the log as they come
  bool whole = false;                // senders want it back
  Nanoseconds horizon = seconds(5);  // messages come within it
};

void AddMessages(Plan& plan, Dice& dice, const Shape& shape) {
  for (uint32_t i = 1; i <= shape.messages; ++i) {
    MessagePlan message;
    message.number = i;
    message.sender = static_cast<uint32_t>(dice.Below(plan.senders));
    message.at = dice.Time(Nanoseconds(0), shape.horizon);
    const uint64_t count = dice.Skewed(1, shape.recipients_max);
    const uint32_t home = static_cast<uint32_t>(dice.Below(plan.peers.size()));
    for (uint64_t r = 0; r < count; ++r) {
      // Mostly several of one destination, as mail is.
      message.recipients.push_back(
          {dice.Percent(60) ? home : static_cast<uint32_t>(dice.Below(plan.peers.size()))});
    }
    message.bytes = static_cast<uint32_t>(dice.Skewed(shape.bytes_min, shape.bytes_max));
    if (dice.Percent(shape.large_percent))
      message.bytes = static_cast<uint32_t>(dice.Between(100, 600) << 10);
    message.null_path = dice.Percent(5);
    message.eight_bit = dice.Percent(10);
    message.chunks = dice.Percent(15);
    message.dots = dice.Percent(10);
    message.whole = shape.whole;
    plan.messages.push_back(std::move(message));
  }
  std::stable_sort(plan.messages.begin(), plan.messages.end(),
                   [](const MessagePlan& a, const MessagePlan& b) { return a.at < b.at; });
}

void AddCorrectPeers(Plan& plan, Dice& dice, size_t count) {
  for (size_t i = 0; i < count; ++i) plan.peers.push_back({.by_name = dice.Percent(30)});
}

uint32_t NumberOf(PeerKind kind, Dice& dice) {
  switch (kind) {
    case PeerKind::kGreylister:
      return static_cast<uint32_t>(dice.Between(1, 90));
    case PeerKind::kTarpit:
      return static_cast<uint32_t>(dice.Between(10, 20000));
    case PeerKind::kRefuser:
      return static_cast<uint32_t>(dice.Between(5, 60));
    default:
      return 0;
  }
}

void AddAnyPeers(Plan& plan, Dice& dice, size_t count, uint32_t correct_percent) {
  for (size_t i = 0; i < count; ++i) {
    PeerPlan peer{.by_name = dice.Percent(30)};
    if (!dice.Percent(correct_percent)) {
      peer.kind =
          static_cast<PeerKind>(dice.Between(1, static_cast<uint64_t>(PeerKind::kCount) - 1));
      peer.number = NumberOf(peer.kind, dice);
    }
    plan.peers.push_back(peer);
  }
}

void FillFault(FaultPlan& fault, const Plan& plan, Dice& dice) {
  switch (fault.kind) {
    case FaultKind::kPowerCut:
    case FaultKind::kKill:
    case FaultKind::kTerminate:
      fault.number = dice.Percent(40) ? dice.Between(1, 4) : 0;
      break;
    case FaultKind::kPowerCutAtWrite:
    case FaultKind::kKillAtWrite:
      fault.number = dice.Percent(40) ? dice.Between(1, 4) : 0;
      fault.place = dice.Skewed(1, 400);
      break;
    case FaultKind::kDiskError:
      fault.place = dice.Skewed(1, 200);
      break;
    case FaultKind::kSlowDisk:
      fault.number = dice.Any<uint64_t>({3, 30, 1000, 20000});
      break;
    case FaultKind::kRot:
      fault.place = dice.Next() >> 16;
      break;
    case FaultKind::kLatency:
      fault.number = dice.Any<uint64_t>({1, 20, 300, 5000, 400000});
      break;
    case FaultKind::kReset:
    case FaultKind::kHalfClose:
      fault.place = dice.Skewed(0, 4000);
      fault.number = dice.Below(4);
      break;
    case FaultKind::kClockJump:
      fault.number = dice.Any<uint64_t>({1, 60, 7200, 86400});
      fault.place = dice.Below(2);
      break;
    case FaultKind::kDnsFailure:
      fault.number = dice.Below(4);
      break;
    case FaultKind::kSlowShard:
      fault.place = dice.Below(plan.shards);
      fault.number = dice.Any<uint64_t>({3, 20, 200});
      break;
    default:
      break;
  }
}

void AddFaults(Plan& plan, Dice& dice, size_t count, std::initializer_list<FaultKind> kinds,
               Nanoseconds horizon, Nanoseconds longest) {
  for (size_t i = 0; i < count; ++i) {
    FaultPlan fault;
    fault.id = static_cast<uint32_t>(plan.faults.size() + 1);
    fault.kind = dice.Any(kinds);
    fault.at = dice.Time(Nanoseconds(0), horizon);
    fault.lasts = dice.Time(milliseconds(1), dice.Percent(70) ? longest / 20 : longest);
    fault.server = static_cast<uint32_t>(dice.Below(plan.servers));
    if (dice.Percent(60)) fault.peer = static_cast<uint32_t>(dice.Below(plan.peers.size()));
    FillFault(fault, plan, dice);
    plan.faults.push_back(fault);
  }
  std::stable_sort(plan.faults.begin(), plan.faults.end(),
                   [](const FaultPlan& a, const FaultPlan& b) { return a.at < b.at; });
}

void AddFaults(Plan& plan, Dice& dice, size_t count, std::initializer_list<FaultKind> kinds) {
  AddFaults(plan, dice, count, kinds, seconds(8), seconds(40));
}

void MakeCalm(Plan& plan, Dice& dice) {
  plan.senders = static_cast<uint32_t>(dice.Between(2, 8));
  AddCorrectPeers(plan, dice, dice.Between(1, 6));
  AddMessages(plan, dice,
              {.messages = 2500, .recipients_max = 2, .bytes_max = 4000, .horizon = seconds(2)});
}

void MakePeers(Plan& plan, Dice& dice) {
  AddAnyPeers(plan, dice, dice.Between(2, 10), 15);
  AddMessages(plan, dice, {.messages = 250, .recipients_max = 8, .large_percent = 1});
}

void MakeCrash(Plan& plan, Dice& dice) {
  AddCorrectPeers(plan, dice, dice.Between(1, 4));
  AddMessages(plan, dice, {.messages = 250, .recipients_max = 4, .large_percent = 3});
  AddFaults(plan, dice, dice.Between(1, 8),
            {FaultKind::kPowerCut, FaultKind::kPowerCut, FaultKind::kKill, FaultKind::kTerminate,
             FaultKind::kPowerCutAtWrite, FaultKind::kPowerCutAtWrite, FaultKind::kKillAtWrite});
}

// One crash at one write of a short run: the place is the seed's, so that consecutive seeds sweep
// over it.
void MakeSweep(Plan& plan, Dice& dice) {
  plan.shards = static_cast<uint16_t>(1 + plan.seed / 64 % 2);
  plan.senders = 2;
  AddCorrectPeers(plan, dice, 2);
  AddMessages(
      plan, dice,
      {.messages = 16, .recipients_max = 3, .large_percent = 2, .horizon = milliseconds(20)});
  FaultPlan fault{.id = 1,
                  .kind = dice.Percent(80) ? FaultKind::kPowerCutAtWrite : FaultKind::kKillAtWrite,
                  .lasts = milliseconds(10)};
  fault.place = 1 + plan.seed % 64;
  fault.number = dice.Percent(25) ? dice.Between(1, 3) : 0;
  plan.faults.push_back(fault);
}

void MakeDisk(Plan& plan, Dice& dice) {
  AddAnyPeers(plan, dice, dice.Between(1, 4), 60);
  AddMessages(plan, dice, {.messages = 200, .recipients_max = 3, .large_percent = 4});
  AddFaults(plan, dice, dice.Between(1, 6),
            {FaultKind::kDiskError, FaultKind::kDiskFull, FaultKind::kSlowDisk,
             FaultKind::kPowerCutAtWrite, FaultKind::kPowerCut});
}

void MakeRot(Plan& plan, Dice& dice) {
  // What cannot be read is tried until it expires.
  plan.expire_after = hours(1);
  AddAnyPeers(plan, dice, dice.Between(1, 3), 50);
  AddMessages(plan, dice, {.messages = 150, .recipients_max = 3, .large_percent = 4});
  AddFaults(plan, dice, dice.Between(1, 5),
            {FaultKind::kRot, FaultKind::kRot, FaultKind::kKill, FaultKind::kTerminate});
}

void MakeNetwork(Plan& plan, Dice& dice) {
  AddCorrectPeers(plan, dice, dice.Between(1, 6));
  AddMessages(plan, dice, {.messages = 250, .recipients_max = 4, .large_percent = 2});
  AddFaults(plan, dice, dice.Between(2, 20),
            {FaultKind::kLatency, FaultKind::kPartition, FaultKind::kReset, FaultKind::kReset,
             FaultKind::kReset, FaultKind::kHalfClose, FaultKind::kRefuse, FaultKind::kBacklogFull,
             FaultKind::kTinySegments});
}

void MakeTime(Plan& plan, Dice& dice) {
  AddAnyPeers(plan, dice, dice.Between(2, 6), 60);
  for (PeerPlan& peer : plan.peers) peer.by_name = true;
  AddMessages(plan, dice, {.messages = 200, .recipients_max = 4});
  AddFaults(plan, dice, dice.Between(1, 8),
            {FaultKind::kClockJump, FaultKind::kDnsFailure, FaultKind::kSlowShard,
             FaultKind::kPause, FaultKind::kReload, FaultKind::kTerminate, FaultKind::kKill},
            seconds(60), seconds(40));
}

// More of everything than the server may hold: connections, recipients, queue.
void MakeCrowd(Plan& plan, Dice& dice) {
  plan.senders = static_cast<uint32_t>(dice.Between(20, 60));
  plan.connections_max = static_cast<uint32_t>(dice.Between(2, 10));
  plan.messages_per_connection = static_cast<uint32_t>(dice.Between(1, 5));
  AddAnyPeers(plan, dice, dice.Between(1, 3), 50);
  AddMessages(plan, dice, {.messages = 300, .recipients_max = 40, .horizon = seconds(1)});
}

// More content than the cache holds, to peers that take their time; where a connection takes little
// at once, content is on its way for long.
void MakeLarge(Plan& plan, Dice& dice) {
  plan.cache_bytes = dice.Any({256u << 10, 512u << 10, 1u << 20});
  plan.window_bytes = dice.Any({8u << 10, 64u << 10, 256u << 10});
  for (uint64_t i = dice.Between(1, 3); i > 0; --i) {
    PeerPlan peer;
    if (dice.Percent(40)) {
      peer = {.kind = PeerKind::kTarpit, .number = static_cast<uint32_t>(dice.Between(200, 5000))};
    } else if (dice.Percent(50)) {
      // What waits for another attempt is in nobody's hands.
      peer = {.kind = PeerKind::kGreylister, .number = static_cast<uint32_t>(dice.Between(5, 90))};
    }
    plan.peers.push_back(peer);
  }
  AddMessages(plan, dice,
              {.messages = 80,
               .recipients_max = 3,
               .bytes_max = 200u << 10,
               .large_percent = 20,
               .horizon = seconds(1)});
  AddFaults(plan, dice, dice.Between(0, 3),
            {FaultKind::kLatency, FaultKind::kSlowDisk, FaultKind::kKill, FaultKind::kReset});
}

// A disk that is full before much is refused. What is left of it is for outcomes and reports, and
// does not last: nobody takes the reports, and some mail is for a peer that nobody reaches, so that
// little comes free.
void MakeFull(Plan& plan, Dice& dice) {
  plan.shards = static_cast<uint16_t>(dice.Between(1, 2));
  for (uint64_t i = dice.Between(1, 2); i > 0; --i) {
    plan.peers.push_back(
        {.kind = PeerKind::kRefuser, .number = static_cast<uint32_t>(dice.Between(60, 95))});
  }
  AddAnyPeers(plan, dice, 1, 50);
  AddMessages(plan, dice,
              {.messages = 250,
               .recipients_max = 2,
               .bytes_max = 60u << 10,
               .bytes_min = 30u << 10,
               .whole = true,
               .horizon = seconds(2)});
  const Nanoseconds lasts = dice.Time(seconds(30), minutes(3));
  const auto unreachable = [&plan](uint32_t peer, Nanoseconds time) {
    plan.faults.push_back({.id = static_cast<uint32_t>(plan.faults.size() + 1),
                           .kind = FaultKind::kRefuse,
                           .lasts = time,
                           .peer = peer});
  };
  const auto last = static_cast<uint32_t>(plan.peers.size() - 1);
  unreachable(FaultPlan::kHome, lasts);
  unreachable(last, lasts);
  for (uint32_t peer = 0; peer < last; ++peer) unreachable(peer, seconds(4));
  plan.faults.push_back({.id = static_cast<uint32_t>(plan.faults.size() + 1),
                         .kind = FaultKind::kDiskFull,
                         .at = dice.Time(seconds(1), seconds(4)),
                         .lasts = lasts,
                         .place = dice.Below(64)});
  AddFaults(plan, dice, dice.Between(0, 2),
            {FaultKind::kKill, FaultKind::kPowerCut, FaultKind::kSlowDisk, FaultKind::kDiskFull});
}

void AddStorm(Plan& plan, Dice& dice) {
  AddFaults(plan, dice, dice.Between(3, 20),
            {FaultKind::kPowerCut,        FaultKind::kKill,        FaultKind::kTerminate,
             FaultKind::kPowerCutAtWrite, FaultKind::kKillAtWrite, FaultKind::kReload,
             FaultKind::kDiskError,       FaultKind::kDiskFull,    FaultKind::kSlowDisk,
             FaultKind::kLatency,         FaultKind::kPartition,   FaultKind::kReset,
             FaultKind::kHalfClose,       FaultKind::kRefuse,      FaultKind::kBacklogFull,
             FaultKind::kTinySegments,    FaultKind::kClockJump,   FaultKind::kDnsFailure,
             FaultKind::kSlowShard,       FaultKind::kPause});
}

void MakeStorm(Plan& plan, Dice& dice) {
  AddAnyPeers(plan, dice, dice.Between(2, 8), 40);
  AddMessages(plan, dice, {.messages = 250, .recipients_max = 6, .large_percent = 2});
  AddStorm(plan, dice);
}

void MakeChain(Plan& plan, Dice& dice) {
  plan.servers = 2;
  AddAnyPeers(plan, dice, dice.Between(2, 5), 60);
  AddMessages(plan, dice, {.messages = 150, .recipients_max = 4, .large_percent = 2});
  if (dice.Percent(70)) AddStorm(plan, dice);
}

void AddAccounts(Plan& plan, Dice& dice, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    plan.accounts.push_back(
        {.quota_messages = dice.Percent(15) ? static_cast<uint32_t>(dice.Between(3, 30)) : 0});
  }
  for (uint64_t i = dice.Below(3); i > 0; --i) {
    AliasPlan alias;
    for (uint32_t account = 0; account < count; ++account) {
      if (alias.accounts.empty() || dice.Percent(60)) alias.accounts.push_back(account);
    }
    plan.aliases.push_back(std::move(alias));
  }
}

// Some recipients of each message live here.
void MoveHome(Plan& plan, Dice& dice, uint32_t percent) {
  for (MessagePlan& message : plan.messages) {
    for (RecipientPlan& to : message.recipients) {
      if (!dice.Percent(percent)) continue;
      to = {static_cast<uint32_t>(dice.Below(plan.accounts.size())), RecipientPlan::Kind::kAccount};
      if (dice.Percent(25)) to.kind = RecipientPlan::Kind::kDetail;
      if (!plan.aliases.empty() && dice.Percent(20)) {
        to = {static_cast<uint32_t>(dice.Below(plan.aliases.size())), RecipientPlan::Kind::kAlias};
      }
    }
  }
}

void AddVisits(Plan& plan, Dice& dice, uint64_t each_max, Nanoseconds horizon) {
  using Ending = VisitPlan::Ending;
  for (uint32_t account = 0; account < plan.accounts.size(); ++account) {
    for (uint64_t i = dice.Between(1, each_max); i > 0; --i) {
      VisitPlan visit{.account = account, .at = dice.Time(Nanoseconds(0), horizon)};
      if (dice.Percent(30)) visit.lingers = dice.Time(Nanoseconds(0), horizon);
      visit.read_percent = dice.Any({20u, 100u, 100u});
      visit.delete_percent = dice.Any({0u, 30u, 100u});
      visit.ending = dice.Any({Ending::kQuit, Ending::kQuit, Ending::kLeave, Ending::kVanish});
      plan.visits.push_back(visit);
    }
  }
  std::stable_sort(plan.visits.begin(), plan.visits.end(),
                   [](const VisitPlan& a, const VisitPlan& b) { return a.at < b.at; });
  for (uint32_t i = 0; i < plan.visits.size(); ++i) plan.visits[i].number = i + 1;
}

// Mailboxes: what comes is read and deleted while everything goes wrong that a disk of good faith
// does.
void MakeBoxes(Plan& plan, Dice& dice) {
  AddCorrectPeers(plan, dice, 1);
  AddMessages(plan, dice, {.messages = 150, .recipients_max = 3, .large_percent = 2});
  AddAccounts(plan, dice, dice.Between(1, 4));
  MoveHome(plan, dice, 85);
  AddVisits(plan, dice, 6, seconds(10));
  AddFaults(
      plan, dice, dice.Between(0, 8),
      {FaultKind::kPowerCut, FaultKind::kPowerCut, FaultKind::kKill, FaultKind::kTerminate,
       FaultKind::kPowerCutAtWrite, FaultKind::kPowerCutAtWrite, FaultKind::kPowerCutAtWrite,
       FaultKind::kKillAtWrite, FaultKind::kDiskError, FaultKind::kDiskError, FaultKind::kDiskFull,
       FaultKind::kSlowDisk, FaultKind::kReset, FaultKind::kLatency, FaultKind::kPartition,
       FaultKind::kPause, FaultKind::kSlowShard, FaultKind::kClockJump, FaultKind::kReload});
}

// As the sweep, with mailboxes: one crash at one write of deliveries and of what readers delete.
void MakeBoxSweep(Plan& plan, Dice& dice) {
  plan.shards = static_cast<uint16_t>(1 + plan.seed / 80 % 2);
  plan.senders = 2;
  AddCorrectPeers(plan, dice, 1);
  AddMessages(
      plan, dice,
      {.messages = 16, .recipients_max = 3, .large_percent = 2, .horizon = milliseconds(20)});
  AddAccounts(plan, dice, 2);
  MoveHome(plan, dice, 90);
  AddVisits(plan, dice, 4, milliseconds(30));
  FaultPlan fault{.id = 1,
                  .kind = dice.Percent(85) ? FaultKind::kPowerCutAtWrite : FaultKind::kKillAtWrite,
                  .lasts = milliseconds(10)};
  fault.place = 1 + plan.seed % 80;
  fault.number = dice.Percent(25) ? dice.Between(1, 3) : 0;
  plan.faults.push_back(fault);
}

struct Maker {
  Scenario scenario;
  uint32_t weight;  // in the mix
  void (*make)(Plan& plan, Dice& dice);
};
constexpr Maker kMakers[] = {
    {{"calm", "volume: correct peers, no faults"}, 30, MakeCalm},
    {{"sweep",
      "one power cut or kill at one write of a short run; consecutive seeds take consecutive "
      "writes"},
     10,
     MakeSweep},
    {{"crash", "power cuts, kills and restarts with other numbers of shards"}, 12, MakeCrash},
    {{"disk", "errors, full and slow disks"}, 8, MakeDisk},
    {{"full", "full disks while much is refused, and reports bring it back whole"}, 1, MakeFull},
    {{"rot", "bits that flip in records written long ago"}, 3, MakeRot},
    {{"network", "resets, partitions, delays, refusals, one octet at a time"}, 10, MakeNetwork},
    {{"peers", "next hops that greylist, refuse, close, lie and stall"}, 10, MakePeers},
    {{"time", "clocks that jump, names that fail, slow shards, reloads"}, 4, MakeTime},
    {{"crowd", "more connections, recipients and mail than the limits allow"}, 4, MakeCrowd},
    {{"large", "more content than the cache holds, to slow peers"}, 1, MakeLarge},
    {{"chain", "two servers in a row, mostly with faults of every kind"}, 4, MakeChain},
    {{"storm", "everything at once"}, 5, MakeStorm},
    // Outside the mix, whose seeds stay what they are.
    {{"boxes", "mailboxes that are delivered to, read and emptied, with faults of most kinds"},
     0,
     MakeBoxes},
    {{"boxsweep", "one power cut or kill at one write of a short run with mailboxes"},
     0,
     MakeBoxSweep},
};

const Maker& Find(std::string_view name, Dice& dice) {
  uint32_t sum = 0;
  for (const Maker& maker : kMakers) sum += maker.weight;
  uint64_t drawn = dice.Below(sum);
  for (const Maker& maker : kMakers) {
    if (name == maker.scenario.name) return maker;
    if (name == "mix" && drawn < maker.weight) return maker;
    drawn -= std::min<uint64_t>(drawn, maker.weight);
  }
  CheckFailed("a scenario", __FILE__, __LINE__);
}

}  // namespace

const std::vector<Scenario>& Scenarios() {
  static const std::vector<Scenario> all = [] {
    std::vector<Scenario> out = {{"mix", "any of the others, by weight"}};
    for (const Maker& maker : kMakers) out.push_back(maker.scenario);
    return out;
  }();
  return all;
}

bool IsScenario(std::string_view name) {
  return std::any_of(Scenarios().begin(), Scenarios().end(),
                     [name](const Scenario& one) { return one.name == name; });
}

Plan MakePlan(std::string_view scenario, uint64_t seed) {
  Dice dice(seed);
  const Maker& maker = Find(scenario, dice);
  Plan plan;
  plan.scenario = maker.scenario.name;
  plan.seed = seed;
  plan.shards = static_cast<uint16_t>(dice.Between(1, 3));
  plan.senders = static_cast<uint32_t>(dice.Between(1, 6));
  plan.messages_per_connection = static_cast<uint32_t>(dice.Any<uint64_t>({1, 5, 1000}));
  plan.shard_queue = static_cast<uint32_t>(dice.Any<uint64_t>({1, 8, 1024}));
  plan.warn_after = dice.Any<Nanoseconds>({hours(4), hours(4), seconds(30)});
  maker.make(plan, dice);
  const auto never_wrong = [](const PeerPlan& peer) { return peer.kind == PeerKind::kCorrect; };
  if (!std::all_of(plan.peers.begin(), plan.peers.end(), never_wrong))
    plan.behave_after =
        plan.messages.back().at + dice.Any<Nanoseconds>({seconds(20), minutes(3), minutes(30)});
  return plan;
}

}  // namespace ringmail::sim
