#include "agent/transfer/transfer_core.h"

#include <algorithm>
#include <utility>

#include "agent/transfer/retry.h"
#include "ringmail/base/canary.h"
#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"

namespace ringmail::agent {
namespace {

using storage::MessageUpdate;
using storage::QueuedMessage;
using storage::RecipientState;

constexpr size_t kForgottenAtOnce = 10'000;

// FNV-1a: the same in every process and on every run, unlike the hash of a hash map.
ShardIndex ShardOf(const NextHop& hop) {
  if (hop.local()) return ShardIndex(hop.port);
  uint64_t hash = 14695981039346656037u;
  const auto add = [&hash](unsigned char octet) { hash = (hash ^ octet) * 1099511628211u; };
  for (const char c : hop.host) add(static_cast<unsigned char>(c));
  add(static_cast<unsigned char>(hop.port >> 8));
  add(static_cast<unsigned char>(hop.port & 0xff));
  if (hop.protocol == HopProtocol::kLmtp) add('L');
  return ShardIndex(static_cast<uint16_t>((hash ^ (hash >> 32)) % io::ShardCount()));
}

}  // namespace

std::unique_ptr<Transfer> Transfer::Make(storage::ShardStore& store, MailDoor& door,
                                         Transport& transport, TransferOptions options) {
  return Make(store, door, transport, std::move(options), LocalDelivery{});
}

std::unique_ptr<Transfer> Transfer::Make(storage::ShardStore& store, MailDoor& door,
                                         Transport& transport, TransferOptions options,
                                         LocalDelivery local) {
  return std::make_unique<TransferCore>(store, door, transport, std::move(options), local);
}

void TransferMetrics::Register(MetricRegistry& registry) {
  registry.Add("ringmail_delivered_recipients_total", "Recipients delivered", &delivered);
  registry.Add("ringmail_deferred_recipients_total", "Attempts put off, by recipient", &deferred);
  registry.Add("ringmail_failed_recipients_total", "Recipients given up", &failed);
  registry.Add("ringmail_expired_messages_total", "Messages given up for their age", &expired);
  registry.Add("ringmail_dsn_failed_total", "Failure reports sent back", &returned);
  registry.Add("ringmail_dsn_delayed_total", "Delay warnings sent back", &warned);
  registry.Add("ringmail_dsn_not_owed_total",
               "Failures of which nobody is told (null reverse-path, NOTIFY)", &discarded);
  registry.Add("ringmail_ambiguous_attempts_total",
               "Attempts that may be repeated though the peer has the message", &ambiguous);
  registry.Add("ringmail_attempts_in_flight", "Transactions on their way", &in_flight);
  registry.Add("ringmail_outcomes_waiting_messages",
               "Messages whose outcomes wait for room on the disk", &outcomes_waiting);
}

void Lane::Reopen(void* self) {
  Lane& lane = *static_cast<Lane*>(self);
  lane.credits = 1;
  lane.core_.Pump(lane);
}

TransferCore::TransferCore(storage::ShardStore& store, MailDoor& door, Transport& transport,
                           TransferOptions options, LocalDelivery local)
    : store_(store),
      queue_(store.queue()),
      door_(door),
      local_(local),
      pool_(store, transport, local.transport, &TransferCore::SendHome, this) {
  CHECK((local.transport == nullptr) == (local.directory == nullptr) &&
        (local.transport == nullptr) == (local.accounts == nullptr));
  // Jobs of shards that started earlier may come, and go home, before Start.
  for (uint16_t i = 0; i < io::ShardCount(); ++i) {
    outboxes_.push_back(std::make_unique<Outbox>());
    outboxes_.back()->to = ShardIndex(i);
    local_hops_.push_back(NextHop::Local(ShardIndex(i)));
  }
  Reconfigure(std::move(options));
}

// Without Stop it is what a crash is: every shard goes, whatever is on its way between them.
TransferCore::~TransferCore() = default;

void TransferCore::Reconfigure(TransferOptions options) {
  options_ = std::move(options);
  routes_ = RouteTable(options_.routes, options_.relay_next_hop);
  pool_.Configure(options_.retry, options_.destination);
}

void TransferCore::RegisterMetrics(MetricRegistry& registry) {
  metrics_.Register(registry);
  pool_.RegisterMetrics(registry);
}

void TransferCore::Start(std::vector<Transfer*> peers) {
  CHECK(!started_ && peers.size() == io::ShardCount());
  for (Transfer* peer : peers) peers_.push_back(static_cast<TransferCore*>(peer));
  started_ = true;
  gate_.Spawn(Clerk(this));
  queue_.SetObserver(this);  // which reports all that was recovered
}

// ── what enters and leaves ──

void TransferCore::Entered(QueuedMessage& message) {
  message.set_scheduler(this);
  message.timer().Bind(&TransferCore::TimerFired, &message);
  if (message.held() || stopping_) return;
  if (!IsDue(message, io::WallNow())) {
    ArmTimer(message);
  } else {
    Dispatch(message, Urgency::kScheduled);
  }
}

void TransferCore::Leaving(QueuedMessage& message) {
  message.timer().Disarm();
  message.Unlink();
  drop_when_home_.erase(message.id());
  last_chances_.erase(message.id());
}

bool TransferCore::WantsWarning(const QueuedMessage& message) const {
  return options_.retry.delay_warning_after.count() > 0 && !message.delay_warned() &&
         !message.envelope().reverse_path().empty() && !last_chances_.contains(message.id());
}

// A clock that was put back by a day must not put mail off by a day.
bool TransferCore::IsDue(const QueuedMessage& message, WallTime now) const {
  return message.next_attempt() <= now ||
         message.next_attempt() > now + RetryDelayLongest(options_.retry);
}

// Is to be given its last chance: it fell due while nobody served, and nothing has been tried
// since. RFC 5321 §4.5.4.1 gives up a message that the next hop would not take, not one it never
// saw.
bool TransferCore::HasLastChance(const QueuedMessage& message, WallTime now) const {
  return IsDue(message, now) && !message.linked() && message.in_flight_count() == 0 &&
         !last_chances_.contains(message.id()) && !Planted(Canary::kExpireWhenOverdue);
}

// Time to give it up. A last chance ends with the attempt, which puts the message off.
bool TransferCore::IsTooOld(const QueuedMessage& message, WallTime now) const {
  if (ExpiryOf(message) > now) return false;
  const auto chance = last_chances_.find(message.id());
  return chance == last_chances_.end() || chance->second <= io::Now() || !IsDue(message, now);
}

// For the next thing that time alone brings: another attempt, the warning, the end.
void TransferCore::ArmTimer(QueuedMessage& message) {
  const WallTime now = io::WallNow();
  WallTime next = ExpiryOf(message);
  if (next <= now && !IsTooOld(message, now)) {
    next = now + (last_chances_.at(message.id()) - io::Now());
  }
  if (WantsWarning(message))
    next = std::min(next, message.arrival() + options_.retry.delay_warning_after);
  if (!IsDue(message, now)) {
    next = std::min(next, message.next_attempt());
  } else if (!message.linked() && message.pending_count() > message.in_flight_count()) {
    // It fell due while its last attempt was being settled.
    next = std::min(next, now + kOverdueAgainAfter);
  }
  message.timer().Arm(io::Now() + (next > now ? next - now : Nanoseconds(kOverdueAgainAfter)));
}

void TransferCore::TimerFired(void* context) {
  QueuedMessage& message = *static_cast<QueuedMessage*>(context);
  TransferCore& self = *static_cast<TransferCore*>(message.scheduler());
  if (message.held() || self.stopping_) return;
  const WallTime now = io::WallNow();
  const bool warn = self.WantsWarning(message) &&
                    message.arrival() + self.options_.retry.delay_warning_after <= now;
  if (warn || self.IsTooOld(message, now)) {
    self.attention_.push_back(message.id());
    self.clerk_wake_.Notify();
    return;
  }
  self.Dispatch(message, Urgency::kScheduled);
}

// ── sending ──

Lane& TransferCore::FindLane(const NextHop& hop) {
  std::unique_ptr<Lane>& slot = lanes_[hop];
  if (slot == nullptr) {
    slot = std::make_unique<Lane>(*this, hop);
    slot->shard = ShardOf(hop);
  }
  return *slot;
}

// To the shard that has the mailboxes of whoever it is for. The directory is asked each time:
// people come, go and move while their mail waits. What is ours and nobody's is for delivery here
// to judge.
const NextHop* TransferCore::FindHop(std::string_view path) const {
  const std::string_view domain = DomainOf(path);
  if (local_.directory != nullptr && !domain.empty()) {
    const storage::Resolution found =
        local_.directory->Resolve(path.substr(0, path.size() - domain.size() - 1), domain);
    if (found.kind == storage::Resolution::Kind::kAccount)
      return &local_hops_[local_.accounts->ShardOf(AccountId(found.account->id())).value];
    if (found.kind != storage::Resolution::Kind::kForeign)
      return &local_hops_[io::ThisShard().value];
  }
  return routes_.Find(domain);
}

// Groups what may be tried now by lane, into groups_.
void TransferCore::Collect(QueuedMessage& message, Urgency urgency) {
  groups_.clear();
  const bool due = urgency == Urgency::kOperator || IsDue(message, io::WallNow());
  const message::EnvelopeView envelope = message.envelope();
  auto cursor = envelope.recipients();
  message::EnvelopeView::RecipientView recipient;
  bool unroutable = false;
  for (uint32_t i = 0; cursor.Next(recipient); ++i) {
    if (message.state(i) != RecipientState::kPending || message.in_flight(i)) continue;
    // Before the message's time only those who never had their turn: they waited for a lane.
    if (!due && message.last_reply(i) != nullptr) continue;
    const NextHop* hop = FindHop(recipient.path);
    if (hop == nullptr) {
      unroutable = true;
      continue;
    }
    Lane* lane = groups_.empty() ? nullptr : groups_.back().first;
    if (lane == nullptr || lane->hop != *hop) {
      lane = &FindLane(*hop);
      const auto same = [lane](const auto& group) { return group.first == lane; };
      const auto found = std::find_if(groups_.begin(), groups_.end(), same);
      if (found == groups_.end()) {
        groups_.emplace_back(lane, std::vector<uint32_t>());
      } else {
        std::swap(*found, groups_.back());
      }
    }
    groups_.back().second.push_back(i);
  }
  if (unroutable) {
    attention_.push_back(message.id());
    clerk_wake_.Notify();
  }
}

// Sends what has credit; what has none waits in the lane it lacks it in, and is collected anew when
// its turn comes. What lacks it in several lanes waits in each.
void TransferCore::Dispatch(QueuedMessage& message, Urgency urgency) {
  if (message.held() || stopping_ || unrecorded_) return;
  if (IsTooOld(message, io::WallNow())) {
    attention_.push_back(message.id());
    clerk_wake_.Notify();
    return;
  }
  message.Unlink();
  Collect(message, urgency);
  for (auto& [lane, recipients] : groups_) {
    const uint32_t recipients_max =
        lane->hop.local() ? kLocalRecipientsMax
                          : std::max(1u, options_.destination.recipients_per_transaction_max);
    size_t from = 0;
    while (from < recipients.size()) {
      const bool forced = urgency == Urgency::kOperator && lane->out == 0;
      if (lane->out >= lane->credits && !forced) {
        if (message.linked()) {
          lane->also_waiting.insert(message.id());
        } else {
          lane->waiting.PushBack(message);
        }
        break;
      }
      const size_t count = std::min<size_t>(recipients_max, recipients.size() - from);
      const auto begin = recipients.begin() + static_cast<ptrdiff_t>(from);
      Send(message, *lane, std::vector<uint32_t>(begin, begin + static_cast<ptrdiff_t>(count)),
           urgency);
      from += count;
    }
  }
  ArmTimer(message);
}

Job& TransferCore::TakeJob() {
  if (!spare_jobs_.empty()) return spare_jobs_.PopFront();
  jobs_.push_back(std::make_unique<Job>());
  return *jobs_.back();
}

void TransferCore::Send(QueuedMessage& message, Lane& lane, std::vector<uint32_t> recipients,
                        Urgency urgency) {
  for (const uint32_t recipient : recipients) message.set_in_flight(recipient, true);
  Job& job = TakeJob();  // the other shard's until RunHome
  job.home = this;
  job.home_shard = io::ThisShard();
  job.lane = &lane;
  job.hop = lane.hop;
  job.id = message.id();
  job.envelope = message.packed_envelope();
  job.content = &message.content();
  job.content_bytes = storage::Bytes(message.content());
  job.content_flags = storage::Flags(message.content());
  job.urgency = urgency;
  job.recipients = std::move(recipients);
  storage::Lend(message.content());
  ++lane.out;
  ++jobs_out_;
  metrics_.in_flight.Add(1);
  SendTo(lane.shard, &TransferCore::RunArrive, peers_[lane.shard.value], job);
}

// Lets waiting messages go as the lane has credit. A batch at a time: one message of many
// recipients is walked through for each batch, not for each job.
void TransferCore::Pump(Lane& lane) {
  if (lane.credits > 1 && lane.out > lane.credits / 2) return;
  while (lane.out < lane.credits && !stopping_ && !unrecorded_) {
    // It waits in this lane again only where it has taken all there was.
    QueuedMessage* message = NextWaiting(lane);
    if (message == nullptr) return;
    Dispatch(*message, Urgency::kScheduled);
  }
}

// The older of the first of both kinds; nullptr: nothing waits.
QueuedMessage* TransferCore::NextWaiting(Lane& lane) {
  while (!lane.also_waiting.empty()) {
    const auto first = lane.also_waiting.begin();
    if (!lane.waiting.empty() && lane.waiting.front().id() < *first) break;
    QueuedMessage* message = queue_.Find(*first);
    lane.also_waiting.erase(first);
    if (message != nullptr) return message;
  }
  return lane.waiting.empty() ? nullptr : &lane.waiting.PopFront();
}

// ── between shards ──

void TransferCore::SendTo(ShardIndex to, void (*run)(io::ShardMessage&), TransferCore* target,
                          Job& job) {
  io::ShardMessage message;
  message.run = run;
  message.SetPointer(0, target);
  message.SetPointer(1, &job);
  if (to == io::ThisShard()) {
    run(message);
    return;
  }
  Outbox& outbox = *outboxes_[to.value];
  if (outbox.messages.empty() && io::TryPost(to, message)) return;
  if (Planted(Canary::kLoseCrossShardJob)) return;
  outbox.messages.push_back(message);
  if (!outbox.again.armed()) outbox.again.Arm(io::Now() + io::kTimerTick);
}

void TransferCore::Outbox::Flush(void* self) {
  Outbox& outbox = *static_cast<Outbox*>(self);
  while (!outbox.messages.empty() && io::TryPost(outbox.to, outbox.messages.front()))
    outbox.messages.pop_front();
  if (!outbox.messages.empty()) outbox.again.Arm(io::Now() + io::kTimerTick);
}

void TransferCore::RunArrive(io::ShardMessage& message) {
  message.Pointer<TransferCore>(0)->pool_.Arrive(*message.Pointer<Job>(1));
}

void TransferCore::SendHome(void* context, Job& job) {
  static_cast<TransferCore*>(context)->SendTo(job.home_shard, &TransferCore::RunHome, job.home,
                                              job);
}

void TransferCore::RunHome(io::ShardMessage& message) {
  TransferCore& self = *message.Pointer<TransferCore>(0);
  self.home_.PushBack(*message.Pointer<Job>(1));
  self.clerk_wake_.Notify();
}

// ── the operator ──

io::Task<Status> TransferCore::Retry(QueueId id) {
  QueuedMessage* message = queue_.Find(id);
  if (message == nullptr) co_return absl::NotFoundError("no such message");
  if (message->held()) co_return absl::FailedPreconditionError("the message is held: release it");
  if (message->next_attempt() > io::WallNow()) {
    // On disk too: after a restart, or behind others in a lane, it is due as well.
    std::vector<MessageUpdate> updates(1);
    updates[0] = {.id = id, .next_attempt = io::WallNow()};
    CO_RETURN_IF_ERROR(co_await queue_.Record(std::move(updates)));
    message = queue_.Find(id);
    if (message == nullptr) co_return absl::OkStatus();
  }
  Dispatch(*message, Urgency::kOperator);
  co_return absl::OkStatus();
}

io::Task<Status> TransferCore::Hold(QueueId id) {
  if (queue_.Find(id) == nullptr) co_return absl::NotFoundError("no such message");
  std::vector<MessageUpdate> updates(1);
  updates[0] = {.id = id, .held = MessageUpdate::Flag::kOn};
  CO_RETURN_IF_ERROR(co_await queue_.Record(std::move(updates)));
  if (QueuedMessage* message = queue_.Find(id); message != nullptr) {
    message->Unlink();
    message->timer().Disarm();
  }
  LogLine(io::ShardLog(), LogLevel::kInfo, "held").Id(id);
  co_return absl::OkStatus();
}

io::Task<Status> TransferCore::Release(QueueId id) {
  if (queue_.Find(id) == nullptr) co_return absl::NotFoundError("no such message");
  std::vector<MessageUpdate> updates(1);
  updates[0] = {.id = id, .next_attempt = io::WallNow(), .held = MessageUpdate::Flag::kOff};
  CO_RETURN_IF_ERROR(co_await queue_.Record(std::move(updates)));
  LogLine(io::ShardLog(), LogLevel::kInfo, "released").Id(id);
  if (QueuedMessage* message = queue_.Find(id); message != nullptr)
    Dispatch(*message, Urgency::kOperator);
  co_return absl::OkStatus();
}

io::Task<Status> TransferCore::Drop(QueueId id) {
  QueuedMessage* message = queue_.Find(id);
  if (message == nullptr) co_return absl::NotFoundError("no such message");
  MessageUpdate update{.id = id};
  for (uint32_t i = 0; i < message->recipient_count(); ++i) {
    if (message->state(i) == RecipientState::kPending && !message->in_flight(i))
      update.outcomes.push_back({.recipient = i, .state = RecipientState::kDropped});
  }
  // What is on its way cannot be called back: the rest goes now, and what comes home undelivered
  // goes then. Held meanwhile, so that no restart sends it once more.
  if (message->in_flight_count() > 0) {
    drop_when_home_.insert(id);
    update.held = MessageUpdate::Flag::kOn;
  }
  const uint64_t recipients = message->pending_count();
  // Nobody else takes them up while the disk writes.
  std::vector<uint32_t> taken;
  for (const storage::RecipientOutcome& outcome : update.outcomes) {
    taken.push_back(outcome.recipient);
    message->set_in_flight(outcome.recipient, true);
  }
  std::vector<MessageUpdate> updates;
  updates.push_back(std::move(update));
  const Status status = co_await queue_.Record(std::move(updates));
  message = queue_.Find(id);
  if (!status.ok()) drop_when_home_.erase(id);
  if (message != nullptr) {
    message->Unlink();
    message->timer().Disarm();
    Landed(*message, taken);
    if (!status.ok() && !message->held() && !stopping_) ArmTimer(*message);
  }
  CO_RETURN_IF_ERROR(status);
  LogLine(io::ShardLog(), LogLevel::kWarning, "dropped").Id(id).Field("recipients", recipients);
  co_return absl::OkStatus();
}

// These recipients are nobody's business any more. With the last of them the operator's drop takes
// what is still pending.
void TransferCore::Landed(QueuedMessage& message, const std::vector<uint32_t>& recipients) {
  for (const uint32_t recipient : recipients) message.set_in_flight(recipient, false);
  if (message.in_flight_count() > 0 || !drop_when_home_.contains(message.id())) return;
  attention_.push_back(message.id());
  clerk_wake_.Notify();
}

// ── the end ──

io::Task<void> TransferCore::Stop(MonotonicTime deadline) {
  stopping_ = true;
  for (auto& [hop, lane] : lanes_) lane->reopen.Disarm();
  record_again_.Notify();
  co_await pool_.Stop(deadline);
  // Jobs at other shards come home as those stop theirs.
  clerk_stopping_ = true;
  clerk_wake_.Notify();
  co_await gate_.Close();
  CHECK_EQ(jobs_out_, 0u);
  queue_.SetObserver(nullptr);
  const auto forget = [](void*, QueuedMessage& message) {
    message.timer().Disarm();
    message.Unlink();
  };
  for (QueueId at; queue_.size() > 0;) {
    at = queue_.Visit(at, kForgottenAtOnce, forget, nullptr);
    if (!at.valid()) break;
    co_await io::Yield();
  }
}

}  // namespace ringmail::agent
