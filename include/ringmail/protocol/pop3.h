// The POP3 server of one shard: listens, holds conversations (RFC 1939), and serves the INBOX of
// who has logged in.
//
// Made by: Pop3Service::Make, on each shard. Ends in: Stop, then destruction.
// Order: Listen any number of times; Reconfigure and Unlisten at reload; Stop once.
// Promise: a message is deleted at QUIT, when the client has said DELE of it, and never otherwise:
//   +OK to QUIT says that it is gone durably. Numbers, sizes and unique-ids stand still for a
//   session, whatever is delivered meanwhile. One session has a maildrop at a time.
// Shard: one. A session goes on, from its login, on the shard of its account (io/move.h).
// Limits: Pop3Options; the sizes of the protocol are in src/protocol/pop3/limits.h.
// Errors: a peer's faults are -ERR; ours are -ERR [SYS/TEMP] (RFC 3206 §4) and log lines.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ringmail/base/ip_address.h"
#include "ringmail/base/limit.h"
#include "ringmail/base/metrics.h"
#include "ringmail/base/time.h"
#include "ringmail/io/endpoint.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/task.h"
#include "ringmail/io/tls.h"
#include "ringmail/protocol/pop3_unique_id.h"
#include "ringmail/session/sasl.h"

namespace ringmail::agent {
class Authenticator;
}  // namespace ringmail::agent
namespace ringmail::storage {
class Accounts;
class ShardStore;
}  // namespace ringmail::storage

namespace ringmail::pop3 {

enum class ListenerTls : uint8_t {
  kNone,
  kStartTls,  // STLS is offered (RFC 2595 §4)
  kImplicit,  // from the first octet (RFC 8314 §3.3)
};

// What differs between listeners.
struct Pop3ListenerOptions {
  std::string name = "pop3";  // in log lines
  // Nothing without Pop3Options::tls: STLS is not offered then, and who comes to an implicit
  // listener is sent away.
  ListenerTls tls = ListenerTls::kNone;
  // USER and PASS, and the mechanisms that send a password (RFC 2595 §2.3).
  session::SaslPlaintext plaintext = session::SaslPlaintext::kEncryptedOnly;
  // Who comes from there begins with a PROXY header (session/proxy_entrance.h), and is who it says.
  std::vector<IpNetwork> proxies = {};
};

// A header with octets over 127, for a client that has not said UTF8 (RFC 6856 §2.1).
enum class Utf8Header : uint8_t {
  kRefused,    // -ERR [UTF8]: the message stays where it is until the client learns to ask
  kSurrogate,  // each such octet is a question mark, so that sizes stay true
};

// RFC 1939 §3: at least ten minutes.
inline constexpr std::chrono::seconds kAutologout{600};
static_assert(kAutologout >= std::chrono::minutes(10), "RFC 1939 §3");

struct Pop3Options {
  std::string hostname;                    // in the greeting and in APOP's timestamp
  uint32_t sessions_max = 20'000;          // of this shard; beyond: -ERR [SYS/TEMP]
  uint32_t sessions_per_network_max = 50;  // of this shard; beyond: -ERR [SYS/TEMP]
  uint8_t network_bits_v4 = 32;
  uint8_t network_bits_v6 = 64;
  std::vector<IpNetwork> trusted_networks;        // not held to sessions_per_network_max
  uint32_t errors_max = 50;                       // -ERR in one session; then it ends
  uint32_t login_failures_max = 5;                // likewise, of logins that were refused
  std::chrono::seconds autologout = kAutologout;  // a whole command must come in it
  std::chrono::seconds send_timeout{300};         // for a client to take what was sent
  // RFC 2449 §6.5: between two logins of one account; 0: no such limit, and not announced.
  std::chrono::seconds login_delay{0};
  // RFC 1939 §7. Needs passwords that can be read: the authenticator has the last word.
  bool apop = false;
  Utf8Header utf8_header = Utf8Header::kSurrogate;
  UniqueIdFormat unique_id;
  // Our certificates. Shared by all shards, replaced at reload.
  std::shared_ptr<const io::TlsContext> tls;
};

class Pop3Service {
 public:
  // Borrows all three, of this shard; the authenticator ends its penalties before Stop.
  static std::unique_ptr<Pop3Service> Make(storage::Accounts& accounts, storage::ShardStore& store,
                                           agent::Authenticator& authenticator,
                                           Pop3Options options);
  // REQUIRES: stopped, or never listened.
  virtual ~Pop3Service() = default;

  virtual void Listen(io::Listener listener, Pop3ListenerOptions options) = 0;
  // Stops accepting at `endpoint`, the listener's local(); sessions that came in there go on.
  // False: no such listener.
  virtual bool Unlisten(const io::Endpoint& endpoint) = 0;
  // For sessions that begin, or arrive from another shard, from now on.
  virtual void Reconfigure(Pop3Options options) = 0;
  virtual void RegisterMetrics(MetricRegistry& registry) = 0;
  virtual uint32_t session_count() const = 0;

  // Stops accepting. Sessions that wait for a command end at once, and nothing of theirs is
  // deleted; those that send or delete may finish until `deadline`; then they are cut. Returns when
  // none is left. Each shard's service lives until all have stopped: sessions may be on their way.
  virtual io::Task<void> Stop(MonotonicTime deadline) = 0;
};

// What this room bounds whatever the configuration says.
std::span<const FixedLimit> Pop3Limits();

}  // namespace ringmail::pop3
