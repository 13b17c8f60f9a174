#include "ringmail/backend/sqlite.h"

#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "ringmail/backend/fields.h"
#include "ringmail/base/check.h"
#include "ringmail/base/intrusive_list.h"
#include "ringmail/io/blocking.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"

namespace ringmail::backend {
namespace {

constexpr int kStepsBetweenLooks = 10'000;
constexpr std::string_view kColumns[] = {"password", "quota",   "quota_messages",
                                         "enabled",  "forward", "allow_nets"};

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
};
struct FinishStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Statement = std::unique_ptr<sqlite3_stmt, FinishStatement>;

Status Fault(const std::string& path, sqlite3* database, int code) {
  return absl::UnavailableError(Absl(fmt::format(
      "{}: {}", path, database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code))));
}

// One connection, used by one thread at a time.
class Connection {
 public:
  explicit Connection(SqliteOptions options) : options_(std::move(options)) {}

  Status Open();
  Status Query(const BackendQuestion& question, int busy_ms, std::vector<BackendField>& fields,
               bool& found);
  void Interrupt() { interrupted_.store(true, std::memory_order_relaxed); }
  const SqliteOptions& options() const { return options_; }

 private:
  static int Look(void* context) {
    auto& self = *static_cast<Connection*>(context);
    self.steps_ += kStepsBetweenLooks;
    return self.steps_ > kSqliteStepsMax || self.interrupted_.load(std::memory_order_relaxed);
  }
  Status Bind(const BackendQuestion& question);
  Status Step(std::vector<BackendField>& fields, bool& found);
  void Close() {
    statement_.reset();
    database_.reset();
  }

  const SqliteOptions options_;
  io::FileStamp stamp_;
  // The statement goes before the data base that it is of.
  Database database_;
  Statement statement_;
  uint64_t steps_ = 0;
  std::atomic<bool> interrupted_{false};
};

Status Connection::Open() {
  const auto stamp = options_.stamp(options_.path);
  if (!stamp.ok()) return stamp.status();
  if (database_ != nullptr && stamp->inode == stamp_.inode && stamp->device == stamp_.device)
    return absl::OkStatus();
  Close();
  stamp_ = *stamp;
  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2(options_.path.c_str(), &opened,
                                   SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nullptr);
  database_.reset(opened);
  if (code != SQLITE_OK) {
    const Status status = Fault(options_.path, opened, code);
    Close();
    return status;
  }
  sqlite3_progress_handler(opened, kStepsBetweenLooks, &Connection::Look, this);
  sqlite3_stmt* prepared = nullptr;
  const char* rest = nullptr;
  steps_ = 0;
  const int made = sqlite3_prepare_v2(opened, options_.query.c_str(),
                                      static_cast<int>(options_.query.size()), &prepared, &rest);
  statement_.reset(prepared);
  Status status;
  if (made != SQLITE_OK) {
    status = Fault(options_.path, opened, made);
  } else if (prepared == nullptr) {
    status = absl::InvalidArgumentError("the query is empty");
  } else if (std::string_view(rest).find_first_not_of("; \t\r\n") != std::string_view::npos) {
    status = absl::InvalidArgumentError("the query is more than one statement");
  } else if (sqlite3_stmt_readonly(prepared) == 0) {
    status = absl::InvalidArgumentError("the query changes the data base");
  }
  for (int i = 0; status.ok() && i < sqlite3_bind_parameter_count(prepared); ++i) {
    const char* const name = sqlite3_bind_parameter_name(prepared, i + 1);
    const std::string_view text = name == nullptr ? "?" : name;
    if (text != ":address" && text != ":local_part" && text != ":domain") {
      status = absl::InvalidArgumentError(
          Absl(fmt::format("the query has a parameter {}: there are :address, :local_part and "
                           ":domain",
                           text)));
    }
  }
  bool known = false;
  for (int i = 0; status.ok() && i < sqlite3_column_count(prepared); ++i) {
    const std::string_view name = sqlite3_column_name(prepared, i);
    known |= std::find(std::begin(kColumns), std::end(kColumns), name) != std::end(kColumns);
  }
  if (status.ok() && !known) {
    status = absl::InvalidArgumentError(
        "the query has none of the columns password, quota, quota_messages, enabled, forward and "
        "allow_nets");
  }
  if (!status.ok()) Close();
  return status;
}

Status Connection::Bind(const BackendQuestion& question) {
  const std::pair<const char*, const std::string*> values[] = {
      {":address", &question.address},
      {":local_part", &question.local_part},
      {":domain", &question.domain}};
  for (const auto& [name, value] : values) {
    const int index = sqlite3_bind_parameter_index(statement_.get(), name);
    if (index == 0) continue;
    const int code = sqlite3_bind_text(statement_.get(), index, value->data(),
                                       static_cast<int>(value->size()), SQLITE_TRANSIENT);
    if (code != SQLITE_OK) return Fault(options_.path, database_.get(), code);
  }
  return absl::OkStatus();
}

Status Connection::Step(std::vector<BackendField>& fields, bool& found) {
  for (uint64_t rows = 0; rows < kSqliteRowsMax; ++rows) {
    const int code = sqlite3_step(statement_.get());
    if (code == SQLITE_DONE) return absl::OkStatus();
    if (code != SQLITE_ROW) return Fault(options_.path, database_.get(), code);
    found = true;
    for (int i = 0; i < sqlite3_column_count(statement_.get()); ++i) {
      if (sqlite3_column_type(statement_.get(), i) == SQLITE_NULL) continue;
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), i));
      const int bytes = sqlite3_column_bytes(statement_.get(), i);
      if (text == nullptr) return absl::ResourceExhaustedError("no memory for a row");
      fields.push_back({sqlite3_column_name(statement_.get(), i),
                        std::string(text, static_cast<size_t>(std::max(bytes, 0)))});
    }
  }
  return absl::ResourceExhaustedError(
      Absl(fmt::format("{}: more than {} rows", options_.path, kSqliteRowsMax)));
}

Status Connection::Query(const BackendQuestion& question, int busy_ms,
                         std::vector<BackendField>& fields, bool& found) {
  RETURN_IF_ERROR(Open());
  sqlite3_busy_timeout(database_.get(), busy_ms);
  steps_ = 0;
  Status status = Bind(question);
  if (status.ok()) status = Step(fields, found);
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
  // A connection that failed may be of no use any more; opening one costs little.
  if (!status.ok()) Close();
  return status;
}

struct QueryWork {
  Connection* connection;
  const BackendQuestion* question;
  int busy_ms = 0;
  Status status;
  std::vector<BackendField> fields;
  bool found = false;
  static void Call(void* context) {
    auto& self = *static_cast<QueryWork*>(context);
    self.status = self.connection->Query(*self.question, self.busy_ms, self.fields, self.found);
  }
};

class SqliteBackend final : public AccountBackend {
 public:
  explicit SqliteBackend(SqliteOptions options) : connection_(std::move(options)) {}

  io::Task<BackendAnswer> Find(BackendQuestion question, MonotonicTime deadline) override {
    BackendAnswer answer;
    if (!co_await Enter(deadline)) {
      answer.why = "others ask for too long";
      co_return answer;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - io::Now());
    QueryWork work{.connection = &connection_,
                   .question = &question,
                   .busy_ms = static_cast<int>(std::clamp<int64_t>(left.count(), 1, 60'000)),
                   .status = {},
                   .fields = {}};
    if (!cancelled_) co_await io::RunBlocking(&QueryWork::Call, &work);
    Leave();
    if (cancelled_) {
      answer.why = "the server is stopping";
      co_return answer;
    }
    if (!work.status.ok()) {
      answer.why = Std(work.status.message());
      co_return answer;
    }
    if (!work.found) {
      answer.kind = BackendAnswer::Kind::kUnknown;
      co_return answer;
    }
    auto account = AccountOfFields(work.fields, connection_.options().default_scheme);
    if (!account.ok()) {
      answer.why = fmt::format("{}: {}", question.address, Std(account.status().message()));
      co_return answer;
    }
    answer.kind = BackendAnswer::Kind::kFound;
    answer.account = *std::move(account);
    co_return answer;
  }

  io::Task<BackendVerdict> Verify(BackendQuestion, codec::Secret, MonotonicTime) override {
    co_return BackendVerdict{.kind = BackendVerdict::Kind::kUnavailable,
                             .why = "SQLite checks no passwords"};
  }

  void Cancel() override {
    cancelled_ = true;
    connection_.Interrupt();
    while (!queue_.empty()) queue_.PopFront().event.Notify();
  }

 private:
  struct Waiter : ListHook<struct SqliteWaiterTag> {
    io::Event event;
  };

  // One query at a time; false: the deadline came first.
  io::Task<bool> Enter(MonotonicTime deadline) {
    while (busy_ && !cancelled_) {
      Waiter waiter;
      queue_.PushBack(waiter);
      if (co_await waiter.event.Wait(deadline) == io::Wake::kTimedOut) co_return false;
    }
    if (cancelled_) co_return false;
    busy_ = true;
    co_return true;
  }
  void Leave() {
    busy_ = false;
    if (!queue_.empty()) queue_.PopFront().event.Notify();
  }

  Connection connection_;
  IntrusiveList<Waiter, struct SqliteWaiterTag> queue_;
  bool busy_ = false, cancelled_ = false;
};

}  // namespace

Status CheckSqlite(const SqliteOptions& options) { return Connection(options).Open(); }

std::unique_ptr<AccountBackend> MakeSqliteBackend(SqliteOptions options) {
  return std::make_unique<SqliteBackend>(std::move(options));
}

}  // namespace ringmail::backend
