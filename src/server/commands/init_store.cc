#include "server/commands/init_store.h"

#include <memory>
#include <utility>

#include "ringmail/credential/new_password.h"
#include "ringmail/io/process.h"
#include "ringmail/io/shard.h"
#include "ringmail/storage/store.h"
#include "server/commands/one_shard.h"
#include "server/directory/passwords.h"

namespace ringmail::server {
namespace {

using storage::DirectoryChange;

std::string DrawPassword() {
  std::string octets;
  while (octets.size() < credential::kAppPasswordRandomBytes) {
    const uint64_t word = io::RandomUint64();
    for (unsigned shift = 0; shift < 64; shift += 8) {
      octets += static_cast<char>(static_cast<uint8_t>(word >> shift));
    }
  }
  octets.resize(credential::kAppPasswordRandomBytes);
  return credential::DrawAppPassword(octets);
}

struct Work {
  const Config* config;
  std::string domain;
  FirstAccount made;
  Status status;

  static io::Task<void> Run(void* context);
  io::Task<Status> Fill(storage::ShardStore* store);
};

io::Task<Status> Work::Fill(storage::ShardStore* store) {
  storage::Directory& directory = store->directory();
  storage::DirectoryTransaction transaction;
  if (!directory.Find(domain)) {
    transaction.changes.push_back(
        DirectoryChange::Put(storage::DomainEntry{.name = domain, .created = io::WallNow()},
                             DirectoryChange::Expect::kAbsent));
  }
  if (!directory.Find(made.address)) {
    storage::AccountEntry account{.address = made.address, .created = io::WallNow()};
    made.password = DrawPassword();
    const PasswordMaking making{.cost = config->authentication.cost,
                                .scram_iterations = config->authentication.scram_iterations};
    CO_RETURN_IF_ERROR(co_await SetOwnPassword(account, made.password, making));
    transaction.changes.push_back(DirectoryChange::Put(account, DirectoryChange::Expect::kAbsent));
  }
  if (transaction.changes.empty()) co_return absl::OkStatus();
  co_return (co_await directory.Apply(std::move(transaction))).status();
}

io::Task<void> Work::Run(void* context) {
  auto& self = *static_cast<Work*>(context);
  auto opened = co_await storage::ShardStore::Open(PerShard(*self.config, 1));
  if (!opened.ok()) {
    self.status = opened.status();
    co_return;
  }
  storage::ShardStore& store = **opened;
  co_await store.directory().Publish({&store.directory()});
  co_await store.accounts().Publish({&store.accounts()});
  self.status = co_await self.Fill(&store);
  co_await store.accounts().Stop();
  const Status closed = co_await store.Close();
  if (self.status.ok()) self.status = closed;
}

}  // namespace

StatusOr<FirstAccount> MakeFirstAccount(const Config& config, const std::string& domain) {
  ASSIGN_OR_RETURN(const io::DirectoryLock lock, io::DirectoryLock::Acquire(config.data_dir, ""));
  Work work{.config = &config, .domain = domain, .made = {.address = "postmaster@" + domain}};
  RETURN_IF_ERROR(RunOnOneShard(&Work::Run, &work));
  RETURN_IF_ERROR(work.status);
  return std::move(work.made);
}

}  // namespace ringmail::server
