#include "agent/transfer/destination.h"

#include <algorithm>
#include <utility>

#include "agent/transfer/retry.h"
#include "ringmail/base/canary.h"
#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"

namespace ringmail::agent {
namespace {

// Opening a session: connecting to each address, greeting, EHLO.
constexpr std::chrono::minutes kOpenTimeout(15);
// A peer that ends session after session without an answer for anybody is treated as one that
// defers.
constexpr uint32_t kFruitlessMax = 3;
// However the retry schedule is set, a destination is probed at least this often.
constexpr std::chrono::minutes kBackOffMax(30);
// A peer that refuses one more session while it serves others is not asked for another until then.
constexpr std::chrono::minutes kCrowdedFor(1);
// What comes in while we stop goes home and waits for the next start.
constexpr std::chrono::minutes kStoppingBackOff(1);

// The hosts that say so take no mail at all (RFC 7504), or the hop is ourselves: no other try
// helps. Any other refusal of a session says nothing about the messages: they wait.
bool RefusesForGood(const message::Reply& reply) {
  const bool loop = reply.permanent() && reply.status == message::EnhancedStatus{5, 4, 6};
  return reply.code == 521 || reply.code == 556 || loop;
}

}  // namespace

void DestinationMetrics::Register(MetricRegistry& registry) {
  registry.Add("ringmail_transfer_sessions_total", "Sessions opened to next hops", &sessions);
  registry.Add("ringmail_transfer_sessions_failed_total", "Sessions that could not be opened",
               &sessions_failed);
  registry.Add("ringmail_transfer_attempts_total", "Transactions attempted", &attempts);
  registry.Add("ringmail_transfer_sessions_open", "Sessions open now", &sessions_open);
}

DestinationPool::Destination& DestinationPool::Find(const NextHop& hop) {
  std::unique_ptr<Destination>& slot = destinations_[hop];
  if (slot == nullptr) {
    slot = std::make_unique<Destination>();
    slot->hop = hop;
    in_order_.push_back(slot.get());
  }
  return *slot;
}

void DestinationPool::Arrive(Job& job) {
  job.results.assign(job.recipients.size(), RecipientResult{});
  job.remote_host.clear();
  job.fruitless = 0;
  job.ambiguous = job.unreachable = job.delivered = false;
  job.refusal = {};
  Destination& destination = Find(job.hop);
  if (stopping_) {
    TurnAway(destination, job);
    return;
  }
  if (job.urgency == Urgency::kOperator) destination.back_off_until = {};
  destination.waiting.PushBack(job);
  ++destination.waiting_count;
  Staff(destination);
}

// Sees to it that somebody serves the waiting jobs.
void DestinationPool::Staff(Destination& destination) {
  if (destination.waiting.empty() || stopping_) return;
  for (Worker& worker : destination.workers) {
    if (worker.idle) {
      worker.idle = false;
      worker.wake.Notify();
      return;
    }
  }
  if (io::Now() < destination.back_off_until && destination.sessions == 0) {
    while (!destination.waiting.empty()) TurnAway(destination, Take(destination));
    return;
  }
  // One at a time until the first is through; then as many may be on their way as have arrived.
  const uint32_t established = destination.sessions - destination.connecting;
  if (established > 0 && io::Now() < destination.crowded_until) return;
  const uint32_t connecting_max = destination.failures > 0 ? 1 : std::max(1u, established);
  if (destination.connecting >= connecting_max) return;
  if (destination.sessions >= limits_.sessions_max && !Planted(Canary::kSessionsOverLimit)) return;
  if (destination.waiting_count <= destination.connecting) return;  // those on their way are enough
  ++destination.sessions;
  ++destination.connecting;
  metrics_.sessions_open.Add(1);
  gate_.Spawn(Work(this, &destination));
}

Job& DestinationPool::Take(Destination& destination) {
  --destination.waiting_count;
  return destination.waiting.PopFront();
}

void DestinationPool::PutBack(Destination& destination, Job& job) {
  ++destination.waiting_count;
  destination.waiting.PushFront(job);
}

// Back, untried, until the destination may be asked again.
void DestinationPool::TurnAway(Destination& destination, Job& job) {
  job.unreachable = true;
  job.back_off_until = destination.back_off_until;
  job.refusal = destination.refusal;
  if (stopping_)
    job.back_off_until = std::max(job.back_off_until, io::Now() + Nanoseconds(kStoppingBackOff));
  Home(destination, job);
}

void DestinationPool::Home(Destination& destination, Job& job) {
  for (const RecipientResult& result : job.results) {
    if (result.outcome == Outcome::kDelivered) ++destination.delivered;
    if (result.outcome == Outcome::kDeferred) ++destination.deferred;
    if (result.outcome == Outcome::kFailed) ++destination.failed;
  }
  send_home_(context_, job);
}

io::Task<void> DestinationPool::Work(DestinationPool* self, Destination* destination) {
  Worker worker;
  destination->workers.PushBack(worker);
  std::unique_ptr<TransportSession> session = co_await self->Open(*destination, worker);
  --destination->connecting;
  if (session != nullptr) {
    self->Staff(*destination);
    co_await self->Serve(*destination, worker, *session);
    // What it leaves need not wait for its goodbye.
    self->Staff(*destination);
    co_await session->Quit();
  }
  worker.session = nullptr;
  worker.Unlink();
  --destination->sessions;
  self->metrics_.sessions_open.Add(-1);
  // What this session left, or what came while it said goodbye.
  self->Staff(*destination);
}

io::Task<std::unique_ptr<TransportSession>> DestinationPool::Open(Destination& destination,
                                                                  Worker& worker) {
  Transport& transport = destination.hop.local() ? *local_ : transport_;
  SessionResult result = co_await transport.Open(destination.hop, io::Now() + kOpenTimeout);
  if (result.session == nullptr) {
    metrics_.sessions_failed.Add();
    if (destination.sessions > destination.connecting) {
      // Others are through: this one was one too many for the peer, and they serve what waits.
      destination.crowded_until = io::Now() + kCrowdedFor;
    } else if (!stopping_) {
      Unreachable(destination, result.reply, result.remote_host);
    }
    co_return nullptr;
  }
  metrics_.sessions.Add();
  ++destination.connections;
  destination.back_off_until = {};
  destination.back_off_until_wall = {};
  worker.session = result.session.get();
  co_return std::move(result.session);
}

// No session came about, or none that answers: the waiting jobs are not tried one by one. The first
// of them carries the reply home as its own, the others wait for the destination.
void DestinationPool::Unreachable(Destination& destination, const message::Reply& reply,
                                  const std::string& remote_host) {
  const bool for_good = RefusesForGood(reply);
  ++destination.failures;
  destination.fruitless = 0;
  destination.refusal = {reply, remote_host};
  Nanoseconds back_off{0};
  if (!for_good) {
    const auto longest = std::min<std::chrono::seconds>(retry_.delay_max, kBackOffMax);
    back_off = RetryDelay(retry_, destination.failures, longest, io::RandomUint64());
    destination.back_off_until = io::Now() + back_off;
    destination.back_off_until_wall = io::WallNow() + back_off;
  }
  LogLine(io::ShardLog(), LogLevel::kWarning, "destination-failed")
      .Field("next_hop", destination.hop.ToString())
      .Field("host", remote_host)
      .Field("reply", reply.ToLine())
      .Field("failures", destination.failures)
      .Field("retry_in", back_off);
  for (bool first = true; !destination.waiting.empty(); first = false) {
    Job& job = Take(destination);
    if (first || for_good) {
      const Outcome outcome = for_good ? Outcome::kFailed : Outcome::kDeferred;
      for (RecipientResult& result : job.results) {
        if (result.outcome == Outcome::kUntried) result = {outcome, reply};
      }
      job.remote_host = remote_host;
    }
    if (for_good) {
      Home(destination, job);
    } else {
      TurnAway(destination, job);
    }
  }
}

io::Task<void> DestinationPool::Serve(Destination& destination, Worker& worker,
                                      TransportSession& session) {
  uint32_t transactions = 0;
  while (session.usable() && transactions < limits_.messages_per_session_max && !stopping_) {
    if (destination.waiting.empty()) {
      worker.idle = true;
      const io::Wake wake = co_await worker.wake.Wait(io::Now() + limits_.idle_session);
      worker.idle = false;
      if (destination.waiting.empty()) {
        if (wake == io::Wake::kTimedOut) break;
        continue;  // another took it
      }
      if (stopping_) break;
    }
    Job& job = Take(destination);
    if (destination.waiting_count > 0) Staff(destination);
    co_await Attempt(destination, session, job,
                     transactions == 0 ? SessionAge::kFresh : SessionAge::kReused);
    ++transactions;
  }
}

// One transaction for those recipients of the job that have no outcome yet, as many as the peer
// takes at once.
io::Task<void> DestinationPool::Attempt(Destination& destination, TransportSession& session,
                                        Job& job, SessionAge age) {
  metrics_.attempts.Add();
  const std::optional<message::EnvelopeView> envelope = message::EnvelopeView::Parse(job.envelope);
  CHECK(envelope.has_value());  // it was parsed when it entered the queue
  std::vector<uint32_t> recipients, slots;
  for (uint32_t i = 0; i < job.recipients.size() && recipients.size() < session.recipients_max();
       ++i) {
    if (job.results[i].outcome != Outcome::kUntried) continue;
    recipients.push_back(job.recipients[i]);
    slots.push_back(i);
  }
  std::vector<RecipientResult> results(recipients.size());
  storage::ContentReader content(store_, *job.content, storage::ContentPart::kMessage);
  DeliveryAttempt attempt{.id = job.id,
                          .envelope = *envelope,
                          .recipients = recipients,
                          .content = &content,
                          .content_bytes = job.content_bytes,
                          .content_flags = job.content_flags,
                          .content_id = storage::Id(*job.content),
                          .content_prefix_bytes = storage::PrefixBytes(*job.content),
                          .results = results};
  co_await session.Deliver(attempt);
  job.remote_host = session.remote_host();
  job.ambiguous |= attempt.ambiguous;
  bool fruitful = false;
  for (size_t i = 0; i < slots.size(); ++i) {
    fruitful |= results[i].outcome != Outcome::kUntried;
    job.delivered |= results[i].outcome == Outcome::kDelivered;
    job.results[slots[i]] = std::move(results[i]);
  }
  Judge(destination, session, job, age, fruitful);
}

// What an attempt says of the job and of the destination. A kept session that the peer had closed
// meanwhile says nothing; that a fresh one ends without an answer counts against both.
void DestinationPool::Judge(Destination& destination, TransportSession& session, Job& job,
                            SessionAge age, bool fruitful) {
  if (fruitful) {
    job.fruitless = destination.fruitless = destination.failures = 0;
    destination.refusal = {};
  } else if (age == SessionAge::kFresh) {
    ++job.fruitless;
    ++destination.fruitless;
  }
  const message::Reply silence{451, {4, 4, 2}, "the peer ends sessions before it answers"};
  const auto untried = [](const RecipientResult& r) { return r.outcome == Outcome::kUntried; };
  const bool over = std::none_of(job.results.begin(), job.results.end(), untried);
  // What was delivered is written down before the rest is tried: a crash meanwhile would deliver it
  // twice.
  if (over || stopping_ || job.delivered) {
    Home(destination, job);
  } else if (destination.fruitless >= kFruitlessMax) {
    PutBack(destination, job);  // the first in line: it carries the reply home
    Unreachable(destination, silence, session.remote_host());
  } else if (job.fruitless >= kFruitlessMax) {
    for (RecipientResult& result : job.results) {
      if (untried(result)) result = {Outcome::kDeferred, silence};
    }
    Home(destination, job);
  } else {
    PutBack(destination, job);
  }
}

std::vector<DestinationStatus> DestinationPool::Status() const {
  std::vector<DestinationStatus> all;
  all.reserve(in_order_.size());
  for (const Destination* d : in_order_) {
    all.push_back(
        {.name = d->hop.ToString(),
         .sessions = d->sessions,
         .waiting = d->waiting_count,
         .delivered = d->delivered,
         .deferred = d->deferred,
         .failed = d->failed,
         .connections = d->connections,
         .back_off_until = d->back_off_until_wall,
         .last_error = d->refusal.reply.code == 0 ? std::string() : d->refusal.reply.ToLine()});
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return all;
}

io::Task<void> DestinationPool::Stop(MonotonicTime deadline) {
  stopping_ = true;
  for (Destination* destination : in_order_) {
    while (!destination->waiting.empty()) TurnAway(*destination, Take(*destination));
    for (Worker& worker : destination->workers) worker.wake.Notify();
  }
  if (!co_await gate_.CloseUntil(deadline)) {
    transport_.Cancel();
    if (local_ != nullptr) local_->Cancel();
    for (Destination* destination : in_order_) {
      for (Worker& worker : destination->workers) {
        if (worker.session != nullptr) worker.session->Cancel();
      }
    }
    co_await gate_.Close();
  }
  // None was put back meanwhile: who stops sends home.
  for (Destination* destination : in_order_) CHECK(destination->waiting.empty());
}

}  // namespace ringmail::agent
