// Plays a plan: servers, peers, senders and faults in one world, from the first start to an empty
// queue and an orderly stop; and judges what happened.
//
// The checks, by the numbers of README.md: (1) nothing acknowledged is lost, (2) no duplicate
// without a lost answer, (3) nothing is delivered that was never accepted, (4) outcomes agree with
// what peers said: the ledger's. (5) limits hold, (6) everything drains, and nothing leaks, (7)
// every store that a crash leaves is good: the world's, at each restart and at the end. (8) the
// trace hash, for whoever plays a plan twice.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/mail/ledger.h"
#include "tests/sim/mail/plan.h"

namespace ringmail::sim {

struct PlayOptions {
  bool timeline = false;  // keep the servers' log lines and the faults, for people
  bool print = false;     // and print them as they come
};

struct Outcome {
  std::vector<std::string> violations;  // none: good
  Counts counts;
  std::array<uint64_t, static_cast<size_t>(FaultKind::kCount)> faults{};  // that struck, by kind
  uint64_t power_cuts = 0, kills = 0, restarts = 0;
  uint64_t trace_hash = 0;
  Nanoseconds virtual_time{0};
  std::string timeline;
};

Outcome Play(const Plan& plan, const PlayOptions& options = {});

}  // namespace ringmail::sim
