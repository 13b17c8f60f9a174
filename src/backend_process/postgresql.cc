// PostgreSQL, by the query of the configuration: one row is the account, and its columns are the
// fields (backend/fields.h).
#include "backend_process/backend.h"

#ifdef RINGMAIL_HAS_POSTGRESQL
#include <libpq-fe.h>

#include <algorithm>
#include <vector>

namespace ringmail::backend_process {
namespace {

constexpr int kRowsMax = 10'000;

struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, ClearResult>;

std::string OneLine(const char* text) {
  std::string out(text == nullptr ? "" : text);
  while (!out.empty() && out.back() == '\n') out.pop_back();
  std::replace(out.begin(), out.end(), '\n', ' ');
  return out;
}

class Postgresql final : public Connection {
 public:
  explicit Postgresql(const WireMessage& configuration) : configuration_(configuration) {}
  ~Postgresql() override { Close(); }

  WireMessage Answer(const WireMessage& question) override {
    if (question.kind != WireKind::kFind) return Unavailable("PostgreSQL checks no passwords");
    const bool kept = connection_ != nullptr;
    WireMessage answer = Query(question);
    // The server may have been started again since.
    if (connection_ == nullptr && kept) answer = Query(question);
    return answer;
  }

 private:
  void Close() {
    if (connection_ != nullptr) PQfinish(connection_);
    connection_ = nullptr;
  }
  std::string Open();
  WireMessage Query(const WireMessage& question);

  const WireMessage& configuration_;
  PGconn* connection_ = nullptr;
};

// What went wrong, or "".
std::string Postgresql::Open() {
  if (connection_ != nullptr && PQstatus(connection_) == CONNECTION_OK) return {};
  Close();
  std::string secret;
  const std::string secret_file(configuration_.Get("secret_file"));
  if (!secret_file.empty() && !ReadSecret(secret_file, secret))
    return secret_file + " cannot be read";
  const std::string uri(configuration_.Get("uri"));
  const std::string timeout(configuration_.Get("timeout"));
  // Within the server's deadline, so that a thread is not held for longer than somebody waits.
  const std::string options =
      "-c statement_timeout=" + timeout + "s -c default_transaction_read_only=on";
  std::vector<const char*> names = {"dbname", "connect_timeout", "options", "application_name"};
  std::vector<const char*> values = {uri.c_str(), timeout.c_str(), options.c_str(), "ringmail"};
  if (!secret.empty()) {
    names.push_back("password");
    values.push_back(secret.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  connection_ = PQconnectdbParams(names.data(), values.data(), /*expand_dbname=*/1);
  if (connection_ == nullptr) return "no memory for a connection";
  if (PQstatus(connection_) == CONNECTION_OK) return {};
  std::string why = OneLine(PQerrorMessage(connection_));
  Close();
  return why;
}

WireMessage Postgresql::Query(const WireMessage& question) {
  if (std::string why = Open(); !why.empty()) return Unavailable(std::move(why));
  const std::string query(configuration_.Get("query"));
  const std::string parts[] = {std::string(question.Get("address")),
                               std::string(question.Get("local_part")),
                               std::string(question.Get("domain"))};
  const char* const values[] = {parts[0].c_str(), parts[1].c_str(), parts[2].c_str()};
  // Of type text whatever the query does with them, also where it does not name them all.
  constexpr Oid kText = 25;
  const Oid types[] = {kText, kText, kText};
  const Result result(PQexecParams(connection_, query.c_str(), 3, types, values, nullptr, nullptr,
                                   /*resultFormat=*/0));
  if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) {
    std::string why = OneLine(PQerrorMessage(connection_));
    if (why.empty()) why = "the query returns no rows";
    if (PQstatus(connection_) != CONNECTION_OK) Close();
    return Unavailable(std::move(why));
  }
  WireMessage answer;
  const int rows = PQntuples(result.get());
  answer.kind = rows == 0 ? WireKind::kUnknown : WireKind::kFound;
  if (rows > kRowsMax) return Unavailable("the query returns too many rows");
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < PQnfields(result.get()); ++column) {
      if (PQgetisnull(result.get(), row, column) != 0) continue;
      answer.fields.push_back(
          {PQfname(result.get(), column),
           std::string(PQgetvalue(result.get(), row, column),
                       static_cast<size_t>(PQgetlength(result.get(), row, column)))});
    }
  }
  return answer;
}

}  // namespace

std::unique_ptr<Connection> MakePostgresql(const WireMessage& configuration) {
  return std::make_unique<Postgresql>(configuration);
}

}  // namespace ringmail::backend_process
#else
namespace ringmail::backend_process {
std::unique_ptr<Connection> MakePostgresql(const WireMessage&) { return nullptr; }
}  // namespace ringmail::backend_process
#endif
