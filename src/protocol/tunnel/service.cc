#include "protocol/tunnel/service.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "protocol/tunnel/limits.h"
#include "ringmail/base/check.h"
#include "ringmail/base/log.h"
#include "ringmail/io/shard.h"

namespace ringmail::tunnel {
namespace {

IpNetwork NetworkOf(const IpAddress& client) {
  if (client.family == IpAddress::Family::kNone) return {};
  const bool v4 = client.family == IpAddress::Family::kV4;
  return IpNetwork::Of(client, v4 ? kNetworkBitsV4 : kNetworkBitsV6);
}

}  // namespace

std::unique_ptr<TunnelService> TunnelService::Make() { return std::make_unique<Service>(); }

Service::~Service() {
  CHECK(sessions_.empty());
  CHECK_EQ(connection_count_, 0u);
}

void Service::RegisterMetrics(MetricRegistry& registry) {
  tunnel::RegisterMetrics(shared_.metrics, registry);
}

void Service::Listen(io::Listener listener, TunnelOptions options) {
  CHECK(listener.open());
  CHECK(!shared_.stopping);
  CHECK(options.tls != nullptr);
  auto port = std::make_unique<Port>();
  port->listener = std::move(listener);
  port->options = std::make_shared<const TunnelOptions>(std::move(options));
  ports_.push_back(std::move(port));
  gate_.Spawn(Accept(ports_.back().get()));
}

Service::Port* Service::Find(const io::Endpoint& endpoint) {
  for (const auto& port : ports_) {
    if (port->open && port->listener.local() == endpoint) return port.get();
  }
  return nullptr;
}

bool Service::Configure(const io::Endpoint& endpoint, TunnelOptions options) {
  CHECK(options.tls != nullptr);
  Port* port = Find(endpoint);
  if (port == nullptr) return false;
  port->options = std::make_shared<const TunnelOptions>(std::move(options));
  return true;
}

void Service::Shut(Port& port) {
  port.open = false;
  port.listener.Cancel();
  port.cancelled.Notify();
}

bool Service::Unlisten(const io::Endpoint& endpoint) {
  Port* port = Find(endpoint);
  if (port != nullptr) Shut(*port);
  return port != nullptr;
}

io::Task<void> Service::Accept(Port* port) {
  while (port->open) {
    io::AcceptResult result = co_await port->listener.Accept();
    if (result.status == io::StreamStatus::kCancelled || !port->open) break;
    if (result.status == io::StreamStatus::kOk) {
      gate_.Spawn(Serve(port, std::move(result.stream)));
      continue;
    }
    // Out of descriptors or memory: others' connections end sooner or later.
    LogLine(io::ShardLog(), LogLevel::kWarning, "accept_failed")
        .Field("listener", port->options->name)
        .Field("error", std::string_view(std::strerror(result.error)));
    co_await port->cancelled.Wait(io::Now() + kAcceptPause);
  }
}

std::string_view Service::Full(const Port& port, const IpNetwork& network) {
  if (port.connections >= port.options->connections_max) {
    shared_.metrics.refused_full.Add();
    return "too many connections";
  }
  const auto found = port.networks.find(network);
  // A Unix socket has no network, and its file's mode says who may use it.
  if (network.address.family == IpAddress::Family::kNone || found == port.networks.end() ||
      found->second < port.options->connections_per_network_max)
    return {};
  shared_.metrics.refused_network.Add();
  return "too many connections from one network";
}

io::Task<void> Service::Serve(Port* port, io::Stream stream) {
  session::ProxyHeader header;
  if (session::IsProxy(port->options->proxies, stream.peer()) &&
      !co_await entrance_.Admit(stream, port->options->name, &header))
    co_return;
  if (shared_.stopping) co_return;
  const IpNetwork network = NetworkOf(stream.peer().ip);
  if (const std::string_view full = Full(*port, network); !full.empty()) {
    LogLine(io::ShardLog(), LogLevel::kWarning, "turned_away")
        .Field("listener", port->options->name)
        .Field("client", stream.peer().ip.ToString())
        .Field("why", full);
    co_return;
  }
  const Admission admission(*this, *port, network);
  co_await RunSession(*port, std::move(stream), std::move(header));
}

Service::Admission::Admission(Service& service, Port& port, const IpNetwork& network)
    : service_(service), port_(port), network_(network) {
  ++service_.connection_count_;
  ++port_.connections;
  ++port_.networks[network_];
}

Service::Admission::~Admission() {
  --service_.connection_count_;
  --port_.connections;
  const auto found = port_.networks.find(network_);
  CHECK(found != port_.networks.end());
  if (--found->second == 0) port_.networks.erase(found);
}

io::Task<void> Service::RunSession(Port& port, io::Stream stream, session::ProxyHeader header) {
  Session session(shared_, port.options, std::move(stream), std::move(header));
  sessions_.PushBack(session);
  co_await session.Run();
}

io::Task<void> Service::Stop(MonotonicTime deadline) {
  CHECK(!shared_.stopping);
  shared_.stopping = true;
  shared_.stop_deadline = deadline;
  for (const auto& port : ports_) {
    if (port->open) Shut(*port);
  }
  entrance_.Stop();
  while (!sessions_.empty()) {
    const MonotonicTime now = io::Now();
    for (auto at = sessions_.begin(); at != sessions_.end();) {
      Session& session = *at;
      ++at;
      if (now >= deadline || now >= session.last_moved() + kDrainStill) session.Cut();
    }
    if (now >= deadline) break;
    co_await io::SleepUntil(std::min(deadline, now + kDrainPause));
  }
  co_await gate_.Close();
}

}  // namespace ringmail::tunnel
