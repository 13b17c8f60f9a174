#include "agent/authenticator/check.h"

#include <algorithm>

namespace ringmail::agent {
namespace {

using credential::PasswordVerdict;
using storage::Credential;
using storage::CredentialKind;

std::optional<credential::ScramKeys> AppKeys(const Credential& one) {
  if (one.kind != CredentialKind::kAppPassword) return std::nullopt;
  return credential::StoredScramKeys(one.secret, codec::DigestKind::kSha256);
}

}  // namespace

// App passwords share a salt: one derivation serves them all, however many there are.
bool PasswordCheck::CheckApps() {
  credential::ScramKeys derived;
  for (size_t i = 0; i < stored.size(); ++i) {
    const auto keys = AppKeys(stored[i]);
    if (!keys || keys->iterations > limits.rounds_max) continue;
    if (derived.iterations != keys->iterations || derived.salt != keys->salt) {
      derived = credential::DeriveScramKeys(codec::DigestKind::kSha256, password.view(), keys->salt,
                                            keys->iterations);
    }
    if (derived.stored_key == keys->stored_key) {
      match = true;
      which = i;
    }
  }
  return match;
}

bool PasswordCheck::CheckOne(const Credential& one) {
  for (const codec::Secret* const text : {&password, &password_as_sent}) {
    if (text == &password_as_sent && *text == password) break;
    const credential::PasswordResult result =
        credential::VerifyPassword(one.secret, text->view(), user, limits);
    if (result.verdict == PasswordVerdict::kMatch) return true;
    if (result.verdict == PasswordVerdict::kNoMemory) no_memory = true;
    if (result.verdict == PasswordVerdict::kUnusable) {
      unusable = result.why;
      break;
    }
  }
  return false;
}

void PasswordCheck::Call(void* context) {
  auto& self = *static_cast<PasswordCheck*>(context);
  if (self.CheckApps()) return;
  const bool own = std::any_of(self.stored.begin(), self.stored.end(), [](const Credential& one) {
    return one.kind == CredentialKind::kPassword;
  });
  bool checked = false;
  for (size_t i = 0; i < self.stored.size() && !self.match; ++i) {
    const Credential& one = self.stored[i];
    // Keys of SCRAM are of the account's password: they are asked where its hash is not kept.
    if (AppKeys(one) || (one.kind == CredentialKind::kScram && own)) continue;
    checked = true;
    if (self.CheckOne(one)) {
      self.match = true;
      self.which = i;
    }
  }
  if (!checked) credential::VerifyNothing(self.password.view(), self.cost);
}

void UpgradeWork::Call(void* context) {
  auto& self = *static_cast<UpgradeWork*>(context);
  self.made = credential::MakeNewPassword(self.password.view(), self.random, self.cost,
                                          self.scram_iterations, self.shared);
}

}  // namespace ringmail::agent
