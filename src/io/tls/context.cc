#include "io/tls/context.h"

#include <sys/time.h>

#include <algorithm>
#include <utility>

#include "io/tls/layer.h"
#include "io/tls/sign_work.h"
#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"

namespace ringmail::io::tls {
namespace {

// RFC 9325 §4.2: forward secrecy and AEAD. AES first where the processor has it, which the library
// knows; what is in brackets is the client's choice.
constexpr char kCiphers12[] =
    "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]:"
    "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";

constexpr uint16_t kVerifyAlgorithms[] = {
    SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PKCS1_SHA256,
    SSL_SIGN_ECDSA_SECP384R1_SHA384, SSL_SIGN_RSA_PSS_RSAE_SHA384, SSL_SIGN_RSA_PKCS1_SHA384,
    SSL_SIGN_RSA_PSS_RSAE_SHA512,    SSL_SIGN_RSA_PKCS1_SHA512,    SSL_SIGN_ED25519};

uint16_t Number(TlsVersion version) {
  return version == TlsVersion::k13 ? TLS1_3_VERSION : TLS1_2_VERSION;
}

void CurrentTime(const SSL*, timeval* out) {
  out->tv_sec = static_cast<time_t>(UnixSeconds(WallNow()));
  out->tv_usec = 0;
}

std::string NormalName(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (lower.ends_with('.')) lower.pop_back();
  return lower;
}

// The name in server_name (RFC 6066 §3), in lower case; "" where there is none.
std::string ServerName(const SSL_CLIENT_HELLO& hello) {
  const uint8_t* data = nullptr;
  size_t bytes = 0;
  if (SSL_early_callback_ctx_extension_get(&hello, TLSEXT_TYPE_server_name, &data, &bytes) != 1)
    return {};
  CBS extension, list, name;
  uint8_t type = 0;
  CBS_init(&extension, data, bytes);
  if (!CBS_get_u16_length_prefixed(&extension, &list) || !CBS_get_u8(&list, &type) ||
      type != TLSEXT_NAMETYPE_host_name || !CBS_get_u16_length_prefixed(&list, &name))
    return {};
  return NormalName({reinterpret_cast<const char*>(CBS_data(&name)), CBS_len(&name)});
}

// RFC 8737 §6.2, as a list of one (RFC 7301 §3.1).
constexpr std::string_view kAcmeAlpn = "acme-tls/1";
constexpr std::string_view kAcmeAlpnWire =
    "\x0a"
    "acme-tls/1";

bool OffersAcmeAlone(const SSL_CLIENT_HELLO& hello) {
  const uint8_t* data = nullptr;
  size_t bytes = 0;
  if (SSL_early_callback_ctx_extension_get(
          &hello, TLSEXT_TYPE_application_layer_protocol_negotiation, &data, &bytes) != 1)
    return false;
  CBS extension, list;
  CBS_init(&extension, data, bytes);
  return CBS_get_u16_length_prefixed(&extension, &list) && CBS_len(&extension) == 0 &&
         CBS_mem_equal(&list, Octets(kAcmeAlpnWire), kAcmeAlpnWire.size());
}

bool Lists(const SSL_CLIENT_HELLO& hello, std::initializer_list<uint16_t> wanted, bool ciphers) {
  CBS list;
  if (ciphers) {
    CBS_init(&list, hello.cipher_suites, hello.cipher_suites_len);
  } else {
    const uint8_t* data = nullptr;
    size_t bytes = 0;
    CBS extension;
    if (SSL_early_callback_ctx_extension_get(&hello, TLSEXT_TYPE_signature_algorithms, &data,
                                             &bytes) != 1)
      return false;
    CBS_init(&extension, data, bytes);
    if (!CBS_get_u16_length_prefixed(&extension, &list)) return false;
  }
  uint16_t one = 0;
  while (CBS_get_u16(&list, &one)) {
    if (std::find(wanted.begin(), wanted.end(), one) != wanted.end()) return true;
  }
  return false;
}

// Whether the client can make use of a key of `kind`.
bool Understands(const SSL_CLIENT_HELLO& hello, KeyKind kind) {
  if (kind == KeyKind::kRsa) return true;
  const bool signature =
      kind == KeyKind::kEd25519
          ? Lists(hello, {SSL_SIGN_ED25519}, false)
          : Lists(hello,
                  {SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_ECDSA_SECP384R1_SHA384,
                   SSL_SIGN_ECDSA_SECP521R1_SHA512},
                  false);
  // TLS 1.3's suites go with any key, TLS 1.2's ECDSA ones by name.
  return signature &&
         Lists(hello, {0x1301, 0x1302, 0x1303, 0xC02B, 0xC02C, 0xCCA9}, /*ciphers=*/true);
}

int KeepSession(SSL* ssl, SSL_SESSION* session) {
  LayerOf(*ssl).KeepSession(*session);
  return 0;
}

ssl_verify_result_t JudgePeer(SSL* ssl, uint8_t* out_alert) {
  TlsLayer& layer = LayerOf(*ssl);
  layer.JudgePeer();
  if (layer.peer_acceptable()) return ssl_verify_ok;
  *out_alert = SSL_AD_BAD_CERTIFICATE;
  return ssl_verify_invalid;
}

}  // namespace

const Context& ContextOf(const SSL& ssl) {
  return *static_cast<const Context*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(&ssl)));
}

Context::Context(Side side)
    : side_(side),
      pool_(CRYPTO_BUFFER_POOL_new()),
      ssl_ctx_(SSL_CTX_new(TLS_with_buffers_method())) {
  CHECK(pool_ != nullptr && ssl_ctx_ != nullptr);
}

template <typename Options>
Status Context::SetCommon(const Options& options) {
  SSL_CTX* const ctx = ssl_ctx_.get();
  SSL_CTX_set_app_data(ctx, this);
  SSL_CTX_set0_buffer_pool(ctx, pool_.get());
  if (options.version_max < options.version_min)
    return absl::InvalidArgumentError("the highest version of TLS is below the lowest");
  CHECK(SSL_CTX_set_min_proto_version(ctx, Number(options.version_min)) == 1);
  CHECK(SSL_CTX_set_max_proto_version(ctx, Number(options.version_max)) == 1);
  CHECK(SSL_CTX_set_strict_cipher_list(ctx, kCiphers12) == 1);
  CHECK(SSL_CTX_set_verify_algorithm_prefs(ctx, kVerifyAlgorithms, std::size(kVerifyAlgorithms)) ==
        1);
  SSL_CTX_set_mode(ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_early_data_enabled(ctx, 0);
  SSL_CTX_set_current_time_cb(ctx, CurrentTime);
  for (const std::string& one : options.alpn) {
    if (one.empty() || one.size() > 255)
      return absl::InvalidArgumentError("an ALPN protocol has 1 to 255 octets");
    alpn_wire_ += static_cast<char>(one.size());
    alpn_wire_ += one;
  }
  return absl::OkStatus();
}

Status Context::SetAuthorities(std::string_view pem) {
  if (pem.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto certificates, ReadCertificates(pem));
  authorities_.reset(X509_STORE_new());
  CHECK(authorities_ != nullptr);
  for (const auto& one : certificates) {
    const bssl::UniquePtr<X509> parsed(X509_parse_from_buffer(one.get()));
    CHECK(parsed != nullptr);
    // One that is there already is no fault.
    (void)X509_STORE_add_cert(authorities_.get(), parsed.get());
    ERR_clear_error();
  }
  // Who is named is trusted, also one that another has signed.
  X509_STORE_set_flags(authorities_.get(), X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
  if (side_ == Side::kClient) return absl::OkStatus();
  // RFC 8446 §4.2.4: clients with many certificates choose by the authorities that we name.
  bssl::UniquePtr<STACK_OF(CRYPTO_BUFFER)> names(sk_CRYPTO_BUFFER_new_null());
  CHECK(names != nullptr);
  for (const auto& one : certificates) {
    const bssl::UniquePtr<X509> parsed(X509_parse_from_buffer(one.get()));
    uint8_t* der = nullptr;
    const int bytes = i2d_X509_NAME(X509_get_subject_name(parsed.get()), &der);
    if (bytes <= 0) continue;
    const bssl::UniquePtr<uint8_t> free_der(der);
    bssl::PushToStack(names.get(), bssl::UniquePtr<CRYPTO_BUFFER>(CRYPTO_BUFFER_new(
                                       der, static_cast<size_t>(bytes), pool_.get())));
  }
  SSL_CTX_set0_client_CAs(ssl_ctx_.get(), names.release());
  return absl::OkStatus();
}

Status Context::AddIdentity(const TlsIdentity& source) {
  ASSIGN_OR_RETURN(std::unique_ptr<const Identity> identity, ReadIdentity(source));
  for (const std::string& name : identity->names) by_name_[name].push_back(identity.get());
  identities_.push_back(std::move(identity));
  return absl::OkStatus();
}

Status Context::AddChallenge(const TlsIdentity& source) {
  ASSIGN_OR_RETURN(std::unique_ptr<const Identity> identity, ReadIdentity(source));
  if (identity->facts.names.size() != 1)
    return absl::InvalidArgumentError("a challenge's certificate has one name");  // RFC 8737 §3
  const std::string name = identity->facts.names.front();
  challenges_[name] = std::move(identity);
  return absl::OkStatus();
}

const Identity* Context::ChallengeFor(std::string_view name, const SSL_CLIENT_HELLO& hello) const {
  const auto found = challenges_.find(Absl(name));
  return found == challenges_.end() || !OffersAcmeAlone(hello) ? nullptr : found->second.get();
}

const std::vector<const Identity*>* Context::Find(std::string_view name) const {
  const auto exact = by_name_.find(Absl(name));
  if (name.empty()) return nullptr;
  if (exact != by_name_.end()) return &exact->second;
  const size_t dot = name.find('.');
  if (dot == std::string_view::npos || dot == 0) return nullptr;
  // RFC 6125 §6.4.3: the asterisk stands for one label.
  const auto wildcard = by_name_.find("*" + std::string(name.substr(dot)));
  return wildcard == by_name_.end() ? nullptr : &wildcard->second;
}

const Identity& Context::Choose(std::string_view name, const SSL_CLIENT_HELLO& hello) const {
  std::vector<const Identity*> fitting;
  if (const auto* found = Find(name); found != nullptr) fitting = *found;
  if (fitting.empty()) {
    // The first is the default, and with it those for the same names with another kind of key.
    const Identity& first = *identities_.front();
    fitting.push_back(&first);
    for (const auto& one : identities_) {
      if (one.get() != &first && one->names == first.names) fitting.push_back(one.get());
    }
  }
  for (const KeyKind kind : {KeyKind::kEcdsa, KeyKind::kEd25519, KeyKind::kRsa}) {
    if (!Understands(hello, kind)) continue;
    for (const Identity* one : fitting) {
      if (one->kind == kind) return *one;
    }
  }
  // The handshake will say that there is nothing in common.
  return *fitting.front();
}

ssl_select_cert_result_t Context::SelectIdentity(const SSL_CLIENT_HELLO* hello) {
  SSL* const ssl = hello->ssl;
  const Context& self = ContextOf(*ssl);
  const std::string name = ServerName(*hello);
  if (const Identity* answer = self.ChallengeFor(name, *hello); answer != nullptr) {
    return LayerOf(*ssl).Answer(*answer) ? ssl_select_cert_success : ssl_select_cert_error;
  }
  const Identity& chosen = self.Choose(name, *hello);
  return LayerOf(*ssl).Show(chosen) ? ssl_select_cert_success : ssl_select_cert_error;
}

int Context::JudgeName(SSL* ssl, int* out_alert, void*) {
  const Context& self = ContextOf(*ssl);
  const char* sent = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (self.Find(NormalName(sent == nullptr ? "" : sent)) != nullptr) return SSL_TLSEXT_ERR_OK;
  *out_alert = SSL_AD_UNRECOGNIZED_NAME;
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int Context::SelectAlpn(SSL* ssl, const uint8_t** out, uint8_t* out_bytes, const uint8_t* in,
                        unsigned in_bytes, void*) {
  if (LayerOf(*ssl).answers_challenge()) {
    // RFC 7301 §3.1: the choice points into the client's list, which lives long enough.
    *out = in + 1;
    *out_bytes = static_cast<uint8_t>(kAcmeAlpn.size());
    return SSL_TLSEXT_ERR_OK;
  }
  const std::string& ours = ContextOf(*ssl).alpn_wire_;
  if (ours.empty()) return SSL_TLSEXT_ERR_NOACK;
  uint8_t* selected = nullptr;
  if (SSL_select_next_proto(&selected, out_bytes, Octets(ours), static_cast<unsigned>(ours.size()),
                            in, in_bytes) != OPENSSL_NPN_NEGOTIATED) {
    // RFC 7301 §3.2: who wants to speak something else is not for us.
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

StatusOr<std::shared_ptr<const TlsContext>> Context::Make(const TlsServerOptions& options) {
  auto context = std::make_shared<Context>(Side::kServer);
  RETURN_IF_ERROR(context->SetCommon(options));
  if (options.identities.empty()) return absl::InvalidArgumentError("a server needs a certificate");
  for (const TlsIdentity& one : options.identities) RETURN_IF_ERROR(context->AddIdentity(one));
  for (const TlsIdentity& one : options.challenges) RETURN_IF_ERROR(context->AddChallenge(one));
  SSL_CTX* const ctx = context->ssl_ctx();
  SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_select_certificate_cb(ctx, SelectIdentity);
  if (options.unknown_name == TlsUnknownName::kRefused)
    SSL_CTX_set_tlsext_servername_callback(ctx, JudgeName);
  if (!options.alpn.empty() || !options.challenges.empty())
    SSL_CTX_set_alpn_select_cb(ctx, SelectAlpn, nullptr);
  context->client_certificates_ = options.client_certificates;
  if (options.client_certificates != TlsClientCertificates::kIgnored) {
    if (options.client_certificates == TlsClientCertificates::kRequired &&
        options.client_authorities_pem.empty())
      return absl::InvalidArgumentError("client certificates are required and nobody vouches");
    RETURN_IF_ERROR(context->SetAuthorities(options.client_authorities_pem));
    const int required = options.client_certificates == TlsClientCertificates::kRequired
                             ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                             : 0;
    SSL_CTX_set_custom_verify(ctx, SSL_VERIFY_PEER | required, tls::JudgePeer);
  }
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  // A ticket is only good for those who ask clients for the same.
  uint8_t scope[32];
  const std::string rules = std::to_string(static_cast<int>(options.client_certificates)) +
                            options.client_authorities_pem;
  SHA256(Octets(rules), rules.size(), scope);
  CHECK(SSL_CTX_set_session_id_context(ctx, scope, sizeof scope) == 1);
  if (options.ticket_keys == nullptr) {
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
  } else {
    context->ticket_keys_ = std::static_pointer_cast<TicketKeys>(options.ticket_keys);
    SSL_CTX_set_ticket_aead_method(ctx, &TicketMethod());
    const auto seconds = static_cast<uint32_t>(std::max<int64_t>(
        std::chrono::floor<std::chrono::seconds>(context->ticket_keys_->period()).count(), 1));
    SSL_CTX_set_timeout(ctx, seconds);
    SSL_CTX_set_session_psk_dhe_timeout(ctx, seconds);
    // One: mail clients come back one connection at a time, and get a new one then.
    CHECK(SSL_CTX_set_num_tickets(ctx, 1) == 1);
  }
  return context;
}

StatusOr<std::shared_ptr<const TlsContext>> Context::Make(const TlsClientOptions& options) {
  auto context = std::make_shared<Context>(Side::kClient);
  RETURN_IF_ERROR(context->SetCommon(options));
  CHECK_LE(options.identity.size(), 1u);
  for (const TlsIdentity& one : options.identity) RETURN_IF_ERROR(context->AddIdentity(one));
  RETURN_IF_ERROR(context->SetAuthorities(options.authorities_pem));
  SSL_CTX* const ctx = context->ssl_ctx();
  SSL_CTX_set_custom_verify(ctx, SSL_VERIFY_PEER, tls::JudgePeer);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx, tls::KeepSession);
  if (!context->alpn_wire_.empty()) {
    // 0 is success here.
    CHECK(SSL_CTX_set_alpn_protos(ctx, Octets(context->alpn_wire_),
                                  static_cast<unsigned>(context->alpn_wire_.size())) == 0);
  }
  return context;
}

}  // namespace ringmail::io::tls

namespace ringmail::io {

StatusOr<std::shared_ptr<const TlsContext>> TlsContext::MakeServer(
    const TlsServerOptions& options) {
  return tls::Context::Make(options);
}
StatusOr<std::shared_ptr<const TlsContext>> TlsContext::MakeClient(
    const TlsClientOptions& options) {
  return tls::Context::Make(options);
}

}  // namespace ringmail::io
