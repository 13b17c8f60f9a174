#include "ringmail/credential/new_password.h"

#include <utility>

#include "ringmail/base/check.h"
#include "ringmail/credential/saslprep.h"

namespace ringmail::credential {
namespace {

// 32 of them, none that is taken for another.
constexpr std::string_view kLetters = "abcdefghijkmnpqrstuvwxyz23456789";
static_assert(kLetters.size() == 32);

std::string_view SchemeOf(codec::DigestKind kind) {
  return kind == codec::DigestKind::kSha1 ? "{SCRAM-SHA-1}" : "{SCRAM-SHA-256}";
}

std::string StoreScram(codec::DigestKind kind, std::string_view password, std::string_view salt,
                       uint32_t iterations) {
  return std::string(SchemeOf(kind)) +
         FormatScramKeys(DeriveScramKeys(kind, password, salt, iterations));
}

}  // namespace

std::optional<ScramSalt> SharedScramSalt(std::span<const std::string> stored) {
  for (const std::string& one : stored) {
    if (const auto keys = StoredScramKeys(one, codec::DigestKind::kSha256)) {
      return ScramSalt{keys->salt, keys->iterations};
    }
  }
  return std::nullopt;
}

StatusOr<NewPassword> MakeNewPassword(std::string_view password, std::string_view random,
                                      const PasswordCost& cost, uint32_t scram_iterations,
                                      const std::optional<ScramSalt>& shared) {
  CHECK_EQ(random.size(), kNewPasswordRandomBytes);
  CHECK(scram_iterations >= kScramIterationsMin);
  if (password.empty()) return absl::InvalidArgumentError("the password is empty");
  if (password.size() > kPasswordBytesMax) {
    return absl::InvalidArgumentError("the password is longer than 1024 octets");
  }
  if (password.find('\0') != password.npos) {
    return absl::InvalidArgumentError("the password holds a NUL");
  }
  // What is kept, RFC 4013 asks to be of characters that Unicode 3.2 knows; a password of newer
  // ones has one form too, and who chose it shall have it.
  auto octets = Saslprep(password, SaslprepUse::kQuery);
  if (!octets || octets->empty()) {
    return absl::InvalidArgumentError(
        "the password holds characters that cannot be typed alike everywhere (RFC 4013)");
  }
  const codec::Secret prepared(*std::move(octets));
  NewPassword made;
  ASSIGN_OR_RETURN(made.hash,
                   HashPassword(prepared.view(), random.substr(0, kPasswordSaltBytes), cost));
  const std::string_view salt = random.substr(kPasswordSaltBytes, kPasswordSaltBytes);
  made.scram_sha256 = StoreScram(codec::DigestKind::kSha256, prepared.view(),
                                 shared ? std::string_view(shared->salt) : salt,
                                 shared ? shared->iterations : scram_iterations);
  made.scram_sha1 = StoreScram(codec::DigestKind::kSha1, prepared.view(),
                               random.substr(2 * kPasswordSaltBytes), scram_iterations);
  return made;
}

std::string DrawAppPassword(std::string_view random) {
  CHECK_EQ(random.size(), kAppPasswordRandomBytes);
  std::string text;
  for (size_t i = 0; i < random.size(); ++i) {
    if (i != 0 && i % 4 == 0) text += '-';
    // 256 is a multiple of 32: each is as likely.
    text += kLetters[static_cast<uint8_t>(random[i]) % kLetters.size()];
  }
  return text;
}

std::string StoreAppPassword(std::string_view password, const ScramSalt& salt) {
  CHECK(!salt.salt.empty());
  return StoreScram(codec::DigestKind::kSha256, password, salt.salt, salt.iterations);
}

}  // namespace ringmail::credential
