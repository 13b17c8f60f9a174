// The keys of [authentication] and [token]: who is let in, and what failures cost. For schema.cc.
#pragma once

#include <algorithm>
#include <string>

#include "ringmail/credential/scram_keys.h"
#include "ringmail/session/http_client.h"
#include "ringmail/storage/directory_entry.h"
#include "server/config/schema.h"

namespace ringmail::server {

#define AUTH_NUMBER(member)                                            \
  .set = [](const Value& v, Target& t) -> std::string {                \
    auto& to = t.config.authentication.member;                         \
    to = static_cast<std::remove_reference_t<decltype(to)>>(v.number); \
    return {};                                                         \
  },                                                                   \
  .now = [](const Config& c) -> uint64_t { return c.authentication.member; }
#define AUTH_SECONDS(member)                                                                \
  .set = [](const Value& v, Target& t) -> std::string {                                     \
    t.config.authentication.member =                                                        \
        std::chrono::seconds(static_cast<std::chrono::seconds::rep>(v.number));             \
    return {};                                                                              \
  },                                                                                        \
  .now = [](const Config& c) -> uint64_t {                                                  \
    return static_cast<uint64_t>(                                                           \
        std::chrono::duration_cast<std::chrono::seconds>(c.authentication.member).count()); \
  }
#define AUTH_BOOLEAN(member)                            \
  .set = [](const Value& v, Target& t) -> std::string { \
    t.config.authentication.member = v.boolean;         \
    return {};                                          \
  }
#define TOKEN_TEXT(member)                              \
  .set = [](const Value& v, Target& t) -> std::string { \
    if (v.text.empty()) return "is empty";              \
    t.config.token.policy.member = v.text;              \
    return {};                                          \
  }

// A token is a password for whoever sees it.
#define TOKEN_URL(member)                                                    \
  .set = [](const Value& v, Target& t) -> std::string {                      \
    const auto url = session::HttpUrl::Parse(v.text);                        \
    if (!url || !url->tls) return "is no URL that begins with \"https://\""; \
    t.config.token.server.member = v.text;                                   \
    return {};                                                               \
  }
#define TOKEN_SECONDS(member)                                                   \
  .set = [](const Value& v, Target& t) -> std::string {                         \
    t.config.token.server.member =                                              \
        std::chrono::seconds(static_cast<std::chrono::seconds::rep>(v.number)); \
    return {};                                                                  \
  },                                                                            \
  .now = [](const Config& c) -> uint64_t {                                      \
    return static_cast<uint64_t>(c.token.server.member.count());                \
  }

inline constexpr Key kAuthentication[] = {
    {.name = "default_domain",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       const auto domain = storage::DirectoryDomain(v.text);
       if (!domain) return "is no domain: write \"example.org\"";
       t.config.authentication.default_domain = *domain;
       return {};
     }},
    {.name = "scram", .type = KeyType::kBoolean, AUTH_BOOLEAN(scram)},
    {.name = "channel_binding", .type = KeyType::kBoolean, AUTH_BOOLEAN(channel_binding)},
    {.name = "readable_passwords", .type = KeyType::kBoolean, AUTH_BOOLEAN(readable_passwords)},
    {.name = "certificates", .type = KeyType::kBoolean, AUTH_BOOLEAN(certificates)},
    {.name = "upgrade", .type = KeyType::kBoolean, AUTH_BOOLEAN(upgrade)},
    {.name = "password_cache",
     .type = KeyType::kSeconds,
     .max = 24 * 3600,
     AUTH_SECONDS(password_cache),
     .reached = "a password that was found right is checked again (of one shard)"},
    {.name = "argon2_memory",
     .type = KeyType::kBytes,
     .min = 8u << 10,
     .max = 256u << 20,  // PasswordLimits: what is checked again
     .set = [](const Value& v, Target& t) -> std::string {
       t.config.authentication.cost.argon2_memory_kib = static_cast<uint32_t>(v.number >> 10);
       return v.number % 1024 == 0 ? "" : "must be a whole number of KiB";
     },
     .now = [](const Config& c) -> uint64_t {
       return uint64_t{c.authentication.cost.argon2_memory_kib} << 10;
     },
     .rfc = "RFC 9106 §4",
     .reached = "what one new hash takes; older ones of less are made anew at a login"},
    {.name = "argon2_passes",
     .type = KeyType::kCount,
     .min = 1,
     .max = 16,
     AUTH_NUMBER(cost.argon2_passes),
     .rfc = "RFC 9106 §4",
     .reached = "likewise"},
    {.name = "scram_iterations",
     .type = KeyType::kCount,
     .min = credential::kScramIterationsMin,
     .max = 600'000,
     AUTH_NUMBER(scram_iterations),
     .rfc = "RFC 7677 §4",
     .reached = "of new keys; clients compute as many at each login"},
    {.name = "checks",
     .type = KeyType::kCount,
     .min = 1,
     .max = 64,
     AUTH_NUMBER(checks_max),
     .reached = "passwords are checked one after the other (of one shard)"},
    {.name = "checks_waiting",
     .type = KeyType::kCount,
     .min = 1,
     .max = 65'536,
     AUTH_NUMBER(checks_waiting_max),
     .reached = "454 4.7.0 (of one shard)"},
    {.name = "trusted_networks",
     .type = KeyType::kTextList,
     .set = [](const Value& v, Target& t) -> std::string {
       const auto network = IpNetwork::Parse(v.text);
       if (!network) return "is no network: write \"192.0.2.0/24\", \"2001:db8::/32\"";
       if (network->prefix_bits == 0) return "is the whole Internet: nobody would be banned";
       t.config.authentication.limiter.trusted_networks.push_back(*network);
       return {};
     }},
    {.name = "network_bits_v4",
     .type = KeyType::kCount,
     .min = 8,
     .max = 32,
     AUTH_NUMBER(limiter.network_bits_v4),
     .reached = "clients with these bits in common are one network"},
    {.name = "network_bits_v6",
     .type = KeyType::kCount,
     .min = 16,
     .max = 64,
     AUTH_NUMBER(limiter.network_bits_v6),
     .reached = "likewise"},
    {.name = "failure_delay",
     .type = KeyType::kSeconds,
     .max = 60,
     AUTH_SECONDS(limiter.delay_min),
     .reached = "the first failure is answered so late, each further one twice as late"},
    {.name = "failure_delay_max",
     .type = KeyType::kSeconds,
     .max = 60,
     AUTH_SECONDS(limiter.delay_max),
     .reached = "no failure is answered later"},
    {.name = "failures_per_network",
     .type = KeyType::kCount,
     .max = 1'000'000,
     AUTH_NUMBER(limiter.network_failures_max),
     .reached = "454 4.7.0 to the network, until the ban ends; 0: none"},
    {.name = "failures_per_name",
     .type = KeyType::kCount,
     .max = 1'000'000,
     AUTH_NUMBER(limiter.name_failures_max),
     .reached = "454 4.7.0 to networks that have not logged in to it lately; 0: none"},
    {.name = "forgive_time",
     .type = KeyType::kSeconds,
     .min = 1,
     .max = 86'400,
     AUTH_SECONDS(limiter.forgive_time),
     .reached = "one failure is forgotten"},
    {.name = "ban_time",
     .type = KeyType::kSeconds,
     .min = 1,
     .max = 30 * 86'400,
     AUTH_SECONDS(limiter.ban_time),
     .reached = "the first ban ends; each of a row is twice as long"},
    {.name = "ban_time_max",
     .type = KeyType::kSeconds,
     .min = 1,
     .max = 30 * 86'400,
     AUTH_SECONDS(limiter.ban_time_max),
     .reached = "any ban ends"},
    {.name = "known_time",
     .type = KeyType::kSeconds,
     .min = 60,
     .max = 365 * 86'400,
     AUTH_SECONDS(limiter.known_time),
     .reached = "a network is not known any more to have logged in to a name"},
    {.name = "entries",
     .type = KeyType::kCount,
     .min = 1024,
     .max = 16u << 20,
     AUTH_NUMBER(limiter.entries_max),
     .reached = "the least of some networks, or names, is forgotten (of one shard; 128 octets)"},
};

inline constexpr Key kToken[] = {
    {.name = "issuer", .type = KeyType::kText, TOKEN_TEXT(issuer)},
    {.name = "audience",
     .type = KeyType::kTextList,
     .set = [](const Value& v, Target& t) -> std::string {
       if (v.text.empty()) return "is empty";
       t.config.token.policy.audiences.push_back(v.text);
       return {};
     }},
    {.name = "account_claim", .type = KeyType::kText, TOKEN_TEXT(account_claim)},
    {.name = "scope", .type = KeyType::kText, TOKEN_TEXT(scope)},
    {.name = "configuration_url", .type = KeyType::kText, TOKEN_TEXT(configuration_url)},
    {.name = "skew",
     .type = KeyType::kSeconds,
     .max = 600,
     .set = [](const Value& v, Target& t) -> std::string {
       t.config.token.policy.skew =
           std::chrono::seconds(static_cast<std::chrono::seconds::rep>(v.number));
       return {};
     },
     .now = [](const Config& c) -> uint64_t {
       return static_cast<uint64_t>(c.token.policy.skew.count());
     },
     .rfc = "RFC 7519 §4.1.4",
     .reached = "a token has expired, or is not valid yet"},
    {.name = "key_set",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       if (!v.text.starts_with('/')) return "must be an absolute path";
       t.config.token.key_set.path = v.text;
       return {};
     }},
    {.name = "keys",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       auto keys = credential::TokenKeys::Parse(v.text);
       if (!keys.ok()) return "is no key set: " + std::string(Std(keys.status().message()));
       t.config.token.policy.keys = *std::move(keys);
       return {};
     }},
    {.name = "jwks_url", .type = KeyType::kText, TOKEN_URL(key_set_url)},
    {.name = "refresh",
     .type = KeyType::kSeconds,
     .min = 60,
     .max = 86'400,
     TOKEN_SECONDS(refresh),
     .rfc = "RFC 7517 §5",
     .reached =
         "the keys of jwks_url are fetched anew by the next token; until it works, at most a "
         "day long, the old ones count"},
    {.name = "introspection_url", .type = KeyType::kText, TOKEN_URL(introspection_url)},
    {.name = "client_id",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       if (v.text.empty()) return "is empty";
       t.config.token.server.client_id = v.text;
       return {};
     }},
    {.name = "client_secret",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       if (!v.text.starts_with('/')) return "must be an absolute path, of a file that holds it";
       t.config.token.client_secret.path = v.text;
       return {};
     }},
    {.name = "cache_time",
     .type = KeyType::kSeconds,
     .max = 3600,
     TOKEN_SECONDS(cache_time),
     .rfc = "RFC 7662 §4",
     .reached = "introspection_url is asked about the token again"},
    {.name = "server_timeout",
     .type = KeyType::kSeconds,
     .min = 1,
     .max = 60,
     TOKEN_SECONDS(timeout),
     .reached = "454 4.7.0: the server of jwks_url or introspection_url did not answer"},
    {.name = "authorities",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       if (!v.text.starts_with('/')) return "must be an absolute path";
       t.config.token.authorities.path = v.text;
       return {};
     }},
};

#undef TOKEN_URL
#undef TOKEN_SECONDS
#undef AUTH_NUMBER
#undef AUTH_SECONDS
#undef AUTH_BOOLEAN
#undef TOKEN_TEXT

}  // namespace ringmail::server
