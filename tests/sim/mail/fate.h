// What goes wrong in a mail world, when the plan says so; and the supervisor that starts servers
// again.
//
// Made by: the mail world. Order: Schedule once, after everything is set up; Poll often; Heal once:
// from then on the world is as it should be, and servers that are down are started.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/io/faults.h"
#include "tests/sim/io/world.h"
#include "tests/sim/mail/ledger.h"
#include "tests/sim/mail/mail_server.h"
#include "tests/sim/mail/plan.h"

namespace ringmail::sim {

// Who there is.
struct Cast {
  World& world;
  const Plan& plan;
  Ledger& ledger;
  std::vector<std::unique_ptr<MailServer>>& servers;
  std::vector<Node*> peers;  // by index in the plan
  std::vector<Node*> senders;
  Node* home = nullptr;
};

class Fate {
 public:
  explicit Fate(Cast cast);
  ~Fate();
  void Schedule();
  void Poll();
  void Heal();

  // Every fault has struck, and passed.
  bool over() const;
  // Called by Poll for a server that is ready again after an end.
  std::function<void(MailServer&)> on_recovered;

  std::array<uint64_t, static_cast<size_t>(FaultKind::kCount)> struck{};
  uint64_t power_cuts = 0, kills = 0, restarts = 0;
  bool rotten = false;   // a bit was flipped: damage may be reported
  std::string timeline;  // a line for each fault that struck

 private:
  struct Machine;  // a server, and what is known of its state

  void Strike(const FaultPlan& fault);
  void StrikeServer(const FaultPlan& fault, Machine& machine);
  void StrikeDisk(const FaultPlan& fault, Machine& machine);
  void StrikeNetwork(const FaultPlan& fault, Machine& machine);
  Node& PeerOf(const FaultPlan& fault);
  void SetPaths(const FaultPlan& fault, Machine& machine, PathOptions options);
  void SetPort(const FaultPlan& fault, Machine& machine, PortState state);
  void SpoilConnection(const FaultPlan& fault, Machine& machine);
  void StrikeShard(const FaultPlan& fault, Machine& machine);
  void EndAtWrite(const FaultPlan& fault, Machine& machine);
  void FailAtRequest(const FaultPlan& fault, Machine& machine);
  void Rot(const FaultPlan& fault, Machine& machine);
  void SetNames(uint64_t how);
  void EndNow(Machine& machine, bool power_cut);
  // Outcomes that it learned so long ago, or later, it may not have noted.
  void Excuse(Machine& machine, Nanoseconds ago);
  // It has ended, `ago` at most.
  void Ended(Machine& machine, bool power_cut, Nanoseconds ago);
  void StartLater(Machine& machine, Nanoseconds after, uint16_t shards);
  void After(Nanoseconds time, std::function<void()> run);
  void Say(std::string_view what, const FaultPlan& fault);

  Cast cast_;
  std::vector<std::unique_ptr<Machine>> machines_;
  MonotonicTime last_end_{};
};

}  // namespace ringmail::sim
