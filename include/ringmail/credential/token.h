// Access tokens: those that are JWTs (RFC 7519, RFC 9068), whether one was signed by a key that we
// trust, for us, and for whom it stands; and what the authority says of one (RFC 7662).
//
// Promise: nothing but RS256, ES256 and EdDSA with Ed25519 is accepted, each with a key of its own
//   kind (RFC 8725 §3.1, §3.2); "none" and whatever names a secret or a URL of a key are not.
// Shard: pure; below 200 microseconds. TokenKeys::Parse is for start and reload.
// Limits: below. Errors: TokenResult.why, for the log; clients are told "invalid_token" whatever it
//   is.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/status.h"
#include "ringmail/base/time.h"

namespace ringmail::credential {

inline constexpr size_t kTokenBytesMax = 8192;
inline constexpr size_t kTokenKeysMax = 64;
inline constexpr size_t kTokenKeySetBytesMax = 256u << 10;
inline constexpr size_t kTokenIntrospectionBytesMax = 64u << 10;
inline constexpr size_t kTokenRsaBitsMin = 2048;  // RFC 7518 §3.3
inline constexpr size_t kTokenJsonDepthMax = 16;

enum class TokenAlgorithm : uint8_t { kRs256, kEs256, kEdDsa };

struct TokenKey {
  TokenAlgorithm algorithm = TokenAlgorithm::kRs256;
  std::string id;    // kid; "" where there is none
  std::string a, b;  // n and e; x and y; x
};

// RFC 7517 §5.
struct TokenKeys {
  std::vector<TokenKey> keys;
  uint32_t ignored = 0;  // RFC 7517 §5: of other kinds, or for encryption
  // Errors: kInvalidArgument: no JWK set, or a key that claims to be of ours and is not.
  static StatusOr<TokenKeys> Parse(std::string_view json);
};

struct TokenPolicy {
  std::string issuer;                   // iss has to be it
  std::vector<std::string> audiences;   // aud has to hold one of them
  std::string account_claim = "email";  // the account's address; also "sub"
  std::chrono::seconds skew{60};        // of clocks, at exp, nbf and iat
  TokenKeys keys;
  std::string scope;              // of RFC 6749 §3.3: what the token's has to hold; "": nothing
  std::string configuration_url;  // told to clients (RFC 7628 §3.2.2); "": none
};

struct TokenResult {
  bool accepted = false;
  std::string account;  // the claim
  std::string why;      // where it is not accepted
  // No key that we have fits what it says of its own: the issuer may have a new one.
  bool unknown_key = false;
};

TokenResult VerifyToken(const TokenPolicy& policy, std::string_view token, WallTime now);

// What an authority answers who is asked about a token (RFC 7662 §2.2).
struct Introspection {
  bool understood =
      false;  // it is such an answer; otherwise `result.why` says what is wrong with it
  TokenResult result;
  WallTime ends = WallTime::max();  // exp, where it tells one
};
// As VerifyToken, but that the authority vouches for the token itself. It need not tell `iss`,
// `aud` and `exp`: an issuer and audiences are held to where the policy has them.
Introspection ReadIntrospection(const TokenPolicy& policy, std::string_view json, WallTime now);

}  // namespace ringmail::credential
