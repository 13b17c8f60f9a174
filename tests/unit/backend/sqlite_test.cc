#include "ringmail/backend/sqlite.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "tests/sim/io/world.h"

namespace ringmail::backend {
namespace {

StatusOr<io::FileStamp> SameFile(const std::string&) { return io::FileStamp{.inode = 1}; }

// A data base in a file of the test's own.
std::string MakeDatabase(const std::string& name, const char* text) {
  const std::string path = testing::TempDir() + "/ringmail-" + name + ".sqlite";
  sqlite3* database = nullptr;
  EXPECT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(database, text, nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(database);
  sqlite3_close(database);
  return path;
}

constexpr char kPeople[] =
    "DROP TABLE IF EXISTS users;"
    "CREATE TABLE users (address TEXT, password TEXT, quota TEXT, forward TEXT);"
    "INSERT INTO users VALUES ('a@e', 'x', '1M', NULL), ('b@e', NULL, 'nonsense', NULL),"
    " ('c@e', NULL, NULL, 'a@e'), ('c@e', NULL, NULL, 'b@e')";

struct Asking {
  SqliteOptions options;
  std::vector<std::string> addresses;
  std::vector<BackendAnswer> answers;
  static io::Task<void> Main(void* context) {
    auto& self = *static_cast<Asking*>(context);
    const auto backend = MakeSqliteBackend(self.options);
    for (const std::string& one : self.addresses) {
      self.answers.push_back(
          co_await backend->Find(BackendQuestion::Of(one), io::Now() + std::chrono::seconds(1)));
    }
    backend->Cancel();
    self.answers.push_back(
        co_await backend->Find(BackendQuestion::Of("a@e"), io::Now() + std::chrono::seconds(1)));
  }
};

std::vector<BackendAnswer> Ask(SqliteOptions options, std::vector<std::string> addresses) {
  Asking asking{.options = std::move(options), .addresses = std::move(addresses), .answers = {}};
  sim::World world;
  sim::Node& node = world.AddNode({});
  node.Start(&Asking::Main, &asking);
  EXPECT_TRUE(world.RunUntil([&] { return !node.running(); }));
  return asking.answers;
}

TEST(Sqlite, RowsAreAccountsAndNoRowIsNone) {
  using Kind = BackendAnswer::Kind;
  const std::string path = MakeDatabase("rows", kPeople);
  const auto answers = Ask({.path = path,
                            .query = "SELECT password, quota, forward FROM users WHERE address = "
                                     ":address",
                            .default_scheme = "PLAIN",
                            .stamp = SameFile},
                           {"a@e", "b@e", "c@e", "d@e", "' OR 1=1 --@e"});
  ASSERT_EQ(answers.size(), 6u);
  EXPECT_EQ(answers[0].kind, Kind::kFound);
  EXPECT_EQ(answers[0].account.password, "{PLAIN}x");
  EXPECT_EQ(answers[0].account.quota_bytes, 1u << 20);
  EXPECT_EQ(answers[1].kind, Kind::kUnavailable);
  EXPECT_EQ(answers[1].why, "b@e: field 'quota' cannot be read");
  EXPECT_EQ(answers[2].account.forward, (std::vector<std::string>{"a@e", "b@e"}));
  EXPECT_EQ(answers[3].kind, Kind::kUnknown);
  EXPECT_EQ(answers[4].kind, Kind::kUnknown);
  EXPECT_EQ(answers[5].kind, Kind::kUnavailable);
}

TEST(Sqlite, AQueryThatNeverEndsIsGivenUp) {
  const std::string path = MakeDatabase("endless", kPeople);
  const auto answers =
      Ask({.path = path,
           .query = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                    "SELECT max(i) AS quota FROM n",
           .default_scheme = {},
           .stamp = SameFile},
          {"a@e"});
  EXPECT_EQ(answers[0].kind, BackendAnswer::Kind::kUnavailable);
  EXPECT_NE(answers[0].why.find("interrupted"), std::string::npos) << answers[0].why;
}

TEST(Sqlite, TheCheckNamesWhatIsWrongWithTheQuery) {
  const std::string path = MakeDatabase("check", kPeople);
  const auto check = [&](std::string query) {
    return std::string(
        Std(CheckSqlite({.path = path, .query = query, .default_scheme = {}, .stamp = SameFile})
                .message()));
  };
  EXPECT_EQ(check("SELECT password FROM users WHERE address = :address;"), "");
  EXPECT_NE(check("SELECT secrets FROM users").find("no such column"), std::string::npos);
  EXPECT_NE(check("SELECT password FROM users WHERE address = ?").find("parameter ?"),
            std::string::npos);
  EXPECT_EQ(check("SELECT password FROM users; SELECT 1"), "the query is more than one statement");
  EXPECT_EQ(check("UPDATE users SET password = ''"), "the query changes the data base");
  EXPECT_NE(check("SELECT address FROM users").find("none of the columns"), std::string::npos);
  EXPECT_EQ(check(" "), "the query is empty");
  EXPECT_FALSE(CheckSqlite({.path = path + ".none",
                            .query = "SELECT 1 AS quota",
                            .default_scheme = {},
                            .stamp = SameFile})
                   .ok());
}

}  // namespace
}  // namespace ringmail::backend
