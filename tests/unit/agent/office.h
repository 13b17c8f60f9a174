// A whole mail office in a simulated world: on each shard a real store, door and transfer, and a
// transport whose peers do as a script says.
//
//   Office office({.shards = 2});
//   office.peers["a.example"].answer = …;
//   ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> io::Task<void> { … }));
//
// Run starts the process, runs the body once on each shard, and stops in order. What peers took is
// in the office's books, and stays there over several runs.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ringmail/agent/delivery.h"
#include "ringmail/agent/mail_transaction.h"
#include "ringmail/agent/transfer.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/storage/store.h"
#include "tests/sim/io/world.h"
#include "tests/support/storage/remembered_accounts.h"

namespace ringmail::agent {

// What one peer took.
struct Taken {
  std::string path;
  QueueId id;
  std::string reverse_path;
  std::string text;
  WallTime when{};
  uint16_t shard = 0;
  size_t recipients = 0;  // of the transaction
  uint32_t session = 0;
};

// One host, by the name of its next hop.
struct Peer {
  // The script.
  std::function<message::Reply()> refuse;  // asked at each Open; code 0: welcome
  std::function<RecipientResult(const std::string& path)> answer;  // absent: delivered
  uint32_t recipients_max = 1000;
  uint32_t sessions_max = 1000;      // one more is refused
  uint32_t transactions_max = 1000;  // of a session, which then is not usable any more
  bool closes_unanswered = false;    // sessions end at their first transaction
  bool closes_idle = false;          // a session answers one transaction; at the next it is gone
  bool ambiguous = false;
  bool hangs = false;  // transactions do not end but by Cancel
  Nanoseconds open_time = std::chrono::milliseconds(5);
  Nanoseconds transaction_time = std::chrono::milliseconds(1);

  // The books.
  uint32_t opens = 0, quits = 0, transactions = 0, tried_recipients = 0;
  uint32_t sessions = 0, sessions_peak = 0, opening = 0, opening_peak = 0;
  std::vector<MonotonicTime> open_times;
  std::vector<Taken> taken;
  uint32_t Count(std::string_view path) const;
};

struct Letter {
  std::string from = "sender@example.org";
  std::vector<std::string> to;
  std::string text = "Subject: test\r\n\r\nbody\r\n";
  message::MailParameters parameters;
  uint8_t notify = 0;
  std::string original_recipient;
};

// What a shard has.
struct Desk {
  std::unique_ptr<storage::ShardStore> store;
  std::unique_ptr<MailDoor> door;
  std::unique_ptr<Transport> transport;
  std::unique_ptr<RememberedAccounts> accounts;  // where somebody lives here
  std::unique_ptr<LocalTransport> local;
  std::unique_ptr<Transfer> transfer;
  MetricRegistry metrics;
  ShardIndex index;
  storage::Queue& queue() { return store->queue(); }
};

struct OfficeOptions {
  uint64_t seed = 1;
  uint16_t shards = 1;
  sim::DiskOptions disk;
};

class Office {
 public:
  using Body = io::Task<void> (*)(Office& office, Desk& desk);

  explicit Office(OfficeOptions options = {});
  ~Office();

  // From start to orderly stop. False where it does not end.
  [[nodiscard]] bool Run(Body body, Nanoseconds at_most = std::chrono::hours(24 * 30));
  // Starts only; then Finish, Crash, or the world's own calls.
  void Start(Body body);
  [[nodiscard]] bool Finish(Nanoseconds at_most = std::chrono::hours(24 * 30));
  void Crash(sim::DiskLoss loss = sim::DiskLoss::kRandom);

  // Takes a letter in at this desk.
  static io::Task<message::Reply> Submit(Desk& desk, Letter letter, MailSource source);
  // From a client that may relay. The id is invalid where it was refused.
  static io::Task<QueueId> Post(Desk& desk, Letter letter);
  // Until nothing is queued at any desk, or for `at_most`. Whether it is so.
  io::Task<bool> Empty(Nanoseconds at_most);
  // Until `done`, looked at every `step`.
  template <typename F>
  static io::Task<bool> Until(F done, Nanoseconds at_most,
                              Nanoseconds step = std::chrono::milliseconds(10)) {
    const MonotonicTime end = io::Now() + at_most;
    while (!done()) {
      if (io::Now() >= end) co_return false;
      co_await io::SleepUntil(io::Now() + step);
    }
    co_return true;
  }
  static io::Task<void> Sleep(Nanoseconds time) { co_await io::SleepUntil(io::Now() + time); }

  uint64_t queued() const;
  uint32_t CountTaken(std::string_view path) const;
  size_t LogCount(std::string_view text) const;
  // The sum over the shards' registries.
  uint64_t Metric(std::string_view name) const;

  sim::World world;
  sim::Node& node;
  uint16_t shards;
  std::map<std::string, Peer> peers;  // by host; one that is not named here is unknown
  TransferOptions transfer;
  MailDoor::Options door;
  storage::StoreOptions store;
  // Who lives here; nobody: no domain is ours. In the directory from the first run on, with ids
  // from 1 in this order.
  std::vector<storage::DirectoryEntry> people;
  DeliveryOptions delivery;
  AccountBooks accounts;
  // One change of the directory, at any desk.
  static io::Task<Status> Change(Desk& desk, storage::DirectoryChange change);
  Nanoseconds stop_after = std::chrono::seconds(30);
  std::vector<std::unique_ptr<Desk>> desks;
  std::string rendered_metrics;  // at the end of the last run

 private:
  static io::Task<void> Main(void* context);
  io::Task<void> Serve(Desk& desk);
  io::Task<void> Together(uint32_t& count);
  io::Task<void> MoveIn(Desk& desk);

  Body body_ = nullptr;
  uint32_t opened_ = 0, moved_in_ = 0, done_ = 0, stopped_ = 0, closed_ = 0;
};

// "mx.example" → route for its mail to the peer of the same name.
Route RouteTo(std::string_view domain, std::string_view host);

}  // namespace ringmail::agent
