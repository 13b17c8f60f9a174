#include "server/directory/passwords.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "ringmail/codec/digest.h"
#include "ringmail/io/blocking.h"
#include "ringmail/io/shard.h"

namespace ringmail::server {
namespace {

using storage::AccountEntry;
using storage::Credential;
using storage::CredentialKind;

std::string Random(size_t count) {
  std::string octets;
  while (octets.size() < count) {
    const uint64_t word = io::RandomUint64();
    for (unsigned shift = 0; shift < 64; shift += 8) {
      octets += static_cast<char>(static_cast<uint8_t>(word >> shift));
    }
  }
  octets.resize(count);
  return octets;
}

struct Work {
  codec::Secret password;
  PasswordMaking making;
  std::string random;
  std::optional<credential::ScramSalt> shared;
  StatusOr<credential::NewPassword> made = absl::UnknownError("not made");
  std::string app;

  static void MakeOwn(void* context) {
    auto& self = *static_cast<Work*>(context);
    self.made = credential::MakeNewPassword(self.password.view(), self.random, self.making.cost,
                                            self.making.scram_iterations, self.shared);
  }
  static void MakeApp(void* context) {
    auto& self = *static_cast<Work*>(context);
    self.app = credential::StoreAppPassword(self.password.view(), *self.shared);
  }
};

// The secrets of one kind, or of two.
std::vector<std::string> Secrets(const AccountEntry& account, CredentialKind a, CredentialKind b) {
  std::vector<std::string> out;
  for (const CredentialKind kind : {a, b}) {
    for (const Credential& one : account.credentials) {
      if (one.kind == kind) out.push_back(one.secret);
    }
    if (a == b) break;
  }
  return out;
}

bool IsApp(const Credential& one, std::string_view name) {
  return one.kind == CredentialKind::kAppPassword && one.name == name;
}

Work MakeWork(std::string password, PasswordMaking making) {
  Work work;
  work.password = codec::Secret(std::move(password));
  work.making = making;
  work.random = Random(credential::kNewPasswordRandomBytes);
  return work;
}

}  // namespace

io::Task<Status> SetOwnPassword(AccountEntry& account, std::string password,
                                PasswordMaking making) {
  Work work = MakeWork(std::move(password), making);
  const auto apps = Secrets(account, CredentialKind::kAppPassword, CredentialKind::kAppPassword);
  work.shared = credential::SharedScramSalt(apps);
  co_await io::RunBlocking(&Work::MakeOwn, &work);
  CO_RETURN_IF_ERROR(work.made.status());
  std::vector<Credential> all = {
      {CredentialKind::kPassword, "", work.made->hash, io::WallNow()},
      {CredentialKind::kScram, "", work.made->scram_sha256, io::WallNow()},
      {CredentialKind::kScram, "", work.made->scram_sha1, io::WallNow()}};
  for (Credential& one : account.credentials) {
    if (one.kind == CredentialKind::kAppPassword) all.push_back(std::move(one));
  }
  account.credentials = std::move(all);
  co_return storage::CheckEntry(account);
}

io::Task<Status> SetChosenAppPassword(AccountEntry& account, std::string name, std::string password,
                                      PasswordMaking making) {
  Work work = MakeWork(std::move(password), making);
  co_await io::RunBlocking(&Work::MakeOwn, &work);
  CO_RETURN_IF_ERROR(work.made.status());
  std::erase_if(account.credentials, [&](const Credential& one) { return IsApp(one, name); });
  account.credentials.push_back(
      {CredentialKind::kAppPassword, std::move(name), work.made->hash, io::WallNow()});
  co_return storage::CheckEntry(account);
}

io::Task<StatusOr<std::string>> DrawAppPassword(AccountEntry& account, std::string name,
                                                PasswordMaking making) {
  if (std::any_of(account.credentials.begin(), account.credentials.end(),
                  [&](const Credential& one) { return IsApp(one, name); })) {
    co_return absl::AlreadyExistsError("there is an app password of this name: delete it first");
  }
  std::string text = credential::DrawAppPassword(Random(credential::kAppPasswordRandomBytes));
  Work work = MakeWork(text, making);
  // One exchange of SCRAM serves them all, and the account's own: they share their salt.
  const auto stored = Secrets(account, CredentialKind::kScram, CredentialKind::kAppPassword);
  work.shared = credential::SharedScramSalt(stored);
  if (!work.shared) {
    work.shared = credential::ScramSalt{work.random.substr(0, credential::kPasswordSaltBytes),
                                        making.scram_iterations};
  }
  co_await io::RunBlocking(&Work::MakeApp, &work);
  account.credentials.push_back(
      {CredentialKind::kAppPassword, std::move(name), work.app, io::WallNow()});
  const Status good = storage::CheckEntry(account);
  if (!good.ok()) co_return good;
  co_return text;
}

}  // namespace ringmail::server
