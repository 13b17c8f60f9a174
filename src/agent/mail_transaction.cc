#include "ringmail/agent/mail_transaction.h"

#include <utility>

#include "fmt/format.h"
#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"
#include "ringmail/message/status_reply.h"

namespace ringmail::agent {
namespace {

using message::ParsedPath;
using message::Reply;

Reply Say(uint16_t code, message::EnhancedStatus status, std::string text) {
  return {code, status, std::move(text)};
}

bool IsAddressLiteral(std::string_view domain) { return domain.starts_with('['); }

}  // namespace

MailDoor::MailDoor(storage::Queue& queue, Options options)
    : queue_(queue), hostname_(options.hostname), options_(std::move(options)) {}

void MailDoor::Reconfigure(Options options) { options_ = std::move(options); }

void MailDoor::RegisterMetrics(MetricRegistry& registry) {
  registry.Add("ringmail_accepted_messages_total", "Messages taken in, on stable storage",
               &metrics_.accepted_messages);
  registry.Add("ringmail_accepted_bytes_total", "Octets of content taken in",
               &metrics_.accepted_bytes);
  registry.Add("ringmail_refused_messages_total", "Mail transactions refused",
               &metrics_.refused_messages);
  registry.Add("ringmail_refused_recipients_total", "Recipients refused",
               &metrics_.refused_recipients);
}

MailTransaction::MailTransaction(MailDoor& door, const MailSource& source)
    : door_(door), source_(source), hops_(door.hostname_) {}

MailTransaction::~MailTransaction() = default;

Reply MailTransaction::Mail(std::string_view reverse_path, message::MailParameters parameters) {
  CHECK(envelope_.recipients.empty() && !content_.open());
  if (parameters.declared_bytes > door_.options_.limits.message_bytes_max) {
    door_.metrics_.refused_messages.Add();
    // RFC 1870 §6.1.
    return Say(552, {5, 3, 4},
               fmt::format("Message size exceeds the limit of {} octets",
                           door_.options_.limits.message_bytes_max));
  }
  if (const Status status = door_.queue_.Acceptance(); !status.ok()) {
    door_.metrics_.refused_messages.Add();
    return message::ReplyForFault(status);
  }
  envelope_.reverse_path = reverse_path;
  envelope_.parameters = std::move(parameters);
  return Say(250, {2, 1, 0}, "Sender ok");
}

bool RelayPolicy::Allows(const MailSource& source, std::string_view domain) const {
  // Mail that this host makes itself, and clients that we know.
  if (source.authenticated || source.client.family == IpAddress::Family::kNone) return true;
  for (const IpNetwork& network : networks) {
    if (network.Contains(source.client)) return true;
  }
  if (IsAddressLiteral(domain)) return false;
  for (const std::string& known : domains) {
    if (known.starts_with('.')) {
      if (domain.size() > known.size() &&
          message::SameDomain(domain.substr(domain.size() - known.size()), known))
        return true;
    } else if (message::SameDomain(domain, known)) {
      return true;
    }
  }
  return false;
}

void MailTransaction::BeginContent() {
  CHECK(recipient_count() > 0 && !content_.open());
  id_ = door_.queue_.NewId();
  content_ = door_.queue_.NewContent();
  envelope_.arrival = io::WallNow();
  std::string field;
  message::AppendReceived(
      {
          .helo = source_.helo,
          .client = source_.client,
          .by_host = door_.hostname_,
          .with_protocol = source_.with_protocol,
          .tls = source_.tls,
          .id = id_,
          // RFC 5321 §7.6: one recipient of several must not be shown to the others.
          .for_path = recipient_count() == 1 ? std::string_view(envelope_.recipients.front().path)
                                             : std::string_view(),
          .when = envelope_.arrival,
      },
      field);
  trace_bytes_ = field.size();
  // RFC 5321 §4.4: what final delivery puts before all else, and nobody else gets to see.
  content_.AppendPrefix("Return-Path: <" + envelope_.reverse_path + ">\r\n");
  content_.Append(field, false);
}

void MailTransaction::Write(std::string_view bytes, bool starts_with_dot_line) {
  if (too_large_) return;
  if (content_.bytes() - trace_bytes_ + bytes.size() > door_.options_.limits.message_bytes_max) {
    too_large_ = true;
    return;
  }
  if (!hops_.header_ended()) hops_.Feed(bytes);
  content_.Append(bytes, starts_with_dot_line);
}

io::Task<Reply> MailTransaction::Commit(std::vector<storage::MessageUpdate> updates) {
  const MailLimits& limits = door_.options_.limits;
  const auto refuse = [this](Reply reply) {
    door_.metrics_.refused_messages.Add();
    return reply;
  };
  if (too_large_) {
    co_return refuse(
        Say(552, {5, 3, 4},
            fmt::format("Message size exceeds the limit of {} octets", limits.message_bytes_max)));
  }
  if (hops_.received_count() > limits.hops_max || hops_.own_count() > limits.own_hops_max) {
    co_return refuse(Say(554, {5, 4, 6},
                         fmt::format("Mail loop: {} Received fields, {} of them ours",
                                     hops_.received_count(), hops_.own_count())));
  }
  const uint64_t bytes = content_.bytes();
  const StatusOr<storage::QueuedMessage*> queued =
      co_await door_.queue_.Enqueue(id_, envelope_, std::move(content_), std::move(updates));
  if (!queued.ok()) {
    LogLine(io::ShardLog(), LogLevel::kError, "not-accepted")
        .Id(id_)
        .Field("error", Std(queued.status().message()));
    co_return refuse(message::ReplyForFault(queued.status()));
  }
  door_.metrics_.accepted_messages.Add();
  door_.metrics_.accepted_bytes.Add(bytes);
  co_return Say(250, {2, 0, 0}, "Ok: queued as " + id_.ToString());
}

}  // namespace ringmail::agent
