// The keys of [[backend]]. For schema.cc.
#pragma once

#include <algorithm>
#include <array>
#include <string>

#include "ringmail/storage/directory_entry.h"
#include "server/config/schema.h"

namespace ringmail::server {

inline constexpr uint64_t kBackendCacheSecondsMax = 86'400;

#define BACKEND_TEXT(member)                                    \
  .set = [](const Value& v, Target& t) -> std::string {         \
    if (v.text.empty()) return "is empty";                      \
    if (v.text.find('\0') != v.text.npos) return "holds a NUL"; \
    t.backend->member = v.text;                                 \
    return {};                                                  \
  }
#define BACKEND_PATH(member)                                                                       \
  .set = [](const Value& v, Target& t) -> std::string {                                            \
    if (!v.text.starts_with('/'))                                                                  \
      return "must be an absolute path, so that it means the same wherever the server is started"; \
    if (v.text.find('\0') != v.text.npos) return "holds a NUL";                                    \
    t.backend->member = v.text;                                                                    \
    return {};                                                                                     \
  }
#define BACKEND_SECONDS(member)                                                 \
  .set = [](const Value& v, Target& t) -> std::string {                         \
    t.backend->options.member =                                                 \
        std::chrono::seconds(static_cast<std::chrono::seconds::rep>(v.number)); \
    return {};                                                                  \
  }
#define BACKEND_COUNT(member)                            \
  .set = [](const Value& v, Target& t) -> std::string {  \
    t.backend->member = static_cast<uint32_t>(v.number); \
    return {};                                           \
  }

inline constexpr Key kBackend[] = {
    {.name = "name",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789-_";
       if (v.text.empty() || v.text.size() > storage::kBackendNameBytesMax ||
           v.text.find_first_not_of(kAllowed) != v.text.npos) {
         return "must be 1 to 64 lower case letters, digits, \"-\" and \"_\"";
       }
       t.backend->options.name = v.text;
       return {};
     }},
    {.name = "kind",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       for (const BackendKind one :
            {BackendKind::kPasswdFile, BackendKind::kSqlite, BackendKind::kPostgresql,
             BackendKind::kLdap, BackendKind::kPam}) {
         if (BackendKindName(one) == v.text) t.backend->kind = one;
       }
       if (t.backend->kind != BackendKind::kNone) return {};
       return "must be one of \"passwd_file\", \"sqlite\", \"postgresql\", \"ldap\", \"pam\"";
     }},
    {.name = "domains",
     .type = KeyType::kTextList,
     .set = [](const Value& v, Target& t) -> std::string {
       const auto domain = storage::DirectoryDomain(v.text);
       if (!domain) return "is no domain: write \"example.org\"";
       std::vector<std::string>& all = t.backend->options.domains;
       if (std::find(all.begin(), all.end(), *domain) != all.end()) return "is there twice";
       all.push_back(*domain);
       return {};
     }},
    {.name = "file", .type = KeyType::kText, BACKEND_PATH(file)},
    {.name = "format",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       using enum backend::PasswdFormat;
       if (v.text == "dovecot") {
         t.backend->format = kDovecot;
       } else if (v.text == "courier") {
         t.backend->format = kCourier;
       } else if (v.text == "passwd") {
         t.backend->format = kPasswd;
       } else {
         return "must be one of \"dovecot\", \"courier\", \"passwd\"";
       }
       return {};
     }},
    {.name = "default_scheme",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       if (v.text.empty() || v.text.find_first_of("{}") != v.text.npos)
         return "must be the name of a scheme, without braces: \"SHA512-CRYPT\"";
       t.backend->default_scheme = v.text;
       return {};
     }},
    {.name = "query", .type = KeyType::kText, BACKEND_TEXT(query)},
    {.name = "uri", .type = KeyType::kText, BACKEND_TEXT(uri)},
    {.name = "secret_file", .type = KeyType::kText, BACKEND_PATH(secret_file)},
    {.name = "base", .type = KeyType::kText, BACKEND_TEXT(base)},
    {.name = "filter", .type = KeyType::kText, BACKEND_TEXT(filter)},
    {.name = "bind_dn", .type = KeyType::kText, BACKEND_TEXT(bind_dn)},
    {.name = "password_attribute", .type = KeyType::kText, BACKEND_TEXT(password_attribute)},
    {.name = "quota_attribute", .type = KeyType::kText, BACKEND_TEXT(quota_attribute)},
    {.name = "forward_attribute", .type = KeyType::kText, BACKEND_TEXT(forward_attribute)},
    {.name = "start_tls",
     .type = KeyType::kBoolean,
     .set = [](const Value& v, Target& t) -> std::string {
       t.backend->start_tls = v.boolean;
       return {};
     }},
    {.name = "authority_file", .type = KeyType::kText, BACKEND_PATH(authority_file)},
    {.name = "service", .type = KeyType::kText, BACKEND_TEXT(service)},
    {.name = "with_domain",
     .type = KeyType::kBoolean,
     .set = [](const Value& v, Target& t) -> std::string {
       t.backend->pam_with_domain = v.boolean;
       return {};
     }},
    {.name = "program", .type = KeyType::kText, BACKEND_PATH(program)},
    {.name = "cache",
     .type = KeyType::kSeconds,
     .max = kBackendCacheSecondsMax,
     BACKEND_SECONDS(cache)},
    {.name = "negative_cache",
     .type = KeyType::kSeconds,
     .max = kBackendCacheSecondsMax,
     BACKEND_SECONDS(negative_cache)},
    {.name = "password_cache",
     .type = KeyType::kSeconds,
     .max = 3600,
     BACKEND_SECONDS(password_cache)},
    {.name = "deadline", .type = KeyType::kSeconds, .min = 1, .max = 60, BACKEND_SECONDS(deadline)},
    {.name = "entries",
     .type = KeyType::kCount,
     .min = 1,
     .max = 10'000'000,
     BACKEND_COUNT(options.entries_max)},
    {.name = "questions",
     .type = KeyType::kCount,
     .min = 1,
     .max = 100'000,
     BACKEND_COUNT(options.questions_max)},
    {.name = "connections",
     .type = KeyType::kCount,
     .min = 1,
     .max = 64,
     BACKEND_COUNT(connections)},
};

#undef BACKEND_TEXT
#undef BACKEND_PATH
#undef BACKEND_SECONDS
#undef BACKEND_COUNT

}  // namespace ringmail::server
