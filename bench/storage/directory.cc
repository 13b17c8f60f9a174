// What the directory costs: memory an account, time of a start, look-ups a second.
//
//   storage_directory fill DIRECTORY [ACCOUNTS]
//   storage_directory open DIRECTORY [ACCOUNTS]
// The first writes a million accounts, each with one hash of argon2id's length, as one transaction
// into a store in DIRECTORY (empty). The second opens it, and looks accounts up at random.
#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ringmail/io/runtime.h"
#include "ringmail/io/shard.h"
#include "ringmail/storage/store.h"

namespace ringmail {
namespace {

struct Run {
  std::string directory;
  uint64_t accounts = 1'000'000;
  bool fill = false;
  Status status;
};

double ResidentBytes() {
  FILE* file = fopen("/proc/self/statm", "re");
  unsigned long total = 0, resident = 0;
  if (file == nullptr || fscanf(file, "%lu %lu", &total, &resident) != 2) resident = 0;
  if (file != nullptr) fclose(file);
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string LocalPart(uint64_t i) { return fmt::format("user{:07}", i); }

io::Task<Status> Fill(storage::Directory& directory, uint64_t accounts) {
  using Expect = storage::DirectoryChange::Expect;
  storage::DirectoryTransaction transaction;
  transaction.changes.push_back(
      storage::DirectoryChange::Put(storage::DomainEntry{.name = "example.org"}, Expect::kAny));
  storage::AccountEntry account;
  account.credentials.push_back(
      {storage::CredentialKind::kPassword, "",
       "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$c29tZXNhbHRzb21lc2FsdA$" + std::string(43, 'h'),
       io::WallNow()});
  account.created = io::WallNow();
  for (uint64_t i = 0; i < accounts; ++i) {
    account.address = LocalPart(i) + "@example.org";
    transaction.changes.push_back(storage::DirectoryChange::Put(account, Expect::kAny));
  }
  const double begin = Seconds();
  const auto applied = co_await directory.Apply(std::move(transaction));
  fmt::print("one transaction of {} accounts: {:.2f} s\n", accounts, Seconds() - begin);
  co_return applied.status();
}

void LookUp(const storage::Directory& directory, uint64_t accounts, std::string_view suffix,
            std::string_view what) {
  constexpr uint64_t kLookups = 2'000'000;
  uint64_t random = 88172645463325252, found = 0;
  std::vector<std::string> names;
  for (uint64_t i = 0; i < 100'000; ++i) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    names.push_back(LocalPart(random % accounts) + std::string(suffix));
  }
  const double begin = Seconds();
  for (uint64_t i = 0; i < kLookups; ++i) {
    const auto resolution = directory.Resolve(names[i % names.size()], "example.org");
    found += resolution.kind == storage::Resolution::Kind::kAccount;
  }
  const double seconds = Seconds() - begin;
  fmt::print("{}: {:.0f} look-ups/s, {:.0f} ns each, {} found\n", what, kLookups / seconds,
             seconds * 1e9 / kLookups, found);
}

io::Task<void> Main(void* context) {
  Run& run = *static_cast<Run*>(context);
  storage::StoreOptions options;
  options.data_dir = run.directory;
  const double memory = ResidentBytes(), begin = Seconds();
  auto store = co_await storage::ShardStore::Open(options);
  run.status = store.status();
  if (!store.ok()) co_return;
  storage::Directory& directory = (*store)->directory();
  if (run.fill) {
    run.status = co_await Fill(directory, run.accounts);
  } else {
    const double grown = ResidentBytes() - memory;
    const auto& report = (*store)->recovery();
    fmt::print(
        "start: {:.2f} s, {} entries, {:.0f} MB read; {:.0f} MB of memory, {:.0f} an entry\n",
        Seconds() - begin, directory.size(), static_cast<double>(report.bytes_read) / 1e6,
        grown / 1e6, grown / static_cast<double>(directory.size()));
    LookUp(directory, run.accounts, "", "accounts");
    LookUp(directory, run.accounts, "+detail", "with a detail");
    LookUp(directory, run.accounts, "x", "unknown");
  }
  const Status closed = co_await (*store)->Close();
  if (run.status.ok()) run.status = closed;
}

}  // namespace
}  // namespace ringmail

int main(int argc, char** argv) {
  ringmail::Run run;
  const std::string_view verb = argc > 1 ? argv[1] : "";
  if (argc < 3 || (verb != "fill" && verb != "open")) {
    fmt::print(stderr, "usage: storage_directory fill|open DIRECTORY [ACCOUNTS]\n");
    return 2;
  }
  run.fill = verb == "fill";
  run.directory = argv[2];
  if (argc > 3) run.accounts = std::strtoull(argv[3], nullptr, 10);
  const ringmail::Status ran = ringmail::io::RunShards({.shard_count = 1}, &ringmail::Main, &run);
  if (!ran.ok() || !run.status.ok()) {
    fmt::print(stderr, "{}\n", ringmail::Std((ran.ok() ? run.status : ran).message()));
    return 1;
  }
  return 0;
}
