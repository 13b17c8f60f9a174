// The keys of [[tunnel]] and [[tunnel.server]]. For schema.cc, behind its own setters.
#pragma once

#include <string>

#include "absl/strings/ascii.h"
#include "ringmail/base/status.h"
#include "ringmail/message/path.h"
#include "server/config/schema.h"

namespace ringmail::server {

#define TUNNEL_COUNT(member)                                    \
  .set = [](const Value& v, Target& t) -> std::string {         \
    t.tunnel->options.member = static_cast<uint32_t>(v.number); \
    return {};                                                  \
  }
#define TUNNEL_SECONDS(member)                                                  \
  .set = [](const Value& v, Target& t) -> std::string {                         \
    t.tunnel->options.member =                                                  \
        std::chrono::seconds(static_cast<std::chrono::seconds::rep>(v.number)); \
    return {};                                                                  \
  }
#define TUNNEL_CERTIFICATE(member)                              \
  .set = [](const Value& v, Target& t) {                        \
    return SetAbsoluteFile(v.text, t.certificate->member.path); \
  }

inline std::string SetAbsoluteFile(const std::string& text, std::string& out) {
  if (!text.starts_with('/')) return "must be an absolute path";
  if (text.find('\0') != std::string::npos) return "holds a NUL";
  out = text;
  return {};
}

// An address or a Unix socket; a host's name would have to be asked for, by and by, while clients
// wait.
inline std::string SetTunnelEndpoint(const std::string& text, io::Endpoint& out) {
  const std::optional<io::Endpoint> endpoint = io::Endpoint::Parse(text);
  if (!endpoint) {
    return "is no address: write \"127.0.0.1:80\", \"[::1]:80\" or \"unix:/run/service.sock\"";
  }
  out = *endpoint;
  return {};
}

inline std::string SetPatternOfNames(const std::string& text, std::vector<std::string>& out) {
  const std::string_view name = std::string_view(text).substr(text.starts_with("*.") ? 2 : 0);
  if (!message::ValidDomain(name, message::Utf8::kRefused)) {
    return "is no name: write \"host.example.org\", or \"*.example.org\" for one label in front";
  }
  out.push_back(absl::AsciiStrToLower(Absl(text)));
  return {};
}

inline constexpr Key kTunnel[] = {
    {.name = "address",
     .type = KeyType::kText,
     .set = [](const Value& v,
               Target& t) { return SetTunnelEndpoint(v.text, t.tunnel->endpoint); }},
    {.name = "name",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       t.tunnel->options.name = v.text;
       return v.text.empty() || v.text.size() > 64 ? "must have 1 to 64 characters" : "";
     }},
    {.name = "mode",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       if (v.text != "wrap" && v.text != "unwrap") return "must be one of \"wrap\", \"unwrap\"";
       t.tunnel->options.mode =
           v.text == "wrap" ? tunnel::TunnelMode::kWrap : tunnel::TunnelMode::kUnwrap;
       return {};
     }},
    {.name = "connect",
     .type = KeyType::kText,
     .set = [](const Value& v,
               Target& t) { return SetTunnelEndpoint(v.text, t.tunnel->options.target); }},
    {.name = "certificate", .type = KeyType::kText, TUNNEL_CERTIFICATE(certificate)},
    {.name = "private_key", .type = KeyType::kText, TUNNEL_CERTIFICATE(private_key)},
    {.name = "ocsp_response", .type = KeyType::kText, TUNNEL_CERTIFICATE(ocsp_response)},
    {.name = "version_min",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       if (v.text != "1.2" && v.text != "1.3") return "must be one of \"1.2\", \"1.3\"";
       t.tunnel->version_min = v.text == "1.2" ? io::TlsVersion::k12 : io::TlsVersion::k13;
       return {};
     }},
    {.name = "alpn",
     .type = KeyType::kTextList,
     .set = [](const Value& v, Target& t) -> std::string {
       t.tunnel->alpn.push_back(v.text);
       return v.text.empty() || v.text.size() > 255 ? "must have 1 to 255 octets" : "";
     }},
    {.name = "authorities",
     .type = KeyType::kText,
     .set = [](const Value& v,
               Target& t) { return SetAbsoluteFile(v.text, t.tunnel->authorities.path); }},
    {.name = "client_certificates",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       if (v.text == "none") {
         t.tunnel->client_certificates = io::TlsClientCertificates::kIgnored;
       } else if (v.text == "request") {
         t.tunnel->client_certificates = io::TlsClientCertificates::kRequested;
       } else if (v.text == "require") {
         t.tunnel->client_certificates = io::TlsClientCertificates::kRequired;
       } else {
         return "must be one of \"none\", \"request\", \"require\"";
       }
       return {};
     }},
    {.name = "client_names",
     .type = KeyType::kTextList,
     .set = [](const Value& v, Target& t) -> std::string {
       t.tunnel->options.client_names.push_back(absl::AsciiStrToLower(v.text));
       return v.text.empty() ? "is empty" : "";
     }},
    {.name = "server_name",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       t.tunnel->options.server_name = absl::AsciiStrToLower(v.text);
       const bool good = message::ValidDomain(v.text, message::Utf8::kRefused) ||
                         IpAddress::Parse(v.text).has_value();
       return good ? "" : "is no host name and no address";
     }},
    {.name = "verify",
     .type = KeyType::kBoolean,
     .set = [](const Value& v, Target& t) -> std::string {
       t.tunnel->options.trust = v.boolean ? io::TlsTrust::kVerified : io::TlsTrust::kAnybody;
       return {};
     }},
    {.name = "proxy_protocol",
     .type = KeyType::kTextList,
     .set = [](const Value& v, Target& t) { return SetProxy(v.text, t.tunnel->options.proxies); }},
    {.name = "send_proxy",
     .type = KeyType::kText,
     .set = [](const Value& v, Target& t) -> std::string {
       tunnel::SendProxy& send = t.tunnel->options.send_proxy;
       if (v.text == "none") {
         send = tunnel::SendProxy::kNone;
       } else if (v.text == "v1") {
         send = tunnel::SendProxy::kV1;
       } else if (v.text == "v2") {
         send = tunnel::SendProxy::kV2;
       } else {
         return "must be one of \"none\", \"v1\", \"v2\"";
       }
       return {};
     }},
    {.name = "connections",
     .type = KeyType::kCount,
     .min = 1,
     .max = 1'000'000,
     TUNNEL_COUNT(connections_max)},
    {.name = "connections_per_network",
     .type = KeyType::kCount,
     .min = 1,
     .max = 1'000'000,
     TUNNEL_COUNT(connections_per_network_max)},
    {.name = "handshake_timeout",
     .type = KeyType::kSeconds,
     .min = 1,
     .max = 600,
     TUNNEL_SECONDS(handshake_timeout)},
    {.name = "connect_timeout",
     .type = KeyType::kSeconds,
     .min = 1,
     .max = 600,
     TUNNEL_SECONDS(connect_timeout)},
    {.name = "idle_timeout",
     .type = KeyType::kSeconds,
     .min = 1,
     .max = 30 * 86'400,
     TUNNEL_SECONDS(idle_timeout)},
};

inline constexpr Key kTunnelServer[] = {
    {.name = "names",
     .type = KeyType::kTextList,
     .set = [](const Value& v,
               Target& t) { return SetPatternOfNames(v.text, t.tunnel_server->route.names); }},
    {.name = "connect",
     .type = KeyType::kText,
     .set = [](const Value& v,
               Target& t) { return SetTunnelEndpoint(v.text, t.tunnel_server->route.target); }},
    {.name = "certificate", .type = KeyType::kText, TUNNEL_CERTIFICATE(certificate)},
    {.name = "private_key", .type = KeyType::kText, TUNNEL_CERTIFICATE(private_key)},
    {.name = "ocsp_response", .type = KeyType::kText, TUNNEL_CERTIFICATE(ocsp_response)},
};

#undef TUNNEL_COUNT
#undef TUNNEL_SECONDS
#undef TUNNEL_CERTIFICATE

}  // namespace ringmail::server
