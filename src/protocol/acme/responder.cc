#include "protocol/acme/responder.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "protocol/acme/limits.h"
#include "ringmail/base/check.h"
#include "ringmail/base/log.h"
#include "ringmail/io/shard.h"
#include "ringmail/session/http.h"

namespace ringmail::acme {
namespace {

constexpr std::string_view kPath = "/.well-known/acme-challenge/";  // RFC 8555 §8.3

// A validator sends a line and some fields, and no body.
constexpr session::HttpLimits kHttpLimits{
    .line_bytes_max = 4096, .head_bytes_max = 16u << 10, .fields_max = 50, .body_bytes_max = 0};

}  // namespace

std::string_view TokenOf(std::string_view target) {
  const std::string_view path = session::SplitTarget(target).path;
  return path.starts_with(kPath) ? path.substr(kPath.size()) : std::string_view();
}

std::unique_ptr<AcmeResponder> AcmeResponder::Make(ResponderOptions options) {
  return std::make_unique<Responder>(std::move(options));
}

Responder::~Responder() { CHECK_EQ(sessions_, 0u); }

void Responder::RegisterMetrics(MetricRegistry& registry) {
  constexpr std::string_view kName = "ringmail_acme_responses_total";
  constexpr std::string_view kHelp = "What came to the listeners of the acme protocol.";
  registry.Add(kName, kHelp, &answered_, "what=\"answered\"");
  registry.Add(kName, kHelp, &unknown_, "what=\"unknown\"");
  registry.Add(kName, kHelp, &handshakes_, "what=\"handshake\"");
  registry.Add(kName, kHelp, &refused_, "what=\"turned away\"");
}

void Responder::Listen(io::Listener listener, ResponderListenerOptions options) {
  CHECK(listener.open());
  auto port = std::make_unique<Port>();
  port->listener = std::move(listener);
  port->options = std::move(options);
  ports_.push_back(std::move(port));
  gate_.Spawn(Accept(ports_.back().get()));
}

bool Responder::Unlisten(const io::Endpoint& endpoint) {
  for (const auto& port : ports_) {
    if (!port->open || !(port->listener.local() == endpoint)) continue;
    port->open = false;
    port->listener.Cancel();
    port->cancelled.Notify();
    return true;
  }
  return false;
}

io::Task<void> Responder::Accept(Port* port) {
  while (port->open) {
    io::AcceptResult result = co_await port->listener.Accept();
    if (result.status == io::StreamStatus::kCancelled || !port->open) break;
    if (result.status != io::StreamStatus::kOk) {
      LogLine(io::ShardLog(), LogLevel::kWarning, "accept_failed")
          .Field("listener", "acme")
          .Field("error", std::string_view(std::strerror(result.error)));
      (void)co_await port->cancelled.Wait(io::Now() + kAcceptPause);
      continue;
    }
    // An authority asks from a few places; the rest can come again.
    if (sessions_ >= kResponderSessionsMax) {
      refused_.Add();
      continue;
    }
    gate_.Spawn(Serve(std::move(result.stream), port));
  }
}

io::Task<void> Responder::Serve(io::Stream stream, const Port* port) {
  ++sessions_;
  co_await Speak(&stream, *port);
  --sessions_;
}

io::Task<void> Responder::Speak(io::Stream* stream, const Port& port) {
  const bool proxied = session::IsProxy(port.options.proxies, stream->peer());
  if (proxied && !co_await entrance_.Admit(*stream, "acme", nullptr)) {
    stream->Abort();
    co_return;
  }
  const MonotonicTime deadline = std::min(io::Now() + kResponderTimeout, stop_deadline_);
  if (port.options.tls == ResponderTls::kImplicit) {
    co_await Handshake(stream, deadline);
  } else {
    co_await Respond(stream, deadline);
  }
  co_await stream->Close(std::min(io::Now() + kResponderCloseTimeout, stop_deadline_));
}

// RFC 8737 §3: what an authority wants to know it learns in the handshake. To others there is
// nothing to say.
io::Task<void> Responder::Handshake(io::Stream* stream, MonotonicTime deadline) {
  const std::shared_ptr<const io::TlsContext> tls = options_.tls;
  if (tls == nullptr) co_return;
  const io::TlsResult result = co_await stream->StartTlsServer(tls, deadline);
  handshakes_.Add();
  LogLine(io::ShardLog(), LogLevel::kDebug, "acme_handshake")
      .Field("outcome", io::ToString(result.outcome));
}

io::Task<void> Responder::Respond(io::Stream* stream, MonotonicTime deadline) {
  session::HttpServerConnection http(*stream, kHttpLimits);
  session::HttpRequest request;
  const session::HttpStatus status = co_await http.ReadRequest(request, deadline);
  http.ForbidKeepAlive();
  if (status == session::HttpStatus::kRefused) http.Respond(request.refusal, "", "");
  if (status != session::HttpStatus::kOk) co_return;
  if (request.method != "GET" && request.method != "HEAD") {
    http.Respond(405, "", "");
    co_return;
  }
  const std::string_view token = TokenOf(request.target);
  const auto answers = options_.answers;
  if (answers != nullptr && !token.empty()) {
    for (const ChallengeAnswer& one : *answers) {
      if (one.token != token) continue;
      answered_.Add();
      http.Respond(200, "application/octet-stream", one.key_authorization);
      co_return;
    }
  }
  unknown_.Add();
  http.Respond(404, "text/plain", "Nothing is here.\n");
}

void Responder::StopAccepting() {
  for (const auto& port : ports_) {
    if (!port->open) continue;
    port->open = false;
    port->listener.Cancel();
    port->cancelled.Notify();
  }
}

io::Task<void> Responder::Stop(MonotonicTime deadline) {
  stop_deadline_ = std::min(deadline, io::Now() + kResponderTimeout);
  StopAccepting();
  entrance_.Stop();
  // Each has its own deadline, some seconds away at most.
  co_await gate_.Close();
}

}  // namespace ringmail::acme
