#include "protocol/acme/session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "protocol/acme/limits.h"
#include "ringmail/base/check.h"
#include "ringmail/base/log.h"
#include "ringmail/codec/digest.h"
#include "ringmail/io/certificate.h"
#include "ringmail/io/shard.h"

namespace ringmail::acme {
namespace {

using Outcome = AcmeResult::Outcome;

AcmeResult Ended(Outcome outcome, std::string problem) {
  AcmeResult result;
  result.outcome = outcome;
  result.problem = std::move(problem);
  return result;
}

AcmeResult OurFault(const Status& status) {
  return Ended(Outcome::kLater, std::string(Std(status.message())));
}

std::string FieldOf(const session::HttpResponse& head, std::string_view name) {
  const std::string* value = head.Find(name);
  return value == nullptr ? std::string() : *value;
}

}  // namespace

StatusOr<io::TlsIdentity> ChallengeIdentity(const ChallengeAnswer& answer, WallTime now) {
  io::TlsIdentity identity;
  identity.private_key_pem = io::MakePrivateKey();
  // RFC 8737 §3.
  const codec::DigestValue digest =
      codec::Digest(codec::DigestKind::kSha256, {answer.key_authorization});
  ASSIGN_OR_RETURN(identity.certificate_pem,
                   io::MakeSelfSignedCertificate(identity.private_key_pem,
                                                 {.names = {answer.name},
                                                  .not_before = now - std::chrono::hours(24),
                                                  .not_after = now + std::chrono::hours(7 * 24),
                                                  .acme_identifier = std::string(digest.view())}));
  return identity;
}

StatusOr<std::unique_ptr<AcmeClient>> AcmeClient::Make(AcmeOptions options, AcmeHost& host) {
  if (!GoodUrl(options.directory_url))
    return absl::InvalidArgumentError("the directory's URL is none of https");
  session::HttpClientOptions http;
  http.user_agent = options.user_agent;
  http.body_bytes_max = kAnswerBytesMax;
  ASSIGN_OR_RETURN(http.tls, io::TlsContext::MakeClient({.authorities_pem = options.authorities_pem,
                                                         .alpn = {"http/1.1"},
                                                         .identity = {}}));
  return std::make_unique<Client>(std::move(options), host,
                                  session::HttpClient::Make(std::move(http)));
}

void Client::Stop() {
  stopped_ = true;
  http_->Stop();
  woken_.Notify();
}

io::Task<bool> Client::Wait(std::chrono::seconds time) {
  const MonotonicTime until = io::Now() + time;
  while (!stopped_ && io::Now() < until) (void)co_await woken_.Wait(until);
  co_return !stopped_;
}

// What an order needs and is not there yet. What belongs to another authority is left behind.
Status Client::Prepare(AcmeState& state) const {
  if (state.directory_url != options_.directory_url) {
    state = {};
    state.directory_url = options_.directory_url;
  }
  if (!io::PublicPointOf(state.account_key).ok()) {
    state.account_key = io::MakePrivateKey();
    state.account_url.clear();
    state.order_url.clear();
  }
  const std::string names = absl::StrJoin(options_.names, " ");
  if (state.order_url.empty() || state.order_names != names ||
      !io::PublicPointOf(state.certificate_key).ok()) {
    state.order_url.clear();
    // A new key for every certificate: what one knows of an old one is worth nothing.
    state.certificate_key = io::MakePrivateKey();
    state.order_names = names;
  }
  return absl::OkStatus();
}

StatusOr<OrderOptions> Client::OptionsOf(const AcmeState& state) const {
  OrderOptions options{.directory_url = options_.directory_url,
                       .contacts = options_.contacts,
                       .names = options_.names,
                       .challenge = options_.challenge,
                       .account_url = state.account_url,
                       .order_url = state.order_url};
  ASSIGN_OR_RETURN(const io::PublicPoint point, io::PublicPointOf(state.account_key));
  options.thumbprint = Thumbprint(point);
  ASSIGN_OR_RETURN(options.request_der,
                   io::MakeCertificateRequest(state.certificate_key, options_.names));
  return options;
}

io::Task<AcmeResult> Client::Obtain(AcmeState state) {
  bool answering = false;
  AcmeResult result = co_await Run(&state, &answering);
  if (answering) co_await host_.Answer({});
  if (stopped_ && result.outcome != Outcome::kOk) result = Ended(Outcome::kStopped, "stopped");
  co_return result;
}

io::Task<AcmeResult> Client::Run(AcmeState* state, bool* answering) {
  const MonotonicTime deadline = io::Now() + kOrderTimeout;
  if (const Status status = Prepare(*state); !status.ok()) co_return OurFault(status);
  // The keys first: what the authority knows of must not be lost.
  if (const Status saved = co_await host_.Save(*state); !saved.ok()) co_return OurFault(saved);
  StatusOr<OrderOptions> options = OptionsOf(*state);
  if (!options.ok()) co_return OurFault(options.status());
  Order order(*std::move(options));
  AcmeResult result;
  for (;;) {
    if (stopped_) co_return Ended(Outcome::kStopped, "stopped");
    if (io::Now() >= deadline) {
      result = Ended(Outcome::kLater, "the order took too long");
      break;
    }
    const Step step = order.Next();
    if (step.kind == Step::Kind::kSend) {
      AcmeResult sent = co_await Send(&step.request, state, &order);
      if (sent.outcome == Outcome::kOk) continue;
      result = std::move(sent);
      break;
    }
    if (step.kind == Step::Kind::kFailed) {
      result = step.failure;
      break;
    }
    if (step.kind == Step::Kind::kCertificate) {
      result = Judge(*state, step.certificate_pem);
      if (result.outcome == Outcome::kOk) co_return result;
      // What is no good now will not be at the next look: a new order, then.
      state->order_url.clear();
      if (const Status saved = co_await host_.Save(*state); !saved.ok()) co_return OurFault(saved);
      co_return result;
    }
    if (step.kind == Step::Kind::kSave) {
      state->account_url = order.account_url();
      state->order_url = order.order_url();
      const Status saved = co_await host_.Save(*state);
      if (!saved.ok()) co_return OurFault(saved);
    } else if (step.kind == Step::Kind::kAnswer) {
      *answering = true;
      co_await host_.Answer(step.answers);
    } else if (!co_await Wait(step.wait)) {
      co_return Ended(Outcome::kStopped, "stopped");
    }
    order.Done();
  }
  // What leads nowhere any more is forgotten.
  if (state->account_url != order.account_url() || state->order_url != order.order_url()) {
    state->account_url = order.account_url();
    state->order_url = order.order_url();
    const Status saved = co_await host_.Save(*state);
    if (!saved.ok()) co_return OurFault(saved);
  }
  co_return result;
}

// kOk: the order has taken the answer.
io::Task<AcmeResult> Client::Send(const Request* request, const AcmeState* state, Order* order) {
  const auto url = session::HttpUrl::Parse(request->url);
  if (!url) co_return Ended(Outcome::kLater, "the authority gives no URL");
  session::HttpCall call;
  call.url = *url;
  // The nonce sees to it that nothing is done twice (RFC 8555 §6.5).
  call.repeatable = true;
  call.method = request->method == Method::kGet    ? "GET"
                : request->method == Method::kHead ? "HEAD"
                                                   : "POST";
  if (request->method == Method::kPost) {
    const auto point = io::PublicPointOf(state->account_key);
    if (!point.ok()) co_return OurFault(point.status());
    const Envelope envelope =
        MakeEnvelope(request->url, request->nonce, request->account_url, *point, request->payload);
    const auto signature = io::SignEs256(state->account_key, envelope.SigningInput());
    if (!signature.ok()) co_return OurFault(signature.status());
    call.content_type = "application/jose+json";  // §6.2
    call.body = envelope.Sealed(*signature);
  }
  const session::HttpReply answer = co_await http_->Call(std::move(call), io::Now() + kCallTimeout);
  LogLine(io::ShardLog(), LogLevel::kDebug, "acme_call")
      .Field("url", request->url)
      .Field("code", static_cast<uint64_t>(answer.head.code))
      .Field("problem", answer.problem);
  if (!answer.ok()) co_return Ended(Outcome::kLater, answer.problem);
  order->Took({.code = answer.head.code,
               .body = answer.body,
               .nonce = FieldOf(answer.head, "replay-nonce"),
               .location = FieldOf(answer.head, "location"),
               .retry_after = FieldOf(answer.head, "retry-after")},
              io::WallNow());
  co_return Ended(Outcome::kOk, {});
}

// RFC 8555 §7.4.2: it is looked at before it is used.
AcmeResult Client::Judge(const AcmeState& state, std::string certificate_pem) const {
  AcmeResult result;
  result.certificate = {.directory_url = options_.directory_url,
                        .certificate_pem = std::move(certificate_pem),
                        .private_key_pem = state.certificate_key};
  const auto facts = io::ExamineTlsIdentity({.certificate_pem = result.certificate.certificate_pem,
                                             .private_key_pem = result.certificate.private_key_pem,
                                             .ocsp_response = {}});
  if (!facts.ok()) {
    return Ended(Outcome::kLater,
                 "what the authority gave " + std::string(Std(facts.status().message())));
  }
  if (facts->not_after <= io::WallNow())
    return Ended(Outcome::kLater, "the authority gave a certificate that has expired");
  for (const std::string& name : options_.names) {
    if (std::find(facts->names.begin(), facts->names.end(), name) == facts->names.end())
      return Ended(Outcome::kLater, "the authority gave a certificate without " + name);
  }
  result.outcome = Outcome::kOk;
  return result;
}

}  // namespace ringmail::acme
