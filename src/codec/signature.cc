#include "ringmail/codec/signature.h"

#include <openssl/bn.h>
#include <openssl/curve25519.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

#include <bit>
#include <cstdint>

namespace ringmail::codec {
namespace {

const uint8_t* Octets(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

bssl::UniquePtr<BIGNUM> Number(std::string_view octets) {
  return bssl::UniquePtr<BIGNUM>(BN_bin2bn(Octets(octets), octets.size(), nullptr));
}

int Nid(DigestKind kind) {
  switch (kind) {
    case DigestKind::kSha1:
      return NID_sha1;
    case DigestKind::kSha256:
      return NID_sha256;
    case DigestKind::kSha384:
      return NID_sha384;
    case DigestKind::kSha512:
      return NID_sha512;
    case DigestKind::kMd4:
    case DigestKind::kMd5:
      break;
  }
  return NID_undef;
}

// The library keeps a list of what went wrong for each thread: whoever asks next must not read
// ours.
bool Judged(bool valid) {
  if (!valid) ERR_clear_error();
  return valid;
}

}  // namespace

size_t RsaBits(const RsaPublicKey& key) {
  const size_t first = key.modulus.find_first_not_of('\0');
  if (first == std::string_view::npos) return 0;
  const auto top = static_cast<uint8_t>(key.modulus[first]);
  return (key.modulus.size() - first - 1) * 8 + std::bit_width(static_cast<unsigned>(top));
}

bool VerifyRsa(const RsaPublicKey& key, DigestKind kind, std::string_view digest,
               std::string_view signature) {
  const size_t bits = RsaBits(key);
  if (bits < kRsaBitsMin || bits > kRsaBitsMax || key.exponent.size() > 8) return false;
  if (Nid(kind) == NID_undef || digest.size() != DigestBytes(kind)) return false;
  bssl::UniquePtr<RSA> rsa(RSA_new());
  bssl::UniquePtr<BIGNUM> modulus = Number(key.modulus), exponent = Number(key.exponent);
  if (rsa == nullptr || modulus == nullptr || exponent == nullptr) return Judged(false);
  if (RSA_set0_key(rsa.get(), modulus.get(), exponent.get(), nullptr) != 1) return Judged(false);
  (void)modulus.release();  // The key owns them now.
  (void)exponent.release();
  return Judged(RSA_verify(Nid(kind), Octets(digest), digest.size(), Octets(signature),
                           signature.size(), rsa.get()) == 1);
}

bool VerifyP256(const P256PublicKey& key, std::string_view digest, std::string_view signature) {
  if (key.x.size() != 32 || key.y.size() != 32 || signature.size() != 64) return false;
  bssl::UniquePtr<EC_KEY> point(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  bssl::UniquePtr<BIGNUM> x = Number(key.x), y = Number(key.y);
  if (point == nullptr || x == nullptr || y == nullptr) return Judged(false);
  // Refuses what does not lie on the curve.
  if (EC_KEY_set_public_key_affine_coordinates(point.get(), x.get(), y.get()) != 1) {
    return Judged(false);
  }
  bssl::UniquePtr<ECDSA_SIG> pair(ECDSA_SIG_new());
  bssl::UniquePtr<BIGNUM> r = Number(signature.substr(0, 32)), s = Number(signature.substr(32));
  if (pair == nullptr || r == nullptr || s == nullptr) return Judged(false);
  if (ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return Judged(false);
  (void)r.release();
  (void)s.release();
  return Judged(ECDSA_do_verify(Octets(digest), digest.size(), pair.get(), point.get()) == 1);
}

bool VerifyEd25519(std::string_view key, std::string_view message, std::string_view signature) {
  if (key.size() != 32 || signature.size() != 64) return false;
  return Judged(ED25519_verify(Octets(message), message.size(), Octets(signature), Octets(key)) ==
                1);
}

}  // namespace ringmail::codec
