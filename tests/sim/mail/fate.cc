#include "tests/sim/mail/fate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "ringmail/base/check.h"

namespace ringmail::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A supervisor starts a server again that ended without having been asked to.
constexpr Nanoseconds kSupervisorWaits = seconds(1);
// An outcome is durable so soon after the answer that it follows from, on a disk of ordinary speed.
constexpr Nanoseconds kNotedWithin = milliseconds(200);
// The world asks so often, at most.
constexpr Nanoseconds kPolledWithin = milliseconds(1100);
constexpr Nanoseconds kStopsWithin = seconds(25);
constexpr uint16_t kShardsMax = 16;
// SMTP and POP3.
constexpr std::array<uint16_t, 2> kPorts = {25, 110};

DiskLoss LossOf(uint64_t random) {
  if (random % 10 == 0) return DiskLoss::kNothing;
  return random % 10 < 3 ? DiskLoss::kEverything : DiskLoss::kRandom;
}

}  // namespace

struct Fate::Machine {
  MailServer* server = nullptr;
  bool start_planned = false;
  bool ending = false;  // asked to, and its start is planned for when it has
  Nanoseconds start_after{0};
  uint16_t shards = 0;
  bool recovering = false;  // started after an end, and not yet ready
  bool disk_failed = false;
  MonotonicTime disk_failed_at{};
  bool outcomes_wait = false;  // for room on the disk
  MonotonicTime outcomes_wait_at{};
  bool disk_faulty = false;        // an error was planned: it may end with a problem
  std::vector<uint64_t> failures;  // requests until each error; 0: it has been
  bool end_planned = false;        // at one of its writes
  bool end_is_power_cut = false;
  Nanoseconds longest_way{0};  // that an answer may have taken to it
  Nanoseconds slowest{0};      // that a request of its disk may have taken
  DiskOptions disk;            // as it should be
};

Fate::Fate(Cast cast) : cast_(cast) {
  for (auto& server : cast_.servers) {
    machines_.push_back(std::make_unique<Machine>());
    machines_.back()->server = server.get();
    machines_.back()->disk = server->node().disk().options();
  }
}

Fate::~Fate() = default;

void Fate::Schedule() {
  const MonotonicTime begin = cast_.world.now();
  last_end_ = begin + cast_.plan.behave_after;
  for (const FaultPlan& fault : cast_.plan.faults) {
    last_end_ = std::max(last_end_, begin + fault.at + fault.lasts);
    cast_.world.At(begin + fault.at, nullptr, [this, &fault] { Strike(fault); });
  }
}

bool Fate::over() const { return cast_.world.now() >= last_end_; }

void Fate::After(Nanoseconds time, std::function<void()> run) {
  cast_.world.At(cast_.world.now() + time, nullptr, std::move(run));
}

void Fate::Say(std::string_view what, const FaultPlan& fault) {
  timeline +=
      fmt::format("{:.6f} fault {} {}: {}\n",
                  std::chrono::duration<double>(cast_.world.now().time_since_epoch()).count(),
                  fault.id, Name(fault.kind), what);
}

void Fate::StartLater(Machine& machine, Nanoseconds after, uint16_t shards) {
  if (machine.start_planned) return;
  machine.start_planned = true;
  machine.shards = shards;
  After(after, [this, &machine] {
    machine.start_planned = false;
    if (machine.server->running()) return;
    machine.recovering = true;
    ++restarts;
    if (&machine == machines_.front().get())
      cast_.ledger.mailbook().ServerStarted(cast_.world.now());
    machine.server->Start(machine.shards);
  });
}

void Fate::Excuse(Machine& machine, Nanoseconds ago) {
  const DiskOptions& disk = machine.server->node().disk().options();
  // A request that began while the disk was slow may be under way long after.
  machine.slowest = std::max({machine.slowest, disk.latency, disk.durable_latency});
  const Nanoseconds slow = machine.slowest * 20;
  Nanoseconds window = kNotedWithin + slow + machine.longest_way + ago;
  // Seen by Poll some time after it happened.
  if (machine.disk_failed) window += cast_.world.now() - machine.disk_failed_at + seconds(2);
  machine.disk_failed = false;
  // What was delivered since could not be noted, and what waits is all that is delivered then.
  if (machine.outcomes_wait) {
    window += cast_.world.now() - machine.outcomes_wait_at + kPolledWithin;
  } else if (machine.server->outcomes_wait()) {
    window += kPolledWithin;
  }
  machine.outcomes_wait = false;
  cast_.ledger.ServerEnded(cast_.world.now(), window);
}

void Fate::Ended(Machine& machine, bool power_cut, Nanoseconds ago) {
  Excuse(machine, ago);
  machine.ending = false;
  machine.end_planned = false;
  ++(power_cut ? power_cuts : kills);
}

void Fate::EndNow(Machine& machine, bool power_cut) {
  machine.server->node().CancelEnd();
  Ended(machine, power_cut, Nanoseconds(0));
  if (power_cut) {
    machine.server->PowerCut(LossOf(cast_.world.RandomUint64()));
  } else {
    machine.server->Kill();
  }
}

void Fate::Strike(const FaultPlan& fault) {
  ++struck[static_cast<size_t>(fault.kind)];
  Machine& machine = *machines_[fault.server];
  Say(fmt::format("server {}{}", fault.server, machine.server->running() ? "" : ", which is down"),
      fault);
  if (fault.kind <= FaultKind::kReload) {
    StrikeServer(fault, machine);
  } else if (fault.kind <= FaultKind::kRot) {
    StrikeDisk(fault, machine);
  } else if (fault.kind <= FaultKind::kTinySegments) {
    StrikeNetwork(fault, machine);
  } else if (fault.kind == FaultKind::kClockJump) {
    const auto by = seconds(static_cast<int64_t>(fault.number));
    cast_.world.ShiftWallClock(fault.place % 2 == 1 ? -by : by);
  } else if (fault.kind == FaultKind::kDnsFailure) {
    SetNames(1 + fault.number);
    After(fault.lasts, [this] { SetNames(0); });
  } else {
    StrikeShard(fault, machine);
  }
}

void Fate::StrikeServer(const FaultPlan& fault, Machine& machine) {
  const uint16_t shards = static_cast<uint16_t>(fault.number);
  if (!machine.server->running()) return;
  switch (fault.kind) {
    case FaultKind::kPowerCut:
    case FaultKind::kKill:
      EndNow(machine, fault.kind == FaultKind::kPowerCut);
      StartLater(machine, fault.lasts, shards);
      break;
    case FaultKind::kPowerCutAtWrite:
    case FaultKind::kKillAtWrite:
      EndAtWrite(fault, machine);
      break;
    case FaultKind::kTerminate:
      machine.server->Terminate();
      machine.ending = true;
      machine.start_after = fault.lasts;
      machine.shards = shards;
      break;
    default:
      machine.server->Reload();
      break;
  }
}

void Fate::StrikeDisk(const FaultPlan& fault, Machine& machine) {
  Disk& disk = machine.server->node().disk();
  switch (fault.kind) {
    case FaultKind::kDiskError:
      machine.disk_faulty = true;
      FailAtRequest(fault, machine);
      break;
    case FaultKind::kDiskFull:
      machine.disk_faulty = true;
      disk.options().capacity_bytes -= disk.free_bytes() - (fault.place % 64) * io::kBlockBytes;
      After(fault.lasts,
            [&machine, &disk] { disk.options().capacity_bytes = machine.disk.capacity_bytes; });
      break;
    case FaultKind::kSlowDisk: {
      const int64_t times = static_cast<int64_t>(fault.number);
      disk.options().latency = machine.disk.latency * times;
      disk.options().durable_latency = machine.disk.durable_latency * times;
      machine.slowest = std::max(machine.slowest, disk.options().durable_latency);
      After(fault.lasts, [&machine, &disk] {
        disk.options().latency = machine.disk.latency;
        disk.options().durable_latency = machine.disk.durable_latency;
      });
      break;
    }
    default:
      Rot(fault, machine);
      break;
  }
}

// In what was written well before the last batch: rot in exactly that cannot be told from a torn
// write, as the store's crash page says.
void Fate::Rot(const FaultPlan& fault, Machine& machine) {
  Disk& disk = machine.server->node().disk();
  std::vector<std::string> logs, files;
  if (disk.List("/data/log", logs) != 0 || logs.empty()) return;
  const std::string folder = "/data/log/" + logs[fault.place % logs.size()];
  if (disk.List(folder, files) != 0) return;
  std::erase_if(files, [](const std::string& name) {
    return !name.ends_with(".seg") || name.starts_with("spare");
  });
  if (files.empty()) return;
  const std::string path = folder + "/" + files[fault.place / 16 % files.size()];
  const std::optional<std::string> bytes = disk.Contents(path);
  if (!bytes) return;
  const size_t end = bytes->find_last_not_of('\0');
  if (end == bytes->npos || end < 16 * io::kBlockBytes) return;
  const size_t at = fault.place / 256 % (end / 2);
  const char flipped = static_cast<char>((*bytes)[at] ^ (1 << fault.place % 8));
  rotten = true;
  // An outcome that rotted is not known any more, as the crash page says.
  cast_.ledger.ServerEnded(cast_.world.now(), cast_.world.now().time_since_epoch());
  disk.Damage(path, at, std::string_view(&flipped, 1));
  Say(fmt::format("{} at {}", path, at), fault);
}

// 0: as it should be; 1: not found; 2: the resolver fails; 3: slow; 4: a lie, an address where
// nobody is.
void Fate::SetNames(uint64_t how) {
  for (size_t i = 0; i < cast_.peers.size(); ++i) {
    const std::string name = fmt::format("d{}.example", i);
    switch (how) {
      case 1:
        cast_.world.SetHost(name, absl::NotFoundError("no such host"));
        break;
      case 2:
        cast_.world.SetHost(name, absl::UnavailableError("the resolver does not answer"));
        break;
      case 3:
        cast_.world.SetHost(name, std::vector<IpAddress>{cast_.peers[i]->ip()}, seconds(40));
        break;
      case 4:
        cast_.world.SetHost(name, std::vector<IpAddress>{*IpAddress::Parse("10.9.9.9")});
        break;
      default:
        cast_.world.SetHost(name, std::vector<IpAddress>{cast_.peers[i]->ip()});
        break;
    }
  }
}

void Fate::Poll() {
  for (auto& one : machines_) {
    Machine& machine = *one;
    MailServer& server = *machine.server;
    if (!server.running()) {
      if (machine.start_planned) continue;
      if (machine.end_planned && !server.node().end_planned()) {
        Ended(machine, machine.end_is_power_cut, kPolledWithin);
        StartLater(machine, machine.start_after, machine.shards);
        continue;
      }
      // In order, but with outcomes that a failed log did not take: as long as it may take to stop.
      if (machine.disk_faulty) Excuse(machine, kStopsWithin);
      const std::string problem = server.problem();
      if (!problem.empty() && !machine.disk_faulty && !rotten)
        cast_.ledger.Violation("exit", problem);
      StartLater(machine, machine.ending ? machine.start_after : kSupervisorWaits,
                 machine.ending ? machine.shards : 0);
      machine.ending = false;
      continue;
    }
    if (!server.ready()) continue;
    if (machine.recovering) {
      machine.recovering = false;
      machine.disk_failed = false;
      if (on_recovered) on_recovered(server);
    }
    if (const bool wait = server.outcomes_wait(); wait != machine.outcomes_wait) {
      machine.outcomes_wait = wait;
      machine.outcomes_wait_at = cast_.world.now();
    }
    if (!machine.disk_failed && !machine.ending && server.log_failed()) {
      // As the log line and the metric ask the operator to do.
      machine.disk_failed = true;
      machine.disk_failed_at = cast_.world.now();
      After(seconds(2), [this, &machine] {
        if (!machine.disk_failed || !machine.server->running()) return;
        EndNow(machine, false);
        StartLater(machine, milliseconds(10), 0);
      });
    }
  }
}

// At one of its writes to come; Poll sees that it has.
void Fate::EndAtWrite(const FaultPlan& fault, Machine& machine) {
  if (machine.end_planned) return;
  machine.end_planned = true;
  machine.start_after = fault.lasts;
  machine.shards = static_cast<uint16_t>(fault.number);
  EndAtRequest request{.nth = fault.place, .power = fault.kind == FaultKind::kPowerCutAtWrite};
  request.moment = static_cast<EndAtRequest::Moment>(cast_.world.Random(3));
  request.loss = LossOf(cast_.world.RandomUint64());
  machine.end_is_power_cut = request.power;
  machine.server->node().EndAt(request);
}

void Fate::FailAtRequest(const FaultPlan& fault, Machine& machine) {
  machine.failures.push_back(fault.place);
  machine.server->node().disk().fault = [&machine](const DiskRequest&) {
    DiskFault result;
    for (uint64_t& left : machine.failures) {
      if (left > 0 && --left == 0) result.error = EIO;
    }
    // Any part of a write may be there all the same, in whole sectors.
    if (result.error != 0) result.lands = machine.failures.size() % 2 == 0 ? 512 : DiskFault::kHalf;
    return result;
  };
}

// REQUIRES: not everyone.
Node& Fate::PeerOf(const FaultPlan& fault) {
  return fault.peer == FaultPlan::kHome ? *cast_.home : *cast_.peers[fault.peer];
}

void Fate::SetPaths(const FaultPlan& fault, Machine& machine, PathOptions options) {
  Node& server = machine.server->node();
  if (fault.peer == FaultPlan::kEveryone) {
    cast_.world.SetPaths(server, options);
    After(fault.lasts, [this, &server] { cast_.world.SetPaths(server, {}); });
    return;
  }
  Node& peer = PeerOf(fault);
  cast_.world.SetPathFor(server, peer, options, fault.lasts);
  cast_.world.SetPathFor(peer, server, options, fault.lasts);
}

void Fate::SetPort(const FaultPlan& fault, Machine& machine, PortState state) {
  Node& node = fault.peer == FaultPlan::kEveryone ? machine.server->node() : PeerOf(fault);
  for (const uint16_t port : kPorts) node.SetPort(port, state);
  After(fault.lasts, [&node] {
    for (const uint16_t port : kPorts) node.SetPort(port, PortState::kOpen);
  });
}

void Fate::SpoilConnection(const FaultPlan& fault, Machine& machine) {
  ConnectionFault spoil{
      .from_connector = fault.place % 2 == 0, .after_octets = fault.place, .time = fault.lasts};
  spoil.kind = fault.kind == FaultKind::kHalfClose ? ConnectionFault::Kind::kEnd
               : fault.number == 2                 ? ConnectionFault::Kind::kStall
               : fault.number == 3                 ? ConnectionFault::Kind::kVanish
                                                   : ConnectionFault::Kind::kReset;
  Node& server = machine.server->node();
  if (fault.peer == FaultPlan::kEveryone) {
    (void)cast_.world.SpoilOne(server, spoil);
    return;
  }
  const auto live = cast_.world.Connections(&server, &PeerOf(fault));
  if (live.empty()) {
    cast_.world.SpoilLater(&server, &PeerOf(fault), 0, spoil);
  } else {
    (void)cast_.world.Spoil(live[fault.place % live.size()].id, spoil);
  }
}

void Fate::StrikeNetwork(const FaultPlan& fault, Machine& machine) {
  const Nanoseconds delay = milliseconds(static_cast<int64_t>(fault.number));
  switch (fault.kind) {
    case FaultKind::kLatency:
      machine.longest_way = std::max(machine.longest_way, delay * 2);
      SetPaths(fault, machine, {.delay = delay, .jitter = delay});
      break;
    case FaultKind::kPartition:
      SetPaths(fault, machine, {.lost = true});
      break;
    case FaultKind::kTinySegments:
      SetPaths(fault, machine, {.segment_bytes = 1});
      break;
    case FaultKind::kRefuse:
      SetPort(fault, machine, PortState::kRefusing);
      break;
    case FaultKind::kBacklogFull:
      SetPort(fault, machine, PortState::kFull);
      break;
    default:
      SpoilConnection(fault, machine);
      break;
  }
}

void Fate::StrikeShard(const FaultPlan& fault, Machine& machine) {
  Node& node = machine.server->node();
  if (fault.kind == FaultKind::kPause) {
    node.Pause(fault.lasts);
    machine.longest_way += fault.lasts;
    return;
  }
  const uint16_t shard = static_cast<uint16_t>(fault.place);
  node.SetShardSlowness(shard, static_cast<uint32_t>(fault.number));
  After(fault.lasts, [&node, shard] { node.SetShardSlowness(shard, 1); });
}

void Fate::Heal() {
  SetNames(0);
  cast_.world.CancelSpoiling();
  for (Node* peer : cast_.peers) peer->SetPort(25, PortState::kOpen);
  cast_.home->SetPort(25, PortState::kOpen);
  for (auto& one : machines_) {
    Machine& machine = *one;
    Node& node = machine.server->node();
    cast_.world.SetPaths(node, {});
    for (const uint16_t port : kPorts) node.SetPort(port, PortState::kOpen);
    node.CancelEnd();
    node.disk().fault = nullptr;
    node.disk().options() = machine.disk;
    for (uint16_t shard = 0; shard < kShardsMax; ++shard) node.SetShardSlowness(shard, 1);
  }
}

}  // namespace ringmail::sim
