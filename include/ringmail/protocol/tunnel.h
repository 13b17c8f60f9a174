// The tunnels of one shard: each puts TLS in front of a service that has none, or takes it off in
// front of a client that has none, and relays what both sides say.
//
// Made by: TunnelService::Make, on each shard. Ends in: Stop, then destruction.
// Order: Listen any number of times; Configure and Unlisten at reload; Stop once.
// Promise: octets are relayed in order and unchanged. Each direction ends by itself, close_notify
//   and the end of TCP standing for each other; an end of TLS without close_notify is relayed as
//   none: both sides are cut. Nothing is relayed before the handshake and its judgement are over.
// Shard: one.
// Limits: TunnelOptions; src/protocol/tunnel/limits.h. A connection on which nothing moves holds
//   no buffer; one whose other side does not take it is not read.
// Errors: one log line for each connection, "tunnel", says how it ended.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/ip_address.h"
#include "ringmail/base/limit.h"
#include "ringmail/base/metrics.h"
#include "ringmail/base/time.h"
#include "ringmail/io/endpoint.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/task.h"
#include "ringmail/io/tls.h"

namespace ringmail::tunnel {

enum class TunnelMode : uint8_t {
  kWrap,    // clients speak TLS, the target does not
  kUnwrap,  // the target speaks TLS, clients do not
};

enum class SendProxy : uint8_t { kNone, kV1, kV2 };

// Where those go who ask for one of `names` by SNI; "*.example.org" stands for one label.
struct TunnelRoute {
  std::vector<std::string> names;  // in lower case
  io::Endpoint target;
  friend bool operator==(const TunnelRoute&, const TunnelRoute&) = default;
};

struct TunnelOptions {
  std::string name = "tunnel";  // in log lines
  TunnelMode mode = TunnelMode::kWrap;
  // For whom no route is. Nowhere: the context must refuse them (io::TlsUnknownName).
  io::Endpoint target;
  std::vector<TunnelRoute> routes;  // of kWrap
  // A server's for kWrap, a client's for kUnwrap. Shared by all shards.
  std::shared_ptr<const io::TlsContext> tls;
  // Of kWrap: names of certificates, one of which a client must have; empty: whom the context lets
  // in. REQUIRES: the context asks for them.
  std::vector<std::string> client_names;
  // Of kUnwrap: by SNI, and what the target's certificate must be for.
  std::string server_name;
  io::TlsTrust trust = io::TlsTrust::kVerified;
  // Who comes from there begins with a PROXY header (session/proxy_entrance.h), and is who it says.
  std::vector<IpNetwork> proxies;
  // The header that the target gets, in front of everything.
  SendProxy send_proxy = SendProxy::kNone;
  uint32_t connections_max = 1000;             // of this tunnel and shard; beyond: closed
  uint32_t connections_per_network_max = 100;  // likewise, of one IPv4 address or IPv6 /64
  std::chrono::seconds handshake_timeout{30};
  std::chrono::seconds connect_timeout{10};
  std::chrono::seconds idle_timeout{600};  // nothing moved either way
};

class TunnelService {
 public:
  static std::unique_ptr<TunnelService> Make();
  // REQUIRES: stopped, or never listened.
  virtual ~TunnelService() = default;

  virtual void Listen(io::Listener listener, TunnelOptions options) = 0;
  // For connections that begin from now on at `endpoint`, the listener's local(). False: no such
  // listener.
  virtual bool Configure(const io::Endpoint& endpoint, TunnelOptions options) = 0;
  // Stops accepting there; connections go on. False: no such listener.
  virtual bool Unlisten(const io::Endpoint& endpoint) = 0;
  virtual void RegisterMetrics(MetricRegistry& registry) = 0;
  virtual uint32_t connection_count() const = 0;

  // Stops accepting. Connections on which nothing moves for kDrainStill are cut, the others at
  // `deadline`. Returns when none is left; one that is being made may take its connect_timeout.
  virtual io::Task<void> Stop(MonotonicTime deadline) = 0;
};

// What this room bounds whatever the configuration says.
std::span<const FixedLimit> TunnelLimits();

}  // namespace ringmail::tunnel
