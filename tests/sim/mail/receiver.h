// A next hop that behaves as its kind says (plan.h), and writes down what it took and what it
// refused.
//
// Whatever its kind it tells the truth to the ledger: what it answered 2yz it has. Its choices
// follow from the plan's seed, the forward-path and how often that was tried, never from the
// moment, so that a smaller plan finds the same behaviour.
#pragma once

#include <cstdint>
#include <memory>

#include "tests/sim/io/world.h"
#include "tests/sim/mail/ledger.h"
#include "tests/sim/mail/plan.h"

namespace ringmail::sim {

// The peer that takes DSNs: the domain home.example.
inline constexpr uint32_t kHomePeer = UINT32_MAX;

// Made by: the mail world, for a node of its own. Order: Start once; Behave at any time: from then
// on it is a correct receiver (but a refuser still says 5yz to those it refuses for good), so that
// everything can drain.
class Receiver {
 public:
  // `index` is the peer's in the plan, or kHomePeer, which is correct.
  Receiver(Node& node, const Plan& plan, uint32_t index, Ledger& ledger);
  ~Receiver();
  void Start();
  void Behave();
  // Sessions open now.
  uint32_t sessions() const;

 private:
  struct Work;
  std::unique_ptr<Work> work_;
};

}  // namespace ringmail::sim
