// The owner of an account, who comes by POP3 as the plan says, looks at what is there, reads and
// deletes some of it, and writes all that was seen into the mailbook.
//
// A visit that does not come to its end (nobody answers, the maildrop is in use, the connection is
// lost) is tried again until it does.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ringmail/io/endpoint.h"
#include "tests/sim/io/world.h"
#include "tests/sim/mail/ledger.h"
#include "tests/sim/mail/plan.h"

namespace ringmail::sim {

// Made by: the mail world, for a node of its own. Order: Start once; Behave when nothing goes wrong
// any more; Rest when all mail has come.
class Reader {
 public:
  // `visits` are of `account`.
  Reader(Node& node, const Plan& plan, uint32_t account, std::vector<VisitPlan> visits,
         Ledger& ledger, io::Endpoint server);
  ~Reader();
  void Start();
  // From now on an account with a quota is emptied again and again, so that all mail finds room.
  void Behave();
  // No visit begins any more but those of the plan.
  void Rest();
  // Every visit of the plan is over, and no other is under way.
  bool done() const;

 private:
  struct Session;
  struct Work;
  std::unique_ptr<Work> work_;
};

}  // namespace ringmail::sim
