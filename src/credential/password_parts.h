// The two foreign libraries behind password.h: argon2 and crypt(3), with what their hashes ask for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ringmail/credential/password.h"

namespace ringmail::credential {

enum class Argon2Variant : uint8_t { kD, kI, kId };

struct Argon2Hash {
  Argon2Variant variant = Argon2Variant::kId;
  uint32_t version = 0x13;
  uint32_t memory_kib = 0, passes = 0, lanes = 0;
  std::string salt, hash;
};

// "$argon2id$v=19$m=...,t=...,p=...$<salt>$<hash>".
std::optional<Argon2Hash> ParseArgon2(std::string_view text);
std::string FormatArgon2(const Argon2Hash& hash);
// "" or why it asks for too much.
std::string JudgeArgon2(const Argon2Hash& hash, const PasswordLimits& limits);
// Fills out.hash, which has its size already. kMatch: done.
PasswordResult RunArgon2(std::string_view password, Argon2Hash& out);

// "" or why crypt(3) is not asked about it.
std::string JudgeCrypt(std::string_view stored, const PasswordLimits& limits);
// REQUIRES: JudgeCrypt had nothing to say.
PasswordResult VerifyCrypt(std::string_view stored, std::string_view password);

}  // namespace ringmail::credential
