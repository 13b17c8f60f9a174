#include "ringmail/credential/password.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "credential/password_parts.h"
#include "ringmail/base/check.h"
#include "ringmail/codec/ascii.h"
#include "ringmail/codec/base64_text.h"
#include "ringmail/codec/hex.h"
#include "ringmail/codec/utf8.h"

namespace ringmail::credential {
namespace {

using codec::ConstantTimeEqual;
using codec::DigestKind;

// What stands behind a scheme's name.
enum class Form : uint8_t {
  kPlain,       // the password
  kPlainCut,    // "8-password", of which no more than 8 octets count
  kCrypt,       // crypt(3)
  kArgon2,      // the PHC string
  kDigest,      // digest, and behind it the salt that followed the password
  kUserMd5,     // MD5 of "user:realm:password" (RFC 2831 §2.1.2.1)
  kCramMd5,     // HmacMd5Contexts
  kNtHash,      // MD4 of UTF-16
  kMd5OrCrypt,  // either
  kScram,
  kPbkdf2,      // Dovecot's "$1$salt$rounds$hexadecimal"
  kLdapPbkdf2,  // "rounds$salt$digest", in base64 with '.' for '+'
  kOneTime,     // RFC 2289: "algorithm count seed hexadecimal"
};

struct Scheme {
  std::string_view name;
  Form form;
  DigestKind digest = DigestKind::kMd5;
  bool salted = false;
};

constexpr Scheme kSchemes[] = {
    {"PLAIN", Form::kPlain},
    {"CLEARTEXT", Form::kPlain},
    {"CLEAR", Form::kPlain},
    {"PLAIN-TRUNC", Form::kPlainCut},
    {"CRYPT", Form::kCrypt},
    {"DES-CRYPT", Form::kCrypt},
    {"MD5-CRYPT", Form::kCrypt},
    {"SHA256-CRYPT", Form::kCrypt},
    {"SHA512-CRYPT", Form::kCrypt},
    {"BLF-CRYPT", Form::kCrypt},
    {"YESCRYPT", Form::kCrypt},
    {"ARGON2I", Form::kArgon2},
    {"ARGON2ID", Form::kArgon2},
    {"ARGON2", Form::kArgon2},  // OpenLDAP's name
    {"MD5", Form::kMd5OrCrypt},
    {"PLAIN-MD4", Form::kDigest, DigestKind::kMd4},
    {"PLAIN-MD5", Form::kDigest, DigestKind::kMd5},
    {"LDAP-MD5", Form::kDigest, DigestKind::kMd5},
    {"SMD5", Form::kDigest, DigestKind::kMd5, true},
    {"SHA", Form::kDigest, DigestKind::kSha1},
    {"SHA1", Form::kDigest, DigestKind::kSha1},
    {"SSHA", Form::kDigest, DigestKind::kSha1, true},
    {"SHA256", Form::kDigest, DigestKind::kSha256},
    {"SSHA256", Form::kDigest, DigestKind::kSha256, true},
    {"SHA384", Form::kDigest, DigestKind::kSha384},
    {"SSHA384", Form::kDigest, DigestKind::kSha384, true},
    {"SHA512", Form::kDigest, DigestKind::kSha512},
    {"SSHA512", Form::kDigest, DigestKind::kSha512, true},
    {"DIGEST-MD5", Form::kUserMd5},
    {"CRAM-MD5", Form::kCramMd5},
    {"HMAC-MD5", Form::kCramMd5},
    {"NTLM", Form::kNtHash, DigestKind::kMd4},
    {"SCRAM-SHA-1", Form::kScram, DigestKind::kSha1},
    {"SCRAM-SHA-256", Form::kScram, DigestKind::kSha256},
    {"PBKDF2", Form::kPbkdf2, DigestKind::kSha1},
    {"PBKDF2-SHA1", Form::kLdapPbkdf2, DigestKind::kSha1},
    {"PBKDF2-SHA256", Form::kLdapPbkdf2, DigestKind::kSha256},
    {"PBKDF2-SHA512", Form::kLdapPbkdf2, DigestKind::kSha512},
    {"OTP", Form::kOneTime},
    {"SKEY", Form::kOneTime},
};
constexpr Scheme kBareArgon2 = {"", Form::kArgon2};
constexpr Scheme kBareCrypt = {"", Form::kCrypt};

// Forms whose value is octets, which text stands for.
bool HoldsOctets(Form form) {
  return form == Form::kDigest || form == Form::kUserMd5 || form == Form::kCramMd5 ||
         form == Form::kNtHash;
}

size_t OctetsMin(const Scheme& scheme) {
  return scheme.form == Form::kCramMd5 ? 32 : codec::DigestBytes(scheme.digest);
}

std::optional<std::string> FromHex(std::string_view text) {
  std::string octets(text.size() / 2, '\0');
  if (!codec::HexDecode(text, octets.data())) return std::nullopt;
  return octets;
}

std::optional<std::string> FromBase64(std::string_view text) {
  return codec::FromBase64(text, codec::Base64Form::kFlat, codec::Base64Padding::kOptional);
}

struct Stored {
  const Scheme* scheme = nullptr;
  codec::Secret value;  // without what text did to it
  std::string why;      // not empty: of no use
};

// Octets without a suffix that names their text: Dovecot takes hexadecimal where the length fits.
std::optional<std::string> GuessOctets(const Scheme& scheme, std::string_view text) {
  if (text.size() == 2 * OctetsMin(scheme)) {
    if (auto octets = FromHex(text)) return octets;
  }
  return FromBase64(text);
}

Stored Open(std::string_view text) {
  Stored stored;
  const auto refuse = [&stored](std::string why) {
    stored.why = std::move(why);
    return std::move(stored);
  };
  if (text.empty()) return refuse("empty");
  if (text.size() > kStoredPasswordBytesMax) return refuse("too long");
  if (text[0] != '{') {
    stored.scheme = text.starts_with("$argon2") ? &kBareArgon2 : &kBareCrypt;
    stored.value.Set(text);
    return stored;
  }
  const size_t close = text.find('}');
  if (close == std::string_view::npos) return refuse("a scheme without its end");
  std::string_view name = text.substr(1, close - 1), suffix;
  const std::string_view value = text.substr(close + 1);
  if (const size_t dot = name.find('.'); dot != std::string_view::npos) {
    suffix = name.substr(dot + 1);
    name = name.substr(0, dot);
  }
  for (const Scheme& scheme : kSchemes) {
    if (codec::AsciiEqualNoCase(scheme.name, name)) stored.scheme = &scheme;
  }
  if (stored.scheme == nullptr) return refuse("unknown scheme " + std::string(name.substr(0, 40)));
  std::optional<std::string> octets;
  if (codec::AsciiEqualNoCase(suffix, "HEX")) {
    octets = FromHex(value);
  } else if (codec::AsciiEqualNoCase(suffix, "B64") || codec::AsciiEqualNoCase(suffix, "BASE64")) {
    octets = FromBase64(value);
  } else if (!suffix.empty()) {
    return refuse("unknown encoding ." + std::string(suffix.substr(0, 40)));
  } else {
    octets =
        HoldsOctets(stored.scheme->form) ? GuessOctets(*stored.scheme, value) : std::string(value);
  }
  if (!octets) return refuse("neither hexadecimal nor base64");
  stored.value = codec::Secret(*std::move(octets));
  return stored;
}

PasswordResult Unusable(std::string why) { return {PasswordVerdict::kUnusable, std::move(why)}; }
PasswordResult Judged(bool match) {
  return {match ? PasswordVerdict::kMatch : PasswordVerdict::kMismatch, ""};
}

// What is asked: whether it matches, or (without a password) whether it could be checked, which is
// kMatch then.
struct Question {
  std::optional<std::string_view> password;
  std::string_view user;
  const PasswordLimits& limits;
};

PasswordResult AskPlainCut(std::string_view value, const Question& question) {
  const size_t dash = value.find('-');
  uint32_t count = 0;
  const auto [stop, error] = std::from_chars(value.data(), value.data() + value.size(), count);
  const bool cut = error == std::errc() && dash != std::string_view::npos &&
                   stop == value.data() + dash && count > 0;
  if (!question.password) return Judged(true);
  if (!cut) return Judged(ConstantTimeEqual(value, *question.password));
  return Judged(ConstantTimeEqual(value.substr(dash + 1), question.password->substr(0, count)));
}

PasswordResult AskCrypt(std::string_view value, const Question& question) {
  // passwd(5): an account without a password that fits.
  if (value.starts_with('!') || value.starts_with('*')) return Judged(!question.password);
  if (std::string why = JudgeCrypt(value, question.limits); !why.empty()) {
    return Unusable(std::move(why));
  }
  return question.password ? VerifyCrypt(value, *question.password) : Judged(true);
}

PasswordResult AskArgon2(std::string_view value, const Question& question) {
  std::optional<Argon2Hash> hash = ParseArgon2(value);
  if (!hash) return Unusable("malformed argon2");
  if (std::string why = JudgeArgon2(*hash, question.limits); !why.empty()) {
    return Unusable(std::move(why));
  }
  if (!question.password) return Judged(true);
  const codec::Secret kept(hash->hash);
  PasswordResult result = RunArgon2(*question.password, *hash);
  if (result.verdict != PasswordVerdict::kMatch) return result;
  return Judged(ConstantTimeEqual(hash->hash, kept.view()));
}

PasswordResult AskDigest(const Scheme& scheme, std::string_view value, const Question& question) {
  const size_t bytes = codec::DigestBytes(scheme.digest);
  if (scheme.salted ? value.size() <= bytes : value.size() != bytes) {
    return Unusable("a digest of another length");
  }
  if (!question.password) return Judged(true);
  const codec::DigestValue digest =
      codec::Digest(scheme.digest, {*question.password, value.substr(bytes)});
  return Judged(ConstantTimeEqual(digest.view(), value.substr(0, bytes)));
}

PasswordResult AskUserMd5(std::string_view value, const Question& question) {
  if (value.size() != 16) return Unusable("a digest of another length");
  if (!question.password) return Judged(true);
  const size_t at = std::min(question.user.find('@'), question.user.size());
  const std::string_view realm =
      at < question.user.size() ? question.user.substr(at + 1) : std::string_view();
  const codec::DigestValue digest = codec::Digest(
      DigestKind::kMd5, {question.user.substr(0, at), ":", realm, ":", *question.password});
  return Judged(ConstantTimeEqual(digest.view(), value));
}

PasswordResult AskCramMd5(std::string_view value, const Question& question) {
  if (value.size() != 32) return Unusable("contexts of another length");
  if (!question.password) return Judged(true);
  codec::HmacMd5Contexts contexts = codec::MakeHmacMd5Contexts(*question.password);
  const bool match = ConstantTimeEqual({contexts.data(), contexts.size()}, value);
  codec::Wipe(contexts.data(), contexts.size());
  return Judged(match);
}

// UTF-16 in little-endian order. REQUIRES: valid UTF-8.
std::string Utf16Le(std::string_view text) {
  std::string out;
  out.reserve(2 * text.size());
  const auto put = [&out](uint32_t unit) {
    out += static_cast<char>(unit & 0xff);
    out += static_cast<char>(unit >> 8);
  };
  while (!text.empty()) {
    const size_t count = codec::Utf8CharacterBytes(text);
    CHECK(count > 0);
    uint32_t value = static_cast<uint8_t>(text[0]);
    if (count > 1) value &= 0x7fu >> count;
    for (size_t i = 1; i < count; ++i) value = value << 6 | (static_cast<uint8_t>(text[i]) & 0x3f);
    if (value > 0xffff) {
      put(0xd800 + ((value - 0x10000) >> 10));
      put(0xdc00 + ((value - 0x10000) & 0x3ff));
    } else {
      put(value);
    }
    text.remove_prefix(count);
  }
  return out;
}

// As Windows does it; crypt(3), whose $3$ this is, takes octets for characters.
PasswordResult AskNtHash(std::string_view value, const Question& question) {
  if (value.size() != 16) return Unusable("a digest of another length");
  if (!question.password) return Judged(true);
  if (!codec::Utf8Valid(*question.password)) return Judged(false);
  const codec::Secret units(Utf16Le(*question.password));
  return Judged(ConstantTimeEqual(codec::Digest(DigestKind::kMd4, {units.view()}).view(), value));
}

PasswordResult AskMd5OrCrypt(const Scheme& scheme, std::string_view value,
                             const Question& question) {
  if (value.starts_with("$1$")) return AskCrypt(value, question);
  std::optional<std::string> octets = GuessOctets(scheme, value);
  if (!octets) return Unusable("neither hexadecimal nor base64");
  return AskDigest({"", Form::kDigest, DigestKind::kMd5}, *octets, question);
}

PasswordResult AskScram(DigestKind kind, std::string_view value, const Question& question) {
  const std::optional<ScramKeys> keys = ParseScramKeys(kind, value);
  if (!keys) return Unusable("malformed SCRAM keys, or too many iterations");
  if (keys->iterations > question.limits.rounds_max) return Unusable("too many SCRAM iterations");
  if (!question.password) return Judged(true);
  const ScramKeys made = DeriveScramKeys(kind, *question.password, keys->salt, keys->iterations);
  return Judged(made.stored_key == keys->stored_key);
}

PasswordResult RunPbkdf2(DigestKind kind, std::string_view rounds_text, std::string_view salt,
                         std::string_view want, const Question& question) {
  uint32_t rounds = 0;
  const char* const end = rounds_text.data() + rounds_text.size();
  const auto [stop, error] = std::from_chars(rounds_text.data(), end, rounds);
  if (error != std::errc() || stop != end || rounds == 0) return Unusable("malformed PBKDF2");
  if (rounds > question.limits.rounds_max) {
    return Unusable("PBKDF2 asks for " + std::to_string(rounds) + " rounds; " +
                    std::to_string(question.limits.rounds_max) + " are allowed");
  }
  if (want.size() < 16 || want.size() > codec::kDigestBytesMax) return Unusable("malformed PBKDF2");
  if (!question.password) return Judged(true);
  return Judged(ConstantTimeEqual(
      codec::Pbkdf2(kind, *question.password, salt, rounds, want.size()).view(), want));
}

PasswordResult AskPbkdf2(const Scheme& scheme, std::string_view value, const Question& question) {
  // {PBKDF2} alone is Dovecot's or that of LDAP servers.
  const bool dovecot = scheme.form == Form::kPbkdf2 && value.starts_with("$1$");
  if (dovecot) value.remove_prefix(3);
  const size_t first = value.find('$');
  const size_t second = first == std::string_view::npos ? first : value.find('$', first + 1);
  if (second == std::string_view::npos) return Unusable("malformed PBKDF2");
  const std::string_view left = value.substr(0, first), right = value.substr(second + 1);
  const std::string_view middle = value.substr(first + 1, second - first - 1);
  if (dovecot) {
    const std::optional<std::string> want = FromHex(right);
    if (!want) return Unusable("malformed PBKDF2");
    return RunPbkdf2(scheme.digest, middle, left, *want, question);
  }
  const auto adapted = [](std::string text) {
    std::replace(text.begin(), text.end(), '.', '+');
    return FromBase64(text);
  };
  const auto salt = adapted(std::string(middle)), want = adapted(std::string(right));
  if (!salt || !want) return Unusable("malformed PBKDF2");
  return RunPbkdf2(scheme.digest, left, *salt, *want, question);
}

// RFC 2289 Appendix A: the digest folded to 64 bits.
std::string Fold(const codec::DigestValue& digest) {
  std::string out(digest.view().substr(0, 8));
  const std::string_view octets = digest.view();
  for (size_t i = 8; i < octets.size(); ++i) {
    out[i % 8] = static_cast<char>(out[i % 8] ^ octets[i]);
  }
  if (digest.size == 20) {  // SHA-1 alone is turned: its words come in little-endian order.
    std::reverse(out.begin(), out.begin() + 4);
    std::reverse(out.begin() + 4, out.end());
  }
  return out;
}

PasswordResult AskOneTime(std::string_view value, const Question& question) {
  std::string_view words[4];
  for (std::string_view& word : words) {
    const size_t end = std::min(value.find(' '), value.size());
    word = value.substr(0, end);
    value.remove_prefix(std::min(end + 1, value.size()));
  }
  const auto want = FromHex(words[3]);
  uint32_t count = 0;
  const char* const end = words[1].data() + words[1].size();
  const auto [stop, error] = std::from_chars(words[1].data(), end, count);
  if (error != std::errc() || stop != end || count > 9999 || !want || want->size() != 8 ||
      words[2].empty() || words[2].size() > 16 || !value.empty()) {
    return Unusable("malformed one-time password");
  }
  DigestKind kind;
  if (words[0] == "sha1") {
    kind = DigestKind::kSha1;
  } else if (words[0] == "md5") {
    kind = DigestKind::kMd5;
  } else if (words[0] == "md4") {
    kind = DigestKind::kMd4;
  } else {
    return Unusable("a one-time password of an unknown algorithm");
  }
  if (!question.password) return Judged(true);
  std::string seed(words[2]);
  codec::AsciiLowerCopy(seed, seed.data());
  std::string state = Fold(codec::Digest(kind, {seed, *question.password}));
  for (uint32_t i = 0; i < count; ++i) state = Fold(codec::Digest(kind, {state}));
  return Judged(ConstantTimeEqual(state, *want));
}

PasswordResult Ask(const Stored& stored, const Question& question) {
  if (!stored.why.empty()) return Unusable(stored.why);
  const Scheme& scheme = *stored.scheme;
  const std::string_view value = stored.value.view();
  if (value.empty()) return Unusable("empty");
  switch (scheme.form) {
    case Form::kPlain:
      return Judged(!question.password || ConstantTimeEqual(value, *question.password));
    case Form::kPlainCut:
      return AskPlainCut(value, question);
    case Form::kCrypt:
      return AskCrypt(value, question);
    case Form::kArgon2:
      return AskArgon2(value, question);
    case Form::kDigest:
      return AskDigest(scheme, value, question);
    case Form::kUserMd5:
      return AskUserMd5(value, question);
    case Form::kCramMd5:
      return AskCramMd5(value, question);
    case Form::kNtHash:
      return AskNtHash(value, question);
    case Form::kMd5OrCrypt:
      return AskMd5OrCrypt(scheme, value, question);
    case Form::kScram:
      return AskScram(scheme.digest, value, question);
    case Form::kPbkdf2:
    case Form::kLdapPbkdf2:
      return AskPbkdf2(scheme, value, question);
    case Form::kOneTime:
      return AskOneTime(value, question);
  }
  return Unusable("unknown scheme");
}

}  // namespace

PasswordResult VerifyPassword(std::string_view stored, std::string_view password,
                              std::string_view user, const PasswordLimits& limits) {
  PasswordResult result = Ask(Open(stored), {password, user, limits});
  const bool possible = !password.empty() && password.size() <= kPasswordBytesMax;
  if (result.verdict == PasswordVerdict::kMatch && !possible) return Judged(false);
  return result;
}

std::string JudgeStoredPassword(std::string_view stored, const PasswordLimits& limits) {
  return Ask(Open(stored), {std::nullopt, "", limits}).why;
}

StatusOr<std::string> HashPassword(std::string_view password, std::string_view salt,
                                   const PasswordCost& cost) {
  CHECK(salt.size() == kPasswordSaltBytes);
  if (password.empty() || password.size() > kPasswordBytesMax) {
    return absl::InvalidArgumentError("a password has 1 to 1024 octets");
  }
  Argon2Hash hash;
  hash.memory_kib = cost.argon2_memory_kib;
  hash.passes = cost.argon2_passes;
  hash.lanes = cost.argon2_lanes;
  hash.salt = std::string(salt);
  hash.hash = std::string(32, '\0');  // RFC 9106 §4: 256 bits of tag
  if (const std::string why = JudgeArgon2(hash, PasswordLimits()); !why.empty()) {
    return absl::InvalidArgumentError(Absl(why));
  }
  const PasswordResult result = RunArgon2(password, hash);
  if (result.verdict == PasswordVerdict::kNoMemory) {
    return absl::ResourceExhaustedError(Absl(result.why));
  }
  if (result.verdict != PasswordVerdict::kMatch) {
    return absl::InvalidArgumentError(Absl(result.why));
  }
  return "{ARGON2ID}" + FormatArgon2(hash);
}

void VerifyNothing(std::string_view password, const PasswordCost& cost) {
  Argon2Hash hash;
  hash.memory_kib = cost.argon2_memory_kib;
  hash.passes = cost.argon2_passes;
  hash.lanes = cost.argon2_lanes;
  hash.salt = std::string(kPasswordSaltBytes, '\0');
  hash.hash = std::string(32, '\0');
  (void)RunArgon2(password, hash);
}

bool PasswordNeedsUpgrade(std::string_view stored, const PasswordCost& cost) {
  const Stored opened = Open(stored);
  if (!opened.why.empty() || opened.scheme->form != Form::kArgon2) return true;
  const std::optional<Argon2Hash> hash = ParseArgon2(opened.value.view());
  return !hash || hash->variant != Argon2Variant::kId || hash->version != 0x13 ||
         hash->memory_kib < cost.argon2_memory_kib || hash->passes < cost.argon2_passes;
}

std::optional<codec::Secret> PlainPassword(std::string_view stored) {
  Stored opened = Open(stored);
  if (!opened.why.empty() || opened.scheme->form != Form::kPlain || opened.value.empty()) {
    return std::nullopt;
  }
  return std::move(opened.value);
}

std::optional<ScramKeys> StoredScramKeys(std::string_view stored, DigestKind kind) {
  const Stored opened = Open(stored);
  if (!opened.why.empty() || opened.scheme->form != Form::kScram || opened.scheme->digest != kind) {
    return std::nullopt;
  }
  return ParseScramKeys(kind, opened.value.view());
}

std::optional<codec::HmacMd5Contexts> StoredCramMd5(std::string_view stored) {
  if (const auto plain = PlainPassword(stored)) return codec::MakeHmacMd5Contexts(plain->view());
  const Stored opened = Open(stored);
  if (!opened.why.empty() || opened.scheme->form != Form::kCramMd5) return std::nullopt;
  if (opened.value.view().size() != 32) return std::nullopt;
  codec::HmacMd5Contexts contexts{};
  std::copy(opened.value.view().begin(), opened.value.view().end(), contexts.begin());
  return contexts;
}

}  // namespace ringmail::credential
