// Keys and certificates made here: a certificate to begin with, the request for a better one
// (RFC 2986), the signatures by which a host proves itself to an authority (RFC 7518 §3.4), and the
// certificate that answers a challenge inside TLS (RFC 8737).
//
// Made by: whoever needs one; a key and a certificate are PEM, as tls.h takes them.
// Promise: every key is ECDSA on P-256, new, from the system's randomness.
// Shard: any thread. None takes longer than some 100 microseconds: they may run on a shard.
// Limits: kCertificateNamesMax names of kCertificateNameBytesMax octets.
// Errors: kInvalidArgument, as the end of a sentence that begins with what was given.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/status.h"
#include "ringmail/base/time.h"

namespace ringmail::io {

inline constexpr size_t kCertificateNamesMax = 100;
inline constexpr size_t kCertificateNameBytesMax = 253;  // RFC 1035 §2.3.4, in text

// PKCS #8 (RFC 5208).
std::string MakePrivateKey();

struct CertificateOptions {
  std::vector<std::string> names;  // DNS, in ASCII; at least one
  WallTime not_before{}, not_after{};
  // Of a certificate that answers a challenge (RFC 8737 §3): the SHA-256 of the key authorization,
  // 32 octets; "": of any other.
  std::string acme_identifier;
};
// Signed by its own key.
StatusOr<std::string> MakeSelfSignedCertificate(std::string_view private_key_pem,
                                                const CertificateOptions& options);

// DER. The names are in subjectAltName (RFC 8555 §7.4); the subject says nothing.
StatusOr<std::string> MakeCertificateRequest(std::string_view private_key_pem,
                                             const std::vector<std::string>& names);

// ES256: r and s of `message`, 32 octets each. REQUIRES of the key: MakePrivateKey's kind.
StatusOr<std::string> SignEs256(std::string_view private_key_pem, std::string_view message);

// 32 octets each (RFC 7518 §6.2.1).
struct PublicPoint {
  std::string x, y;
};
StatusOr<PublicPoint> PublicPointOf(std::string_view private_key_pem);

// The SubjectPublicKeyInfo of the first certificate, in DER: what "TLSA 3 1" is about
// (RFC 6698 §2.1.2).
StatusOr<std::string> PublicKeyInfoOf(std::string_view certificate_pem);

}  // namespace ringmail::io
