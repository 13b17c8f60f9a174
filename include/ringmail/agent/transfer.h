// The message transfer agent (RFC 5598 §4.3.2): takes what the queue holds to its next hop, again
// and again until it is delivered, returned, or dropped by the operator.
//
// One Transfer per shard, two halves: for the messages of its own queue it decides when to try,
// groups recipients by destination and records outcomes; for the destinations that hash to it,
// whoever's messages they are, it runs the sessions. The halves of different shards speak by
// messages only, with credits, so that no queue between them grows without bound.
// Promise: no message leaves the queue but by delivery, a DSN to its reverse-path in the same batch
//   as the failure, a null reverse-path (then logged), or the operator's command.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ringmail/agent/mail_transaction.h"
#include "ringmail/agent/routes.h"
#include "ringmail/agent/transport.h"
#include "ringmail/base/limit.h"
#include "ringmail/base/metrics.h"
#include "ringmail/io/task.h"
#include "ringmail/storage/account.h"
#include "ringmail/storage/directory.h"
#include "ringmail/storage/store.h"

namespace ringmail::agent {

struct RetryPolicy {
  std::chrono::seconds first_delay = std::chrono::minutes(5);
  std::chrono::seconds delay_max = std::chrono::hours(4);
  double growth = 2.0;
  double jitter = 0.2;  // of the delay, both ways
  std::chrono::seconds expire_after =
      std::chrono::hours(120);  // RFC 5321 §4.5.4.1: at least 4-5 days
  std::chrono::seconds delay_warning_after = std::chrono::hours(4);  // 0: none
};

struct DestinationLimits {
  uint32_t sessions_max = 20;
  uint32_t messages_per_session_max = 1000;
  uint32_t recipients_per_transaction_max = 100;  // RFC 5321 §4.5.3.1.8: any peer takes 100
  std::chrono::seconds idle_session = std::chrono::seconds(5);
};

struct TransferOptions {
  std::vector<Route> routes;
  std::optional<NextHop> relay_next_hop;
  RetryPolicy retry;
  DestinationLimits destination;
};

// Where mail for those who live here goes. Borrowed; all or nothing.
struct LocalDelivery {
  Transport* transport = nullptr;  // ringmail/agent/delivery.h
  const storage::Directory* directory = nullptr;
  const storage::Accounts* accounts = nullptr;  // only asked where an account lives
};
// Recipients of one message that one attempt at local delivery takes.
inline constexpr uint32_t kLocalRecipientsMax = 1'000;

// Per-destination state for the control interface.
struct DestinationStatus {
  std::string name;  // the next hop
  uint32_t sessions = 0;
  uint64_t waiting = 0;  // transactions
  uint64_t delivered = 0, deferred = 0, failed = 0, connections = 0;
  WallTime back_off_until{};
  std::string last_error;
};

class Transfer {
 public:
  // Borrows all; `door` takes DSNs in. Call Start once the queue is recovered and all shards have
  // made theirs.
  static std::unique_ptr<Transfer> Make(storage::ShardStore& store, MailDoor& door,
                                        Transport& transport, TransferOptions options);
  // The same, where accounts of ours have mail too.
  static std::unique_ptr<Transfer> Make(storage::ShardStore& store, MailDoor& door,
                                        Transport& transport, TransferOptions options,
                                        LocalDelivery local);
  virtual ~Transfer() = default;

  // `peers[i]` is shard i's Transfer (this one among them); read only to address messages, never
  // called directly.
  virtual void Start(std::vector<Transfer*> peers) = 0;
  virtual void Reconfigure(TransferOptions options) = 0;

  // The operator's commands; each is durable when it returns. kNotFound: no such message here.
  // Now, whatever the schedule and the destination's back-off. kFailedPrecondition: it is held.
  virtual io::Task<Status> Retry(QueueId id) = 0;
  virtual io::Task<Status> Hold(QueueId id) = 0;
  virtual io::Task<Status> Release(QueueId id) = 0;
  // Without a DSN, and logged. What is on its way cannot be called back: such a message is held at
  // once, and goes when its attempt has come home.
  virtual io::Task<Status> Drop(QueueId id) = 0;

  virtual std::vector<DestinationStatus> Destinations() const = 0;  // owned by this shard
  virtual void RegisterMetrics(MetricRegistry& registry) = 0;

  // Ends what is in flight: attempts that have begun may finish until `deadline`, then they are
  // cancelled; outcomes are recorded. Phase one ends this shard's sessions, phase two waits until
  // every lent message has come home. REQUIRES: all shards stop, at about the same time, and none
  // destroys its Transfer before every Stop has returned.
  virtual io::Task<void> Stop(MonotonicTime deadline) = 0;
};

// What this floor bounds whatever the configuration says.
std::span<const FixedLimit> AgentLimits();

}  // namespace ringmail::agent
