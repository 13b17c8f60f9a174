// Finds the hosts of a next hop, connects and greets: the SMTP side of agent/transport.h.
#include <utility>

#include "fmt/format.h"
#include "protocol/smtp/client_session.h"
#include "ringmail/base/canary.h"
#include "ringmail/io/blocking.h"
#include "ringmail/io/shard.h"
#include "ringmail/protocol/smtp_client.h"

namespace ringmail::smtp {
namespace {

using agent::NextHop;
using agent::SessionResult;
using message::Reply;

class SmtpTransport final : public agent::Transport {
 public:
  SmtpTransport(SmtpClientOptions options, MetricRegistry* registry)
      : options_(std::move(options)) {
    if (registry != nullptr) metrics_.Register(*registry);
  }

  io::Task<SessionResult> Open(const NextHop& hop, MonotonicTime deadline) override {
    SessionResult result;
    result.remote_host = hop.host;
    if (hop.unix_socket()) {
      const auto endpoint = io::Endpoint::Parse(hop.host);
      if (!co_await TryEndpoint(hop, *endpoint, hop.host, deadline, result))
        metrics_.connect_failures.Add();
      co_return result;
    }
    const StatusOr<std::vector<IpAddress>> addresses = co_await io::ResolveHost(hop.host, deadline);
    if (!addresses.ok()) {
      metrics_.connect_failures.Add();
      // RFC 3463 X.4.4 unable to route, X.4.3 directory server failure. A next hop is the
      // operator's word, so a name that does not exist is a mistake to mend, not a reason to return
      // mail.
      const bool unknown = absl::IsNotFound(addresses.status());
      result.reply = {
          static_cast<uint16_t>(Planted(Canary::kDnsFailureIsFinal) ? 556 : 451),
          {4, 4, static_cast<uint16_t>(unknown ? 4 : 3)},
          fmt::format("next hop {}: {}", hop.ToString(), Std(addresses.status().message()))};
      co_return result;
    }
    for (const IpAddress& address : *addresses) {
      if (cancelled_) result.reply = {451, {4, 3, 2}, "we are shutting down"};
      if (cancelled_ || io::Now() >= deadline) break;
      const io::Endpoint endpoint{.ip = address, .port = hop.port, .unix_path = {}};
      std::string name = fmt::format("{}[{}]:{}", hop.host, address.ToString(), hop.port);
      if (co_await TryEndpoint(hop, endpoint, std::move(name), deadline, result)) co_return result;
    }
    metrics_.connect_failures.Add();
    co_return result;
  }

  void Cancel() override {
    cancelled_ = true;
    for (ClientSession* session : greeting_) session->Cancel();
  }

 private:
  // True: `result` holds a session, or a verdict that no other address would change.
  io::Task<bool> TryEndpoint(const NextHop& hop, io::Endpoint endpoint, std::string name,
                             MonotonicTime deadline, SessionResult& result) {
    const MonotonicTime connect_by = std::min(deadline, io::Now() + options_.timeouts.connect);
    const IpAddress from = hop.unix_socket() ? IpAddress{} : options_.source;
    io::ConnectResult connection = co_await io::Connect(std::move(endpoint), from, connect_by);
    if (connection.status != io::StreamStatus::kOk) {
      result.remote_host = name;
      result.reply = {451, {4, 4, 1}, ConnectFailure(name, connection)};
      co_return false;
    }
    metrics_.connections.Add();
    auto session = std::make_unique<ClientSession>(std::move(connection.stream), name, options_,
                                                   metrics_, memory_, hop.protocol);
    result.remote_host = name;
    greeting_.insert(session.get());
    if (cancelled_) session->Cancel();
    result.reply = co_await session->Greet();
    greeting_.erase(session.get());
    if (result.reply.completed()) {
      result.session = std::move(session);
      co_return true;
    }
    if (Planted(Canary::kLeakConnection)) {
      (void)session.release();
      co_return result.reply.permanent();
    }
    co_await session->Quit();
    co_return result.reply.permanent();
  }

  static std::string ConnectFailure(const std::string& name, const io::ConnectResult& connection) {
    if (connection.status == io::StreamStatus::kTimedOut)
      return fmt::format("connection to {} timed out", name);
    return fmt::format("cannot connect: {}", Std(ErrnoStatus(connection.error, name).message()));
  }

  const SmtpClientOptions options_;
  SmtpClientMetrics metrics_;
  PeerMemory memory_;
  absl::flat_hash_set<ClientSession*> greeting_;
  bool cancelled_ = false;
};

}  // namespace

std::unique_ptr<agent::Transport> MakeSmtpTransport(SmtpClientOptions options,
                                                    MetricRegistry* registry) {
  return std::make_unique<SmtpTransport>(std::move(options), registry);
}

}  // namespace ringmail::smtp
