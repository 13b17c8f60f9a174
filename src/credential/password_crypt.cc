#include <crypt.h>

#include <cerrno>
#include <charconv>
#include <memory>

#include "credential/password_parts.h"
#include "ringmail/codec/digest.h"

namespace ringmail::credential {
namespace {

constexpr std::string_view kCryptAlphabet =
    "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

// 64 where it is none.
uint32_t CryptDigit(char digit) {
  const size_t at = kCryptAlphabet.find(digit);
  return at == std::string_view::npos ? 64 : static_cast<uint32_t>(at);
}

std::optional<uint32_t> Number(std::string_view text, char end) {
  uint32_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || stop == text.data() + text.size() || *stop != end) {
    return std::nullopt;
  }
  return number;
}

// `count` digits of six bits, the lowest first.
std::optional<uint32_t> FixedNumber(std::string_view text, size_t count) {
  if (text.size() < count) return std::nullopt;
  uint32_t number = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t digit = CryptDigit(text[i]);
    if (digit > 63) return std::nullopt;
    number |= digit << (6 * i);
  }
  return number;
}

// A number as yescrypt writes it (decode64_uint32 of its reference), taken from the start of
// `text`.
std::optional<uint32_t> YescryptNumber(std::string_view& text, uint32_t least) {
  if (text.empty()) return std::nullopt;
  const uint32_t first = CryptDigit(text[0]);
  text.remove_prefix(1);
  if (first > 63) return std::nullopt;
  uint32_t start = 0, end = 47, digits = 1, bits = 0, number = least;
  while (first > end) {
    number += (end + 1 - start) << bits;
    start = end + 1;
    end = start + (62 - end) / 2;
    ++digits;
    bits += 6;
  }
  number += (first - start) << bits;
  if (text.size() < digits - 1) return std::nullopt;
  while (--digits != 0) {
    const uint32_t digit = CryptDigit(text[0]);
    text.remove_prefix(1);
    if (digit > 63) return std::nullopt;
    bits -= 6;
    number += digit << bits;
  }
  return number;
}

std::string JudgeMemory(std::string_view name, uint64_t log2_n, uint64_t r, uint64_t passes,
                        const PasswordLimits& limits) {
  const std::string asks = std::string(name) + " asks for ";
  if (log2_n > 40 || r == 0 || r > 1u << 20 || passes == 0 || passes > 1u << 20) {
    return asks + "more than is allowed";
  }
  // 128 * N * r octets.
  const uint64_t kib = ((uint64_t{1} << log2_n) * r) >> 3;
  if (kib > limits.memory_kib_max) {
    return asks + std::to_string(kib) + " KiB of memory; " + std::to_string(limits.memory_kib_max) +
           " are allowed";
  }
  if (kib * passes > limits.work_kib_max) return asks + "more passes than are allowed";
  return "";
}

std::string JudgeYescrypt(std::string_view text, const PasswordLimits& limits) {
  const auto flavor = YescryptNumber(text, 0), log2_n = YescryptNumber(text, 1),
             r = YescryptNumber(text, 1);
  if (!flavor || !log2_n || !r || text.empty()) return "malformed yescrypt";
  uint64_t p = 1, t = 0;
  if (text[0] != '$') {
    const auto have = YescryptNumber(text, 1);
    // Upgraded hashes and those with a ROM are not made by crypt(3).
    if (!have || (*have & ~3u) != 0) return "yescrypt with parameters that crypt(3) does not take";
    if ((*have & 1) != 0) {
      const auto given = YescryptNumber(text, 2);
      if (!given) return "malformed yescrypt";
      p = *given;
    }
    if ((*have & 2) != 0) {
      const auto given = YescryptNumber(text, 1);
      if (!given) return "malformed yescrypt";
      t = *given;
    }
  }
  if (p > 1u << 16 || t > 1u << 16) return "yescrypt asks for more than is allowed";
  return JudgeMemory("yescrypt", *log2_n, *r, p * (t + 1), limits);
}

std::string JudgeRounds(std::string_view name, std::optional<uint32_t> rounds,
                        uint32_t rounds_max) {
  if (!rounds) return "malformed " + std::string(name);
  if (*rounds <= rounds_max) return "";
  return std::string(name) + " asks for " + std::to_string(*rounds) + " rounds; " +
         std::to_string(rounds_max) + " are allowed";
}

}  // namespace

std::string JudgeCrypt(std::string_view stored, const PasswordLimits& limits) {
  if (stored.size() > CRYPT_OUTPUT_SIZE - 1) return "too long for crypt(3)";
  for (const char octet : stored) {
    if (octet <= ' ' || octet > '~' || octet == ':') return "not what crypt(3) writes";
  }
  if (stored.starts_with("$5$") || stored.starts_with("$6$")) {
    const std::string_view rest = stored.substr(3);
    if (!rest.starts_with("rounds=")) return "";
    return JudgeRounds("SHA-crypt", Number(rest.substr(7), '$'), limits.rounds_max);
  }
  if (stored.starts_with("$2")) {
    if (stored.size() < 7 || stored[3] != '$') return "malformed bcrypt";
    return JudgeRounds("bcrypt (2^n)", Number(stored.substr(4), '$'), limits.bcrypt_cost_max);
  }
  if (stored.starts_with("$sha1$")) {
    return JudgeRounds("sha1crypt", Number(stored.substr(6), '$'), limits.rounds_max);
  }
  if (stored.starts_with("$md5,rounds=")) {
    // Each round is a whole MD5 and more.
    return JudgeRounds("sunmd5", Number(stored.substr(12), '$'), limits.rounds_max / 8);
  }
  if (stored.starts_with("$7$")) {
    if (stored.size() < 14) return "malformed scrypt";
    const auto r = FixedNumber(stored.substr(4), 5), p = FixedNumber(stored.substr(9), 5);
    if (CryptDigit(stored[3]) > 63 || !r || !p) return "malformed scrypt";
    return JudgeMemory("scrypt", CryptDigit(stored[3]), *r, *p, limits);
  }
  if (stored.starts_with("$y$")) return JudgeYescrypt(stored.substr(3), limits);
  if (stored.starts_with("$gy$")) return JudgeYescrypt(stored.substr(4), limits);
  if (stored.starts_with("_")) {
    return JudgeRounds("BSDi DES", FixedNumber(stored.substr(1), 4), limits.rounds_max);
  }
  const bool known =
      stored.starts_with("$1$") || stored.starts_with("$3$") || stored.starts_with("$md5$");
  const bool des = stored.size() >= 13 && stored[0] != '$' && CryptDigit(stored[0]) < 64;
  return known || des ? "" : "not a hash that crypt(3) knows";
}

PasswordResult VerifyCrypt(std::string_view stored, std::string_view password) {
  // crypt(3) takes C strings.
  if (password.find('\0') != std::string_view::npos ||
      password.size() >= CRYPT_MAX_PASSPHRASE_SIZE) {
    return {PasswordVerdict::kMismatch, ""};
  }
  std::string phrase(password);
  const std::string setting(stored);
  const auto data = std::make_unique<crypt_data>();
  errno = 0;
  const char* const made = crypt_rn(phrase.c_str(), setting.c_str(), data.get(), sizeof(*data));
  const bool no_memory = made == nullptr && errno == ENOMEM;
  const bool match = made != nullptr && codec::ConstantTimeEqual(made, stored);
  const bool failed = made == nullptr;
  codec::Wipe(data.get(), sizeof(*data));
  codec::Wipe(phrase);
  if (no_memory) return {PasswordVerdict::kNoMemory, "no memory for crypt(3)"};
  if (failed) return {PasswordVerdict::kUnusable, "crypt(3) does not know this hash"};
  return {match ? PasswordVerdict::kMatch : PasswordVerdict::kMismatch, ""};
}

}  // namespace ringmail::credential
