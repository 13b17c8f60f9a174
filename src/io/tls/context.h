// A context as it really is: one SSL_CTX for all connections of one kind, and the identities that a
// server chooses from.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "io/tls/boring.h"
#include "io/tls/identity.h"
#include "io/tls/ticket_keys.h"
#include "ringmail/io/tls.h"

namespace ringmail::io::tls {

enum class Side : uint8_t { kServer, kClient };

class Context final : public TlsContext {
 public:
  static StatusOr<std::shared_ptr<const TlsContext>> Make(const TlsServerOptions& options);
  static StatusOr<std::shared_ptr<const TlsContext>> Make(const TlsClientOptions& options);
  explicit Context(Side side);

  Side side() const { return side_; }
  SSL_CTX* ssl_ctx() const { return ssl_ctx_.get(); }
  TicketKeys* ticket_keys() const { return ticket_keys_.get(); }
  // Whether the client offers "acme-tls/1" and nothing else, and we have an answer for the name.
  const Identity* ChallengeFor(std::string_view name, const SSL_CLIENT_HELLO& hello) const;
  TlsClientCertificates client_certificates() const { return client_certificates_; }
  // Null: nobody vouches for anybody.
  X509_STORE* authorities() const { return authorities_.get(); }
  // A client's own; null: none.
  const Identity* own() const { return identities_.empty() ? nullptr : identities_.front().get(); }
  const std::string& alpn_wire() const { return alpn_wire_; }

 private:
  template <typename Options>
  Status SetCommon(const Options& options);
  Status SetAuthorities(std::string_view pem);
  Status AddIdentity(const TlsIdentity& identity);
  Status AddChallenge(const TlsIdentity& identity);
  const Identity& Choose(std::string_view name, const SSL_CLIENT_HELLO& hello) const;
  // Those for `name`, in lower case; null: there is none.
  const std::vector<const Identity*>* Find(std::string_view name) const;
  static int JudgeName(SSL* ssl, int* out_alert, void* context);
  static ssl_select_cert_result_t SelectIdentity(const SSL_CLIENT_HELLO* hello);
  static int SelectAlpn(SSL* ssl, const uint8_t** out, uint8_t* out_bytes, const uint8_t* in,
                        unsigned in_bytes, void* context);

  const Side side_;
  bssl::UniquePtr<CRYPTO_BUFFER_POOL> pool_;
  bssl::UniquePtr<SSL_CTX> ssl_ctx_;
  std::vector<std::unique_ptr<const Identity>> identities_;
  absl::flat_hash_map<std::string, std::vector<const Identity*>> by_name_;
  absl::flat_hash_map<std::string, std::unique_ptr<const Identity>> challenges_;
  bssl::UniquePtr<X509_STORE> authorities_;
  std::string alpn_wire_;  // RFC 7301 §3.1
  std::shared_ptr<TicketKeys> ticket_keys_;
  TlsClientCertificates client_certificates_ = TlsClientCertificates::kIgnored;
};

const Context& ContextOf(const SSL& ssl);

}  // namespace ringmail::io::tls
