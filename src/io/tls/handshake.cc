// The handshake: TlsLayer's part, which speaks to the library, and Stream's, which waits.
#include <utility>

#include "io/core/raw_connection.h"
#include "io/core/scheduler.h"
#include "io/tls/boring.h"
#include "io/tls/layer.h"
#include "ringmail/base/check.h"
#include "ringmail/io/blocking.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/tls.h"

namespace ringmail::io {
namespace {

bool IsAddress(const std::string& name) { return IpAddress::Parse(name).has_value(); }

}  // namespace

bool TlsLayer::Prepare(const TlsClientRequest& request) {
  CHECK(!server());
  verdict_->trust = request.trust;
  verdict_->server_name = request.server_name;
  keep_session_ = request.keep_session;
  SSL* const ssl = ssl_.get();
  // RFC 6066 §3: addresses are no names.
  if (!request.server_name.empty() && !IsAddress(request.server_name) &&
      SSL_set_tlsext_host_name(ssl, request.server_name.c_str()) != 1)
    return false;
  if (const tls::Identity* own = context().own(); own != nullptr && !Show(*own)) return false;
  if (!request.session.empty()) {
    // One that cannot be read, or is too old, only costs its gain.
    const bssl::UniquePtr<SSL_SESSION> session(SSL_SESSION_from_bytes(
        tls::Octets(request.session), request.session.size(), context().ssl_ctx()));
    if (session != nullptr) (void)SSL_set_session(ssl, session.get());
    ERR_clear_error();
  }
  return true;
}

bool TlsLayer::Show(const tls::Identity& identity) {
  shown_ = &identity;
  sign_work_->key = identity.key.get();
  // ECDSA and Ed25519 are cheaper than the way to another thread and back; RSA is not.
  const bool pool = identity.kind == tls::KeyKind::kRsa;
  if (SSL_set_chain_and_key(ssl_.get(), identity.chain_pointers.data(),
                            identity.chain_pointers.size(), pool ? nullptr : identity.key.get(),
                            pool ? &tls::PoolSigning() : nullptr) != 1)
    return false;
  return identity.ocsp_response.empty() ||
         SSL_set_ocsp_response(ssl_.get(), tls::Octets(identity.ocsp_response),
                               identity.ocsp_response.size()) == 1;
}

bool TlsLayer::Answer(const tls::Identity& identity) {
  answers_challenge_ = true;
  // An authority shows no certificate, whatever we ask of others.
  SSL_set_custom_verify(ssl_.get(), SSL_VERIFY_NONE, nullptr);
  return Show(identity);
}

TlsLayer::Step TlsLayer::Handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    // A resumed session brings the peer's certificate along, and it is judged anew: time has
    // passed.
    if (!verdict_->judged) JudgePeer();
    return peer_acceptable() ? Step::kDone : Step::kFailed;
  }
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Step::kNeedsInput;
    case SSL_ERROR_WANT_PRIVATE_KEY_OPERATION:
      return Step::kNeedsSignature;
    default:
      return Step::kFailed;
  }
}

std::string TlsLayer::TakeProblem() {
  const std::string why = tls::TakeErrors();
  if (!verdict_->problem.empty() && !peer_acceptable()) return verdict_->problem;
  return why;
}

bool TlsLayer::peer_acceptable() const {
  if (verdict_->peer == TlsPeer::kTrusted || answers_challenge_) return true;
  return server() ? context().client_certificates() != TlsClientCertificates::kRequired
                  : verdict_->trust == TlsTrust::kAnybody;
}

void TlsLayer::JudgePeer() {
  Verdict& verdict = *verdict_;
  verdict.judged = true;
  verdict.peer = TlsPeer::kNone;
  verdict.problem = "no certificate was shown";
  const STACK_OF(CRYPTO_BUFFER)* shown = SSL_get0_peer_certificates(ssl_.get());
  if (shown == nullptr || sk_CRYPTO_BUFFER_num(shown) == 0) return;
  verdict.peer = TlsPeer::kUntrusted;
  bssl::UniquePtr<STACK_OF(X509)> chain(sk_X509_new_null());
  CHECK(chain != nullptr);
  for (CRYPTO_BUFFER* one : shown) {
    bssl::UniquePtr<X509> parsed(X509_parse_from_buffer(one));
    if (parsed == nullptr) {
      ERR_clear_error();
      verdict.problem = "a certificate of the chain cannot be read";
      return;
    }
    bssl::PushToStack(chain.get(), std::move(parsed));
  }
  X509* const leaf = sk_X509_value(chain.get(), 0);
  verdict.problem = "no authority is trusted";
  if (context().authorities() == nullptr) return;
  const bssl::UniquePtr<X509_STORE_CTX> check(X509_STORE_CTX_new());
  CHECK(check != nullptr);
  CHECK(X509_STORE_CTX_init(check.get(), context().authorities(), leaf, chain.get()) == 1);
  CHECK(X509_STORE_CTX_set_default(check.get(), server() ? "ssl_client" : "ssl_server") == 1);
  X509_STORE_CTX_set_time(check.get(), 0, static_cast<time_t>(UnixSeconds(WallNow())));
  const bool good = X509_verify_cert(check.get()) == 1;
  ERR_clear_error();
  if (!good) {
    verdict.problem = X509_verify_cert_error_string(X509_STORE_CTX_get_error(check.get()));
    return;
  }
  const std::string& name = verdict.server_name;
  if (!server() && !name.empty() &&
      (IsAddress(name) ? X509_check_ip_asc(leaf, name.c_str(), 0)
                       : X509_check_host(leaf, name.data(), name.size(), 0, nullptr)) != 1) {
    verdict.problem = "the certificate is not for " + name;
    return;
  }
  verdict.problem.clear();
  verdict.peer = TlsPeer::kTrusted;
}

void TlsLayer::KeepSession(const SSL_SESSION& session) {
  if (!keep_session_) return;
  uint8_t* data = nullptr;
  size_t bytes = 0;
  if (SSL_SESSION_to_bytes(&session, &data, &bytes) != 1) return;
  session_ = std::make_unique<std::string>(reinterpret_cast<const char*>(data), bytes);
  OPENSSL_free(data);
}

void TlsLayer::Describe(TlsResult& result) {
  const SSL* const ssl = ssl_.get();
  result.version = SSL_version(ssl) == TLS1_3_VERSION ? TlsVersion::k13 : TlsVersion::k12;
  if (const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl); cipher != nullptr) {
    result.cipher = SSL_CIPHER_standard_name(cipher);
    result.cipher_bits = static_cast<uint16_t>(SSL_CIPHER_get_bits(cipher, nullptr));
  }
  if (const char* group = SSL_get_curve_name(SSL_get_curve_id(ssl)); group != nullptr) {
    result.group = group;
  }
  result.resumed = SSL_session_reused(ssl) == 1;
  if (const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name); name != nullptr) {
    result.server_name = name;
  }
  const uint8_t* alpn = nullptr;
  unsigned alpn_bytes = 0;
  SSL_get0_alpn_selected(ssl, &alpn, &alpn_bytes);
  result.alpn.assign(reinterpret_cast<const char*>(alpn), alpn_bytes);
  result.peer = verdict_->peer;
  if (result.peer == TlsPeer::kNone) return;
  result.peer_problem = verdict_->problem;
  const STACK_OF(CRYPTO_BUFFER)* shown = SSL_get0_peer_certificates(ssl);
  const bssl::UniquePtr<X509> leaf(X509_parse_from_buffer(sk_CRYPTO_BUFFER_value(shown, 0)));
  ERR_clear_error();
  if (leaf == nullptr) return;
  result.peer_subject = tls::SubjectOf(*leaf);
  result.peer_names = tls::NamesOf(*leaf, tls::NameKinds::kDnsAndMail);
  if (result.peer == TlsPeer::kTrusted) result.peer_mailbox = tls::MailboxOf(*leaf);
}

void TlsLayer::EndHandshake() {
  verdict_.reset();
  sign_work_.reset();
}

std::string TlsLayer::ChannelBinding(TlsBinding binding) const {
  if (failed_) return {};
  if (binding == TlsBinding::kServerEndPoint) {
    if (server()) return shown_ == nullptr ? std::string() : shown_->end_point;
    const STACK_OF(CRYPTO_BUFFER)* shown = SSL_get0_peer_certificates(ssl_.get());
    if (shown == nullptr || sk_CRYPTO_BUFFER_num(shown) == 0) return {};
    const bssl::UniquePtr<X509> leaf(X509_parse_from_buffer(sk_CRYPTO_BUFFER_value(shown, 0)));
    return leaf == nullptr ? std::string() : tls::EndPointHash(*leaf);
  }
  // RFC 9266 §4.2: in TLS 1.2 only with the extended master secret, or a man in the middle could
  // give both sides the same.
  if (SSL_version(ssl_.get()) != TLS1_3_VERSION && SSL_get_extms_support(ssl_.get()) != 1)
    return {};
  constexpr std::string_view kLabel = "EXPORTER-Channel-Binding";
  uint8_t out[32];
  if (SSL_export_keying_material(ssl_.get(), out, sizeof out, kLabel.data(), kLabel.size(), nullptr,
                                 0, /*use_context=*/1) != 1) {
    ERR_clear_error();
    return {};
  }
  return std::string(reinterpret_cast<const char*>(out), sizeof out);
}

std::vector<std::string> TlsLayer::PeerChain() const {
  std::vector<std::string> chain;
  const STACK_OF(CRYPTO_BUFFER)* shown = SSL_get0_peer_certificates(ssl_.get());
  if (shown == nullptr) return chain;
  for (const CRYPTO_BUFFER* one : shown) {
    chain.emplace_back(reinterpret_cast<const char*>(CRYPTO_BUFFER_data(one)),
                       CRYPTO_BUFFER_len(one));
  }
  return chain;
}

// --- Stream

namespace {

TlsResult Ended(TlsOutcome outcome, std::string problem = {}) {
  TlsResult result;
  result.outcome = outcome;
  result.problem = std::move(problem);
  return result;
}

// The stream is only good for Close: its layer takes and gives nothing any more.
TlsResult Fail(Connection& connection, std::unique_ptr<TlsLayer> layer, TlsOutcome outcome,
               std::string problem = {}) {
  layer->Break(outcome == TlsOutcome::kFailed ? kTlsBroken
               : outcome == TlsOutcome::kEnd  ? kTlsTruncated
               : outcome == TlsOutcome::kLost ? 0
                                              : ECANCELED);
  layer->EndHandshake();
  // An alert that says why.
  RawSendSoon(connection);
  SetLayer(connection, std::move(layer));
  return Ended(outcome, std::move(problem));
}

TlsOutcome OutcomeOf(StreamStatus status) {
  switch (status) {
    case StreamStatus::kEnd:
      return TlsOutcome::kEnd;
    case StreamStatus::kTimedOut:
      return TlsOutcome::kTimedOut;
    case StreamStatus::kCancelled:
      return TlsOutcome::kCancelled;
    default:
      return TlsOutcome::kLost;
  }
}

}  // namespace

Task<TlsResult> Stream::RunTlsHandshake(std::unique_ptr<TlsLayer> layer, MonotonicTime deadline) {
  Connection* const connection = connection_;
  bool wants_input = layer->server();
  for (;;) {
    if (wants_input && RawInput(*connection).empty()) {
      const StreamStatus status = co_await RawReceiveOp(*connection, deadline);
      // Another task may have aborted it, also below.
      if (connection_ != connection) co_return Ended(TlsOutcome::kCancelled);
      if (status != StreamStatus::kOk)
        co_return Fail(*connection, std::move(layer), OutcomeOf(status));
    }
    co_await Scheduler::Current()->handshakes().Take();
    if (connection_ != connection) co_return Ended(TlsOutcome::kCancelled);
    if (RawCancelled(*connection))
      co_return Fail(*connection, std::move(layer), TlsOutcome::kCancelled);
    if (Now() >= deadline) co_return Fail(*connection, std::move(layer), TlsOutcome::kTimedOut);
    switch (layer->Handshake()) {
      case TlsLayer::Step::kDone: {
        // RFC 8737 §3: the handshake was all that there is to it.
        if (layer->answers_challenge())
          co_return Fail(*connection, std::move(layer), TlsOutcome::kEnd);
        TlsResult result = Ended(TlsOutcome::kOk);
        layer->Describe(result);
        layer->EndHandshake();
        RawSendSoon(*connection);
        SetLayer(*connection, std::move(layer));
        co_return result;
      }
      case TlsLayer::Step::kFailed: {
        std::string problem = layer->TakeProblem();
        co_return Fail(*connection, std::move(layer), TlsOutcome::kFailed, std::move(problem));
      }
      case TlsLayer::Step::kNeedsInput:
        wants_input = true;
        break;
      case TlsLayer::Step::kNeedsSignature:
        wants_input = false;
        RawSendSoon(*connection);
        co_await RunBlocking(&tls::SignWork::Run, &layer->sign_work());
        if (connection_ != connection) co_return Ended(TlsOutcome::kCancelled);
        break;
    }
  }
}

Task<TlsResult> Stream::StartTlsServer(std::shared_ptr<const TlsContext> context,
                                       MonotonicTime deadline) {
  CHECK(Layer(*connection_) == nullptr);
  if (!RawInput(*connection_).empty()) co_return Ended(TlsOutcome::kUnreadInput);
  auto layer = std::make_unique<TlsLayer>(*connection_, std::move(context));
  CHECK(layer->server());
  co_return co_await RunTlsHandshake(std::move(layer), deadline);
}

Task<TlsResult> Stream::StartImplicitTls(std::shared_ptr<const TlsContext> context,
                                         MonotonicTime deadline) {
  CHECK(Layer(*connection_) == nullptr);
  auto layer = std::make_unique<TlsLayer>(*connection_, std::move(context));
  CHECK(layer->server());
  co_return co_await RunTlsHandshake(std::move(layer), deadline);
}

Task<TlsResult> Stream::StartTlsClient(std::shared_ptr<const TlsContext> context,
                                       TlsClientRequest request, MonotonicTime deadline) {
  CHECK(Layer(*connection_) == nullptr);
  if (!RawInput(*connection_).empty()) co_return Ended(TlsOutcome::kUnreadInput);
  auto layer = std::make_unique<TlsLayer>(*connection_, std::move(context));
  if (!layer->Prepare(request)) {
    std::string problem = tls::TakeErrors();
    co_return Fail(*connection_, std::move(layer), TlsOutcome::kFailed, std::move(problem));
  }
  co_return co_await RunTlsHandshake(std::move(layer), deadline);
}

bool Stream::tls() const { return Layer(*connection_) != nullptr; }

// TLS is the only layer there is.
std::string Stream::TlsChannelBinding(TlsBinding binding) const {
  CHECK(tls());
  return static_cast<const TlsLayer*>(Layer(*connection_))->ChannelBinding(binding);
}
std::vector<std::string> Stream::TlsPeerChain() const {
  CHECK(tls());
  return static_cast<const TlsLayer*>(Layer(*connection_))->PeerChain();
}
std::string Stream::TakeTlsSession() {
  CHECK(tls());
  return static_cast<TlsLayer*>(Layer(*connection_))->TakeSession();
}

std::string_view ToString(TlsVersion version) {
  return version == TlsVersion::k13 ? "TLSv1.3" : "TLSv1.2";
}

std::string_view ToString(TlsOutcome outcome) {
  switch (outcome) {
    case TlsOutcome::kOk:
      return "ok";
    case TlsOutcome::kUnreadInput:
      return "unread input";
    case TlsOutcome::kFailed:
      return "failed";
    case TlsOutcome::kEnd:
      return "end";
    case TlsOutcome::kTimedOut:
      return "timed out";
    case TlsOutcome::kCancelled:
      return "cancelled";
    case TlsOutcome::kLost:
      return "lost";
  }
  return "";
}

}  // namespace ringmail::io
