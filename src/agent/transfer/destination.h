// The destinations that hash to this shard, and the sessions that carry mail to them, whoever's
// messages they are.
//
// One worker (a coroutine) for each session: opens, delivers job after job, waits idle for a while,
// quits. A destination that cannot be reached, or answers nothing to anybody, is left alone for a
// back-off that grows; then one worker probes it, and its first success brings the rest. Limits:
// DestinationLimits; jobs waiting are bounded by the lanes' credits (transfer_core.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "agent/transfer/job.h"
#include "ringmail/agent/transfer.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/timer.h"

namespace ringmail::agent {

struct DestinationMetrics {
  Counter sessions, sessions_failed, attempts;
  Gauge sessions_open;
  void Register(MetricRegistry& registry);
};

class DestinationPool {
 public:
  // `send_home(context, job)` takes each job back, with a result for each recipient or kUntried.
  using SendHome = void (*)(void* context, Job& job);
  // `local`: for our own mailboxes; nullptr: there are none.
  DestinationPool(storage::ShardStore& store, Transport& transport, Transport* local,
                  SendHome send_home, void* context)
      : store_(store),
        transport_(transport),
        local_(local),
        send_home_(send_home),
        context_(context) {}

  void Configure(const RetryPolicy& retry, const DestinationLimits& limits) {
    retry_ = retry;
    limits_ = limits;
  }
  // Takes a job over until it is sent home.
  void Arrive(Job& job);
  std::vector<DestinationStatus> Status() const;
  void RegisterMetrics(MetricRegistry& registry) { metrics_.Register(registry); }

  // Sends waiting jobs home untried, lets attempts under way end until `deadline`, then cancels
  // them.
  io::Task<void> Stop(MonotonicTime deadline);

 private:
  struct Worker : ListHook<class WorkerTag> {
    TransportSession* session = nullptr;
    io::Event wake;
    bool idle = false;
  };
  enum class SessionAge : uint8_t { kFresh, kReused };
  struct Destination {
    NextHop hop;
    IntrusiveList<Job, class JobTag> waiting;
    uint64_t waiting_count = 0;
    IntrusiveList<Worker, class WorkerTag> workers;
    uint32_t sessions = 0;    // workers
    uint32_t connecting = 0;  // of them
    uint32_t failures = 0;    // in a row
    uint32_t fruitless = 0;   // fresh sessions in a row that gave no outcome to anybody
    MonotonicTime back_off_until{};
    WallTime back_off_until_wall{};
    MonotonicTime crowded_until{};  // the peer has as many sessions as it takes
    storage::LastReply refusal;     // of the last failure, until something is answered
    uint64_t delivered = 0, deferred = 0, failed = 0, connections = 0;
  };

  Destination& Find(const NextHop& hop);
  void Staff(Destination& destination);
  static io::Task<void> Work(DestinationPool* self, Destination* destination);
  io::Task<std::unique_ptr<TransportSession>> Open(Destination& destination, Worker& worker);
  io::Task<void> Serve(Destination& destination, Worker& worker, TransportSession& session);
  io::Task<void> Attempt(Destination& destination, TransportSession& session, Job& job,
                         SessionAge age);
  void Judge(Destination& destination, TransportSession& session, Job& job, SessionAge age,
             bool fruitful);
  void Unreachable(Destination& destination, const message::Reply& reply,
                   const std::string& remote_host);
  void TurnAway(Destination& destination, Job& job);
  void Home(Destination& destination, Job& job);
  Job& Take(Destination& destination);
  void PutBack(Destination& destination, Job& job);

  storage::ShardStore& store_;
  Transport& transport_;
  Transport* const local_;
  const SendHome send_home_;
  void* const context_;
  RetryPolicy retry_;
  DestinationLimits limits_;
  DestinationMetrics metrics_;
  absl::flat_hash_map<NextHop, std::unique_ptr<Destination>> destinations_;
  std::vector<Destination*> in_order_;  // as they were first seen: a seed gives the same run
  io::Gate gate_;
  bool stopping_ = false;
};

}  // namespace ringmail::agent
