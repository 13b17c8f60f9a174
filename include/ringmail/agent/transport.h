// The one door out of the queue: one attempt for a batch of forward-paths, one outcome for each.
//
// SMTP and local mailboxes (agent/delivery) implement it; LMTP, programs and gateways come the same
// way.
// agent/transfer decides what to try, when, and over how many sessions at once; a transport only
// carries. Shard: the one that owns the destination; the content is lent by the shard that owns the
// message (storage/content.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/ids.h"
#include "ringmail/base/ip_address.h"
#include "ringmail/base/time.h"
#include "ringmail/io/task.h"
#include "ringmail/message/envelope.h"
#include "ringmail/message/reply.h"
#include "ringmail/storage/content.h"

namespace ringmail::agent {

enum class Outcome : uint8_t {
  kUntried,    // the session ended before this recipient's turn: no attempt is counted against the
               // message
  kDelivered,  // the peer took responsibility
  kDeferred,   // 4yz, or the peer could not be asked
  kFailed,     // 5yz
};

struct RecipientResult {
  Outcome outcome = Outcome::kUntried;
  message::Reply reply;  // the peer's, or ours (code 451 4.4.x) where the peer said nothing
  AccountId account;     // whose mailbox has it now; 0: none of ours
};

// One mail transaction to be made. All views are lent for the attempt.
struct DeliveryAttempt {
  QueueId id;
  message::EnvelopeView envelope;
  std::span<const uint32_t> recipients;  // indexes into the envelope, in ascending order
  storage::ContentSource* content =
      nullptr;  // at its start; a transport that needs it twice rewinds it
  uint64_t content_bytes = 0;
  uint8_t content_flags = 0;  // storage::kContent8Bit, kContentBinary
  // For those who refer to the content instead of reading it.
  ContentId content_id;
  uint16_t content_prefix_bytes = 0;
  std::span<RecipientResult> results;  // one for each of `recipients`, filled by the transport
  // The final dot (or last BDAT) was sent and no answer came: the peer may have it. Logged as such;
  // the retry may double the message (RFC 5321 §4.1.1.4, §4.5.3.2.6; RFC 1047).
  bool ambiguous = false;
};

// A connection to one host of a destination, good for many transactions one after the other.
class TransportSession {
 public:
  virtual ~TransportSession() = default;
  // Makes the attempt; fills every result. Never fails otherwise.
  virtual io::Task<void> Deliver(DeliveryAttempt& attempt) = 0;
  // Whether Deliver may be called again (no 421, no error, the peer's own limits not reached).
  virtual bool usable() const = 0;
  // As many recipients as this peer takes in one transaction (RFC 5321 §4.5.3.1.8; LIMITS RCPTMAX,
  // RFC 9422).
  virtual uint32_t recipients_max() const = 0;
  // Says goodbye (QUIT) and closes, within a bound.
  virtual io::Task<void> Quit() = 0;
  // Ends whatever is under way now with kDeferred results (shutdown).
  virtual void Cancel() = 0;
  virtual const std::string& remote_host() const = 0;
};

// What a next hop speaks.
enum class HopProtocol : uint8_t {
  kSmtp,
  kLmtp,  // RFC 2033
};

// A next hop as configured: "host", "host:port", "[192.0.2.1]:port", or "unix:/path" of a socket of
// this host; "lmtp://" before it for one that speaks LMTP. The port is 25 unless given, and 24 of
// LMTP.
struct NextHop {
  std::string host;    // a name, an IP address without brackets, or "unix:/path"
  uint16_t port = 25;  // 0 of a Unix socket
  HopProtocol protocol = HopProtocol::kSmtp;
  static std::optional<NextHop> Parse(std::string_view text);
  // The mailboxes of one shard of ours: no host, and its number for a port.
  static NextHop Local(ShardIndex shard) { return {{}, shard.value}; }
  bool local() const { return host.empty(); }
  bool unix_socket() const { return port == 0 && !local(); }
  std::string ToString() const;
  friend bool operator==(const NextHop&, const NextHop&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const NextHop& n) {
    return H::combine(std::move(h), n.host, n.port, n.protocol);
  }
};

struct SessionResult {
  std::unique_ptr<TransportSession> session;  // null: `reply` says why
  message::Reply reply;  // a peer's greeting or EHLO refusal, or ours (451 4.4.1 …); permanent() or
                         // transient()
  std::string remote_host;
};

class Transport {
 public:
  virtual ~Transport() = default;
  // Connects and greets, trying the hop's addresses in turn.
  virtual io::Task<SessionResult> Open(const NextHop& hop, MonotonicTime deadline) = 0;
  // Every Open under way, and every later one, fails as soon as it can (shutdown). Sessions already
  // open are not touched.
  virtual void Cancel() = 0;
};

}  // namespace ringmail::agent
