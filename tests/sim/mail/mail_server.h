// A whole ringmail server on a simulated machine: the same ServerMain that `ringmail serve` runs,
// with a configuration in TOML, started, ended in every way and started again.
//
// Made by: the mail world. Order: Start; one of the ends; Start again, any number of times. What is
// on the machine's disk stays.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ringmail/io/endpoint.h"
#include "tests/sim/io/world.h"
#include "tests/sim/mail/ledger.h"
#include "tests/sim/mail/plan.h"

namespace ringmail::sim {

// Of every account.
inline constexpr std::string_view kReaderPassword = "open-sesame";

struct QueueCount {
  uint64_t messages = 0;
  uint64_t held = 0;
};

class MailServer {
 public:
  // `routes` in TOML: what this server does with each domain. `log_level` as in the configuration.
  MailServer(World& world, const Plan& plan, uint32_t index, std::string routes,
             std::string_view log_level);
  MailServer(const MailServer&) = delete;
  MailServer& operator=(const MailServer&) = delete;
  ~MailServer();

  // Writes the accounts and aliases of the plan into the store, as `ringmail init` does. Runs the
  // world meanwhile. REQUIRES: not started yet.
  void MakeAccounts(const Plan& plan);
  // With so many shards; 0: as many as before. REQUIRES: not running.
  void Start(uint16_t shards);
  bool running() const { return node_.running(); }
  // Every store is open and every listener is accepting.
  bool ready() const;
  void Kill();
  void PowerCut(DiskLoss loss);
  // SIGTERM: it ends by itself, in order.
  void Terminate();
  void Reload();

  Node& node() { return node_; }
  io::Endpoint endpoint() const;
  io::Endpoint pop3_endpoint() const;
  // REQUIRES: ready().
  QueueCount queue() const;
  // The first limit that is exceeded now, in words; "" for none: little work, for each step.
  // REQUIRES: ready().
  std::string ExceededLimit() const;
  // Whether some shard's log has failed: nothing is accepted until a restart.
  bool log_failed() const;
  // Whether outcomes wait for room on the disk.
  bool outcomes_wait() const;
  // Whether the message of this id (as in the reply that acknowledged it) is queued with this
  // forward-path pending.
  bool Pending(std::string_view queue_id, std::string_view forward_path) const;
  // What the last run said as it ended by itself; "" is good.
  std::string problem() const;
  // Reads the store as `ringmail fsck` does; "" where every checksum and every reference is good.
  // REQUIRES: not running. Runs the world meanwhile.
  std::string Fsck();

 private:
  struct Life;
  World& world_;
  Node& node_;
  std::string config_;
  uint32_t connections_max_;
  uint64_t cache_bytes_;
  uint16_t shards_;
  std::unique_ptr<Life> life_;
};

}  // namespace ringmail::sim
