// The one door into the queue: Mail → Recipient+ → BeginContent → Write* → Commit, or destruction,
// which aborts.
//
// SMTP, submission, LMTP, JMAP, Sieve redirect, list explosion, sendmail and DSNs all enter here,
// so durability, limits, trace fields, loop checks and relay control exist once.
// Made by: MailDoor::Begin.
// Order: Mail once; Recipient any number; BeginContent once; Write and Drain; Commit once.
// Promise: Commit answers 250 only when the message is on stable storage. Any other answer: we did
//   not take it.
// Shard: one.
// Limits: MailLimits.
// Errors: every answer is a Reply to give the client as it stands: 5yz only where the same request
//   can never succeed, every fault of ours 4yz.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "ringmail/agent/account_backends.h"
#include "ringmail/agent/routes.h"
#include "ringmail/agent/submission.h"
#include "ringmail/base/ip_address.h"
#include "ringmail/base/metrics.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/task.h"
#include "ringmail/message/envelope.h"
#include "ringmail/message/path.h"
#include "ringmail/message/reply.h"
#include "ringmail/message/trace.h"
#include "ringmail/storage/account.h"
#include "ringmail/storage/directory.h"
#include "ringmail/storage/queue.h"

namespace ringmail::agent {

struct MailLimits {
  uint64_t message_bytes_max = 50u << 20;  // RFC 5321 §4.5.3.1.7, announced by SIZE (RFC 1870)
  uint32_t recipients_max = 1000;          // RFC 5321 §4.5.3.1.8 asks for at least 100
  uint32_t hops_max = 50;                  // Received fields (RFC 5321 §6.3)
  uint32_t own_hops_max = 3;               // Received fields written by this host
};
static_assert(MailLimits{}.recipients_max >= 100, "RFC 5321 §4.5.3.1.8");

// Who may send where (README, "Relay control"). Never an open relay: with nothing configured,
// nothing is relayed.
struct RelayPolicy {
  std::vector<IpNetwork> networks;  // clients that may send anywhere
  std::vector<std::string>
      domains;  // where anybody may send; normalized; ".example.net" includes subdomains
  // Postmaster at this host (RFC 5321 §4.5.1) goes here, "" refuses mail to <postmaster> as 550
  std::string postmaster;

  // Whether `source` may send to `domain` through us.
  bool Allows(const struct MailSource& source, std::string_view domain) const;
  // Whether it is among `networks`.
  bool Knows(const struct MailSource& source) const;
};

// Where a message comes from, as the trace field and the policy need it. Borrowed for the
// transaction's life.
struct MailSource {
  IpAddress client;  // kNone: of this host (a Unix socket, or what is ours), which may relay
  // A report of ours: taken in whatever routes, directory and backends say. They are asked again at
  // each attempt.
  bool own = false;
  std::string_view helo;
  std::string_view with_protocol = "SMTP";  // RFC 3848
  std::string_view tls;
  bool authenticated = false;
  // For whom it authenticated; "": nobody. What comes with one is a submission (RFC 6409): held to
  // the account's addresses and rates, and completed.
  std::string_view account;
};

// Recipients of one message once aliases are expanded; beyond: 452 4.5.3. What one alias becomes
// (storage::kExpansionMax) fits in, and all of it in one group commit.
inline constexpr uint32_t kExpandedRecipientsMax = 30'000;

struct MailMetrics {
  Counter accepted_messages, accepted_bytes, refused_messages, refused_recipients, news_lost;
};

class MailTransaction;

// Who is told, by VRFY and EXPN, who lives here (RFC 5321 §7.3).
enum class Disclosure : uint8_t {
  kNobody,
  kTrusted,  // who has authenticated, or is in RelayPolicy::networks
  kAnybody,
};

// One per shard. Borrows the queue. Reload replaces policy and limits between transactions.
class MailDoor {
 public:
  struct Options {
    std::string hostname;
    RelayPolicy relay;
    MailLimits limits;
    // What cannot be routed is not taken in (451 4.4.4); absent: not asked.
    std::optional<RouteTable> routes;
    SubmissionPolicy submission;
    Disclosure disclosure = Disclosure::kNobody;
    // Who lives here. Outlives the door. Null: nobody, no domain is ours.
    const storage::Directory* directory = nullptr;
    // Who is asked for accounts that the directory does not have by itself. Outlives the door.
    // Null: nobody.
    AccountBackends* backends = nullptr;
    // Whose mailbox is full. Outlives the door. Null: nobody's.
    const storage::Accounts* accounts = nullptr;
    // Which addresses are an account's that submits. Outlives the door. Null: its own alone.
    const storage::Directory* identity_directory = nullptr;
  };
  MailDoor(storage::Queue& queue, Options options);
  // All but the hostname, which transactions under way refer to: that one needs a restart.
  void Reconfigure(Options options);
  const MailLimits& limits() const { return options_.limits; }
  const std::string& hostname() const { return hostname_; }
  void RegisterMetrics(MetricRegistry& registry);
  storage::Queue& queue() { return queue_; }

  // `doors[i]` is shard i's: from now on each is told what an account has submitted at another,
  // since its connections come to any of them. REQUIRES: none is destroyed while shard messages are
  // under way (Authenticator::Stop of all shards waits for them).
  void Start(std::vector<MailDoor*> doors) { doors_ = std::move(doors); }

  // VRFY (RFC 5321 §3.5): 250 the address; 550, 551 and 451 as RCPT; 252 where nothing is told.
  message::Reply Verify(const MailSource& source, std::string_view argument) const;
  // EXPN: 250 the members, one in a line; 252 more than kReplyTextBytesMax of them; 502 not told.
  message::Reply Expand(const MailSource& source, std::string_view argument) const;

 private:
  friend class MailTransaction;
  bool Discloses(const MailSource& source) const;
  void TellSubmitted(std::string_view account, uint32_t messages, uint32_t recipients);
  static void HearSubmitted(io::ShardMessage& message);

  storage::Queue& queue_;
  const std::string hostname_;
  Options options_;
  SubmissionRates rates_;
  std::vector<MailDoor*> doors_;
  MailMetrics metrics_;
};

class MailTransaction {
 public:
  // `source` stays valid as long as this.
  MailTransaction(MailDoor& door, const MailSource& source);
  MailTransaction(const MailTransaction&) = delete;
  MailTransaction& operator=(const MailTransaction&) = delete;
  ~MailTransaction();

  // `reverse_path` is validated text without brackets, "" for null. 250 2.1.0; 552 5.3.4 declared
  // size over the limit; 452 4.3.1 / 451 4.3.0 the store takes nothing now. Of a submission also
  // 550 5.7.1 not an address of the account, 450 4.7.1 too many messages at present.
  message::Reply Mail(std::string_view reverse_path, message::MailParameters parameters);
  // 250 2.1.5; 550 5.7.1 relaying denied; 452 4.5.3 too many recipients; of a submission 452 4.7.1
  // too many at present. Of a domain of ours: 550 5.1.1 nobody of that name, 550 5.2.1 they take no
  // mail, 551 5.1.6 they have moved, 452 4.2.2 their mailbox is known to be full, 451 4.3.0 the
  // directory cannot tell; 451 4.2.4 an alias that leads too far. An alias is replaced by those it
  // leads to, each once.
  message::Reply Recipient(const message::ParsedPath& path, std::string_view original_recipient,
                           uint8_t notify);
  // Whether a backend has to be asked first: then Ask, until it has not, and Recipient with the
  // same path. REQUIRES of Recipient: it has not, or 550 5.1.1 may be said of who is there.
  bool MustAsk(const message::ParsedPath& path);
  // Ends at the backends' deadlines. REQUIRES: MustAsk.
  io::Task<void> Ask();
  // Of the envelope: aliases are expanded.
  uint32_t recipient_count() const { return static_cast<uint32_t>(envelope_.recipients.size()); }

  // Writes the Received field. Of a submission the header section is held until its end, and then
  // completed. REQUIRES: recipient_count() > 0.
  void BeginContent();
  // A run of content (codec/data_scan.h). After it, Drain if needs_drain().
  void Write(std::string_view bytes, bool starts_with_dot_line);
  bool needs_drain() const { return content_.needs_drain(); }
  io::Task<Status> Drain() { return content_.Drain(); }
  void set_content_flags(uint8_t flags) { content_.set_flags(flags); }
  // The content has passed the size limit: the rest may be thrown away, Commit will answer
  // 552 5.3.4.
  bool too_large() const { return too_large_; }

  // 250 2.0.0 queued as ID; 552 5.3.4; 554 5.4.6 loop; 452 4.3.1; 451 4.3.0; of a submission 554
  // 5.6.0 no message, 550 5.7.1 its author is not the account. `updates` go into the same batch
  // (DSNs).
  io::Task<message::Reply> Commit(std::vector<storage::MessageUpdate> updates = {});
  QueueId id() const { return id_; }

 private:
  bool submitted() const { return !source_.account.empty(); }
  // The refusal of a submission, or nothing.
  std::optional<message::Reply> JudgeReversePath(std::string_view reverse_path) const;
  std::optional<message::Reply> JudgeOriginator(std::string_view mailbox) const;
  // The header section of a submission has come.
  void EndHeader();
  void WriteHeader(std::string_view header);
  message::Reply RefuseRecipient(uint16_t code, message::EnhancedStatus status, std::string text);
  // An answer, or nothing: the path is not ours, or taken as it is.
  std::optional<message::Reply> LocalRecipient(const message::Mailbox& mailbox,
                                               std::string_view forward_path,
                                               std::string_view original_recipient, uint8_t notify);
  message::Reply ExpandAlias(const message::Mailbox& mailbox, std::string_view forward_path,
                             std::string_view original_recipient, uint8_t notify);
  message::Reply TakeTargets(const BackendRecipient& asked, std::string_view forward_path,
                             std::string_view original_recipient, uint8_t notify);
  // Whom a path means: the postmaster is somebody else.
  struct Meant {
    std::string forward_path;
    bool postmaster = false;
  };
  Meant Means(const message::ParsedPath& path) const;
  // What the backends said of it during this command, or null.
  const BackendRecipient* AskedOf(const message::Mailbox& mailbox) const;
  bool Routable(std::string_view domain) const;
  // The refusal of a submission that names one more recipient, or nothing: it is counted. One that
  // is named again is not.
  std::optional<message::Reply> TakeRate(std::string_view forward_path);
  bool Knows(std::string_view forward_path) const;
  void AddRecipient(std::string forward_path, std::string_view original_recipient, uint8_t notify);

  MailDoor& door_;
  const MailSource& source_;
  message::Envelope envelope_;
  // What backends have said of the recipient that is being named: of it, and of the postmaster.
  struct Asked {
    std::string local_part, domain;
    BackendRecipient answer;
  };
  std::vector<Asked> asked_;
  uint32_t named_count_ = 0;  // recipients that the client has named
  // What tells one recipient from another. Said twice, delivered once. Filled from the second on.
  absl::flat_hash_set<std::string> known_;
  message::HopCounter hops_;
  storage::ContentWriter content_;
  QueueId id_;
  uint64_t received_bytes_ = 0;  // of the client's content: our own fields no limit counts
  std::optional<HeaderCompletion> completion_;  // while the header section of a submission arrives
  std::optional<message::Reply> refusal_;       // what Commit will answer
  // Counted against the account, and given back where no message comes of it.
  uint32_t rated_messages_ = 0, rated_recipients_ = 0;
  bool too_large_ = false;
};

}  // namespace ringmail::agent
