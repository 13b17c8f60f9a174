#include "agent/transfer/destination.h"

#include <algorithm>
#include <utility>

#include "agent/transfer/retry.h"
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
  }
  return *slot;
}

void DestinationPool::Arrive(Job& job) {
  job.results.assign(job.recipients.size(), RecipientResult{});
  job.remote_host.clear();
  job.fruitless = 0;
  job.ambiguous = job.unreachable = false;
  Destination& destination = Find(job.hop);
  if (stopping_) {
    send_home_(context_, job);
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
    // Arrived while it is left alone: back, untried, until then.
    while (!destination.waiting.empty()) {
      Job& job = Take(destination);
      job.unreachable = true;
      job.back_off_until = destination.back_off_until;
      Home(destination, job);
    }
    return;
  }
  // One at a time until the first is through; then as many may be on their way as have arrived.
  const uint32_t established = destination.sessions - destination.connecting;
  const uint32_t connecting_max = destination.failures > 0 ? 1 : std::max(1u, established);
  if (destination.connecting >= connecting_max || destination.sessions >= limits_.sessions_max)
    return;
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
  SessionResult result = co_await transport_.Open(destination.hop, io::Now() + kOpenTimeout);
  if (result.session == nullptr) {
    metrics_.sessions_failed.Add();
    Unreachable(destination, result);
    co_return nullptr;
  }
  metrics_.sessions.Add();
  ++destination.connections;
  destination.failures = 0;
  destination.back_off_until = {};
  destination.back_off_until_wall = {};
  destination.last_error.clear();
  worker.session = result.session.get();
  co_return std::move(result.session);
}

// No session came about: the waiting jobs are not tried one by one. The first of them carries the
// reply home.
void DestinationPool::Unreachable(Destination& destination, const SessionResult& result) {
  // Others are through: this one was one too many for the peer, and the rest serve the queue.
  if (destination.sessions > destination.connecting) return;
  ++destination.failures;
  const std::chrono::seconds longest =
      std::min<std::chrono::seconds>(retry_.delay_max, kBackOffMax);
  const Nanoseconds back_off =
      RetryDelay(retry_, destination.failures, longest, io::RandomUint64());
  destination.back_off_until = io::Now() + back_off;
  destination.back_off_until_wall = io::WallNow() + back_off;
  destination.last_error = result.reply.ToLine();
  LogLine(io::ShardLog(), LogLevel::kWarning, "destination-failed")
      .Field("next_hop", destination.hop.ToString())
      .Field("host", result.remote_host)
      .Field("reply", destination.last_error)
      .Field("failures", destination.failures)
      .Field("retry_in", back_off);
  bool first = true;
  while (!destination.waiting.empty()) {
    Job& job = Take(destination);
    job.back_off_until = destination.back_off_until;
    job.unreachable = true;
    if (first || result.reply.permanent()) {
      const Outcome outcome = result.reply.permanent() ? Outcome::kFailed : Outcome::kDeferred;
      for (RecipientResult& r : job.results) {
        if (r.outcome == Outcome::kUntried) r = {outcome, result.reply};
      }
      job.remote_host = result.remote_host;
    }
    first = false;
    Home(destination, job);
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
    co_await Attempt(destination, session, job);
    ++transactions;
  }
}

// One transaction for those recipients of the job that have no outcome yet, as many as the peer
// takes at once.
io::Task<void> DestinationPool::Attempt(Destination& destination, TransportSession& session,
                                        Job& job) {
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
  storage::ContentReader content(store_, *job.content);
  DeliveryAttempt attempt{.id = job.id,
                          .envelope = *envelope,
                          .recipients = recipients,
                          .content = &content,
                          .content_bytes = job.content_bytes,
                          .content_flags = job.content_flags,
                          .results = results};
  co_await session.Deliver(attempt);
  job.remote_host = session.remote_host();
  job.ambiguous |= attempt.ambiguous;
  bool fruitful = false;
  for (size_t i = 0; i < slots.size(); ++i) {
    fruitful |= results[i].outcome != Outcome::kUntried;
    job.results[slots[i]] = std::move(results[i]);
  }
  job.fruitless = fruitful ? 0 : job.fruitless + 1;
  bool untried = false;
  for (RecipientResult& result : job.results) {
    if (result.outcome != Outcome::kUntried) continue;
    untried = true;
    if (job.fruitless >= kFruitlessMax) {
      result = {Outcome::kDeferred, {451, {4, 4, 2}, "the peer ends sessions before it answers"}};
    }
  }
  if (!untried || job.fruitless >= kFruitlessMax || stopping_) {
    Home(destination, job);
  } else {
    PutBack(destination, job);
  }
}

std::vector<DestinationStatus> DestinationPool::Status() const {
  std::vector<DestinationStatus> all;
  all.reserve(destinations_.size());
  for (const auto& [hop, d] : destinations_) {
    all.push_back({.name = hop.ToString(),
                   .sessions = d->sessions,
                   .waiting = d->waiting_count,
                   .delivered = d->delivered,
                   .deferred = d->deferred,
                   .failed = d->failed,
                   .connections = d->connections,
                   .back_off_until = d->back_off_until_wall,
                   .last_error = d->last_error});
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return all;
}

io::Task<void> DestinationPool::Stop(MonotonicTime deadline) {
  stopping_ = true;
  for (auto& [hop, destination] : destinations_) {
    while (!destination->waiting.empty()) Home(*destination, Take(*destination));
    for (Worker& worker : destination->workers) worker.wake.Notify();
  }
  if (!co_await gate_.CloseUntil(deadline)) {
    transport_.Cancel();
    for (auto& [hop, destination] : destinations_) {
      for (Worker& worker : destination->workers) {
        if (worker.session != nullptr) worker.session->Cancel();
      }
    }
    co_await gate_.Close();
  }
  // Attempts that ended meanwhile may have put their job back.
  for (auto& [hop, destination] : destinations_) {
    while (!destination->waiting.empty()) Home(*destination, Take(*destination));
  }
}

}  // namespace ringmail::agent
