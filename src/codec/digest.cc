#include "ringmail/codec/digest.h"

#include <openssl/digest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/md4.h>
#include <openssl/md5.h>
#include <openssl/mem.h>
#include <openssl/sha.h>
#include <openssl/siphash.h>

#include <cstring>
#include <new>

#include "ringmail/base/check.h"

namespace ringmail::codec {
namespace {

const uint8_t* Octets(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

const EVP_MD* Algorithm(DigestKind kind) {
  switch (kind) {
    case DigestKind::kMd4:
      return EVP_md4();
    case DigestKind::kMd5:
      return EVP_md5();
    case DigestKind::kSha1:
      return EVP_sha1();
    case DigestKind::kSha256:
      return EVP_sha256();
    case DigestKind::kSha384:
      return EVP_sha384();
    case DigestKind::kSha512:
      return EVP_sha512();
  }
  return nullptr;
}

template <typename State>
State* As(unsigned char* state) {
  return std::launder(reinterpret_cast<State*>(state));
}

// The state of MD5 after one block of the key and a pad (RFC 2104 §2).
void PutPadState(std::string_view key, uint8_t pad, char* out) {
  std::array<uint8_t, MD5_CBLOCK> block{};
  std::memcpy(block.data(), key.data(), key.size());
  for (uint8_t& octet : block) octet ^= pad;
  MD5_CTX state;
  MD5_Init(&state);
  MD5_Update(&state, block.data(), block.size());
  for (size_t word = 0; word < 4; ++word) {
    for (size_t octet = 0; octet < 4; ++octet) {
      out[4 * word + octet] = static_cast<char>(state.h[word] >> (8 * octet));
    }
  }
  Wipe(block.data(), block.size());
  Wipe(&state, sizeof(state));
}

MD5_CTX PadState(const char* in) {
  MD5_CTX state;
  MD5_Init(&state);
  for (size_t word = 0; word < 4; ++word) {
    state.h[word] = 0;
    for (size_t octet = 0; octet < 4; ++octet) {
      state.h[word] |= static_cast<uint32_t>(static_cast<uint8_t>(in[4 * word + octet]))
                       << (8 * octet);
    }
  }
  state.Nl = MD5_CBLOCK * 8;  // bits that the pad counts for
  return state;
}

}  // namespace

void Wipe(void* octets, size_t count) { OPENSSL_cleanse(octets, count); }

void Wipe(std::string& text) {
  text.resize(text.capacity());
  Wipe(text.data(), text.size());
  text.clear();
}

bool ConstantTimeEqual(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Digester::Digester(DigestKind kind) : kind_(kind) {
  static_assert(sizeof(MD4_CTX) <= kStateBytes && sizeof(MD5_CTX) <= kStateBytes &&
                sizeof(SHA_CTX) <= kStateBytes && sizeof(SHA256_CTX) <= kStateBytes &&
                sizeof(SHA512_CTX) <= kStateBytes);
  unsigned char* const state = state_.data();
  switch (kind_) {
    case DigestKind::kMd4:
      MD4_Init(new (state) MD4_CTX);
      break;
    case DigestKind::kMd5:
      MD5_Init(new (state) MD5_CTX);
      break;
    case DigestKind::kSha1:
      SHA1_Init(new (state) SHA_CTX);
      break;
    case DigestKind::kSha256:
      SHA256_Init(new (state) SHA256_CTX);
      break;
    case DigestKind::kSha384:
      SHA384_Init(new (state) SHA512_CTX);
      break;
    case DigestKind::kSha512:
      SHA512_Init(new (state) SHA512_CTX);
      break;
  }
}

void Digester::Feed(std::string_view octets) {
  CHECK(!finished_);
  unsigned char* const state = state_.data();
  switch (kind_) {
    case DigestKind::kMd4:
      MD4_Update(As<MD4_CTX>(state), octets.data(), octets.size());
      break;
    case DigestKind::kMd5:
      MD5_Update(As<MD5_CTX>(state), octets.data(), octets.size());
      break;
    case DigestKind::kSha1:
      SHA1_Update(As<SHA_CTX>(state), octets.data(), octets.size());
      break;
    case DigestKind::kSha256:
      SHA256_Update(As<SHA256_CTX>(state), octets.data(), octets.size());
      break;
    case DigestKind::kSha384:
      SHA384_Update(As<SHA512_CTX>(state), octets.data(), octets.size());
      break;
    case DigestKind::kSha512:
      SHA512_Update(As<SHA512_CTX>(state), octets.data(), octets.size());
      break;
  }
}

DigestValue Digester::Finish() {
  CHECK(!finished_);
  finished_ = true;
  DigestValue value;
  value.size = static_cast<uint8_t>(DigestBytes(kind_));
  auto* const out = reinterpret_cast<uint8_t*>(value.octets.data());
  unsigned char* const state = state_.data();
  switch (kind_) {
    case DigestKind::kMd4:
      MD4_Final(out, As<MD4_CTX>(state));
      break;
    case DigestKind::kMd5:
      MD5_Final(out, As<MD5_CTX>(state));
      break;
    case DigestKind::kSha1:
      SHA1_Final(out, As<SHA_CTX>(state));
      break;
    case DigestKind::kSha256:
      SHA256_Final(out, As<SHA256_CTX>(state));
      break;
    case DigestKind::kSha384:
      SHA384_Final(out, As<SHA512_CTX>(state));
      break;
    case DigestKind::kSha512:
      SHA512_Final(out, As<SHA512_CTX>(state));
      break;
  }
  return value;
}

DigestValue Digest(DigestKind kind, std::initializer_list<std::string_view> pieces) {
  Digester digester(kind);
  for (const std::string_view piece : pieces) digester.Feed(piece);
  return digester.Finish();
}

DigestValue Hmac(DigestKind kind, std::string_view key,
                 std::initializer_list<std::string_view> pieces) {
  bssl::ScopedHMAC_CTX context;
  // A null key would mean the one before.
  static constexpr uint8_t kNothing = 0;
  const void* const octets = key.empty() ? &kNothing : static_cast<const void*>(key.data());
  CHECK(HMAC_Init_ex(context.get(), octets, key.size(), Algorithm(kind), nullptr) == 1);
  for (const std::string_view piece : pieces) {
    CHECK(HMAC_Update(context.get(), Octets(piece), piece.size()) == 1);
  }
  DigestValue value;
  unsigned size = 0;
  CHECK(HMAC_Final(context.get(), reinterpret_cast<uint8_t*>(value.octets.data()), &size) == 1);
  value.size = static_cast<uint8_t>(size);
  return value;
}

Secret Pbkdf2(DigestKind kind, std::string_view password, std::string_view salt,
              uint32_t iterations, size_t out_bytes) {
  CHECK(iterations > 0);
  CHECK(out_bytes > 0);
  std::string out(out_bytes, '\0');
  const char* const octets = password.empty() ? "" : password.data();
  CHECK(PKCS5_PBKDF2_HMAC(octets, password.size(), Octets(salt), salt.size(), iterations,
                          Algorithm(kind), out.size(),
                          reinterpret_cast<uint8_t*>(out.data())) == 1);
  return Secret(std::move(out));
}

HmacMd5Contexts MakeHmacMd5Contexts(std::string_view key) {
  // RFC 2104 §2: a key longer than a block is its digest.
  DigestValue shortened;
  if (key.size() > MD5_CBLOCK) {
    shortened = Digest(DigestKind::kMd5, {key});
    key = shortened.view();
  }
  HmacMd5Contexts contexts{};
  PutPadState(key, 0x5c, contexts.data());
  PutPadState(key, 0x36, contexts.data() + 16);
  return contexts;
}

DigestValue HmacMd5(const HmacMd5Contexts& contexts, std::string_view text) {
  MD5_CTX inner = PadState(contexts.data() + 16);
  uint8_t digest[MD5_DIGEST_LENGTH];
  MD5_Update(&inner, text.data(), text.size());
  MD5_Final(digest, &inner);
  MD5_CTX outer = PadState(contexts.data());
  MD5_Update(&outer, digest, sizeof(digest));
  DigestValue value;
  value.size = MD5_DIGEST_LENGTH;
  MD5_Final(reinterpret_cast<uint8_t*>(value.octets.data()), &outer);
  Wipe(&inner, sizeof(inner));
  Wipe(&outer, sizeof(outer));
  return value;
}

uint64_t KeyedHash(const std::array<uint64_t, 2>& key, std::string_view octets) {
  return SIPHASH_24(key.data(), Octets(octets), octets.size());
}

}  // namespace ringmail::codec
