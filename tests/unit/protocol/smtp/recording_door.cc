#include "tests/unit/protocol/smtp/recording_door.h"

#include <map>
#include <memory>
#include <utility>

#include "ringmail/base/check.h"
#include "ringmail/storage/content.h"

namespace ringmail::smtp {
namespace {

std::unique_ptr<DoorRecord> record;
// The content that arrives, by the transaction that it is of.
std::map<const agent::MailTransaction*, RecordedMessage> arriving;
uint64_t undrained_bytes = 0;
uint8_t content_flags = 0;

}  // namespace

DoorRecord& NewRecord() {
  CHECK(arriving.empty());
  undrained_bytes = 0;
  record = std::make_unique<DoorRecord>();
  return *record;
}

DoorRecord& Record() {
  CHECK(record != nullptr);
  return *record;
}

std::unique_ptr<agent::MailDoor> MakeDoor(agent::MailLimits limits) {
  // Never used: the transactions below are all that refers to the queue.
  alignas(16) static char no_queue[16];
  return std::make_unique<agent::MailDoor>(
      *reinterpret_cast<storage::Queue*>(no_queue),
      agent::MailDoor::Options{.hostname = "mx.example.org", .relay = {}, .limits = limits});
}

}  // namespace ringmail::smtp

namespace ringmail::storage {

struct ContentWriter::State {};
ContentWriter::ContentWriter() = default;
ContentWriter::ContentWriter(ContentWriter&&) noexcept = default;
ContentWriter& ContentWriter::operator=(ContentWriter&&) noexcept = default;
ContentWriter::~ContentWriter() = default;
bool ContentWriter::needs_drain() const {
  return smtp::undrained_bytes >= smtp::Record().drain_every_bytes;
}
void ContentWriter::set_flags(uint8_t flags) { smtp::content_flags = flags; }
io::Task<Status> ContentWriter::Drain() {
  smtp::undrained_bytes = 0;
  co_return smtp::Record().drain_fault;
}

}  // namespace ringmail::storage

namespace ringmail::agent {

MailDoor::MailDoor(storage::Queue& queue, Options options)
    : queue_(queue), hostname_(options.hostname), options_(std::move(options)) {}
message::Reply MailDoor::Verify(const MailSource&, std::string_view) const {
  return {252, {2, 0, 0}, "Not verified; RCPT will tell"};
}
message::Reply MailDoor::Expand(const MailSource&, std::string_view) const {
  return {502, {5, 5, 1}, "Members of lists are not disclosed"};
}
void MailDoor::Reconfigure(Options options) { options_ = std::move(options); }

MailTransaction::MailTransaction(MailDoor& door, const MailSource& source)
    : door_(door), source_(source), hops_("mx.example.org") {
  ++smtp::Record().begun;
}

MailTransaction::~MailTransaction() {
  ++smtp::Record().ended;
  smtp::arriving.erase(this);
}

message::Reply MailTransaction::Mail(std::string_view reverse_path,
                                     message::MailParameters parameters) {
  if (parameters.declared_bytes > door_.limits().message_bytes_max) {
    return {.code = 552, .status = {5, 3, 4}, .text = "too large"};
  }
  if (smtp::Record().keep) {
    smtp::RecordedMessage& message = smtp::arriving[this];
    message.reverse_path = reverse_path;
    message.parameters = parameters;
    message.helo = source_.helo;
    message.with_protocol = source_.with_protocol;
    message.account = source_.account;
    message.client = source_.client;
  }
  return {.code = 250, .status = {2, 1, 0}, .text = "OK"};
}

message::Reply MailTransaction::Recipient(const message::ParsedPath& path,
                                          std::string_view original_recipient, uint8_t notify) {
  if (path.mailbox.domain == "asked.example" && std::exchange(asked_, {}).empty())
    return {.code = 554, .status = {5, 3, 0}, .text = "nobody was asked"};
  if (path.mailbox.domain == "refused.example")
    return {.code = 550, .status = {5, 7, 1}, .text = "no relaying"};
  if (path.mailbox.domain == "later.example")
    return {.code = 450, .status = {4, 2, 1}, .text = "busy"};
  if (envelope_.recipients.size() >= door_.limits().recipients_max) {
    return {.code = 452, .status = {4, 5, 3}, .text = "too many"};
  }
  envelope_.recipients.push_back({.path = std::string(path.text),
                                  .original_recipient = std::string(original_recipient),
                                  .notify = notify});
  return {.code = 250, .status = {2, 1, 5}, .text = "OK"};
}

bool MailTransaction::MustAsk(const message::ParsedPath& path) {
  // Where a backend has the domain, it is asked once.
  if (path.mailbox.domain != "asked.example" || !asked_.empty()) return false;
  asked_.emplace_back();
  return true;
}

io::Task<void> MailTransaction::Ask() { co_return; }

void MailTransaction::BeginContent() { CHECK_GT(envelope_.recipients.size(), 0u); }

void MailTransaction::Write(std::string_view bytes, bool starts_with_dot_line) {
  CHECK(!bytes.empty());
  CHECK(!too_large_);
  smtp::undrained_bytes += bytes.size();
  if (!smtp::Record().keep) return;
  smtp::RecordedMessage& message = smtp::arriving[this];
  if (starts_with_dot_line) {
    CHECK(bytes.front() == '.');
    message.dot_lines.push_back(message.content.size());
  }
  message.content.append(bytes);
  too_large_ = message.content.size() > door_.limits().message_bytes_max;
}

io::Task<message::Reply> MailTransaction::Commit(std::vector<storage::MessageUpdate>) {
  if (too_large_) co_return message::Reply{.code = 552, .status = {5, 3, 4}, .text = "too large"};
  if (smtp::Record().keep && smtp::Record().commit_reply.completed()) {
    smtp::RecordedMessage message = std::move(smtp::arriving[this]);
    message.recipients = envelope_.recipients;
    message.flags = smtp::content_flags;
    smtp::Record().messages.push_back(std::move(message));
  }
  co_return smtp::Record().commit_reply;
}

}  // namespace ringmail::agent
