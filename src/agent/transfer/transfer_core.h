// The half of the transfer agent that owns messages: when to try which, over which lane, and what
// their outcomes mean.
//
// A *lane* is this shard's way to one destination: how many jobs may be out at once (its credits),
// and the messages that wait for one. Messages wait in the lane by their own hook, so that a queue
// of a million costs nothing more; only one for several destinations that all lack credit is noted
// in the further lanes by its id. A lane whose destination cannot be reached is closed until its
// back-off ends, and then lets one job through to see.
//
//   Entered → Dispatch → [waits in a lane] → job out → job home → Settle → delivered: leaves
//                                                                        → deferred: timer,
//                                                                        Dispatch → failed: Bounce
//
// Bounce takes the DSN in and records the failure in one batch. Everything that must wait for the
// disk (Settle, Bounce, expiry, warnings) happens in one task, the clerk, in order; only the
// reports of one batch are written side by side.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "agent/transfer/destination.h"
#include "agent/transfer/job.h"
#include "ringmail/agent/transfer.h"
#include "ringmail/base/canary.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/message/dsn.h"

namespace ringmail::agent {

// Jobs that one shard may have out to one destination.
inline constexpr uint32_t kLaneCreditsMax = 256;
// Reports written side by side, each with at most kReturnedBytesMax of the original in memory.
inline constexpr size_t kReportsAtOnceMax = 32;
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
  storage::LastReply refusal;          // why it is or was closed, until something is answered
  IntrusiveList<storage::QueuedMessage, class storage::DestinationTag> waiting;
  // Those that wait in another lane by their hook, and in this one too; some may have left since.
  absl::btree_set<QueueId> also_waiting;
  TransferCore& core_;
  io::Timer reopen;
};

struct TransferMetrics {
  Counter delivered, deferred, failed, returned, discarded, warned, ambiguous, expired;
  Gauge in_flight;
  // Delivered or not, and not yet written down: the disk is full.
  Gauge outcomes_waiting;
  void Register(MetricRegistry& registry);
};

class TransferCore final : public Transfer, public storage::Queue::Observer {
 public:
  TransferCore(storage::ShardStore& store, MailDoor& door, Transport& transport,
               TransferOptions options, LocalDelivery local);
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
  // What a report says of one recipient.
  struct Failure {
    uint32_t recipient = 0;
    message::EnhancedStatus status;
    message::Reply reply;     // what was said last, and by whom
    std::string remote_host;  // "": by ourselves
  };
  // Everything that is home of one message: one update, and one report for all that failed
  // together.
  struct Settlement {
    storage::MessageUpdate update;
    std::vector<Failure> failures;
    std::vector<Job*> jobs;
  };
  // Messages for another shard whose queue was full: sent, in order, as it has room again. Bounded
  // by the lanes' credits, like all that is on its way.
  struct Outbox {
    Outbox() : again(&Outbox::Flush, this) {}
    static void Flush(void* self);
    ShardIndex to;
    std::deque<io::ShardMessage> messages;
    io::Timer again;
  };

  // Sending.
  Lane& FindLane(const NextHop& hop);
  // nullptr: nobody has said where mail for this path goes. Valid until the next reload.
  const NextHop* FindHop(std::string_view path) const;
  void Dispatch(storage::QueuedMessage& message, Urgency urgency);
  void Collect(storage::QueuedMessage& message, Urgency urgency);
  void Send(storage::QueuedMessage& message, Lane& lane, std::vector<uint32_t> recipients,
            Urgency urgency);
  void Pump(Lane& lane);
  storage::QueuedMessage* NextWaiting(Lane& lane);
  void ArmTimer(storage::QueuedMessage& message);
  static void TimerFired(void* message);
  Job& TakeJob();
  void Landed(storage::QueuedMessage& message, const std::vector<uint32_t>& recipients);

  // Messages between shards.
  void SendTo(ShardIndex to, void (*run)(io::ShardMessage&), TransferCore* target, Job& job);
  static void RunArrive(io::ShardMessage& message);
  static void RunHome(io::ShardMessage& message);
  static void SendHome(void* self, Job& job);

  // The clerk.
  static io::Task<void> Clerk(TransferCore* self);
  io::Task<void> SettleHome();
  void SettleJob(Job& job, Settlement& settlement);
  void Defer(const storage::QueuedMessage& message, storage::MessageUpdate& update);
  io::Task<void> RecordOutcomes(std::vector<storage::MessageUpdate> updates,
                                const std::vector<Settlement>& settlements);
  std::vector<storage::MessageUpdate> OutcomesAgain(
      const std::vector<Settlement>& settlements) const;
  static io::Task<void> BounceAndFinish(TransferCore* self, Settlement settlement);
  void MindLane(const Job& job);
  void FinishJob(Job& job);
  void SendRest(storage::QueuedMessage& message, const Job& job);
  storage::LastReply LastSaid(const storage::QueuedMessage& message, uint32_t recipient,
                              std::string_view path) const;
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
                  std::string_view path, const Job* job, const message::Reply& reply,
                  WallTime next_attempt = {});
  bool IsDue(const storage::QueuedMessage& message, WallTime now) const;
  bool HasLastChance(const storage::QueuedMessage& message, WallTime now) const;
  bool IsTooOld(const storage::QueuedMessage& message, WallTime now) const;
  WallTime ExpiryOf(const storage::QueuedMessage& message) const {
    if (Planted(Canary::kExpireWhenOverdue) && message.attempts() > 0 &&
        message.next_attempt() + std::chrono::hours(1) < io::WallNow())
      return message.next_attempt();
    return message.arrival() + options_.retry.expire_after;
  }
  bool WantsWarning(const storage::QueuedMessage& message) const;

  storage::ShardStore& store_;
  storage::Queue& queue_;
  MailDoor& door_;
  TransferOptions options_;
  RouteTable routes_;
  const LocalDelivery local_;
  std::vector<NextHop> local_hops_;  // by shard
  DestinationPool pool_;
  TransferMetrics metrics_;
  std::vector<TransferCore*> peers_;
  absl::flat_hash_map<NextHop, std::unique_ptr<Lane>> lanes_;
  std::vector<std::unique_ptr<Job>> jobs_;  // all there are: as many as were ever out at once
  IntrusiveList<Job, class JobTag> spare_jobs_;
  std::vector<std::unique_ptr<Outbox>> outboxes_;  // by shard
  uint64_t jobs_out_ = 0;

  // Scratch of Collect: recipients by lane, reused.
  std::vector<std::pair<Lane*, std::vector<uint32_t>>> groups_;

  IntrusiveList<Job, class JobTag> home_;  // came home, not yet settled
  std::vector<QueueId> attention_;         // expiry, warning, or no route
  absl::flat_hash_set<QueueId> drop_when_home_;
  absl::flat_hash_map<QueueId, MonotonicTime> last_chances_;  // until when
  io::Event clerk_wake_;
  io::Event record_again_;
  std::unique_ptr<io::Gate> reports_;  // of one batch
  io::Gate gate_;
  bool started_ = false;
  bool stopping_ = false;
  bool unrecorded_ = false;  // the log has failed: nothing is sent that could not be written down
  bool clerk_stopping_ = false;
};

}  // namespace ringmail::agent
