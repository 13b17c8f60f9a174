// Stored passwords: making, checking and judging them. argon2id is what is made; every scheme that
// Dovecot 2.3 and crypt(3) know is checked, so that accounts can be imported and upgraded at login.
//
// A stored password is "{SCHEME}value" or "{SCHEME.HEX}value", "{SCHEME.B64}value"; without a
// scheme it is what crypt(3) or argon2 wrote.
//
// Promise: a comparison takes a time that does not depend on where values differ.
// Shard: pure, and slow by design (10 to 1,000 ms, and up to argon2_memory_kib_max of memory): on a
//   shard HashPassword and VerifyPassword are called through io's blocking pool, never directly.
// Limits: PasswordLimits: a stored password is input, and what it asks for is refused with a
//   sentence where it is too much. Passwords over kPasswordBytesMax match nothing.
// Errors: PasswordResult.why says what is wrong with what is stored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ringmail/base/status.h"
#include "ringmail/codec/digest.h"
#include "ringmail/credential/scram_keys.h"

namespace ringmail::credential {

inline constexpr size_t kPasswordBytesMax = 1024;
inline constexpr size_t kPasswordSaltBytes = 16;  // RFC 9106 §3.1
inline constexpr size_t kStoredPasswordBytesMax = 4096;

// What a new hash costs: RFC 9106's argon2id at the least that OWASP advises.
struct PasswordCost {
  uint32_t argon2_memory_kib = 19456;
  uint32_t argon2_passes = 2;
  uint32_t argon2_lanes = 1;
};

// What a stored hash may ask for.
struct PasswordLimits {
  uint32_t memory_kib_max = 256u << 10;  // argon2, scrypt, yescrypt
  uint64_t work_kib_max = 4u << 20;      // memory times passes
  uint32_t argon2_lanes_max = 64;
  uint32_t rounds_max = 2'000'000;  // SHA-crypt, sha1crypt, BSDi DES, PBKDF2
  uint32_t bcrypt_cost_max = 15;    // 2^15: some 2 s
};

enum class PasswordVerdict : uint8_t {
  kMatch,
  kMismatch,
  kUnusable,  // what is stored is malformed, of an unknown scheme, or asks for too much
  kNoMemory,  // try later
};

struct PasswordResult {
  PasswordVerdict verdict = PasswordVerdict::kUnusable;
  std::string why;  // of kUnusable and kNoMemory
};

// `user` is part of what {DIGEST-MD5} keeps ("name@realm").
PasswordResult VerifyPassword(std::string_view stored, std::string_view password,
                              std::string_view user, const PasswordLimits& limits);
// Whether VerifyPassword could use it: "" or what is wrong. Fast.
std::string JudgeStoredPassword(std::string_view stored, const PasswordLimits& limits);

// "{ARGON2ID}$argon2id$...". REQUIRES: salt of kPasswordSaltBytes, from io's random source.
// Errors: kInvalidArgument (cost, password too long), kResourceExhausted (memory).
StatusOr<std::string> HashPassword(std::string_view password, std::string_view salt,
                                   const PasswordCost& cost);
// Where nobody has the name: takes as long as a check of a hash of that cost. Never a match.
void VerifyNothing(std::string_view password, const PasswordCost& cost);

// Whether it is anything less than argon2id at `cost`.
bool PasswordNeedsUpgrade(std::string_view stored, const PasswordCost& cost);

// For mechanisms that do not bring the password; nothing where the scheme does not keep what they
// need. Both are quick.
std::optional<codec::Secret> PlainPassword(std::string_view stored);
std::optional<ScramKeys> StoredScramKeys(std::string_view stored, codec::DigestKind kind);
std::optional<codec::HmacMd5Contexts> StoredCramMd5(std::string_view stored);

}  // namespace ringmail::credential
