// Certificates and keys out of PEM, checked against each other, ready to be shown.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/tls/boring.h"
#include "ringmail/base/status.h"
#include "ringmail/io/tls.h"

namespace ringmail::io::tls {

enum class KeyKind : uint8_t { kRsa, kEcdsa, kEd25519 };

// Read-only once made, so that all shards may use it at once.
struct Identity {
  std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> chain;
  std::vector<CRYPTO_BUFFER*> chain_pointers;
  bssl::UniquePtr<EVP_PKEY> key;
  KeyKind kind = KeyKind::kEcdsa;
  std::string ocsp_response;
  std::string end_point;  // tls-server-end-point
  TlsIdentityFacts facts;
  std::vector<std::string> names;  // by which clients ask for it
};
StatusOr<std::unique_ptr<const Identity>> ReadIdentity(const TlsIdentity& identity);

// The hash of a server's certificate (RFC 5929 §4.1); empty where that is not defined.
std::string EndPointHash(X509& leaf);

// The first key of `pem`, of whatever kind.
StatusOr<bssl::UniquePtr<EVP_PKEY>> ReadPrivateKey(std::string_view pem);

// Every certificate of `pem`, in its order.
StatusOr<std::vector<bssl::UniquePtr<CRYPTO_BUFFER>>> ReadCertificates(std::string_view pem);

// Names of a certificate: DNS names in lower case, and where `mail` is set addresses too.
enum class NameKinds : uint8_t { kDns, kDnsAndMail };
std::vector<std::string> NamesOf(X509& certificate, NameKinds kinds);
// The first mail address of the subjectAltName; "" where there is none that could be one.
std::string MailboxOf(X509& certificate);
std::string SubjectOf(X509& certificate);

}  // namespace ringmail::io::tls
