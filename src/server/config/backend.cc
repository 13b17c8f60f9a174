#include "server/config/backend.h"

#include "fmt/format.h"
#include "ringmail/backend/templates.h"
#include "ringmail/base/check.h"
#include "server/config/config.h"

namespace ringmail::server {
namespace {

// What sun_path holds, with its NUL.
constexpr size_t kSocketPathBytesMax = 107;

struct Needed {
  BackendKind kind;
  std::string_view key;
  const std::string BackendConfig::*member;
};
constexpr Needed kNeeded[] = {
    {BackendKind::kPasswdFile, "file", &BackendConfig::file},
    {BackendKind::kSqlite, "file", &BackendConfig::file},
    {BackendKind::kSqlite, "query", &BackendConfig::query},
    {BackendKind::kPostgresql, "query", &BackendConfig::query},
    {BackendKind::kPostgresql, "uri", &BackendConfig::uri},
    {BackendKind::kLdap, "uri", &BackendConfig::uri},
    {BackendKind::kLdap, "base", &BackendConfig::base},
    {BackendKind::kLdap, "filter", &BackendConfig::filter},
};

// Each key that is not of every kind, with the kinds that have it.
bool HasKey(BackendKind kind, std::string_view key) {
  using enum BackendKind;
  if (key == "file") return kind == kPasswdFile || kind == kSqlite;
  if (key == "query") return kind == kSqlite || kind == kPostgresql;
  if (key == "uri" || key == "secret_file") return kind == kPostgresql || kind == kLdap;
  return kind == kLdap;
}

}  // namespace

std::string_view BackendKindName(BackendKind kind) {
  switch (kind) {
    case BackendKind::kNone:
      return "none";
    case BackendKind::kPasswdFile:
      return "passwd_file";
    case BackendKind::kSqlite:
      return "sqlite";
    case BackendKind::kPostgresql:
      return "postgresql";
    case BackendKind::kLdap:
      return "ldap";
    case BackendKind::kPam:
      return "pam";
  }
  CHECK(false);
}

std::vector<std::string> JudgeBackend(const BackendConfig& backend, const std::string& data_dir) {
  std::vector<std::string> wrong;
  if (backend.options.name.empty()) wrong.emplace_back("has no name: write name = \"people\"");
  if (backend.options.domains.empty())
    wrong.emplace_back("has no domains: write domains = [\"example.org\"]");
  if (backend.kind == BackendKind::kNone) {
    wrong.emplace_back("has no kind: write kind = \"passwd_file\"");
    return wrong;
  }
  const std::string_view kind = BackendKindName(backend.kind);
  for (const Needed& one : kNeeded) {
    if (one.kind == backend.kind && (backend.*one.member).empty())
      wrong.push_back(fmt::format("of kind \"{}\" needs {}", kind, one.key));
  }
  const std::pair<std::string_view, const std::string*> given[] = {
      {"file", &backend.file},
      {"query", &backend.query},
      {"uri", &backend.uri},
      {"secret_file", &backend.secret_file},
      {"base", &backend.base},
      {"filter", &backend.filter},
      {"bind_dn", &backend.bind_dn},
      {"password_attribute", &backend.password_attribute},
      {"quota_attribute", &backend.quota_attribute},
      {"forward_attribute", &backend.forward_attribute},
      {"authority_file", &backend.authority_file}};
  for (const auto& [key, value] : given) {
    if (!value->empty() && !HasKey(backend.kind, key))
      wrong.push_back(fmt::format("{} means nothing to kind \"{}\"", key, kind));
  }
  if (backend.kind == BackendKind::kPostgresql) {
    const auto numbered = backend::NumberSqlParameters(backend.query);
    if (!numbered.wrong.empty()) wrong.push_back("query " + numbered.wrong);
  }
  if (backend.kind == BackendKind::kLdap) {
    for (const std::string* const one : {&backend.base, &backend.filter}) {
      std::string fault;
      (void)backend::FillLdapTemplate(*one, {}, backend::LdapEscape::kFilter, fault);
      if (!fault.empty()) wrong.push_back(fmt::format("'{}' {}", *one, fault));
    }
  }
  if (!backend.in_process() &&
      data_dir.size() + backend.options.name.size() + 14 > kSocketPathBytesMax) {
    wrong.push_back(
        fmt::format("{} has too long a name for a socket in data_dir: {} octets are "
                    "the most",
                    backend.options.name, kSocketPathBytesMax));
  }
  return wrong;
}

std::string BackendSocket(const Config& config, const BackendConfig& backend) {
  return config.data_dir + "/backend-" + backend.options.name + ".sock";
}

backend::WireMessage BackendProcessConfig(const Config& config, const BackendConfig& backend) {
  backend::WireMessage out{.kind = backend::WireKind::kConfigure, .fields = {}};
  const auto add = [&out](std::string name, std::string value) {
    out.fields.push_back({std::move(name), std::move(value)});
  };
  add("kind", std::string(BackendKindName(backend.kind)));
  add("name", backend.options.name);
  add("socket", BackendSocket(config, backend));
  // Whom the socket belongs to, and who the process becomes; not with PAM, whose modules read what
  // only root may.
  add("user", config.user);
  add("timeout", std::to_string(backend.options.deadline.count()));
  add("uri", backend.uri);
  add("secret_file", backend.secret_file);
  add("query", backend::NumberSqlParameters(backend.query).text);
  add("base", backend.base);
  add("filter", backend.filter);
  add("bind_dn", backend.bind_dn);
  add("password_attribute", backend.password_attribute);
  add("quota_attribute", backend.quota_attribute);
  add("forward_attribute", backend.forward_attribute);
  add("start_tls", backend.start_tls ? "1" : "");
  add("authority_file", backend.authority_file);
  add("service", backend.service);
  add("with_domain", backend.pam_with_domain ? "1" : "");
  return out;
}

}  // namespace ringmail::server
