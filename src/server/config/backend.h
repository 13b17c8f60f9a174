// [[backend]]: who else knows accounts, as the configuration has it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/agent/account_backends.h"
#include "ringmail/backend/passwd_file.h"
#include "ringmail/backend/wire.h"
#include "ringmail/io/process.h"

namespace ringmail::server {

enum class BackendKind : uint8_t { kNone, kPasswdFile, kSqlite, kPostgresql, kLdap, kPam };
std::string_view BackendKindName(BackendKind kind);

struct BackendConfig {
  agent::BackendOptions options;  // the name and the domains too
  BackendKind kind = BackendKind::kNone;
  std::string file;  // a passwd-file, or a data base of SQLite
  backend::PasswdFormat format = backend::PasswdFormat::kDovecot;
  std::string default_scheme;
  std::string query;                  // SQLite, PostgreSQL
  std::string uri;                    // PostgreSQL, LDAP
  std::string secret_file;            // the password for either
  std::string base, filter, bind_dn;  // LDAP
  std::string password_attribute, quota_attribute, forward_attribute;
  bool start_tls = false;
  std::string authority_file;        // LDAP: who is believed to have signed its certificate
  std::string service = "ringmail";  // PAM
  bool pam_with_domain = false;      // PAM: names are whole addresses
  std::string program;               // ringmail-backend
  uint32_t connections = 4;          // to it, of one shard
  uint32_t line = 0, column = 0;     // where [[backend]] begins

  // Made by LoadBackends.
  std::shared_ptr<backend::PasswdFile> passwd_file;

  bool in_process() const {
    return kind == BackendKind::kPasswdFile || kind == BackendKind::kSqlite;
  }
};

struct Config;
struct ConfigResult;

// What the [[backend]] as a whole lacks or has too much: sentences.
std::vector<std::string> JudgeBackend(const BackendConfig& backend, const std::string& data_dir);

// Reads the passwd-files, opens the data bases and prepares their queries; what is wrong becomes a
// diagnostic at the [[backend]] that names it. Blocks.
void LoadBackends(ConfigResult& result, StatusOr<std::string> (*read)(const std::string&, size_t),
                  StatusOr<io::FileStamp> (*stamp)(const std::string&));

std::string BackendSocket(const Config& config, const BackendConfig& backend);
// What ringmail-backend is told on its standard input.
backend::WireMessage BackendProcessConfig(const Config& config, const BackendConfig& backend);
// One shard's, of a configuration that was loaded. The stamp is for SQLite.
std::unique_ptr<backend::AccountBackend> MakeBackend(
    const Config& config, const BackendConfig& backend,
    StatusOr<io::FileStamp> (*stamp)(const std::string&));

}  // namespace ringmail::server
