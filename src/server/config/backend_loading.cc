// From [[backend]] to what is asked. Apart from backend.cc, which is pure.
#include "fmt/format.h"
#include "ringmail/backend/process_backend.h"
#include "ringmail/backend/sqlite.h"
#include "ringmail/base/check.h"
#include "server/config/backend.h"
#include "server/config/config.h"

namespace ringmail::server {

void LoadBackends(ConfigResult& result, StatusOr<std::string> (*read)(const std::string&, size_t),
                  StatusOr<io::FileStamp> (*stamp)(const std::string&)) {
  if (!result.ok()) return;
  for (BackendConfig& one : result.config.backends) {
    Status status;
    if (one.kind == BackendKind::kPasswdFile) {
      auto opened = backend::PasswdFile::Open(
          {.path = one.file, .format = one.format, .default_scheme = one.default_scheme},
          {.read = read, .stamp = stamp});
      status = opened.status();
      if (opened.ok()) {
        one.passwd_file = *std::move(opened);
        for (const std::string& warning : one.passwd_file->loaded()->warnings) {
          result.diagnostics.push_back(
              {Diagnostic::Severity::kWarning, one.line, one.column,
               fmt::format("[[backend]] {}: {}: {}", one.options.name, one.file, warning)});
        }
      }
    } else if (one.kind == BackendKind::kSqlite) {
      status = backend::CheckSqlite({.path = one.file,
                                     .query = one.query,
                                     .default_scheme = one.default_scheme,
                                     .stamp = stamp});
    }
    if (status.ok()) continue;
    result.diagnostics.push_back(
        {Diagnostic::Severity::kError, one.line, one.column,
         fmt::format("[[backend]] {}: {}", one.options.name, Std(status.message()))});
  }
}

std::unique_ptr<backend::AccountBackend> MakeBackend(
    const Config& config, const BackendConfig& backend,
    StatusOr<io::FileStamp> (*stamp)(const std::string&)) {
  switch (backend.kind) {
    case BackendKind::kPasswdFile:
      CHECK(backend.passwd_file != nullptr);
      return backend::MakePasswdFileBackend(backend.passwd_file);
    case BackendKind::kSqlite:
      return backend::MakeSqliteBackend({.path = backend.file,
                                         .query = backend.query,
                                         .default_scheme = backend.default_scheme,
                                         .stamp = stamp});
    case BackendKind::kPostgresql:
    case BackendKind::kLdap:
    case BackendKind::kPam:
      return backend::MakeProcessBackend({.socket = BackendSocket(config, backend),
                                          .default_scheme = backend.default_scheme,
                                          .connections_max = backend.connections});
    case BackendKind::kNone:
      break;
  }
  CHECK(false);
}

}  // namespace ringmail::server
