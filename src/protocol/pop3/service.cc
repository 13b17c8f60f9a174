#include "protocol/pop3/service.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "fmt/format.h"
#include "protocol/pop3/limits.h"
#include "ringmail/base/check.h"
#include "ringmail/base/log.h"
#include "ringmail/io/shard.h"

namespace ringmail::pop3 {

Service::Service(std::unique_ptr<Maildrops> maildrops, agent::Authenticator& authenticator,
                 Pop3Options options)
    : io::Arrivals(kMovePlace),
      maildrops_(std::move(maildrops)),
      shared_{.maildrops = *maildrops_, .authenticator = authenticator} {
  Reconfigure(std::move(options));
}

Service::~Service() {
  CHECK(sessions_.empty());
  CHECK_EQ(session_count_, 0u);
}

void Service::Reconfigure(Pop3Options options) {
  std::erase_if(settings_,
                [](const std::unique_ptr<Settings>& settings) { return settings->sessions == 0; });
  settings_.push_back(std::make_unique<Settings>(std::move(options)));
}

void Service::RegisterMetrics(MetricRegistry& registry) {
  pop3::RegisterMetrics(shared_.metrics, registry);
}

void Service::Listen(io::Listener listener, Pop3ListenerOptions options) {
  CHECK(listener.open());
  CHECK(!shared_.stopping);
  auto port = std::make_unique<Port>();
  port->listener = std::move(listener);
  port->options = std::make_shared<const Pop3ListenerOptions>(std::move(options));
  ports_.push_back(std::move(port));
  gate_.Spawn(Accept(ports_.back().get()));
}

bool Service::Unlisten(const io::Endpoint& endpoint) {
  for (const auto& port : ports_) {
    if (!port->open || !(port->listener.local() == endpoint)) continue;
    port->open = false;
    port->listener.Cancel();
    port->cancelled.Notify();
    return true;
  }
  return false;
}

io::Task<void> Service::Accept(Port* port) {
  while (port->open) {
    io::AcceptResult result = co_await port->listener.Accept();
    if (result.status == io::StreamStatus::kCancelled || !port->open) break;
    if (result.status == io::StreamStatus::kOk) {
      if (session::IsProxy(port->options->proxies, result.stream.peer())) {
        gate_.Spawn(AdmitProxied(port, std::move(result.stream)));
      } else {
        Admit(*port, std::move(result.stream));
      }
      continue;
    }
    // Out of descriptors or memory: others' connections end sooner or later.
    LogLine(io::ShardLog(), LogLevel::kWarning, "accept_failed")
        .Field("listener", port->options->name)
        .Field("error", std::string_view(std::strerror(result.error)));
    co_await port->cancelled.Wait(io::Now() + kAcceptPause);
  }
}

// The header comes before TLS and before the greeting.
io::Task<void> Service::AdmitProxied(const Port* port, io::Stream stream) {
  const bool admitted = co_await entrance_.Admit(stream, port->options->name, nullptr);
  if (admitted && !shared_.stopping) Admit(*port, std::move(stream));
}

void Service::Admit(const Port& port, io::Stream stream) {
  const std::string_view full = Full(stream.peer().ip);
  if (!full.empty()) {
    TurnAway(std::move(stream), full);
    return;
  }
  auto baggage = std::make_unique<Baggage>();
  baggage->listener = port.options;
  baggage->began = io::Now();
  baggage->timestamp = MakeTimestamp();
  Begin(std::move(baggage), std::move(stream));
}

// The limit of a network is for strangers: who comes from another shard has logged in.
bool Service::Admits(const io::MovedConnection&, const io::MovedState&) {
  return !shared_.stopping && session_count_ < settings_.back()->options.sessions_max;
}

void Service::Arrive(io::Stream stream, std::unique_ptr<io::MovedState> state) {
  Begin(std::unique_ptr<Baggage>(static_cast<Baggage*>(state.release())), std::move(stream));
}

void Service::Begin(std::unique_ptr<Baggage> baggage, io::Stream stream) {
  const IpAddress client = stream.peer().ip;
  const IpNetwork network = Trusted(client) ? IpNetwork{} : NetworkOf(client);
  auto session =
      std::make_unique<Session>(shared_, *settings_.back(), std::move(baggage), std::move(stream));
  sessions_.PushBack(*session);
  gate_.Spawn(Serve(std::move(session), network));
}

// RFC 1939 §7: "different each time", in the syntax of a message-id.
std::unique_ptr<std::string> Service::MakeTimestamp() const {
  const Pop3Options& options = settings_.back()->options;
  if (!options.apop || !shared_.authenticator.KnowsApop()) return {};
  return std::make_unique<std::string>(
      fmt::format("<{:016x}{:016x}@{}>", io::RandomUint64(), io::RandomUint64(), options.hostname));
}

Service::Admission::Admission(Service& service, const IpNetwork& network)
    : service_(service), network_(network) {
  ++service_.session_count_;
  if (network_.address.family != IpAddress::Family::kNone) ++service_.networks_[network_];
}

Service::Admission::~Admission() {
  --service_.session_count_;
  if (network_.address.family == IpAddress::Family::kNone) return;
  const auto found = service_.networks_.find(network_);
  CHECK(found != service_.networks_.end());
  if (--found->second == 0) service_.networks_.erase(found);
}

io::Task<void> Service::Serve(std::unique_ptr<Session> session, IpNetwork network) {
  const Admission admission(*this, network);
  co_await session->Run();
  session.reset();
}

std::string_view Service::Full(const IpAddress& client) {
  const Pop3Options& options = settings_.back()->options;
  if (session_count_ >= options.sessions_max) {
    shared_.metrics.sessions_refused_full.Add();
    return "Too many sessions; try again later";
  }
  // Whatever it says, its answer would be the same.
  if (shared_.authenticator.Banned(client)) {
    shared_.metrics.sessions_refused_banned.Add();
    return "Too many refused logins; try again later";
  }
  if (Trusted(client)) return {};
  const auto found = networks_.find(NetworkOf(client));
  if (found == networks_.end() || found->second < options.sessions_per_network_max) return {};
  shared_.metrics.sessions_refused_network.Add();
  return "Too many sessions from your network; try again later";
}

bool Service::Trusted(const IpAddress& client) const {
  // A Unix socket has no network, and its file's mode says who may use it.
  if (client.family == IpAddress::Family::kNone) return true;
  const auto& networks = settings_.back()->options.trusted_networks;
  return std::any_of(networks.begin(), networks.end(),
                     [&client](const IpNetwork& network) { return network.Contains(client); });
}

IpNetwork Service::NetworkOf(const IpAddress& client) const {
  const Pop3Options& options = settings_.back()->options;
  const bool v4 = client.family == IpAddress::Family::kV4;
  return IpNetwork::Of(client, v4 ? options.network_bits_v4 : options.network_bits_v6);
}

void Service::TurnAway(io::Stream stream, std::string_view why) {
  LogLine(io::ShardLog(), LogLevel::kWarning, "turned_away")
      .Field("client", stream.peer().ip.ToString())
      .Field("why", why);
  if (refusals_ >= kRefusalsMax) return;
  ++refusals_;
  stream.Write("-ERR [SYS/TEMP] ");
  stream.Write(why);
  stream.Write("\r\n");
  gate_.Spawn(SayFull(std::move(stream)));
}

io::Task<void> Service::SayFull(io::Stream stream) {
  co_await stream.Close(std::min(io::Now() + kCloseTimeout, shared_.stop_deadline));
  --refusals_;
}

io::Task<void> Service::Stop(MonotonicTime deadline) {
  CHECK(!shared_.stopping);
  shared_.stopping = true;
  shared_.stop_deadline = deadline;
  entrance_.Stop();
  for (const auto& port : ports_) {
    if (!port->open) continue;
    port->open = false;
    port->listener.Cancel();
    port->cancelled.Notify();
  }
  for (auto at = sessions_.begin(); at != sessions_.end();) {
    Session& session = *at;
    ++at;
    session.Drain();
  }
  if (co_await gate_.CloseUntil(deadline)) co_return;
  for (auto at = sessions_.begin(); at != sessions_.end();) {
    Session& session = *at;
    ++at;
    session.Cut();
  }
  co_await gate_.Close();
}

}  // namespace ringmail::pop3
