// What SCRAM (RFC 5802, RFC 7677) keeps of a password, and the proofs that are made with it.
//
// Promise: whoever holds ScramKeys can check a client and prove to be the server, and cannot act as
//   the client.
// Shard: pure. DeriveScramKeys takes as long as its iterations (4,096: 1 to 2 ms): on a shard it is
//   called through io's blocking pool. Everything else is a few HMACs.
// Limits: kScramIterationsMax, kScramSaltBytesMax; keys that ask for more are not parsed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ringmail/codec/digest.h"

namespace ringmail::credential {

// RFC 7677 §4 asks for 4,096 at least; RFC 5802 §5.1 too.
inline constexpr uint32_t kScramIterationsMin = 4096;
inline constexpr uint32_t kScramIterationsMax = 2'000'000;
inline constexpr size_t kScramSaltBytesMax = 128;

// RFC 5802 §3. Two keys, each as long as the digest.
struct ScramKeys {
  codec::DigestKind kind = codec::DigestKind::kSha256;  // kSha1 or kSha256
  uint32_t iterations = 0;
  std::string salt;
  codec::Secret stored_key, server_key;
};

// `password` went through SASLprep. REQUIRES: iterations > 0.
ScramKeys DeriveScramKeys(codec::DigestKind kind, std::string_view password, std::string_view salt,
                          uint32_t iterations);
// Keys that no password has, but that look the same each time the same name asks: what an unknown
// user is shown (RFC 5802 §5.1 has no word for "no such user"). `server_secret` is known to nobody
// else, and kept: where it changed, salts of unknown names would change and those of others not.
ScramKeys FakeScramKeys(codec::DigestKind kind, std::string_view server_secret,
                        std::string_view name, uint32_t iterations);

// RFC 5802 §3: what a client that has the password proves.
struct ScramClientKeys {
  codec::Secret client_key, stored_key, server_key;
};
ScramClientKeys DeriveScramClientKeys(codec::DigestKind kind, std::string_view password,
                                      std::string_view salt, uint32_t iterations);
std::string ScramClientProof(codec::DigestKind kind, const ScramClientKeys& keys,
                             std::string_view auth_message);
// Whether `proof` was made with the password that `keys` are of.
bool ScramProofHolds(const ScramKeys& keys, std::string_view auth_message, std::string_view proof);
std::string ScramServerSignature(codec::DigestKind kind, std::string_view server_key,
                                 std::string_view auth_message);

// Dovecot's "4096,<salt>,<stored key>,<server key>", in base64: what stands behind {SCRAM-SHA-1}
// and {SCRAM-SHA-256}.
std::string FormatScramKeys(const ScramKeys& keys);
// That, or the values of RFC 5803 §2: "4096:<salt>$<stored key>:<server key>".
std::optional<ScramKeys> ParseScramKeys(codec::DigestKind kind, std::string_view text);

}  // namespace ringmail::credential
