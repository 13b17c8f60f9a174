// Accounts in a data base of SQLite, by a query that the operator writes:
//
//   SELECT password, quota FROM users WHERE name = :local_part AND domain = :domain
//
// Parameters: :address, :local_part, :domain. Columns by name: fields.h. No row is an unknown
// account; of several rows the first that says something counts, but for `forward`, which gathers.
//
// The data base is only read. A query runs on the blocking pool, one of a shard at a time; it gives
// up where another process has kept the data base locked until the deadline, and after
// kSqliteStepsMax steps of its machine. A file that another has taken the place of is opened anew.
// SQLite reads its files by itself: it is the one library that does, apart from `io`.
#pragma once

#include <memory>
#include <string>

#include "ringmail/backend/account_backend.h"
#include "ringmail/base/status.h"
#include "ringmail/io/process.h"

namespace ringmail::backend {

// Some seconds of a CPU.
inline constexpr uint64_t kSqliteStepsMax = 100'000'000;
inline constexpr uint64_t kSqliteRowsMax = 10'000;

struct SqliteOptions {
  std::string path;
  std::string query;
  std::string default_scheme;
  // Tells whether the file is still the one that was opened.
  StatusOr<io::FileStamp> (*stamp)(const std::string& path) = nullptr;
};

// Opens the data base and prepares the query: what is wrong, in SQLite's words. Blocks.
Status CheckSqlite(const SqliteOptions& options);

std::unique_ptr<AccountBackend> MakeSqliteBackend(SqliteOptions options);

}  // namespace ringmail::backend
