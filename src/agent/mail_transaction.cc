#include "ringmail/agent/mail_transaction.h"

#include <utility>

#include "fmt/format.h"
#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"
#include "ringmail/message/status_reply.h"

namespace ringmail::agent {
namespace {

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
  registry.Add("ringmail_submission_news_lost_total",
               "Submissions that another shard was not told of", &metrics_.news_lost);
}

// Once a message is taken in, and not before: what is given back need not be taken back elsewhere.
void MailDoor::TellSubmitted(std::string_view account, uint32_t messages, uint32_t recipients) {
  for (size_t i = 0; i < doors_.size(); ++i) {
    if (doors_[i] == this) continue;
    io::ShardMessage message{.run = &HearSubmitted};
    message.SetPointer(0, doors_[i]);
    message.words[1] = SubmissionRates::KeyOf(account);
    message.words[2] = messages;
    message.words[3] = recipients;
    if (!io::TryPost(ShardIndex(static_cast<uint16_t>(i)), message)) metrics_.news_lost.Add();
  }
}

void MailDoor::HearSubmitted(io::ShardMessage& message) {
  message.Pointer<MailDoor>(0)->rates_.Learn(message.words[1],
                                             static_cast<uint32_t>(message.words[2]),
                                             static_cast<uint32_t>(message.words[3]), io::Now());
}

MailTransaction::MailTransaction(MailDoor& door, const MailSource& source)
    : door_(door), source_(source), hops_(door.hostname_) {}

MailTransaction::~MailTransaction() {
  if (rated_messages_ + rated_recipients_ != 0) {
    door_.rates_.GiveBack(source_.account, rated_messages_, rated_recipients_, io::Now());
  }
}

// RFC 6409 §6.1: who may send as whom.
std::optional<Reply> MailTransaction::JudgeOriginator(std::string_view mailbox) const {
  const std::optional<message::Mailbox> parsed =
      message::ParseMailbox(mailbox, message::Utf8::kAllowed);
  const Identity identity =
      parsed ? JudgeIdentity(door_.options_.identity_directory, source_.account, *parsed)
             : Identity::kForeign;
  switch (identity) {
    case Identity::kOwn:
      break;
    case Identity::kForeign:
      return Say(550, {5, 7, 1}, fmt::format("<{}> is not an address of yours", mailbox));
    case Identity::kUnavailable:
      return Say(451, {4, 3, 0}, "The directory cannot tell now; try later");
  }
  return std::nullopt;
}

std::optional<Reply> MailTransaction::JudgeReversePath(std::string_view reverse_path) const {
  const SubmissionPolicy& policy = door_.options_.submission;
  if (reverse_path.empty()) {
    if (policy.null_reverse_path == NullReversePath::kAllowed) return std::nullopt;
    return Say(550, {5, 7, 1}, "The null reverse-path <> is not an address of yours");
  }
  if (policy.identities == SubmissionIdentities::kAny) return std::nullopt;
  return JudgeOriginator(reverse_path);
}

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
  if (submitted()) {
    std::optional<Reply> refusal = JudgeReversePath(reverse_path);
    if (!refusal) {
      refusal =
          door_.rates_.TakeMessage(source_.account, door_.options_.submission.limits, io::Now());
      if (!refusal) ++rated_messages_;
    }
    if (refusal) {
      door_.metrics_.refused_messages.Add();
      return *std::move(refusal);
    }
  }
  envelope_.reverse_path = reverse_path;
  envelope_.parameters = std::move(parameters);
  return Say(250, {2, 1, 0}, "Sender ok");
}

bool RelayPolicy::Knows(const MailSource& source) const {
  return std::any_of(networks.begin(), networks.end(), [&source](const IpNetwork& network) {
    return network.Contains(source.client);
  });
}

bool RelayPolicy::Allows(const MailSource& source, std::string_view domain) const {
  // Mail of this host, and clients that we know.
  if (source.authenticated || source.client.family == IpAddress::Family::kNone) return true;
  if (Knows(source)) return true;
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
  // RFC 5321 §4.4: what final delivery puts before all else, and nobody else gets to see.
  content_.AppendPrefix("Return-Path: <" + envelope_.reverse_path + ">\r\n");
  content_.Append(field, false);
  if (submitted()) completion_.emplace();
}

void MailTransaction::Write(std::string_view bytes, bool starts_with_dot_line) {
  if (too_large_) return;
  received_bytes_ += bytes.size();
  if (received_bytes_ > door_.options_.limits.message_bytes_max) {
    too_large_ = true;
    return;
  }
  if (!hops_.header_ended()) hops_.Feed(bytes);
  if (completion_) {
    bytes.remove_prefix(completion_->Take(bytes));
    // Within a run no line but the first begins with a dot.
    starts_with_dot_line = false;
    if (completion_->ended()) EndHeader();
  }
  if (!refusal_ && !bytes.empty()) content_.Append(bytes, starts_with_dot_line);
}

void MailTransaction::EndHeader() {
  // RFC 5322 §3.6.4: an id unlike any other, which says nothing of the client.
  const std::string message_id =
      fmt::format("{}.{:016x}@{}", id_.ToString(), io::RandomUint64(), door_.hostname_);
  const CompletedHeader header = completion_->Complete(
      {.now = envelope_.arrival,
       .message_id = message_id,
       .sender = envelope_.reverse_path.empty() ? source_.account
                                                : std::string_view(envelope_.reverse_path)});
  completion_.reset();
  if (header.problem != HeaderProblem::kNone) {
    refusal_ = ReplyForHeader(header);
    return;
  }
  if (door_.options_.submission.identities == SubmissionIdentities::kEnforced) {
    for (const std::vector<std::string>* mailboxes : {&header.from, &header.sender}) {
      for (const std::string& mailbox : *mailboxes) {
        refusal_ = JudgeOriginator(mailbox);
        if (refusal_) return;
      }
    }
  }
  WriteHeader(header.text);
}

// A field's name may begin with a dot.
void MailTransaction::WriteHeader(std::string_view header) {
  bool dot_line = header.starts_with('.');
  while (true) {
    const size_t dot = header.find("\r\n.");
    if (dot == std::string_view::npos) break;
    content_.Append(header.substr(0, dot + 2), dot_line);
    header.remove_prefix(dot + 2);
    dot_line = true;
  }
  content_.Append(header, dot_line);
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
  if (completion_) EndHeader();
  if (refusal_) co_return refuse(*std::move(refusal_));
  const uint64_t bytes = content_.bytes();
  const StatusOr<storage::QueuedMessage*> queued =
      co_await door_.queue_.Enqueue(id_, envelope_, std::move(content_), std::move(updates));
  if (!queued.ok()) {
    LogLine(io::ShardLog(), LogLevel::kError, "not-accepted")
        .Id(id_)
        .Field("error", Std(queued.status().message()));
    co_return refuse(message::ReplyForFault(queued.status()));
  }
  if (submitted()) door_.TellSubmitted(source_.account, rated_messages_, rated_recipients_);
  rated_messages_ = rated_recipients_ = 0;
  door_.metrics_.accepted_messages.Add();
  door_.metrics_.accepted_bytes.Add(bytes);
  co_return Say(250, {2, 0, 0}, "Ok: queued as " + id_.ToString());
}

}  // namespace ringmail::agent
