#include "io/tls/sign_work.h"

#include <algorithm>

#include "io/tls/layer.h"
#include "ringmail/base/check.h"

namespace ringmail::io::tls {
namespace {

ssl_private_key_result_t Sign(SSL* ssl, uint8_t*, size_t*, size_t, uint16_t algorithm,
                              const uint8_t* in, size_t in_bytes) {
  SignWork& work = LayerOf(*ssl).sign_work();
  CHECK(work.state == SignWork::State::kNone);
  work.state = SignWork::State::kWanted;
  work.algorithm = algorithm;
  work.input.assign(reinterpret_cast<const char*>(in), in_bytes);
  return ssl_private_key_retry;
}

// Only suites without forward secrecy decrypt with the certificate's key.
ssl_private_key_result_t Decrypt(SSL*, uint8_t*, size_t*, size_t, const uint8_t*, size_t) {
  return ssl_private_key_failure;
}

ssl_private_key_result_t Complete(SSL* ssl, uint8_t* out, size_t* out_bytes, size_t out_bytes_max) {
  SignWork& work = LayerOf(*ssl).sign_work();
  if (work.state == SignWork::State::kWanted) return ssl_private_key_retry;
  const bool made = work.state == SignWork::State::kMade && work.signature.size() <= out_bytes_max;
  if (made) {
    std::copy(work.signature.begin(), work.signature.end(), out);
    *out_bytes = work.signature.size();
  }
  work = SignWork{};
  return made ? ssl_private_key_success : ssl_private_key_failure;
}

}  // namespace

const SSL_PRIVATE_KEY_METHOD& PoolSigning() {
  static constexpr SSL_PRIVATE_KEY_METHOD kMethod = {Sign, Decrypt, Complete};
  return kMethod;
}

void SignWork::Run(void* self) {
  auto& work = *static_cast<SignWork*>(self);
  work.state = State::kFailed;
  bssl::ScopedEVP_MD_CTX ctx;
  EVP_PKEY_CTX* key_ctx = nullptr;
  const EVP_MD* digest = SSL_get_signature_algorithm_digest(work.algorithm);
  if (EVP_DigestSignInit(ctx.get(), &key_ctx, digest, nullptr, work.key) != 1) return;
  if (SSL_is_signature_algorithm_rsa_pss(work.algorithm) == 1 &&
      (EVP_PKEY_CTX_set_rsa_padding(key_ctx, RSA_PKCS1_PSS_PADDING) != 1 ||
       // RFC 8446 §4.2.3: the salt is as long as the digest.
       EVP_PKEY_CTX_set_rsa_pss_saltlen(key_ctx, -1) != 1))
    return;
  size_t bytes = static_cast<size_t>(EVP_PKEY_size(work.key));
  work.signature.resize(bytes);
  if (EVP_DigestSign(ctx.get(), work.signature.data(), &bytes, Octets(work.input),
                     work.input.size()) != 1)
    return;
  work.signature.resize(bytes);
  work.state = State::kMade;
}

}  // namespace ringmail::io::tls
