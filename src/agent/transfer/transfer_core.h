// The half of the transfer agent that owns messages: when to try which, over which lane, and what
// their outcomes mean.
//
// A *lane* is this shard's way to one destination: how many jobs may be out at once (its credits),
// and the messages that wait for one. Messages wait in the lane by their own hook, so that a queue
// of a million costs nothing more. A lane whose destination cannot be reached is closed until its
// back-off ends, and then lets one job through to see.
//
//   Entered → Dispatch → [waits in a lane] → job out → job home → Settle → delivered: leaves
//                                                                        → deferred: timer →
//                                                                        Dispatch → failed: Bounce
//                                                                        (DSN and failure in one
//                                                                        batch)
// Everything that must wait for the disk (Settle, Bounce, expiry, warnings) happens in one task,
// the clerk, in order.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "agent/transfer/destination.h"
#include "agent/transfer/job.h"
#include "ringmail/agent/transfer.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/message/dsn.h"

namespace ringmail::agent {

// Jobs that one shard may have out to one destination.
inline constexpr uint32_t kLaneCreditsMax = 256;
// What should have happened already and could not (the disk refused): looked at again then, not at
// once.
inline constexpr std::chrono::minutes kOverdueAgainAfter(1);

struct Lane {
  Lane(TransferCore& core, const NextHop& to) : hop(to), core_(core), reopen(&Lane::Reopen, this) {}
  static void Reopen(void* self);

  const NextHop hop;
  ShardIndex shard;  // that owns the destination
  uint32_t out = 0;
  uint32_t credits = kLaneCreditsMax;  // 0 while closed, 1 while probing
  IntrusiveList<storage::QueuedMessage, class storage::DestinationTag> waiting;
  TransferCore& core_;
  io::Timer reopen;
};

struct TransferMetrics {
  Counter delivered, deferred, failed, returned, discarded, warned, ambiguous, expired;
  Gauge in_flight;
  void Register(MetricRegistry& registry);
};

class TransferCore final : public Transfer, public storage::Queue::Observer {
 public:
  TransferCore(storage::ShardStore& store, MailDoor& door, Transport& transport,
               TransferOptions options);
  ~TransferCore() override;

  void Start(std::vector<Transfer*> peers) override;
  void Reconfigure(TransferOptions options) override;
  io::Task<Status> Retry(QueueId id) override;
  io::Task<Status> Hold(QueueId id) override;
  io::Task<Status> Release(QueueId id) override;
  io::Task<Status> Drop(QueueId id) override;
  std::vector<DestinationStatus> Destinations() const override { return pool_.Status(); }
  void RegisterMetrics(MetricRegistry& registry) override;
  io::Task<void> Stop(MonotonicTime deadline) override;

  void Entered(storage::QueuedMessage& message) override;
  void Leaving(storage::QueuedMessage& message) override;

 private:
  friend struct Lane;
  struct Failure {
    uint32_t recipient = 0;
    message::Reply reply;
    std::string remote_host;
  };

  // Sending.
  Lane& FindLane(const NextHop& hop);
  void Dispatch(storage::QueuedMessage& message, Urgency urgency);
  void Collect(storage::QueuedMessage& message, Urgency urgency);
  void Send(storage::QueuedMessage& message, Lane& lane, std::vector<uint32_t> recipients,
            Urgency urgency);
  void Pump(Lane& lane);
  void ArmTimer(storage::QueuedMessage& message);
  static void TimerFired(void* message);
  std::unique_ptr<Job> TakeJob();

  // Messages between shards.
  void SendTo(ShardIndex to, void (*run)(io::ShardMessage&), TransferCore* target, Job& job);
  static io::Task<void> PostLater(ShardIndex to, io::ShardMessage message);
  static void RunArrive(io::ShardMessage& message);
  static void RunHome(io::ShardMessage& message);
  static void SendHome(void* self, Job& job);

  // The clerk.
  static io::Task<void> Clerk(TransferCore* self);
  io::Task<void> SettleHome();
  void SettleJob(Job& job, storage::MessageUpdate& update, std::vector<Failure>& failures);
  void CloseLane(Lane& lane, MonotonicTime until);
  void FinishJob(std::unique_ptr<Job> job);
  io::Task<void> Attend(QueueId id);
  io::Task<void> Expire(storage::QueuedMessage& message);
  io::Task<void> Warn(storage::QueuedMessage& message);
  io::Task<void> Bounce(QueueId id, std::vector<Failure> failures);
  io::Task<bool> Report(QueueId id, const std::vector<Failure>& told, message::DsnAction action,
                        std::vector<storage::MessageUpdate> updates);
  io::Task<std::string> ReadOriginal(storage::QueuedMessage& message, message::DsnReturn returns,
                                     bool& whole);
  io::Task<StatusOr<QueueId>> SubmitReport(const message::DsnRequest& request,
                                           std::vector<storage::MessageUpdate> updates);
  void LogOutcome(const storage::QueuedMessage& message, std::string_view event,
                  std::string_view path, const Job* job, const message::Reply& reply);
  WallTime ExpiryOf(const storage::QueuedMessage& message) const {
    return message.arrival() + options_.retry.expire_after;
  }
  bool WantsWarning(const storage::QueuedMessage& message) const;

  storage::ShardStore& store_;
  storage::Queue& queue_;
  MailDoor& door_;
  TransferOptions options_;
  RouteTable routes_;
  DestinationPool pool_;
  TransferMetrics metrics_;
  std::vector<TransferCore*> peers_;
  absl::flat_hash_map<NextHop, std::unique_ptr<Lane>> lanes_;
  std::vector<std::unique_ptr<Job>> spare_jobs_;
  uint64_t jobs_out_ = 0;

  // Scratch of Collect: recipients by lane, reused.
  std::vector<std::pair<Lane*, std::vector<uint32_t>>> groups_;

  IntrusiveList<Job, class JobTag> home_;  // came home, not yet settled
  std::vector<QueueId> attention_;         // expiry, warning, or no route
  absl::flat_hash_set<QueueId> drop_when_home_;
  io::Event clerk_wake_;
  io::Gate gate_;
  bool started_ = false;
  bool stopping_ = false;
  bool clerk_stopping_ = false;
};

}  // namespace ringmail::agent
