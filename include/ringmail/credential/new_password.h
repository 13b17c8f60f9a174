// What is kept of a new password: the one place where that is decided. An account's own becomes an
// argon2id hash and the keys of SCRAM-SHA-256 and SCRAM-SHA-1; an app password, which is drawn and
// not chosen, becomes keys of SCRAM-SHA-256 alone, of the same salt as the account's: one exchange
// of SCRAM has one salt, and shall serve them all.
//
// Shard: pure, and slow by design (argon2id some 30 ms; 20,000 iterations some 10 ms for each kind
//   of keys): through io's blocking pool.
// Errors: kInvalidArgument: a password that is empty, too long, holds NUL, or that SASLprep
// refuses.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ringmail/base/status.h"
#include "ringmail/credential/password.h"

namespace ringmail::credential {

// Octets of chance, from io's random source.
inline constexpr size_t kNewPasswordRandomBytes = 3 * kPasswordSaltBytes;
inline constexpr uint32_t kScramIterationsMade = 20'000;

struct NewPassword {
  std::string hash, scram_sha256, scram_sha1;  // each with its scheme
};

// The salt and count of iterations that keys of one account share.
struct ScramSalt {
  std::string salt;
  uint32_t iterations = 0;
};
// That of the first keys of SCRAM-SHA-256 among what is stored; nothing where there are none.
std::optional<ScramSalt> SharedScramSalt(std::span<const std::string> stored);

// `shared` is that of the account's app passwords. REQUIRES: random of kNewPasswordRandomBytes.
StatusOr<NewPassword> MakeNewPassword(std::string_view password, std::string_view random,
                                      const PasswordCost& cost, uint32_t scram_iterations,
                                      const std::optional<ScramSalt>& shared);

// 20 letters and digits in groups of four, of 100 bits: "k3vd-7qfa-..."; the hyphens are part of
// it. REQUIRES: random of 20 octets.
inline constexpr size_t kAppPasswordRandomBytes = 20;
std::string DrawAppPassword(std::string_view random);
// REQUIRES: `salt.salt` is not empty.
std::string StoreAppPassword(std::string_view password, const ScramSalt& salt);

}  // namespace ringmail::credential
