#include "protocol/tunnel/session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "protocol/tunnel/limits.h"
#include "protocol/tunnel/names.h"
#include "ringmail/base/log.h"
#include "ringmail/io/shard.h"

namespace ringmail::tunnel {

Session::Session(Shared& shared, std::shared_ptr<const TunnelOptions> options, io::Stream client,
                 session::ProxyHeader header)
    : shared_(shared),
      options_(std::move(options)),
      client_(std::move(client)),
      began_(io::Now()),
      header_(std::make_unique<session::ProxyHeader>(std::move(header))) {
  facts_.client = client_.peer().ToString();
  shared_.metrics.connections_begun.Add();
  shared_.metrics.connections.Add(1);
}

Session::~Session() { shared_.metrics.connections.Add(-1); }

void Session::Cut() {
  cut_ = true;
  if (closing_) {
    client_.Abort();
    target_.Abort();
  } else if (relay_) {
    relay_->Fail(RelayEnd::kStopped);
  } else {
    if (client_.open()) client_.Cancel();
    if (target_.open()) target_.Cancel();
  }
}

void Session::Refuse(Counter& counter, std::string why) {
  if (!problem_.empty()) return;
  counter.Add();
  problem_ = std::move(why);
}

io::Task<void> Session::Run() {
  if (!co_await Open()) {
    if (problem_.empty()) Refuse(shared_.metrics.ends_stop, "stopped");
    Log(problem_);
    // An end that says that nothing is missing would be a lie.
    client_.Abort();
    target_.Abort();
    co_return;
  }
  relay_.emplace(client_, target_, options_->idle_timeout);
  RelayEnd end = RelayEnd::kStopped;
  if (!cut_) end = co_await relay_->Run();
  shared_.metrics.octets_to_target.Add(relay_->octets_to_target());
  shared_.metrics.octets_to_client.Add(relay_->octets_to_client());
  if (end == RelayEnd::kDone) {
    closing_ = true;
    const MonotonicTime deadline =
        std::min(io::Now() + options_->idle_timeout, shared_.stop_deadline);
    co_await target_.Close(deadline);
    co_await client_.Close(deadline);
  } else {
    (end == RelayEnd::kIdle      ? shared_.metrics.ends_idle
     : end == RelayEnd::kStopped ? shared_.metrics.ends_stop
                                 : shared_.metrics.ends_lost)
        .Add();
    target_.Abort();
  }
  Log(ToString(end));
  client_.Abort();
}

// Not inline: its frame, and those below, would lie there as long as the connection lasts.
[[gnu::noinline]] io::Task<bool> Session::Open() {
  const TunnelOptions& options = *options_;
  if (options.mode == TunnelMode::kWrap && !co_await AcceptTls()) co_return false;
  if (cut_) co_return false;
  const io::Endpoint to = Target();
  facts_.target = to.ToString();
  io::ConnectResult connected = co_await io::Connect(to, {}, io::Now() + options.connect_timeout);
  if (connected.status != io::StreamStatus::kOk) {
    const std::string why = connected.status == io::StreamStatus::kFailed
                                ? std::strerror(connected.error)
                                : std::string(io::ToString(connected.status));
    Refuse(shared_.metrics.connect_failed, "the target cannot be reached: " + why);
    co_return false;
  }
  target_ = std::move(connected.stream);
  if (cut_) co_return false;
  // In front of TLS, where there is one.
  WriteHeader();
  if (options.mode == TunnelMode::kUnwrap && !co_await ConnectTls()) co_return false;
  header_.reset();
  co_return !cut_;
}

[[gnu::noinline]] io::Task<bool> Session::AcceptTls() {
  const io::TlsResult result =
      co_await client_.StartImplicitTls(options_->tls, io::Now() + options_->handshake_timeout);
  if (!result.ok()) {
    if (result.outcome != io::TlsOutcome::kCancelled) {
      Refuse(shared_.metrics.tls_failed,
             "no TLS with the client: " + (result.problem.empty()
                                               ? std::string(io::ToString(result.outcome))
                                               : result.problem));
    }
    co_await SayWhy(client_);
    co_return false;
  }
  Describe(result);
  header_->tls = {.tls = true,
                  .certificate = result.peer != io::TlsPeer::kNone,
                  .verified = result.peer == io::TlsPeer::kTrusted,
                  .version = facts_.version,
                  .cipher = facts_.cipher,
                  .name = CommonName(result.peer_subject)};
  if (!result.server_name.empty()) header_->authority = result.server_name;
  header_->alpn = result.alpn;
  co_return Admits(result);
}

// The alert of a handshake that failed has to leave before the connection is gone.
io::Task<void> Session::SayWhy(io::Stream& stream) {
  closing_ = true;
  co_await stream.Close(std::min(io::Now() + kCloseTimeout, shared_.stop_deadline));
}

// Who may come in is decided before the target hears of anybody.
bool Session::Admits(const io::TlsResult& result) {
  if (options_->client_names.empty()) return true;
  if (result.peer == io::TlsPeer::kTrusted &&
      AnyNameFits(result.peer_names, options_->client_names))
    return true;
  Refuse(shared_.metrics.client_refused, result.peer == io::TlsPeer::kTrusted
                                             ? "the client's certificate is for nobody permitted"
                                             : "the client has no certificate that is trusted");
  return false;
}

[[gnu::noinline]] io::Task<bool> Session::ConnectTls() {
  const io::TlsResult result = co_await target_.StartTlsClient(
      options_->tls,
      {.server_name = options_->server_name, .trust = options_->trust, .session = {}},
      io::Now() + options_->handshake_timeout);
  if (!result.ok()) {
    if (result.outcome != io::TlsOutcome::kCancelled) {
      Refuse(shared_.metrics.tls_failed,
             "no TLS with the target: " + (result.problem.empty()
                                               ? std::string(io::ToString(result.outcome))
                                               : result.problem));
    }
    co_await SayWhy(target_);
    co_return false;
  }
  Describe(result);
  co_return true;
}

void Session::Describe(const io::TlsResult& result) {
  facts_.server_name =
      options_->mode == TunnelMode::kWrap ? result.server_name : options_->server_name;
  facts_.certificate = result.peer_subject;
  facts_.version = io::ToString(result.version);
  facts_.cipher = result.cipher;
}

const io::Endpoint& Session::Target() const {
  // A name before a pattern, as the certificates are chosen.
  for (const bool pattern : {false, true}) {
    for (const TunnelRoute& route : options_->routes) {
      for (const std::string& name : route.names) {
        if (name.starts_with("*.") == pattern && NameFits(facts_.server_name, name))
          return route.target;
      }
    }
  }
  return options_->target;
}

void Session::WriteHeader() {
  if (options_->send_proxy == SendProxy::kNone) return;
  session::ProxyHeader& header = *header_;
  header.own = false;
  header.source = client_.peer();
  header.destination = client_.local();
  target_.Write(options_->send_proxy == SendProxy::kV1 ? session::WriteProxyV1(header)
                                                       : session::WriteProxyV2(header));
}

void Session::Log(std::string_view end) const {
  LogLine line(io::ShardLog(), LogLevel::kInfo, "tunnel");
  line.Field("listener", options_->name);
  line.Field("client", facts_.client);
  if (!facts_.target.empty()) line.Field("target", facts_.target);
  if (!facts_.version.empty()) line.Field("tls", facts_.version + " " + facts_.cipher);
  if (!facts_.server_name.empty()) line.Field("name", facts_.server_name);
  if (!facts_.certificate.empty()) line.Field("certificate", facts_.certificate);
  line.Field("to_target", relay_ ? relay_->octets_to_target() : uint64_t{0});
  line.Field("to_client", relay_ ? relay_->octets_to_client() : uint64_t{0});
  line.Field("duration", io::Now() - began_);
  line.Field("end", end);
}

}  // namespace ringmail::tunnel
