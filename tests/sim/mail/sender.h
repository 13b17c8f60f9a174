// A mail client that brings its messages to a ringmail server and retries as RFC 5321 §4.5.4.1
// asks, for as long as it takes.
//
// It keeps to the protocol, writes down every answer in the ledger, and believes nothing else: what
// was answered 4yz, or lost with a connection, is sent again; what was answered 5yz is given up.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ringmail/io/endpoint.h"
#include "tests/sim/io/world.h"
#include "tests/sim/mail/ledger.h"
#include "tests/sim/mail/plan.h"

namespace ringmail::sim {

// Made by: the mail world, for a node of its own. Order: Start once. The node runs until every
// message has been acknowledged or refused for all recipients, or the world is done with it.
class Sender {
 public:
  Sender(Node& node, const Plan& plan, uint32_t index, Ledger& ledger, io::Endpoint server);
  ~Sender();
  void Start();
  bool done() const;

 private:
  struct Work;
  std::unique_ptr<Work> work_;
};

}  // namespace ringmail::sim
