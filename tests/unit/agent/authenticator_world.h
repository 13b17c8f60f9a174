// Authenticators over a real directory in a simulated world, one on each shard.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "ringmail/agent/authenticator.h"
#include "ringmail/credential/new_password.h"
#include "tests/unit/storage/store_fixture.h"

namespace ringmail::agent {

inline const IpAddress kHome = *IpAddress::Parse("198.51.100.7");
inline const IpAddress kStrange = *IpAddress::Parse("192.0.2.1");
inline const std::string kRandom(credential::kNewPasswordRandomBytes, 'r');

inline AuthenticatorOptions TestOptions() {
  AuthenticatorOptions options;
  options.hostname = "mx.example.org";
  options.server_secret.Set("a secret of thirty-two octets ...");
  options.cost = {.argon2_memory_kib = 64, .argon2_passes = 1, .argon2_lanes = 1};
  options.scram_iterations = 4096;
  return options;
}

inline AuthClient Client(const IpAddress& address = kHome) {
  return {.address = address, .service = "test"};
}

struct AuthWorld : storage::StoreWorld {
  using Work = io::Task<void> (*)(AuthWorld& world, Authenticator& authenticator);

  // Runs `work` on shard 0, with authenticators on all.
  [[nodiscard]] bool Do(uint16_t shards, Work work) {
    count = shards;
    todo = work;
    authenticators.assign(shards, nullptr);
    there = stopped = flushed = 0;
    return Run(shards, &AuthWorld::Main);
  }

  static io::Task<void> Until(const size_t& number, size_t wanted) {
    while (number < wanted) co_await io::SleepUntil(io::Now() + std::chrono::milliseconds(1));
  }

  static io::Task<void> Main(storage::StoreWorld& world, storage::ShardStore& store) {
    auto& self = static_cast<AuthWorld&>(world);
    const uint16_t shard = io::ThisShard().value;
    const auto made = Authenticator::Make(store.directory(), self.options_of_all);
    made->RegisterMetrics(self.metrics);
    self.directories.resize(self.count);
    self.directories[shard] = &store.directory();
    self.authenticators[shard] = made.get();
    ++self.there;
    co_await Until(self.there, self.count);
    if (shard == 0) co_await store.directory().Publish(self.directories);
    made->Start({self.authenticators.begin(), self.authenticators.end()});
    ++self.there;
    co_await Until(self.there, 2u * self.count);
    if (shard == 0) {
      co_await self.todo(self, *made);
      self.stopped = 1;
    }
    co_await Until(self.stopped, 1);
    co_await made->Stop();
    ++self.flushed;
    co_await Until(self.flushed, self.count);
  }

  storage::Directory& directory() { return *directories[0]; }

  io::Task<void> Put(storage::AccountEntry account) {
    storage::DirectoryTransaction transaction;
    const std::string_view domain = storage::DomainOfName(account.address);
    transaction.changes.push_back(storage::DirectoryChange::Put(
        storage::DomainEntry{.name = std::string(domain)}, storage::DirectoryChange::Expect::kAny));
    transaction.changes.push_back(
        storage::DirectoryChange::Put(account, storage::DirectoryChange::Expect::kAny));
    const auto applied = co_await directory().Apply(std::move(transaction));
    EXPECT_TRUE(applied.ok()) << applied.status();
  }
  // An account as `ringmail account add` makes it.
  io::Task<void> Add(std::string address, std::string_view password) {
    const auto made = credential::MakeNewPassword(password, kRandom, options_of_all.cost, 4096, {});
    EXPECT_TRUE(made.ok());
    storage::AccountEntry account{.address = std::move(address)};
    account.credentials = {{storage::CredentialKind::kPassword, "", made->hash, {}},
                           {storage::CredentialKind::kScram, "", made->scram_sha256, {}},
                           {storage::CredentialKind::kScram, "", made->scram_sha1, {}}};
    co_await Put(std::move(account));
  }
  io::Task<void> AddStored(std::string address, std::string secret) {
    storage::AccountEntry account{.address = std::move(address)};
    account.credentials = {{storage::CredentialKind::kPassword, "", std::move(secret), {}}};
    co_await Put(std::move(account));
  }
  std::optional<storage::AccountEntry> Account(std::string_view address) {
    const auto row = directory().Find(address);
    if (!row) return std::nullopt;
    const auto entry = storage::DecodeEntry(address, row->value);
    if (!entry || !std::holds_alternative<storage::AccountEntry>(*entry)) return std::nullopt;
    return std::get<storage::AccountEntry>(*entry);
  }
  std::string Metrics() const { return MetricRegistry::Render({&metrics}); }

  AuthenticatorOptions options_of_all = TestOptions();
  MetricRegistry metrics;
  std::vector<Authenticator*> authenticators;
  std::vector<storage::Directory*> directories;
  uint16_t count = 1;
  size_t there = 0, stopped = 0, flushed = 0;
  Work todo = nullptr;
};

}  // namespace ringmail::agent
