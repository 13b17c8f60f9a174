// BoringSSL, for this folder alone: its ABI is unstable, and nothing outside names it.
#pragma once

#include <openssl/aead.h>
#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/obj.h>
#include <openssl/pem.h>
#include <openssl/pool.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <string>
#include <string_view>

#ifndef OPENSSL_IS_BORINGSSL
#error "these are OpenSSL's headers, not BoringSSL's"
#endif

namespace ringmail::io::tls {

inline const uint8_t* Octets(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

// What the library says went wrong first, and forgets it: "WRONG_VERSION_NUMBER".
std::string TakeErrors();

}  // namespace ringmail::io::tls
