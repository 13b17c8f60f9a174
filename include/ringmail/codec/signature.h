// Checking of public-key signatures: RSA (RFC 8017 §8.2, PKCS #1 v1.5), ECDSA on P-256 (FIPS
// 186-4), Ed25519 (RFC 8032). Through BoringSSL. Nothing here signs.
//
// Promise: false for whatever is not a valid signature by that key, a malformed key too.
// Shard: pure. Tens of microseconds (RSA-2048 20, ECDSA 60 to 100, Ed25519 60): it may run on a
//   shard.
// Limits: RSA keys of 1,024 to 4,096 bits (RFC 8301 §3.2 asks DKIM for that; JWT adds its own
//   minimum), exponents of no more than 33 bits (BoringSSL's own limit, which bounds the time).
#pragma once

#include <cstddef>
#include <string_view>

#include "ringmail/codec/digest.h"

namespace ringmail::codec {

inline constexpr size_t kRsaBitsMin = 1024;
inline constexpr size_t kRsaBitsMax = 4096;

// The numbers of a key are octets in network byte order; zeros may stand before them.
struct RsaPublicKey {
  std::string_view modulus, exponent;
};
// A point on P-256: 32 octets each (RFC 7518 §6.2.1.2).
struct P256PublicKey {
  std::string_view x, y;
};

// The modulus without its leading zeros, in bits.
size_t RsaBits(const RsaPublicKey& key);
// `digest` is that of the message, of `kind` (SHA-1 or SHA-2).
bool VerifyRsa(const RsaPublicKey& key, DigestKind kind, std::string_view digest,
               std::string_view signature);
// `signature` is r and s, 32 octets each (RFC 7518 §3.4).
bool VerifyP256(const P256PublicKey& key, std::string_view digest, std::string_view signature);
// The message itself; `key` has 32 octets, `signature` 64.
bool VerifyEd25519(std::string_view key, std::string_view message, std::string_view signature);

}  // namespace ringmail::codec
