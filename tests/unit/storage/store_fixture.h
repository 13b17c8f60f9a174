// A store in a simulated world, and a ledger of what it has promised.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ringmail/io/gate.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/storage/store.h"
#include "tests/sim/io/world.h"

namespace ringmail::storage {

// What was promised, and what was asked for but not yet promised.
struct Ledger {
  struct Entry {
    std::string text;
    std::vector<RecipientState> states;
    uint16_t attempts = 0;
  };
  std::map<uint64_t, Entry> accepted;  // Enqueue said OK
  std::set<uint64_t> maybe;            // asked for, not answered: may be there or not
  std::set<uint64_t> finishing;        // its last outcome was asked for, not answered
  std::set<uint64_t> finished;         // said OK: must never come back
  std::map<uint64_t, std::set<uint32_t>>
      settling;  // recipients whose outcome was asked for, not answered
};

message::Envelope MakeEnvelope(size_t recipients, std::string_view tag = "x");
// Text of `bytes` octets in CRLF lines, some beginning with a dot; the same for the same seed.
std::string MakeText(size_t bytes, uint64_t seed);

class StoreWorld {
 public:
  using Body = std::function<io::Task<void>(StoreWorld& world, ShardStore& store)>;

  explicit StoreWorld(uint64_t seed = 1, sim::DiskOptions disk = {});

  // Starts the process with this many shards; each opens its store, runs `body`, and closes unless
  // the body said not to.
  void Start(uint16_t shards, Body body);
  // Runs to the end of it. False where it never ends.
  [[nodiscard]] bool Finish();
  [[nodiscard]] bool Run(uint16_t shards, Body body) {
    Start(shards, std::move(body));
    return Finish();
  }
  void Crash(sim::DiskLoss loss);
  // Runs `body` on one shard until the disk has been asked `requests` times for something that
  // changes it, then cuts the power. False: it was done before.
  bool CrashAfter(uint64_t requests, sim::DiskLoss loss, Body body);
  // Ends the process as SIGKILL does.
  void Kill();

  // Opens with `shards`, checks everything against the ledger, closes.
  void Verify(uint16_t shards);
  // What Fsck says.
  FsckReport Check();

  // The ledger is kept by these.
  io::Task<StatusOr<QueueId>> Put(ShardStore& store, std::string text, size_t recipients);
  io::Task<Status> Settle(ShardStore& store, QueueId id, uint32_t recipient, RecipientState state);
  io::Task<Status> SettleAll(ShardStore& store, QueueId id);
  static io::Task<StatusOr<std::string>> Read(ShardStore& store, QueuedMessage& message);
  static io::Task<StatusOr<ContentWriter>> Write(Queue& queue, std::string text,
                                                 std::string_view prefix = {});

  sim::World world;
  sim::Node& node;
  StoreOptions options;
  Ledger ledger;
  std::vector<Status> open_status;
  std::vector<RecoveryReport> reports;
  bool verifying_damage = false;  // damages are expected
  uint64_t seen = 0;              // messages found by Verify

 private:
  static io::Task<void> Main(void* context);
  io::Task<void> VerifyShard(ShardStore& store);

  Body body_;
  std::vector<std::unique_ptr<ShardStore>> stores_;
};

// As CO_RETURN_IF_ERROR, for test bodies.
#define CO_ASSERT_TRUE(condition)   \
  do {                              \
    const bool ok_ = (condition);   \
    EXPECT_TRUE(ok_) << #condition; \
    if (!ok_) co_return;            \
  } while (false)

}  // namespace ringmail::storage
