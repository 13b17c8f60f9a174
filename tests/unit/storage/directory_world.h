// A directory in a simulated store, and a model of what it has promised.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ringmail/storage/directory.h"
#include "tests/unit/storage/store_fixture.h"

namespace ringmail::storage {

inline DirectoryEntry Domain(std::string name) { return DomainEntry{.name = std::move(name)}; }
inline DirectoryEntry Account(std::string address, std::string secret = "{PLAIN}x") {
  AccountEntry entry{.address = std::move(address)};
  entry.credentials.push_back({CredentialKind::kPassword, "", std::move(secret), {}});
  return entry;
}
inline DirectoryEntry Alias(std::string address, std::vector<std::string> targets) {
  return AliasEntry{.address = std::move(address), .targets = std::move(targets)};
}
inline DirectoryChange Put(const DirectoryEntry& entry) {
  return DirectoryChange::Put(entry, DirectoryChange::Expect::kAny);
}
inline DirectoryChange Erase(std::string name) {
  return DirectoryChange::Erase(std::move(name), DirectoryChange::Expect::kAny);
}
inline io::Task<Status> Apply(Directory& directory, std::vector<DirectoryChange> changes) {
  DirectoryTransaction transaction;
  transaction.changes = std::move(changes);
  co_return (co_await directory.Apply(std::move(transaction))).status();
}

// Names, and the secret of the first credential or the first target.
using Contents = std::map<std::string, std::string>;
inline Contents Read(Directory& directory) {
  Contents out;
  const auto pin = directory.MakePin();
  uint64_t cursor = 0;
  do {
    cursor = pin->Visit(
        cursor, 7,
        [](void* context, const DirectoryRow& row) {
          auto& to = *static_cast<Contents*>(context);
          const auto entry = DecodeEntry(row.name, row.value);
          std::string text = "unreadable";
          if (entry && std::holds_alternative<DomainEntry>(*entry)) text = "";
          if (const auto* one = entry ? std::get_if<AccountEntry>(&*entry) : nullptr)
            text = one->credentials.empty() ? "" : one->credentials.front().secret;
          if (const auto* one = entry ? std::get_if<AliasEntry>(&*entry) : nullptr)
            text = one->targets.front();
          EXPECT_TRUE(to.emplace(row.name, text).second) << row.name << " came twice";
        },
        &out);
  } while (cursor != 0);
  EXPECT_EQ(out.size(), pin->size());
  return out;
}

}  // namespace ringmail::storage
