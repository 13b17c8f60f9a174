// An import: the difference between a text file and the directory, and the one transaction that
// takes it in.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "ringmail/base/ids.h"
#include "ringmail/io/task.h"
#include "ringmail/storage/directory.h"
#include "server/directory/text.h"

namespace ringmail::server {

struct ImportResult {
  uint64_t added = 0, changed = 0, removed = 0, unchanged = 0;
  std::multiset<std::string> differences;   // "+ account a@b", up to kImportDifferencesMax
  std::vector<TextFault> faults;            // then nothing else was done
  std::vector<AccountId> accounts_removed;  // whose mail nobody will find any more
  Status status;
};
inline constexpr size_t kImportDifferencesMax = 100'000;

struct ImportOptions {
  bool prune = false;  // what the file does not name goes
  bool dry_run = false;
};

// `text` lives until it returns. Shard: 0.
io::Task<ImportResult> ImportDirectory(storage::Directory& directory, std::string_view text,
                                       ImportOptions options);

}  // namespace ringmail::server
