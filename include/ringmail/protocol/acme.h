// Certificates from an authority that gives them by ACME (RFC 8555): the client that orders, and
// the responder that answers its challenges: HTTP-01 (RFC 8555 §8.3) and TLS-ALPN-01 (RFC 8737).
//
// Made by: the server. AcmeClient: one, on shard 0; AcmeResponder: one on each shard.
// Order: AcmeClient: Obtain, one at a time; Stop from another task ends it.
//   AcmeResponder: Listen any number of times; Reconfigure and Unlisten at reload; Stop once.
// Promise: what an order needs to be gone on with after a restart is with AcmeHost::Save before the
//   authority hears of it or right after it has answered; an account is made once. No key leaves
//   but to AcmeHost.
// Shard: one. Nothing here blocks: names are looked up by io, and everything else is awaited.
// Limits: src/protocol/acme/limits.h.
// Errors: AcmeResult::outcome, with `problem` as a sentence for the log.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/ip_address.h"
#include "ringmail/base/limit.h"
#include "ringmail/base/metrics.h"
#include "ringmail/base/status.h"
#include "ringmail/base/time.h"
#include "ringmail/io/endpoint.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/task.h"
#include "ringmail/io/tls.h"

namespace ringmail::acme {

enum class ChallengeKind : uint8_t {
  kHttp01,     // a file on port 80
  kTlsAlpn01,  // a certificate on port 443
};
std::string_view ToString(ChallengeKind kind);  // "http-01"

// What an order rests on. Empty members: not there yet.
struct AcmeState {
  std::string directory_url;    // to whom the rest belongs
  std::string account_key;      // PEM
  std::string account_url;      // RFC 8555 §7.3
  std::string order_url;        // of the order under way
  std::string certificate_key;  // PEM, of the order under way
  std::string order_names;      // of the order under way, spaces between
  friend bool operator==(const AcmeState&, const AcmeState&) = default;
};
// As they are kept. nullopt: not what the other wrote.
std::string EncodeState(const AcmeState& state);
std::optional<AcmeState> DecodeState(std::string_view text);

struct AcmeCertificate {
  std::string directory_url;    // who gave it
  std::string certificate_pem;  // with its chain, the server's own first
  std::string private_key_pem;
};
std::string EncodeCertificate(const AcmeCertificate& certificate);
std::optional<AcmeCertificate> DecodeCertificate(std::string_view text);

// What an authority is to find, at which name.
struct ChallengeAnswer {
  std::string name;
  std::string token;
  std::string key_authorization;  // RFC 8555 §8.1
};
// The certificate that says it inside TLS (RFC 8737 §3).
StatusOr<io::TlsIdentity> ChallengeIdentity(const ChallengeAnswer& answer, WallTime now);

// What the client needs of the server. Calls come from Obtain, one at a time.
class AcmeHost {
 public:
  virtual ~AcmeHost() = default;
  // OK: `state` is on stable storage.
  virtual io::Task<Status> Save(const AcmeState& state) = 0;
  // From when it returns these are what every listener answers; empty: nothing.
  virtual io::Task<void> Answer(std::vector<ChallengeAnswer> answers) = 0;
};

struct AcmeOptions {
  std::string directory_url;
  std::vector<std::string> contacts;  // "mailto:…" (RFC 8555 §7.3)
  // Of the certificate, in ASCII, no wildcards: those need a challenge by DNS (RFC 8555 §8.4).
  std::vector<std::string> names;
  ChallengeKind challenge = ChallengeKind::kHttp01;
  std::string authorities_pem;  // who vouches for the authority's own server
  std::string user_agent;       // RFC 8555 §6.1
};

struct AcmeResult {
  enum class Outcome : uint8_t {
    kOk,
    kLater,    // what is wrong may be right later: the network, the authority, a rate limit
    kRefused,  // the authority says no, to this name or to us: somebody should look
    kStopped,
  };
  Outcome outcome = Outcome::kLater;
  AcmeCertificate certificate;
  std::string problem;
  // The authority's own word on when to come back (RFC 8555 §6.6); 0: none.
  std::chrono::seconds retry_after{0};
};

class AcmeClient {
 public:
  // Errors: kInvalidArgument, of authorities_pem or directory_url.
  static StatusOr<std::unique_ptr<AcmeClient>> Make(AcmeOptions options, AcmeHost& host);
  virtual ~AcmeClient() = default;
  // A new certificate, or the end of the order that `state` says is under way.
  virtual io::Task<AcmeResult> Obtain(AcmeState state) = 0;
  virtual void Stop() = 0;
};

struct ResponderOptions {
  // Immutable, shared by all shards.
  std::shared_ptr<const std::vector<ChallengeAnswer>> answers;
  // What is shown inside TLS, the answers of RFC 8737 among it; null: such listeners send away.
  std::shared_ptr<const io::TlsContext> tls;
};
enum class ResponderTls : uint8_t { kNone, kImplicit };
struct ResponderListenerOptions {
  ResponderTls tls = ResponderTls::kNone;
  std::vector<IpNetwork> proxies;  // whose connections begin with a PROXY header
};

class AcmeResponder {
 public:
  static std::unique_ptr<AcmeResponder> Make(ResponderOptions options);
  // REQUIRES: stopped, or never listened.
  virtual ~AcmeResponder() = default;
  virtual void Listen(io::Listener listener, ResponderListenerOptions options) = 0;
  // False: no such listener.
  virtual bool Unlisten(const io::Endpoint& endpoint) = 0;
  // For connections from now on.
  virtual void Reconfigure(ResponderOptions options) = 0;
  virtual void RegisterMetrics(MetricRegistry& registry) = 0;
  virtual uint32_t session_count() const = 0;
  virtual io::Task<void> Stop(MonotonicTime deadline) = 0;
};

// What this room bounds whatever the configuration says.
std::span<const FixedLimit> AcmeLimits();

}  // namespace ringmail::acme
