#include "server/control/queue_view.h"

#include <array>

#include <fmt/format.h>

#include "ringmail/io/gate.h"
#include "ringmail/io/shard.h"
#include "ringmail/message/path.h"

namespace ringmail::server {
namespace {

constexpr std::array<std::pair<std::string_view, QueueAction>, 4> kActions = {
    {{"retry", QueueAction::kRetry},
     {"hold", QueueAction::kHold},
     {"release", QueueAction::kRelease},
     {"drop", QueueAction::kDrop}}};

std::string_view DomainOf(std::string_view path) {
  const size_t at = path.rfind('@');
  return at == path.npos ? std::string_view() : path.substr(at + 1);
}

std::string_view StateName(storage::RecipientState state) {
  switch (state) {
    case storage::RecipientState::kPending:
      return "pending";
    case storage::RecipientState::kDelivered:
      return "delivered";
    case storage::RecipientState::kFailed:
      return "failed";
    case storage::RecipientState::kDropped:
      return "dropped";
  }
  CHECK(false);
}

void WriteRecipient(const storage::QueuedMessage& message, uint32_t index, std::string_view path,
                    JsonWriter& json) {
  json.BeginObject().Key("address").String(path).Key("state");
  json.String(message.in_flight(index) ? "active" : StateName(message.state(index)));
  if (const storage::LastReply* last = message.last_reply(index)) {
    json.Key("reply").String(last->reply.ToLine());
    if (!last->remote_host.empty()) json.Key("host").String(last->remote_host);
  }
  json.EndObject();
}

io::Task<Status> Act(agent::Transfer& transfer, QueueAction action, QueueId id) {
  switch (action) {
    case QueueAction::kRetry:
      return transfer.Retry(id);
    case QueueAction::kHold:
      return transfer.Hold(id);
    case QueueAction::kRelease:
      return transfer.Release(id);
    case QueueAction::kDrop:
      return transfer.Drop(id);
  }
  CHECK(false);
}

struct Listing {
  ListWork* work;
  static void Visit(void* context, storage::QueuedMessage& message) {
    ListWork& work = *static_cast<Listing*>(context)->work;
    if (!work.filter->Matches(message)) return;
    std::string row;
    JsonWriter json(row);
    WriteMessage(message, kListedRecipientsMax, json);
    work.rows.emplace_back(message.id(), std::move(row));
  }
};

struct Collecting {
  const QueueFilter* filter;
  std::vector<QueueId> ids;
  static void Visit(void* context, storage::QueuedMessage& message) {
    auto& self = *static_cast<Collecting*>(context);
    if (self.filter->Matches(message)) self.ids.push_back(message.id());
  }
};

io::Task<void> ActOnOne(ShardServer* server, ActOnAllWork* work, QueueId id) {
  const Status status = co_await Act(server->transfer(), work->action, id);
  // It left the queue meanwhile: nothing is left to be done.
  if (absl::IsNotFound(status)) co_return;
  if (status.ok()) {
    ++work->done;
  } else {
    ++work->failed;
    work->last_failure = status;
  }
}

}  // namespace

bool QueueFilter::Matches(const storage::QueuedMessage& message) const {
  if (held && *held != message.held()) return false;
  if (!domain && !sender) return true;
  const message::EnvelopeView envelope = message.envelope();
  if (sender && envelope.reverse_path() != *sender) return false;
  if (!domain) return true;
  auto cursor = envelope.recipients();
  message::EnvelopeView::RecipientView recipient;
  for (uint32_t i = 0; cursor.Next(recipient); ++i) {
    const bool pending = message.state(i) == storage::RecipientState::kPending;
    if (pending && message::SameDomain(DomainOf(recipient.path), *domain)) return true;
  }
  return false;
}

std::string FormatTime(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time.time_since_epoch());
  const auto days = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date{std::chrono::sys_days(days)};
  const std::chrono::hh_mm_ss clock(seconds - days);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

void WriteMessage(const storage::QueuedMessage& message, uint32_t recipients_max,
                  JsonWriter& json) {
  const message::EnvelopeView envelope = message.envelope();
  json.BeginObject().Key("id").String(message.id().ToString());
  json.Key("state").String(message.held()                  ? "held"
                           : message.in_flight_count() > 0 ? "active"
                                                           : "waiting");
  json.Key("arrival").String(FormatTime(message.arrival()));
  json.Key("bytes").Number(storage::Bytes(message.content()));
  json.Key("from").String(envelope.reverse_path());
  json.Key("attempts").Number(message.attempts());
  json.Key("next_attempt");
  UnixSeconds(message.next_attempt()) == 0 ? json.Null()
                                           : json.String(FormatTime(message.next_attempt()));
  json.Key("recipient_count").Number(message.recipient_count());
  json.Key("pending_count").Number(message.pending_count());
  json.Key("recipients").BeginArray();
  // A list shows who is waited for; what is done with is in `show`.
  const bool only_pending = recipients_max == kListedRecipientsMax;
  auto cursor = envelope.recipients();
  message::EnvelopeView::RecipientView recipient;
  uint32_t shown = 0;
  for (uint32_t i = 0; shown < recipients_max && cursor.Next(recipient); ++i) {
    if (only_pending && message.state(i) != storage::RecipientState::kPending) continue;
    WriteRecipient(message, i, recipient.path, json);
    ++shown;
  }
  json.EndArray().EndObject();
}

io::Task<void> ListWork::Run(ShardServer& server) {
  rows.clear();
  Listing listing{this};
  reached = server.queue().Visit(after, kQueueScanMessages, Listing::Visit, &listing);
  co_return;
}

io::Task<void> ShowWork::Run(ShardServer& server) {
  json.clear();
  if (const storage::QueuedMessage* message = server.queue().Find(id)) {
    JsonWriter writer(json);
    WriteMessage(*message, kShownRecipientsMax, writer);
  }
  co_return;
}

std::string_view ActionName(QueueAction action) {
  for (const auto& [name, one] : kActions) {
    if (one == action) return name;
  }
  CHECK(false);
}

std::optional<QueueAction> ParseAction(std::string_view name) {
  for (const auto& [known, action] : kActions) {
    if (known == name) return action;
  }
  return std::nullopt;
}

io::Task<void> ActWork::Run(ShardServer& server) {
  status = co_await Act(server.transfer(), action, id);
}

io::Task<void> ActOnAllWork::Run(ShardServer& server) {
  QueueId after;
  do {
    Collecting collecting{.filter = filter};
    after = server.queue().Visit(after, kQueueScanMessages, Collecting::Visit, &collecting);
    io::Gate gate;
    for (QueueId id : collecting.ids) gate.Spawn(ActOnOne(&server, this, id));
    co_await gate.Close();
    co_await io::Yield();
  } while (after.valid());
}

}  // namespace ringmail::server
