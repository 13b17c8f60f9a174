// The SMTP server of one shard: listens, holds conversations (RFC 5321), and hands what they bring
// to the door into the queue.
//
// Made by: SmtpService::Make. Ends in: Stop, then destruction.
// Order: Listen any number of times; Reconfigure and Unlisten at reload; Stop once.
// Promise: 250 to the end of content is given only after the door's Commit said so. A session keeps
//   the options with which it began; a reload disturbs nobody.
// Shard: one.
// Limits: SmtpOptions; the sizes of the protocol are in src/protocol/smtp/limits.h.
// Errors: a peer's faults are replies; the world's are 4yz replies and log lines.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ringmail/agent/authenticator.h"
#include "ringmail/agent/mail_transaction.h"
#include "ringmail/base/ip_address.h"
#include "ringmail/base/limit.h"
#include "ringmail/base/metrics.h"
#include "ringmail/base/time.h"
#include "ringmail/io/endpoint.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/task.h"
#include "ringmail/io/tls.h"
#include "ringmail/session/listener_protocol.h"

namespace ringmail::smtp {

// Content with bare LF (RFC 5321 §2.3.8 forbids it).
enum class BareNewline : uint8_t {
  kRefused,
  // Scanners and copiers that write LF as their line end within DATA: each bare LF is stored as
  // CRLF, so that the content means one thing from here on. The end of data is CRLF.CRLF
  // nevertheless, and a bare CR is still refused.
  kLegacyScanner,
};

// Space between the colon of MAIL FROM: or RCPT TO: and the path (RFC 5321 §3.3 forbids it).
enum class PathSpacing : uint8_t {
  kRefused,
  kLegacyMailer,  // old mailers, and people at a keyboard, that write "MAIL FROM: <a@b>"
};

// What HELO and EHLO may be given.
enum class HeloSyntax : uint8_t {
  kStrict,       // RFC 5321 §4.1.1.1: a domain or an address literal
  kWindowsHost,  // and names with an underscore, as Windows gives to machines
};

enum class ListenerTls : uint8_t {
  kNone,
  kStartTls,  // offered (RFC 3207)
  kImplicit,  // from the first octet (RFC 8314 §3.3)
};

using session::ListenerProtocol;

// Where AUTH (RFC 4954) is offered.
enum class ListenerAuth : uint8_t {
  kNone,
  kEncrypted,  // inside TLS alone; 538 5.7.11 in the clear
  kAlways,     // also in the clear, plaintext mechanisms too: for wires that nobody else sees
};

// What differs between listeners.
struct SmtpListenerOptions {
  std::string name = "smtp";                            // in log lines
  ListenerProtocol protocol = ListenerProtocol::kSmtp;  // or kSubmission, or kLmtp
  BareNewline bare_newline = BareNewline::kRefused;
  PathSpacing path_spacing = PathSpacing::kRefused;
  HeloSyntax helo_syntax = HeloSyntax::kStrict;
  // The greeting waits this long, and who speaks before it is turned away (RFC 5321 §3.1: the
  // client waits for it).
  Nanoseconds greeting_delay{0};
  // Nothing without SmtpOptions::tls: STARTTLS is not offered then, and who comes to an implicit
  // listener is sent away.
  ListenerTls tls = ListenerTls::kNone;
  ListenerAuth auth = ListenerAuth::kNone;
  // Who comes from there begins with a PROXY header (session/proxy_entrance.h), and is who it says.
  std::vector<IpNetwork> proxies = {};
};

inline constexpr std::chrono::seconds kCommandTimeout{300};  // RFC 5321 §4.5.3.2.7
inline constexpr std::chrono::seconds kContentTimeout{300};  // RFC 5321 §4.5.3.2.5
static_assert(kCommandTimeout >= std::chrono::minutes(5), "RFC 5321 §4.5.3.2.7");
static_assert(kContentTimeout >= std::chrono::minutes(3), "RFC 5321 §4.5.3.2.5");

struct SmtpOptions {
  std::string hostname;                    // in the greeting, EHLO and 421
  uint32_t sessions_max = 20'000;          // of this shard; beyond: 421
  uint32_t sessions_per_network_max = 50;  // of this shard; beyond: 421
  uint8_t network_bits_v4 = 32;
  uint8_t network_bits_v6 = 64;
  // Not held to sessions_per_network_max.
  std::vector<IpNetwork> trusted_networks;
  uint32_t errors_max = 20;               // 5yz replies since the last accepted message; then 421
  uint32_t refused_recipients_max = 200;  // likewise, RCPT alone
  uint32_t idle_commands_max =
      100;  // commands since the last transaction moved on (NOOP, RSET, VRFY ...); then 421
  uint32_t transactions_max =
      0;  // of a session, announced as LIMITS MAILMAX (RFC 9422); 0: no limit
  std::chrono::seconds command_timeout = kCommandTimeout;  // a whole line must come in it
  std::chrono::seconds content_timeout = kContentTimeout;  // between two pieces of content
  // Content that comes slower than this on average, after content_timeout of grace, is given up. 0:
  // no such limit.
  uint32_t content_bytes_per_second_min = 128;
  // Our certificates. Shared by all shards, replaced at reload.
  std::shared_ptr<const io::TlsContext> tls;
  // Who answers AUTH; outlives the service. Null: it is offered nowhere.
  agent::Authenticator* authenticator = nullptr;
};

class SmtpService {
 public:
  // Borrows `door`. The limits that EHLO announces are read from it here and at Reconfigure: reload
  // the door first.
  static std::unique_ptr<SmtpService> Make(agent::MailDoor& door, SmtpOptions options);
  // REQUIRES: stopped, or never listened.
  virtual ~SmtpService() = default;

  // REQUIRES: a protocol of this room.
  virtual void Listen(io::Listener listener, SmtpListenerOptions options) = 0;
  // Stops accepting at `endpoint`, the listener's local(); sessions that came in there go on.
  // False: no such listener.
  virtual bool Unlisten(const io::Endpoint& endpoint) = 0;
  // For sessions that begin from now on.
  virtual void Reconfigure(SmtpOptions options) = 0;
  virtual void RegisterMetrics(MetricRegistry& registry) = 0;
  virtual uint32_t session_count() const = 0;

  // Stops accepting. Sessions that wait for a command get 421 4.3.2 at once, those that bring
  // content or wait for the store may finish until `deadline`; then they are cut. Returns when none
  // is left.
  virtual io::Task<void> Stop(MonotonicTime deadline) = 0;
};

// What this room bounds whatever the configuration says, both halves.
std::span<const FixedLimit> SmtpLimits();

}  // namespace ringmail::smtp
