#include "server/config/schema.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "ringmail/io/certificate.h"
#include "ringmail/io/shard.h"
#include "ringmail/message/path.h"
#include "ringmail/session/http_client.h"
#include "server/config/authentication_keys.h"
#include "server/config/backend_keys.h"
#include "server/config/tunnel_keys.h"

namespace ringmail::server {
namespace {

constexpr uint64_t kSecondsMax = 365ull * 86'400;
constexpr uint64_t kBytesMax = uint64_t{1} << 50;

std::string SetDomain(const std::string& text, std::string& out) {
  const bool subdomains = text.starts_with('.');
  const std::string_view domain = std::string_view(text).substr(subdomains ? 1 : 0);
  if (!message::ValidDomain(domain, message::Utf8::kAllowed)) {
    return "is no domain: write \"example.org\", or \".example.org\" for all its subdomains";
  }
  out = message::NormalizedDomain(text);
  return {};
}

std::string SetNextHop(const std::string& text, agent::NextHop& out) {
  std::optional<agent::NextHop> hop = agent::NextHop::Parse(text);
  if (!hop)
    return "is no next hop: write \"host\", \"host:port\", \"192.0.2.1:port\" or "
           "\"[2001:db8::1]:port\", or \"unix:/run/service.sock\"; \"lmtp://\" before it for one "
           "that speaks LMTP";
  out = *std::move(hop);
  return {};
}

std::string SetAbsolutePath(const std::string& text, std::string& out) {
  if (!text.starts_with('/'))
    return "must be an absolute path, so that it means the same wherever the server is started";
  if (text.find('\0') != std::string::npos) return "holds a NUL";
  out = text;
  return {};
}

std::string SetHostname(const Value& value, Target& target) {
  if (!message::ValidDomain(value.text, message::Utf8::kRefused)) {
    return "is no host name as RFC 5321 §4.1.2 writes them: letters, digits and hyphens, with dots "
           "between";
  }
  target.config.hostname = message::NormalizedDomain(value.text);
  return {};
}

std::string SetNetwork(const Value& value, Target& target) {
  const std::optional<IpNetwork> network = IpNetwork::Parse(value.text);
  if (!network) {
    return "is no network: write \"192.0.2.0/24\", \"2001:db8::/32\" or one address; bits beyond "
           "the prefix must be zero";
  }
  if (network->prefix_bits == 0) {
    return "is the whole Internet, which would make this server an open relay: name the networks "
           "that may relay";
  }
  target.config.relay.networks.push_back(*network);
  return {};
}

std::string SetPostmaster(const Value& value, Target& target) {
  if (!message::ParseMailbox(value.text, message::Utf8::kRefused))
    return "is no address: write \"person@example.org\"";
  target.config.relay.postmaster = value.text;
  return {};
}

std::string SetListenAddress(const Value& value, Target& target) {
  const std::optional<io::Endpoint> endpoint = io::Endpoint::Parse(value.text);
  const bool relative =
      endpoint && !endpoint->unix_path.empty() && !endpoint->unix_path.starts_with('/');
  if (!endpoint || relative) {
    return "is no address to listen at: write \"0.0.0.0:25\", \"192.0.2.1:25\", \"[::]:25\" or "
           "\"unix:/run/ringmail/lmtp.sock\"";
  }
  target.listener->endpoint = *endpoint;
  return {};
}

std::string SetUniqueId(const Value& value, Target& target) {
  const auto format = pop3::UniqueIdFormat::Parse(value.text);
  if (!format)
    return "is no format of unique-ids: text with %u (the UID), %v (UIDVALIDITY), or with zeros "
           "before them and hexadecimal, as %08Xu; at most 70 octets, without spaces";
  target.config.pop3.unique_id = *format;
  return {};
}

template <typename Enum>
struct Named {
  std::string_view name;
  Enum value;
};
template <typename Enum, size_t N>
std::string SetNamed(const std::string& text, const std::array<Named<Enum>, N>& names, Enum& out) {
  std::string wanted;
  for (const Named<Enum>& one : names) {
    if (one.name == text) {
      out = one.value;
      return {};
    }
    wanted += (wanted.empty() ? "\"" : ", \"") + std::string(one.name) + "\"";
  }
  return "must be one of " + wanted;
}

constexpr std::array<Named<session::ListenerProtocol>, 5> kListenerProtocols = {
    {{"smtp", session::ListenerProtocol::kSmtp},
     {"submission", session::ListenerProtocol::kSubmission},
     {"lmtp", session::ListenerProtocol::kLmtp},
     {"pop3", session::ListenerProtocol::kPop3},
     {"acme", session::ListenerProtocol::kAcme}}};

std::string SetProtocol(const Value& value, Target& target) {
  session::ListenerProtocol& protocol = target.listener->options.protocol;
  if (SetNamed(value.text, kListenerProtocols, protocol).empty()) return {};
  for (std::string_view later : {"imap", "managesieve", "http"}) {
    if (value.text == later)
      return "is not in this version yet: \"smtp\", \"submission\", \"lmtp\", \"pop3\" and "
             "\"acme\" "
             "are";
  }
  return "is no protocol: \"smtp\", \"submission\", \"lmtp\", \"pop3\" and \"acme\" are";
}

constexpr std::array<Named<smtp::BareNewline>, 2> kBareNewline = {
    {{"refused", smtp::BareNewline::kRefused},
     {"legacy-scanner", smtp::BareNewline::kLegacyScanner}}};
constexpr std::array<Named<smtp::PathSpacing>, 2> kPathSpacing = {
    {{"refused", smtp::PathSpacing::kRefused},
     {"legacy-mailer", smtp::PathSpacing::kLegacyMailer}}};
constexpr std::array<Named<smtp::HeloSyntax>, 2> kHeloSyntax = {
    {{"strict", smtp::HeloSyntax::kStrict}, {"windows-host", smtp::HeloSyntax::kWindowsHost}}};
constexpr std::array<Named<smtp::ListenerTls>, 3> kListenerTls = {
    {{"none", smtp::ListenerTls::kNone},
     {"starttls", smtp::ListenerTls::kStartTls},
     {"implicit", smtp::ListenerTls::kImplicit}}};
constexpr std::array<Named<agent::DetailMailbox>, 2> kDetailMailbox = {
    {{"inbox", agent::DetailMailbox::kInbox}, {"mailbox", agent::DetailMailbox::kNamed}}};
constexpr std::array<Named<smtp::ListenerAuth>, 3> kListenerAuth = {
    {{"none", smtp::ListenerAuth::kNone},
     {"encrypted", smtp::ListenerAuth::kEncrypted},
     {"always", smtp::ListenerAuth::kAlways}}};
constexpr std::array<Named<agent::SubmissionIdentities>, 3> kIdentities = {
    {{"enforced", agent::SubmissionIdentities::kEnforced},
     {"reverse-path-only", agent::SubmissionIdentities::kReversePathOnly},
     {"any", agent::SubmissionIdentities::kAny}}};
constexpr std::array<Named<agent::Disclosure>, 3> kDisclosure = {
    {{"nobody", agent::Disclosure::kNobody},
     {"trusted", agent::Disclosure::kTrusted},
     {"anybody", agent::Disclosure::kAnybody}}};
constexpr std::array<Named<pop3::Utf8Header>, 2> kUtf8Header = {
    {{"surrogate", pop3::Utf8Header::kSurrogate}, {"refused", pop3::Utf8Header::kRefused}}};
constexpr std::array<Named<io::TlsVersion>, 2> kTlsVersions = {
    {{"1.2", io::TlsVersion::k12}, {"1.3", io::TlsVersion::k13}}};
constexpr std::array<Named<io::TlsClientCertificates>, 3> kClientCertificates = {
    {{"none", io::TlsClientCertificates::kIgnored},
     {"request", io::TlsClientCertificates::kRequested},
     {"require", io::TlsClientCertificates::kRequired}}};
constexpr std::array<Named<acme::ChallengeKind>, 2> kChallenges = {
    {{"http-01", acme::ChallengeKind::kHttp01}, {"tls-alpn-01", acme::ChallengeKind::kTlsAlpn01}}};
constexpr std::array<Named<LogLevel>, 4> kLogLevels = {{{"debug", LogLevel::kDebug},
                                                        {"info", LogLevel::kInfo},
                                                        {"warning", LogLevel::kWarning},
                                                        {"error", LogLevel::kError}}};

// The setters of plain members: captureless, one for each member.
#define SET_NUMBER(member)                                              \
  [](const Value& v, Target& t) -> std::string {                        \
    t.config.member = static_cast<decltype(t.config.member)>(v.number); \
    return {};                                                          \
  }
#define SET_SECONDS(member)                                                                   \
  [](const Value& v, Target& t) -> std::string {                                              \
    t.config.member = std::chrono::seconds(static_cast<std::chrono::seconds::rep>(v.number)); \
    return {};                                                                                \
  }
#define NOW_NUMBER(member) \
  [](const Config& c) -> uint64_t { return static_cast<uint64_t>(c.member); }
#define NOW_SECONDS(member) \
  [](const Config& c) -> uint64_t { return static_cast<uint64_t>(c.member.count()); }

constexpr Key kTop[] = {
    {.name = "hostname", .type = KeyType::kText, .set = SetHostname},
    {.name = "data_dir",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) { return SetAbsolutePath(v.text, t.config.data_dir); }},
    {.name = "control_socket",
     .type = KeyType::kText,
     .set = [](const Value& v,
               Target& t) { return SetAbsolutePath(v.text, t.config.control_socket); }},
    {.name = "user",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       t.config.user = v.text;
       return v.text.empty() ? "must not be empty: leave the key out to stay who started the server"
                             : "";
     }},
    {.name = "shards",
     .type = KeyType::kCount,
     .min = 1,
     .max = io::kShardCountMax,
     .set = SET_NUMBER(shards)},
    {.name = "shutdown_timeout",
     .type = KeyType::kSeconds,
     .min = 1,
     .max = 3600,
     .set = SET_SECONDS(shutdown_timeout),
     .now = NOW_SECONDS(shutdown_timeout),
     .reached = "what is still in flight is cut; it was not acknowledged, or is tried again"},
};

constexpr Key kListener[] = {
    {.name = "address", .type = KeyType::kText, .set = SetListenAddress},
    {.name = "protocol", .type = KeyType::kText, .set = SetProtocol},
    {.name = "mode",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       uint32_t mode = 0;
       const char* const end = v.text.data() + v.text.size();
       const auto read = std::from_chars(v.text.data(), end, mode, 8);
       if (read.ec != std::errc() || read.ptr != end || mode > 0777)
         return "is no mode of a file: write \"0660\"";
       t.listener->socket_mode = mode;
       return {};
     }},
    {.name = "group",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       t.listener->socket_group = v.text;
       return v.text.empty() ? "is empty" : "";
     }},
    {.name = "tls",
     .type = KeyType::kText,
     .set = [](const Value& v,
               Target& t) { return SetNamed(v.text, kListenerTls, t.listener->options.tls); }},
    {.name = "auth",
     .type = KeyType::kText,
     .set =
         [](const Value& v, Target& t) {
           std::string problem = SetNamed(v.text, kListenerAuth, t.listener->options.auth);
           t.listener->auth_set = problem.empty();
           return problem;
         }},
    {.name = "name",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       t.listener->options.name = v.text;
       return v.text.empty() || v.text.size() > 64 ? "must have 1 to 64 characters" : "";
     }},
    {.name = "bare_newline",
     .type = KeyType::kText,
     .set =
         [](const Value& v, Target& t) {
           return SetNamed(v.text, kBareNewline, t.listener->options.bare_newline);
         }},
    {.name = "path_spacing",
     .type = KeyType::kText,
     .set =
         [](const Value& v, Target& t) {
           return SetNamed(v.text, kPathSpacing, t.listener->options.path_spacing);
         }},
    {.name = "helo_syntax",
     .type = KeyType::kText,
     .set =
         [](const Value& v, Target& t) {
           return SetNamed(v.text, kHeloSyntax, t.listener->options.helo_syntax);
         }},
    {.name = "greeting_delay",
     .type = KeyType::kSeconds,
     .max = 60,
     .set = [](const Value& v, Target& t) -> std::string {
       t.listener->options.greeting_delay = std::chrono::seconds(static_cast<int64_t>(v.number));
       return {};
     }},
    {.name = "proxy_protocol",
     .type = KeyType::kTextList,
     .set = [](const Value& v,
               Target& t) { return SetProxy(v.text, t.listener->options.proxies); }},
};

constexpr Key kRelay[] = {
    {.name = "networks", .type = KeyType::kTextList, .set = SetNetwork},
    {.name = "domains",
     .type = KeyType::kTextList,
     .set =
         [](const Value& v, Target& t) {
           std::string domain;
           std::string problem = SetDomain(v.text, domain);
           if (problem.empty()) t.config.relay.domains.push_back(std::move(domain));
           return problem;
         }},
    {.name = "next_hop",
     .type = KeyType::kText,
     .set =
         [](const Value& v, Target& t) {
           return SetNextHop(v.text, t.config.transfer.relay_next_hop.emplace());
         }},
    {.name = "postmaster", .type = KeyType::kText, .set = SetPostmaster},
};

constexpr Key kRoute[] = {
    {.name = "domain",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) { return SetDomain(v.text, t.route->domain); }},
    {.name = "next_hop",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) { return SetNextHop(v.text, t.route->next_hop); }},
};

constexpr Key kLimits[] = {
    {.name = "message_size",
     .type = KeyType::kBytes,
     .min = 64u << 10,
     .max = uint64_t{4} << 30,
     .set = [](const Value& v, Target& t) -> std::string {
       t.config.mail.message_bytes_max = t.config.store.message_bytes_max = v.number;
       return {};
     },
     .now = NOW_NUMBER(mail.message_bytes_max),
     .rfc = "RFC 5321 §4.5.3.1.7, RFC 1870",
     .reached = "552 5.3.4"},
    {.name = "recipients",
     .type = KeyType::kCount,
     .min = 100,
     .max = 999'999,  // RFC 9422: six digits
     .set = SET_NUMBER(mail.recipients_max),
     .now = NOW_NUMBER(mail.recipients_max),
     .rfc = "RFC 5321 §4.5.3.1.8, RFC 9422",
     .reached = "452 4.5.3 for those beyond"},
    {.name = "hops",
     .type = KeyType::kCount,
     .min = 10,
     .max = 1000,
     .set = SET_NUMBER(mail.hops_max),
     .now = NOW_NUMBER(mail.hops_max),
     .rfc = "RFC 5321 §6.3",
     .reached = "554 5.4.6",
     .advised_min = 30},
    {.name = "own_hops",
     .type = KeyType::kCount,
     .min = 1,
     .max = 100,
     .set = SET_NUMBER(mail.own_hops_max),
     .now = NOW_NUMBER(mail.own_hops_max),
     .rfc = "RFC 5321 §6.3",
     .reached = "554 5.4.6"},
    {.name = "connections",
     .type = KeyType::kCount,
     .min = 1,
     .max = 4'000'000,
     .set = SET_NUMBER(smtp.sessions_max),
     .now = NOW_NUMBER(smtp.sessions_max),
     .rfc = "RFC 5321 §4.5.4.2",
     .reached = "421 4.3.2 (of one shard)"},
    {.name = "connections_per_network",
     .type = KeyType::kCount,
     .min = 1,
     .max = 4'000'000,
     .set = SET_NUMBER(smtp.sessions_per_network_max),
     .now = NOW_NUMBER(smtp.sessions_per_network_max),
     .reached = "421 4.7.0 (of one shard; [relay] networks are not held to it)"},
    {.name = "network_bits_v4",
     .type = KeyType::kCount,
     .min = 8,
     .max = 32,
     .set = SET_NUMBER(smtp.network_bits_v4)},
    {.name = "network_bits_v6",
     .type = KeyType::kCount,
     .min = 16,
     .max = 128,
     .set = SET_NUMBER(smtp.network_bits_v6)},
    {.name = "errors",
     .type = KeyType::kCount,
     .min = 1,
     .max = 1'000'000,
     .set = SET_NUMBER(smtp.errors_max),
     .now = NOW_NUMBER(smtp.errors_max),
     .rfc = "RFC 5321 §7.8",
     .reached = "421 4.7.0"},
    {.name = "refused_recipients",
     .type = KeyType::kCount,
     .min = 1,
     .max = 1'000'000,
     .set = SET_NUMBER(smtp.refused_recipients_max),
     .now = NOW_NUMBER(smtp.refused_recipients_max),
     .rfc = "RFC 5321 §7.8",
     .reached = "421 4.7.0"},
    {.name = "idle_commands",
     .type = KeyType::kCount,
     .min = 1,
     .max = 1'000'000,
     .set = SET_NUMBER(smtp.idle_commands_max),
     .now = NOW_NUMBER(smtp.idle_commands_max),
     .rfc = "RFC 5321 §7.8",
     .reached = "421 4.7.0"},
    {.name = "transactions",
     .type = KeyType::kCount,
     .min = 0,
     .max = 999'999,
     .set = SET_NUMBER(smtp.transactions_max),
     .now = NOW_NUMBER(smtp.transactions_max),
     .rfc = "RFC 9422",
     .reached = "421 4.7.0; 0 is no limit"},
    {.name = "command_timeout",
     .type = KeyType::kSeconds,
     .min = 1,
     .max = 86'400,
     .set = SET_SECONDS(smtp.command_timeout),
     .now = NOW_SECONDS(smtp.command_timeout),
     .rfc = "RFC 5321 §4.5.3.2.7",
     .reached = "421 4.4.2",
     .advised_min = 300},
    {.name = "content_timeout",
     .type = KeyType::kSeconds,
     .min = 1,
     .max = 86'400,
     .set = SET_SECONDS(smtp.content_timeout),
     .now = NOW_SECONDS(smtp.content_timeout),
     .rfc = "RFC 5321 §4.5.3.2.5",
     .reached = "421 4.4.2",
     .advised_min = 180},
    {.name = "content_rate",
     .type = KeyType::kBytes,
     .max = 1u << 30,
     .set = SET_NUMBER(smtp.content_bytes_per_second_min),
     .now = NOW_NUMBER(smtp.content_bytes_per_second_min),
     .reached =
         "421 4.4.2 below it (bytes per second, after content_timeout of grace); 0B is no limit"},
};

constexpr Key kRetry[] = {
    {.name = "first_delay",
     .type = KeyType::kSeconds,
     .min = 1,
     .max = kSecondsMax,
     .set = SET_SECONDS(transfer.retry.first_delay)},
    {.name = "delay_max",
     .type = KeyType::kSeconds,
     .min = 1,
     .max = kSecondsMax,
     .set = SET_SECONDS(transfer.retry.delay_max)},
    {.name = "growth",
     .type = KeyType::kRatio,
     .min = 1,
     .max = 100,
     .set = [](const Value& v, Target& t) -> std::string {
       t.config.transfer.retry.growth = v.ratio;
       return {};
     }},
    {.name = "jitter",
     .type = KeyType::kRatio,
     .min = 0,
     .max = 1,
     .set = [](const Value& v, Target& t) -> std::string {
       t.config.transfer.retry.jitter = v.ratio;
       return {};
     }},
    {.name = "expire_after",
     .type = KeyType::kSeconds,
     .min = 1,
     .max = kSecondsMax,
     .set = SET_SECONDS(transfer.retry.expire_after),
     .now = NOW_SECONDS(transfer.retry.expire_after),
     .rfc = "RFC 5321 §4.5.4.1",
     .reached = "a DSN to the reverse-path",
     .advised_min = 4 * 86'400},
    {.name = "delay_warning_after",
     .type = KeyType::kSeconds,
     .min = 0,
     .max = kSecondsMax,
     .set = SET_SECONDS(transfer.retry.delay_warning_after),
     .now = NOW_SECONDS(transfer.retry.delay_warning_after),
     .rfc = "RFC 3461 §4.1, RFC 3464",
     .reached = "a DSN that warns of the delay; 0s is none"},
};

constexpr Key kDestination[] = {
    {.name = "connections",
     .type = KeyType::kCount,
     .min = 1,
     .max = 10'000,
     .set = SET_NUMBER(transfer.destination.sessions_max),
     .now = NOW_NUMBER(transfer.destination.sessions_max),
     .rfc = "RFC 5321 §4.5.4.1",
     .reached = "messages wait for a free connection"},
    {.name = "messages_per_connection",
     .type = KeyType::kCount,
     .min = 1,
     .max = 1'000'000'000,
     .set = SET_NUMBER(transfer.destination.messages_per_session_max),
     .now = NOW_NUMBER(transfer.destination.messages_per_session_max),
     .reached = "QUIT, and a new connection"},
    {.name = "recipients_per_transaction",
     .type = KeyType::kCount,
     .min = 1,
     .max = 1'000'000,
     .set = SET_NUMBER(transfer.destination.recipients_per_transaction_max),
     .now = NOW_NUMBER(transfer.destination.recipients_per_transaction_max),
     .rfc = "RFC 5321 §4.5.3.1.8",
     .reached = "another transaction carries the rest"},
    {.name = "idle_connection",
     .type = KeyType::kSeconds,
     .min = 0,
     .max = 3600,
     .set = SET_SECONDS(transfer.destination.idle_session),
     .now = NOW_SECONDS(transfer.destination.idle_session),
     .reached = "QUIT"},
    {.name = "source_address",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       const std::optional<IpAddress> address = IpAddress::Parse(v.text);
       if (address) t.config.client.source = *address;
       return address ? "" : "is no IP address";
     }},
    {.name = "pipelining",
     .type = KeyType::kBoolean,
     .set = [](const Value& v, Target& t) -> std::string {
       t.config.client.pipelining = v.boolean ? smtp::Use::kWhereOffered : smtp::Use::kNever;
       return {};
     }},
    {.name = "chunking",
     .type = KeyType::kBoolean,
     .set = [](const Value& v, Target& t) -> std::string {
       t.config.client.chunking = v.boolean ? smtp::Use::kWhereOffered : smtp::Use::kNever;
       return {};
     }},
    {.name = "connect_timeout",
     .type = KeyType::kSeconds,
     .min = 1,
     .max = 3600,
     .set = SET_SECONDS(client.timeouts.connect),
     .now = NOW_SECONDS(client.timeouts.connect),
     .reached = "the next address, then deferred"},
    {.name = "greeting_timeout",
     .type = KeyType::kSeconds,
     .min = 1,
     .max = 3600,
     .set = SET_SECONDS(client.timeouts.greeting),
     .now = NOW_SECONDS(client.timeouts.greeting),
     .rfc = "RFC 5321 §4.5.3.2.1",
     .reached = "deferred",
     .advised_min = 300},
    {.name = "command_timeout",
     .type = KeyType::kSeconds,
     .min = 1,
     .max = 3600,
     .set = SET_SECONDS(client.timeouts.command),
     .now = NOW_SECONDS(client.timeouts.command),
     .rfc = "RFC 5321 §4.5.3.2.2, §4.5.3.2.3",
     .reached = "deferred",
     .advised_min = 300},
    {.name = "data_start_timeout",
     .type = KeyType::kSeconds,
     .min = 1,
     .max = 3600,
     .set = SET_SECONDS(client.timeouts.data_start),
     .now = NOW_SECONDS(client.timeouts.data_start),
     .rfc = "RFC 5321 §4.5.3.2.4",
     .reached = "deferred",
     .advised_min = 120},
    {.name = "data_block_timeout",
     .type = KeyType::kSeconds,
     .min = 1,
     .max = 3600,
     .set = SET_SECONDS(client.timeouts.data_block),
     .now = NOW_SECONDS(client.timeouts.data_block),
     .rfc = "RFC 5321 §4.5.3.2.5",
     .reached = "deferred",
     .advised_min = 180},
    {.name = "data_end_timeout",
     .type = KeyType::kSeconds,
     .min = 1,
     .max = 7200,
     .set = SET_SECONDS(client.timeouts.data_end),
     .now = NOW_SECONDS(client.timeouts.data_end),
     .rfc = "RFC 5321 §4.5.3.2.6, RFC 1047",
     .reached = "deferred, and logged as ambiguous: the peer may have it",
     .advised_min = 600},
};

#define SET_CERTIFICATE_PATH(member)                            \
  [](const Value& v, Target& t) -> std::string {                \
    return SetAbsolutePath(v.text, t.certificate->member.path); \
  }

constexpr Key kCertificate[] = {
    {.name = "certificate", .type = KeyType::kText, .set = SET_CERTIFICATE_PATH(certificate)},
    {.name = "private_key", .type = KeyType::kText, .set = SET_CERTIFICATE_PATH(private_key)},
    {.name = "ocsp_response", .type = KeyType::kText, .set = SET_CERTIFICATE_PATH(ocsp_response)},
};

constexpr Key kTls[] = {
    {.name = "certificate", .type = KeyType::kText, .set = SET_CERTIFICATE_PATH(certificate)},
    {.name = "private_key", .type = KeyType::kText, .set = SET_CERTIFICATE_PATH(private_key)},
    {.name = "ocsp_response", .type = KeyType::kText, .set = SET_CERTIFICATE_PATH(ocsp_response)},
    {.name = "version_min",
     .type = KeyType::kText,
     .set = [](const Value& v,
               Target& t) { return SetNamed(v.text, kTlsVersions, t.config.tls.version_min); }},
    {.name = "client_certificates",
     .type = KeyType::kText,
     .set =
         [](const Value& v, Target& t) {
           return SetNamed(v.text, kClientCertificates, t.config.tls.client_certificates);
         }},
    {.name = "client_authorities",
     .type = KeyType::kText,
     .set =
         [](const Value& v, Target& t) {
           return SetAbsolutePath(v.text, t.config.tls.client_authorities.path);
         }},
    {.name = "ticket_period",
     .type = KeyType::kSeconds,
     .min = 60,
     .max = 7 * 86'400,  // RFC 8446 §4.6.1
     .set = SET_SECONDS(tls.ticket_period),
     .now = NOW_SECONDS(tls.ticket_period),
     .rfc = "RFC 8446 §4.6.1",
     .reached = "session tickets get a new key; the one before is good for one period more"},
};

std::string SetAcmeDirectory(const Value& value, Target& target) {
  const auto url = session::HttpUrl::Parse(value.text);
  if (!url || !url->tls) return "is no URL that begins with \"https://\" (RFC 8555 §6.1)";
  target.config.acme.directory_url = value.text;
  return {};
}

std::string SetAcmeContact(const Value& value, Target& target) {
  // RFC 8555 §7.3: a URL; an address is what people write.
  const std::string_view address =
      std::string_view(value.text).substr(value.text.starts_with("mailto:") ? 7 : 0);
  if (!message::ParseMailbox(address, message::Utf8::kRefused))
    return "is no address: write \"person@example.org\"";
  target.config.acme.contacts.push_back("mailto:" + std::string(address));
  return {};
}

std::string SetAcmeName(const Value& value, Target& target) {
  std::vector<std::string>& names = target.config.acme.names;
  if (value.text.starts_with("*."))
    return "is a wildcard, which no authority gives for http-01 or tls-alpn-01";
  if (!message::ValidDomain(value.text, message::Utf8::kRefused))
    return "is no host name in ASCII: write \"mx.example.org\"";
  const std::string name = message::NormalizedDomain(value.text);
  if (std::find(names.begin(), names.end(), name) != names.end()) return "is there twice";
  if (names.size() >= io::kCertificateNamesMax) return "is one more than a certificate can have";
  names.push_back(name);
  return {};
}

constexpr Key kAcme[] = {
    {.name = "directory", .type = KeyType::kText, .set = SetAcmeDirectory},
    {.name = "contact", .type = KeyType::kTextList, .set = SetAcmeContact},
    {.name = "agree_to_terms",
     .type = KeyType::kBoolean,
     .set = [](const Value& v, Target& t) -> std::string {
       t.config.acme.terms_agreed = v.boolean;
       return {};
     }},
    {.name = "domains", .type = KeyType::kTextList, .set = SetAcmeName},
    {.name = "challenge",
     .type = KeyType::kText,
     .set = [](const Value& v,
               Target& t) { return SetNamed(v.text, kChallenges, t.config.acme.challenge); }},
    {.name = "authorities",
     .type = KeyType::kText,
     .set = [](const Value& v,
               Target& t) { return SetAbsolutePath(v.text, t.config.acme.authorities.path); }},
};

constexpr Key kLog[] = {
    {.name = "path",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) { return SetAbsolutePath(v.text, t.config.log.path); }},
    {.name = "level",
     .type = KeyType::kText,
     .set = [](const Value& v,
               Target& t) { return SetNamed(v.text, kLogLevels, t.config.log.level); }},
};

constexpr Key kStore[] = {
    {.name = "segment_size",
     .type = KeyType::kBytes,
     .min = 1u << 20,
     .max = uint64_t{4} << 30,
     .set = [](const Value& v, Target& t) -> std::string {
       t.config.store.segment_bytes = v.number;
       return v.number % (1u << 20) == 0 ? "" : "must be a whole number of MiB";
     },
     .now = NOW_NUMBER(store.segment_bytes),
     .reached = "the next segment is begun"},
    {.name = "quota",
     .type = KeyType::kBytes,
     .max = kBytesMax,
     .set = SET_NUMBER(store.quota_bytes),
     .now = NOW_NUMBER(store.quota_bytes),
     .reached = "452 4.3.1 until there is room again; 0B is what the file system has"},
    {.name = "reserve",
     .type = KeyType::kBytes,
     .max = kBytesMax,
     .set = SET_NUMBER(store.reserve_bytes),
     .now = NOW_NUMBER(store.reserve_bytes),
     .reached = "452 4.3.1: what is left is for outcomes and compaction"},
    {.name = "cache",
     .type = KeyType::kBytes,
     .max = uint64_t{1} << 40,
     .set = SET_NUMBER(store.content_cache_bytes),
     .now = NOW_NUMBER(store.content_cache_bytes),
     .reached = "content is read from disk when it is delivered"},
};

constexpr Key kDomain[] = {
    {.name = "name",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       const auto domain = storage::DirectoryDomain(v.text);
       if (!domain) return "is no domain: write \"example.org\"";
       std::vector<std::string>& all = t.config.directory.configured_domains;
       if (std::find(all.begin(), all.end(), *domain) != all.end()) return "is there twice";
       all.push_back(*domain);
       return {};
     }},
};

constexpr Key kDelivery[] = {
    {.name = "detail",
     .type = KeyType::kText,
     .set = [](const Value& v,
               Target& t) { return SetNamed(v.text, kDetailMailbox, t.config.delivery.detail); }},
};

constexpr Key kDirectory[] = {
    {.name = "subaddress_separators",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       constexpr std::string_view kAllowed = "!#$%&'*+-/=?^_`{|}~.";
       if (v.text.find_first_not_of(kAllowed) != v.text.npos)
         return "must be of characters that stand in a local part: \"+\", or \"+-\"";
       t.config.directory.subaddress_separators = v.text;
       return {};
     }},
    {.name = "disclosed_to",
     .type = KeyType::kText,
     .set = [](const Value& v,
               Target& t) { return SetNamed(v.text, kDisclosure, t.config.disclosure); }},
};

constexpr uint64_t kRateMax = 1'000'000;

constexpr Key kSubmission[] = {
    {.name = "identities",
     .type = KeyType::kText,
     .set =
         [](const Value& v, Target& t) {
           return SetNamed(v.text, kIdentities, t.config.submission.identities);
         }},
    {.name = "null_reverse_path",
     .type = KeyType::kBoolean,
     .set = [](const Value& v, Target& t) -> std::string {
       t.config.submission.null_reverse_path =
           v.boolean ? agent::NullReversePath::kAllowed : agent::NullReversePath::kRefused;
       return {};
     }},
    {.name = "messages_per_hour",
     .type = KeyType::kCount,
     .max = kRateMax,
     .set = SET_NUMBER(submission.limits.messages_per_hour),
     .now = NOW_NUMBER(submission.limits.messages_per_hour),
     .reached = "450 4.7.1 at MAIL; 0: no limit"},
    {.name = "messages_per_day",
     .type = KeyType::kCount,
     .max = kRateMax,
     .set = SET_NUMBER(submission.limits.messages_per_day),
     .now = NOW_NUMBER(submission.limits.messages_per_day),
     .reached = "450 4.7.1 at MAIL; 0: no limit"},
    {.name = "recipients_per_hour",
     .type = KeyType::kCount,
     .max = kRateMax,
     .set = SET_NUMBER(submission.limits.recipients_per_hour),
     .now = NOW_NUMBER(submission.limits.recipients_per_hour),
     .reached = "452 4.7.1 at RCPT; 0: no limit"},
    {.name = "recipients_per_day",
     .type = KeyType::kCount,
     .max = kRateMax,
     .set = SET_NUMBER(submission.limits.recipients_per_day),
     .now = NOW_NUMBER(submission.limits.recipients_per_day),
     .reached = "452 4.7.1 at RCPT; 0: no limit"},
};

constexpr Key kPop3[] = {
    {.name = "autologout",
     .type = KeyType::kSeconds,
     .min = 1,
     .max = 86'400,
     .set = SET_SECONDS(pop3.autologout),
     .now = NOW_SECONDS(pop3.autologout),
     .rfc = "RFC 1939 §3",
     .reached = "the session ends, and nothing is deleted",
     .advised_min = 600},
    {.name = "send_timeout",
     .type = KeyType::kSeconds,
     .min = 1,
     .max = 86'400,
     .set = SET_SECONDS(pop3.send_timeout),
     .now = NOW_SECONDS(pop3.send_timeout),
     .reached = "a client that does not take what is sent is cut off"},
    {.name = "login_delay",
     .type = KeyType::kSeconds,
     .max = 86'400,
     .set = SET_SECONDS(pop3.login_delay),
     .now = NOW_SECONDS(pop3.login_delay),
     .rfc = "RFC 2449 §6.5",
     .reached = "-ERR [LOGIN-DELAY]; 0: no limit"},
    {.name = "errors",
     .type = KeyType::kCount,
     .min = 1,
     .max = 1'000'000,
     .set = SET_NUMBER(pop3.errors_max),
     .now = NOW_NUMBER(pop3.errors_max),
     .reached = "the session ends, and nothing is deleted"},
    {.name = "login_failures",
     .type = KeyType::kCount,
     .min = 1,
     .max = 1'000'000,
     .set = SET_NUMBER(pop3.login_failures_max),
     .now = NOW_NUMBER(pop3.login_failures_max),
     .reached = "the session ends"},
    {.name = "apop",
     .type = KeyType::kBoolean,
     .set = [](const Value& v, Target& t) -> std::string {
       t.config.pop3.apop = v.boolean;
       return {};
     }},
    {.name = "unique_id", .type = KeyType::kText, .set = SetUniqueId},
    {.name = "utf8_header",
     .type = KeyType::kText,
     .set = [](const Value& v,
               Target& t) { return SetNamed(v.text, kUtf8Header, t.config.pop3.utf8_header); }},
};

constexpr Section kSections[] = {
    {.name = "", .keys = kTop},
    {.name = "listener", .array = true, .keys = kListener},
    {.name = "domain", .array = true, .keys = kDomain},
    {.name = "directory", .keys = kDirectory},
    {.name = "backend", .array = true, .keys = kBackend},
    {.name = "delivery", .keys = kDelivery},
    {.name = "relay", .keys = kRelay},
    {.name = "route", .array = true, .keys = kRoute},
    {.name = "submission", .keys = kSubmission},
    {.name = "limits", .keys = kLimits},
    {.name = "retry", .keys = kRetry},
    {.name = "destination", .keys = kDestination},
    {.name = "pop3", .keys = kPop3},
    {.name = "tls", .keys = kTls},
    {.name = "certificate", .array = true, .keys = kCertificate},
    {.name = "acme", .keys = kAcme},
    {.name = "tunnel", .array = true, .keys = kTunnel},
    {.name = "tunnel.server", .array = true, .keys = kTunnelServer},
    {.name = "authentication", .keys = kAuthentication},
    {.name = "token", .keys = kToken},
    {.name = "log", .keys = kLog},
    {.name = "store", .keys = kStore},
};

constexpr LaterKey kLater[] = {
    {"", "dns", "DNS"},       {"", "sasl", "authentication"}, {"", "dkim", "DKIM"},
    {"", "policy", "policy"}, {"route", "tls", "TLS"},        {"destination", "tls", "TLS"},
};

}  // namespace

std::string SetProxy(const std::string& text, std::vector<IpNetwork>& out) {
  const std::optional<IpNetwork> network = IpNetwork::Parse(text);
  if (!network) return "is no network: write \"192.0.2.0/24\", \"2001:db8::/32\" or one address";
  if (network->prefix_bits == 0) {
    return "is the whole Internet, and who comes from there may claim any address: name the "
           "networks of your proxies";
  }
  out.push_back(*network);
  return {};
}

std::span<const Section> Sections() { return kSections; }
std::span<const LaterKey> LaterKeys() { return kLater; }

}  // namespace ringmail::server
