// The clerk: the one task of a shard that settles what came home and does what must wait for the
// disk, in order.
#include <algorithm>
#include <utility>

#include "agent/transfer/retry.h"
#include "agent/transfer/transfer_core.h"
#include "fmt/format.h"
#include "ringmail/base/canary.h"
#include "ringmail/base/check.h"
#include "ringmail/codec/data_scan.h"
#include "ringmail/io/shard.h"
#include "ringmail/message/dsn.h"

namespace ringmail::agent {
namespace {

using message::DsnAction;
using message::Reply;
using storage::MessageUpdate;
using storage::QueuedMessage;
using storage::RecipientState;

// How much of the original goes back with a report (RFC 3461 §4.3): all of a small message, else
// its header section.
constexpr size_t kReturnedBytesMax = 64u << 10;
// After our own disk refused a report: the failure is taken up again then.
// While the disk is full, what came home is written down again this often, and nothing else is
// sent.
constexpr std::chrono::seconds kRecordAgainAfter(1);

// RFC 3461 §4.1: whom to tell. Absent means failure and, at our choice, delay.
bool ToldOfFailure(uint8_t notify) { return notify == 0 || (notify & message::kNotifyFailure); }
bool ToldOfDelay(uint8_t notify) { return notify == 0 || (notify & message::kNotifyDelay); }

}  // namespace

io::Task<void> TransferCore::Clerk(TransferCore* self) {
  for (;;) {
    if (self->home_.empty() && self->attention_.empty()) {
      if (self->clerk_stopping_ && self->jobs_out_ == 0) co_return;
      (void)co_await self->clerk_wake_.Wait(kNever);
      continue;
    }
    if (!self->home_.empty()) co_await self->SettleHome();
    std::vector<QueueId> attention = std::exchange(self->attention_, {});
    for (const QueueId id : attention) {
      if (self->stopping_) break;
      co_await self->Attend(id);
    }
  }
}

void TransferCore::LogOutcome(const QueuedMessage& message, std::string_view event,
                              std::string_view path, const Job* job, const Reply& reply,
                              WallTime next_attempt) {
  const WallTime now = io::WallNow();
  LogLine line(io::ShardLog(), event == "delivered" ? LogLevel::kInfo : LogLevel::kWarning, event);
  line.Id(message.id()).Field("to", path);
  if (job != nullptr) line.Field("next_hop", job->hop.ToString()).Field("host", job->remote_host);
  // The queue keeps the second of arrival: what it can say truly is whole seconds between seconds.
  const auto delay = std::chrono::floor<std::chrono::seconds>(now) - message.arrival();
  line.Field("reply", reply.ToLine())
      .Field("delay", std::chrono::duration_cast<std::chrono::seconds>(delay).count());
  if (next_attempt > now) line.Field("retry_in", next_attempt - now);
  if (job != nullptr && job->ambiguous)
    line.Field("ambiguous", "the end was sent and not answered: the peer may have it");
}

// Everything that is home by now, in one batch.
io::Task<void> TransferCore::SettleHome() {
  std::vector<Settlement> settlements;
  absl::flat_hash_map<QueueId, size_t> places;
  while (!home_.empty()) {
    Job& job = home_.PopFront();
    const auto [place, first] = places.try_emplace(job.id, settlements.size());
    if (first) settlements.push_back({.update = {.id = job.id}});
    Settlement& settlement = settlements[place->second];
    settlement.jobs.push_back(&job);
    SettleJob(job, settlement);
  }
  std::vector<MessageUpdate> updates;
  for (Settlement& settlement : settlements) {
    if (!settlement.update.outcomes.empty()) updates.push_back(std::move(settlement.update));
  }
  if (!updates.empty()) co_await RecordOutcomes(std::move(updates), settlements);
  std::vector<Settlement> failed;
  for (Settlement& settlement : settlements) {
    if (!settlement.failures.empty()) {
      failed.push_back(std::move(settlement));
      continue;
    }
    for (Job* job : settlement.jobs) FinishJob(*job);
  }
  for (size_t i = 0; i < failed.size();) {
    reports_ = std::make_unique<io::Gate>();
    const size_t end = std::min(failed.size(), i + kReportsAtOnceMax);
    for (; i < end; ++i) reports_->Spawn(BounceAndFinish(this, std::move(failed[i])));
    co_await reports_->Close();
  }
}

io::Task<void> TransferCore::BounceAndFinish(TransferCore* self, Settlement settlement) {
  co_await self->Bounce(settlement.jobs.front()->id, std::move(settlement.failures));
  for (Job* job : settlement.jobs) self->FinishJob(*job);
}

// Where the disk is full it waits: who cannot write down what was delivered would deliver it again,
// minute after minute.
io::Task<void> TransferCore::RecordOutcomes(std::vector<MessageUpdate> updates,
                                            const std::vector<Settlement>& settlements) {
  const size_t messages = updates.size();
  Status status = co_await queue_.Record(std::move(updates));
  for (bool said = false; absl::IsResourceExhausted(status) && !stopping_; said = true) {
    if (!said) {
      LogLine(io::ShardLog(), LogLevel::kError, "outcomes-wait")
          .Field("messages", uint64_t{messages})
          .Field("error", Std(status.message()));
      metrics_.outcomes_waiting.Set(static_cast<int64_t>(messages));
    }
    (void)co_await record_again_.Wait(io::Now() + kRecordAgainAfter);
    status = co_await queue_.Record(OutcomesAgain(settlements));
  }
  metrics_.outcomes_waiting.Set(0);
  if (status.ok()) co_return;
  unrecorded_ = !absl::IsInvalidArgument(status);
  // In memory they are what they are; what the disk does not know is tried again after a restart
  // (RFC 1047).
  LogLine(io::ShardLog(), LogLevel::kError, "outcome-not-recorded")
      .Field("error", Std(status.message()));
}

// What was given to the queue once, from the jobs: all but the words of the replies, which went
// with it.
std::vector<MessageUpdate> TransferCore::OutcomesAgain(
    const std::vector<Settlement>& settlements) const {
  std::vector<MessageUpdate> updates;
  for (const Settlement& settlement : settlements) {
    MessageUpdate update{.id = settlement.update.id,
                         .attempt_counted = settlement.update.attempt_counted,
                         .next_attempt = settlement.update.next_attempt};
    const bool drop = drop_when_home_.contains(update.id);
    for (const Job* job : settlement.jobs) {
      for (size_t i = 0; i < job->recipients.size(); ++i) {
        const RecipientResult& result = job->results[i];
        RecipientState state = drop ? RecipientState::kDropped : RecipientState::kPending;
        if (result.outcome == Outcome::kDelivered) state = RecipientState::kDelivered;
        const bool unchanged =
            !drop && (result.outcome == Outcome::kUntried || result.outcome == Outcome::kFailed);
        if (unchanged) continue;
        update.outcomes.push_back({.recipient = job->recipients[i],
                                   .state = state,
                                   .reply = {result.reply.code, result.reply.status, {}},
                                   .remote_host = job->remote_host});
      }
    }
    if (!update.outcomes.empty()) updates.push_back(std::move(update));
  }
  return updates;
}

// What each recipient's result means for the message. Failures are told apart: they wait for their
// report.
void TransferCore::SettleJob(Job& job, Settlement& settlement) {
  QueuedMessage* found = queue_.Find(job.id);
  CHECK(found != nullptr);  // it has recipients in flight
  QueuedMessage& message = *found;
  storage::Return(message.content());
  const bool drop = drop_when_home_.contains(job.id);
  MessageUpdate& update = settlement.update;
  auto cursor = message.envelope().recipients();
  message::EnvelopeView::RecipientView named;
  uint32_t next = 0;
  for (size_t i = 0; i < job.recipients.size(); ++i) {
    const uint32_t recipient = job.recipients[i];
    // Both ascend: the envelope is walked through once.
    while (next <= recipient && cursor.Next(named)) ++next;
    RecipientResult& result = job.results[i];
    CHECK(message.state(recipient) == RecipientState::kPending);  // it was in flight
    const RecipientState undelivered = drop ? RecipientState::kDropped : RecipientState::kPending;
    switch (result.outcome) {
      case Outcome::kDelivered:
        metrics_.delivered.Add();
        LogOutcome(message, "delivered", named.path, &job, result.reply);
        // In the record of the outcome, so that no crash comes between (storage/mailbox,
        // "Contents").
        if (result.account.value != 0 && !Planted(Canary::kForgetHold))
          update.holds.push_back(result.account);
        update.outcomes.push_back(
            {recipient, RecipientState::kDelivered, std::move(result.reply), job.remote_host});
        break;
      case Outcome::kFailed:
        metrics_.failed.Add();
        LogOutcome(message, "failed", named.path, &job, result.reply);
        if (drop) {
          update.outcomes.push_back(
              {recipient, undelivered, std::move(result.reply), job.remote_host});
        } else {
          settlement.failures.push_back(
              {recipient, result.reply.status, std::move(result.reply), job.remote_host});
        }
        break;
      case Outcome::kDeferred:
        metrics_.deferred.Add();
        Defer(message, update);
        LogOutcome(message, "deferred", named.path, &job, result.reply,
                   std::max(update.next_attempt, message.next_attempt()));
        update.outcomes.push_back(
            {recipient, undelivered, std::move(result.reply), job.remote_host});
        if (Planted(Canary::kForgetDeferredRecipient) && i > 0 && i + 1 == job.recipients.size())
          update.outcomes.back().state = RecipientState::kDelivered;
        if (Planted(Canary::kForgetLostAnswer) && job.ambiguous)
          update.outcomes.back().state = RecipientState::kFailed;
        break;
      case Outcome::kUntried:
        if (drop) update.outcomes.push_back({recipient, undelivered, {}, {}});
        break;
    }
  }
  if (job.ambiguous) metrics_.ambiguous.Add();
}

// The next attempt, counted once for all jobs of one round: a message of many recipients or
// destinations is not put off further for each of them.
void TransferCore::Defer(const QueuedMessage& message, MessageUpdate& update) {
  const WallTime now = io::WallNow();
  if (update.next_attempt != WallTime{} || !IsDue(message, now)) return;
  Nanoseconds delay = RetryDelay(options_.retry, message.attempts() + 1u, options_.retry.delay_max,
                                 io::RandomUint64());
  // A second is what the log keeps.
  delay = std::max<Nanoseconds>(delay, std::chrono::seconds(1));
  update.attempt_counted = true;
  update.next_attempt = std::chrono::ceil<std::chrono::seconds>(now + delay);
}

// What the job's way home says of its destination.
void TransferCore::MindLane(const Job& job) {
  Lane& lane = *job.lane;
  --lane.out;
  if (job.unreachable) {
    if (job.refusal.reply.code != 0) lane.refusal = job.refusal;
    lane.credits = job.back_off_until > io::Now() ? 0 : 1;
    const bool later = !lane.reopen.armed() || lane.reopen.deadline() < job.back_off_until;
    if (lane.credits == 0 && later && !stopping_ && !Planted(Canary::kLaneNeverReopens))
      lane.reopen.Arm(job.back_off_until);
    return;
  }
  const auto answered = [](const RecipientResult& r) { return r.outcome != Outcome::kUntried; };
  if (std::none_of(job.results.begin(), job.results.end(), answered)) return;
  lane.reopen.Disarm();
  lane.refusal = {};
  lane.credits = kLaneCreditsMax;
}

// The peer took only some recipients at once: the others have their turn in the same round,
// whatever the next attempt of those that it put off.
void TransferCore::SendRest(QueuedMessage& message, const Job& job) {
  std::vector<uint32_t> rest;
  for (size_t i = 0; i < job.recipients.size(); ++i) {
    const uint32_t recipient = job.recipients[i];
    const bool pending =
        message.state(recipient) == RecipientState::kPending && !message.in_flight(recipient);
    if (job.results[i].outcome == Outcome::kUntried && pending) rest.push_back(recipient);
  }
  if (!rest.empty()) Send(message, *job.lane, std::move(rest), job.urgency);
}

// The outcomes are on disk: recipients that are still pending may be tried again, and the lane has
// a place.
void TransferCore::FinishJob(Job& job) {
  Lane& lane = *job.lane;
  MindLane(job);
  --jobs_out_;
  metrics_.in_flight.Add(-1);
  if (QueuedMessage* message = queue_.Find(job.id); message != nullptr) {
    Landed(*message, job.recipients);
    const auto untried = [](const RecipientResult& r) { return r.outcome == Outcome::kUntried; };
    if (!message->held() && !stopping_) {
      const bool untaken = std::any_of(job.results.begin(), job.results.end(), untried);
      if (untaken && job.delivered && lane.out < lane.credits && !unrecorded_) {
        SendRest(*message, job);
      } else if (untaken) {
        // It goes on waiting, ahead of those that came later.
        if (message->linked()) {
          lane.also_waiting.insert(job.id);
        } else {
          lane.waiting.PushFront(*message);
        }
      }
      ArmTimer(*message);
    }
  }
  job.recipients.clear();
  job.results.clear();
  job.refusal = {};
  spare_jobs_.PushFront(job);
  if (!stopping_) Pump(lane);
}

// ── expiry, warnings, no route ──

io::Task<void> TransferCore::Attend(QueueId id) {
  QueuedMessage* message = queue_.Find(id);
  if (message == nullptr) co_return;
  if (drop_when_home_.contains(id) && message->in_flight_count() == 0) {
    (void)co_await Drop(id);
    co_return;
  }
  if (message->held()) co_return;
  const WallTime now = io::WallNow();
  if (IsTooOld(*message, now)) {
    if (!HasLastChance(*message, now)) {
      co_await Expire(*message);
      co_return;
    }
    last_chances_.emplace(id, io::Now() + kLastChanceLasts);
    Dispatch(*message, Urgency::kScheduled);
    co_return;
  }
  if (WantsWarning(*message) && message->arrival() + options_.retry.delay_warning_after <= now) {
    co_await Warn(*message);
    message = queue_.Find(id);
    if (message == nullptr) co_return;
  }
  // What nobody has said a next hop for waits until somebody does.
  MessageUpdate update{.id = id};
  auto cursor = message->envelope().recipients();
  message::EnvelopeView::RecipientView recipient;
  for (uint32_t i = 0; IsDue(*message, now) && cursor.Next(recipient); ++i) {
    if (message->state(i) != RecipientState::kPending || message->in_flight(i)) continue;
    if (FindHop(recipient.path) != nullptr) continue;
    const std::string_view domain = DomainOf(recipient.path);
    const Reply reply{
        451,
        {4, 4, 4},
        fmt::format("no route: neither a [[route]] for {} nor a [relay] next_hop", domain)};
    metrics_.deferred.Add();
    Defer(*message, update);
    LogOutcome(*message, "deferred", recipient.path, nullptr, reply, update.next_attempt);
    update.outcomes.push_back({i, RecipientState::kPending, reply, {}});
  }
  if (!update.outcomes.empty()) {
    std::vector<MessageUpdate> updates;
    updates.push_back(std::move(update));
    const Status recorded = co_await queue_.Record(std::move(updates));
    message = queue_.Find(id);
    if (!recorded.ok()) {
      if (message != nullptr) message->timer().Arm(io::Now() + kOverdueAgainAfter);
      co_return;
    }
  }
  if (message == nullptr || message->held() || stopping_) co_return;
  if (IsDue(*message, io::WallNow())) {
    Dispatch(*message, Urgency::kScheduled);
  } else {
    ArmTimer(*message);
  }
}

// What was said last of a recipient: to its own attempt, or else to others on the same way.
storage::LastReply TransferCore::LastSaid(const QueuedMessage& message, uint32_t recipient,
                                          std::string_view path) const {
  if (const storage::LastReply* last = message.last_reply(recipient); last != nullptr) return *last;
  if (const NextHop* hop = FindHop(path); hop != nullptr) {
    const auto lane = lanes_.find(*hop);
    if (lane != lanes_.end()) return lane->second->refusal;
  }
  return {};
}

// RFC 5321 §4.5.4.1: given up, with the last thing that was said.
io::Task<void> TransferCore::Expire(QueuedMessage& message) {
  const QueueId id = message.id();
  std::vector<Failure> failures;
  std::vector<uint32_t> taken;
  auto cursor = message.envelope().recipients();
  message::EnvelopeView::RecipientView recipient;
  for (uint32_t i = 0; cursor.Next(recipient); ++i) {
    if (message.state(i) != RecipientState::kPending || message.in_flight(i)) continue;
    storage::LastReply last = LastSaid(message, i, recipient.path);
    if (last.reply.code == 0) last.reply = {451, {4, 4, 7}, "delivery time expired"};
    LogOutcome(message, "expired", recipient.path, nullptr, last.reply);
    // RFC 3463 §3.5: X.4.7, and permanent now.
    failures.push_back({i, {5, 4, 7}, std::move(last.reply), std::move(last.remote_host)});
    taken.push_back(i);
  }
  if (failures.empty()) co_return;  // all on their way: what comes home is looked at again
  metrics_.expired.Add();
  metrics_.failed.Add(failures.size());
  message.Unlink();
  // Nobody sends them while the report is written.
  for (const uint32_t i : taken) message.set_in_flight(i, true);
  co_await Bounce(id, std::move(failures));
  if (QueuedMessage* left = queue_.Find(id); left != nullptr) Landed(*left, taken);
}

io::Task<void> TransferCore::Warn(QueuedMessage& message) {
  std::vector<Failure> told;
  auto cursor = message.envelope().recipients();
  message::EnvelopeView::RecipientView recipient;
  for (uint32_t i = 0; cursor.Next(recipient); ++i) {
    if (message.state(i) != RecipientState::kPending || !ToldOfDelay(recipient.notify)) continue;
    storage::LastReply last = LastSaid(message, i, recipient.path);
    if (last.reply.code == 0) last.reply = {451, {4, 4, 1}, "the next hop has not answered yet"};
    // RFC 3464 §2.3.4: a delay is of class 4, whatever was said.
    message::EnhancedStatus status = last.reply.status;
    if (status.klass != 4) status = {4, 4, 7};
    told.push_back({i, status, std::move(last.reply), std::move(last.remote_host)});
  }
  std::vector<MessageUpdate> updates(1);
  updates[0] = {.id = message.id(), .delay_warned = MessageUpdate::Flag::kOn};
  const QueueId id = message.id();
  if (told.empty()) {
    (void)co_await queue_.Record(std::move(updates));
  } else if (co_await Report(id, told, DsnAction::kDelayed, std::move(updates))) {
    metrics_.warned.Add();
  }
}

// ── reports ──

// Gives the recipients up: the report and the failures that it reports go to disk in one batch.
io::Task<void> TransferCore::Bounce(QueueId id, std::vector<Failure> failures) {
  QueuedMessage* message = queue_.Find(id);
  if (message == nullptr) co_return;
  MessageUpdate update{.id = id};
  std::vector<Failure> told;
  for (const Failure& failure : failures) {
    update.outcomes.push_back(
        {failure.recipient, RecipientState::kFailed, failure.reply, failure.remote_host});
    if (ToldOfFailure(message->envelope().recipient(failure.recipient).notify))
      told.push_back(failure);
  }
  std::vector<MessageUpdate> updates;
  updates.push_back(update);
  // RFC 5321 §4.5.5: never about a report.
  if (Planted(Canary::kReportFirstOnly) && told.size() > 1)
    told.erase(told.begin() + 1, told.end());
  const bool report = message->envelope().reverse_path().empty();
  if ((report && !Planted(Canary::kReportAboutReport)) || told.empty()) {
    metrics_.discarded.Add(failures.size());
    LogLine(io::ShardLog(), LogLevel::kWarning, "not-returned")
        .Id(id)
        .Field("recipients", uint64_t{failures.size()})
        .Field("reason", report ? "null reverse-path" : "the sender asked not to be told");
    (void)co_await queue_.Record(std::move(updates));
    co_return;
  }
  if (co_await Report(id, told, DsnAction::kFailed, std::move(updates))) {
    metrics_.returned.Add();
    co_return;
  }
  // Nothing is given up without its report: it is tried once more, and fails once more, later.
  message = queue_.Find(id);
  if (message == nullptr) co_return;
  for (storage::RecipientOutcome& outcome : update.outcomes) {
    if (!Planted(Canary::kReportFailureForgotten)) outcome.state = RecipientState::kPending;
  }
  update.next_attempt = io::WallNow() + kReportAgainAfter;
  std::vector<MessageUpdate> later;
  later.push_back(std::move(update));
  (void)co_await queue_.Record(std::move(later));
  if ((message = queue_.Find(id)) != nullptr && !stopping_) {
    // An expired message would come back at once: give the disk its time.
    message->timer().Arm(io::Now() + kReportAgainAfter);
  }
}

io::Task<bool> TransferCore::Report(QueueId id, const std::vector<Failure>& told, DsnAction action,
                                    std::vector<MessageUpdate> updates) {
  QueuedMessage* message = queue_.Find(id);
  if (message == nullptr) co_return false;
  const std::string packed(message->packed_envelope());
  const WallTime arrival = message->arrival();
  const WallTime retry_until = ExpiryOf(*message);
  const message::EnvelopeView envelope = *message::EnvelopeView::Parse(packed);
  bool whole = false;
  const std::string original = co_await ReadOriginal(*message, envelope.dsn_return(), whole);
  message::DsnRequest request{.reporting_host = door_.hostname(),
                              .queue_id = id,
                              .to = envelope.reverse_path(),
                              .envelope_id = envelope.envelope_id(),
                              .arrival = arrival,
                              .now = io::WallNow(),
                              .smtp_utf8 = envelope.smtp_utf8(),
                              .returns = envelope.dsn_return(),
                              .original = original,
                              .original_is_whole = whole};
  for (const Failure& failure : told) {
    const auto recipient = envelope.recipient(failure.recipient);
    request.recipients.push_back({.path = recipient.path,
                                  .original_recipient = recipient.original_recipient,
                                  .action = action,
                                  .status = failure.status,
                                  .remote_host = failure.remote_host,
                                  .diagnostic = failure.reply,
                                  .last_attempt = io::WallNow(),
                                  .will_retry_until = retry_until});
  }
  const StatusOr<QueueId> report = co_await SubmitReport(request, std::move(updates));
  if (!report.ok()) {
    LogLine(io::ShardLog(), LogLevel::kError, "report-not-sent")
        .Id(id)
        .Field("error", Std(report.status().message()));
    co_return false;
  }
  LogLine(io::ShardLog(), LogLevel::kInfo,
          action == DsnAction::kDelayed ? "delay-reported" : "returned")
      .Id(id)
      .Field("report", report->ToString())
      .Field("to", envelope.reverse_path())
      .Field("recipients", uint64_t{told.size()});
  co_return true;
}

// The header section, or all of a small message. A damaged content is reported without.
io::Task<std::string> TransferCore::ReadOriginal(QueuedMessage& message, message::DsnReturn returns,
                                                 bool& whole) {
  std::string original;
  storage::Content& content = message.content();
  const QueueId id = message.id();
  // A report must itself pass the door.
  const size_t bytes_max = static_cast<size_t>(
      std::min<uint64_t>(kReturnedBytesMax, door_.limits().message_bytes_max / 4));
  const bool all = returns == message::DsnReturn::kFull && storage::Bytes(content) <= bytes_max;
  storage::Lend(content);
  {
    storage::ContentReader reader(store_, content, storage::ContentPart::kMessage);
    size_t header_end = std::string::npos;
    while (original.size() < bytes_max && (all || header_end == std::string::npos)) {
      const StatusOr<storage::ContentPiece> piece = co_await reader.Next();
      if (!piece.ok()) {
        LogLine(io::ShardLog(), LogLevel::kError, "content-unreadable")
            .Id(id)
            .Field("error", Std(piece.status().message()));
        break;
      }
      if (piece->bytes.empty()) break;
      original.append(piece->bytes.substr(0, bytes_max - original.size()));
      header_end = original.find("\r\n\r\n");
    }
    whole = all && original.size() == storage::Bytes(content);
    if (!whole && header_end != std::string::npos) original.resize(header_end + 2);
  }
  storage::Return(content);
  co_return original;
}

io::Task<StatusOr<QueueId>> TransferCore::SubmitReport(const message::DsnRequest& request,
                                                       std::vector<MessageUpdate> updates) {
  // Our own mail: no client, no greeting.
  const MailSource source{.client = {},
                          .own = true,
                          .helo = {},
                          .with_protocol = request.smtp_utf8 ? "UTF8SMTP" : "SMTP",
                          .tls = {}};
  MailTransaction transaction(door_, source);
  message::MailParameters parameters;
  parameters.smtp_utf8 = request.smtp_utf8;
  parameters.body = message::BodyType::k8BitMime;
  Reply reply = transaction.Mail("", std::move(parameters));
  if (!reply.completed() && updates.empty()) co_return absl::UnavailableError(reply.ToLine());
  message::ParsedPath to;
  to.text = request.to;
  to.mailbox.domain = DomainOf(request.to);
  to.mailbox.local_part = request.to.substr(0, request.to.rfind('@'));
  while (transaction.MustAsk(to)) co_await transaction.Ask();
  reply = transaction.Recipient(to, {}, message::kNotifyNever);
  if (!reply.completed()) co_return absl::UnavailableError(reply.ToLine());
  transaction.BeginContent();
  message::DsnRequest named = request;
  named.own_id = transaction.id();
  const std::string content = message::WriteDsn(named);
  codec::ContentScanner scanner;
  codec::DataScanner::Step step;
  for (std::string_view rest = content; !rest.empty(); rest.remove_prefix(step.consumed)) {
    scanner.Feed(rest, step);
    for (size_t i = 0; i < step.run_count; ++i) {
      transaction.Write(step.runs[i].bytes, step.runs[i].starts_with_dot_line);
      if (transaction.needs_drain()) CO_RETURN_IF_ERROR(co_await transaction.Drain());
    }
  }
  if (scanner.flags() & codec::kData8Bit) transaction.set_content_flags(storage::kContent8Bit);
  reply = co_await transaction.Commit(std::move(updates));
  if (!reply.completed()) co_return absl::UnavailableError(reply.ToLine());
  co_return transaction.id();
}

}  // namespace ringmail::agent
