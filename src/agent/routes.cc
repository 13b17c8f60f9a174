#include "ringmail/agent/routes.h"

#include <algorithm>
#include <charconv>

#include "ringmail/base/ip_address.h"
#include "ringmail/base/status.h"
#include "ringmail/io/endpoint.h"
#include "ringmail/message/path.h"

namespace ringmail::agent {
namespace {

std::optional<uint16_t> ReadPort(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

}  // namespace

std::optional<NextHop> NextHop::Parse(std::string_view text) {
  NextHop hop;
  std::string_view port;
  constexpr std::string_view kLmtp = "lmtp://";
  if (text.starts_with(kLmtp)) {
    text.remove_prefix(kLmtp.size());
    hop.protocol = HopProtocol::kLmtp;
    hop.port = 24;  // RFC 2033 §5 forbids 25
  }
  // "unix:25" is a port of a host of that name.
  if (text.starts_with("unix:/")) {
    const auto endpoint = io::Endpoint::Parse(text);
    const auto unfit = [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7f'; };
    if (!endpoint || std::any_of(text.begin(), text.end(), unfit)) return std::nullopt;
    hop.host = text;
    hop.port = 0;
    return hop;
  }
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    const std::optional<IpAddress> address = IpAddress::Parse(text.substr(1, end - 1));
    if (!address) return std::nullopt;
    hop.host = address->ToString();
    port = text.substr(end + 1);
    if (!port.empty() && !port.starts_with(':')) return std::nullopt;
  } else {
    const size_t colon = text.find(':');
    const std::string_view host = text.substr(0, colon);
    if (!IpAddress::Parse(host) && !message::ValidDomain(host, message::Utf8::kRefused))
      return std::nullopt;
    hop.host = message::NormalizedDomain(host);
    if (colon != std::string_view::npos) port = text.substr(colon);
  }
  if (!port.empty()) {
    const std::optional<uint16_t> number = ReadPort(port.substr(1));
    if (!number) return std::nullopt;
    hop.port = *number;
  }
  return hop;
}

std::string NextHop::ToString() const {
  if (local()) return "local/" + std::to_string(port);
  const std::string scheme = protocol == HopProtocol::kLmtp ? "lmtp://" : "";
  if (unix_socket()) return scheme + host;
  const bool v6 = host.find(':') != std::string::npos;
  return scheme + (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

RouteTable::RouteTable(const std::vector<Route>& routes, std::optional<NextHop> relay_next_hop)
    : relay_(std::move(relay_next_hop)) {
  for (const Route& route : routes)
    routes_.insert_or_assign(message::NormalizedDomain(route.domain), route.next_hop);
}

const NextHop* RouteTable::Find(std::string_view domain) const {
  if (!routes_.empty()) {
    const std::string normalized = message::NormalizedDomain(domain);
    if (const auto exact = routes_.find(normalized); exact != routes_.end()) return &exact->second;
    // ".b.c" before ".c": the longest match wins.
    for (size_t dot = normalized.find('.'); dot != std::string::npos;
         dot = normalized.find('.', dot + 1)) {
      if (const auto suffix = routes_.find(Absl(std::string_view(normalized).substr(dot)));
          suffix != routes_.end()) {
        return &suffix->second;
      }
    }
  }
  return relay_ ? &*relay_ : nullptr;
}

std::string_view DomainOf(std::string_view path) {
  // A quoted local part may hold an '@'; a domain or literal cannot.
  const size_t at = path.rfind('@');
  return at == std::string_view::npos ? std::string_view() : path.substr(at + 1);
}

}  // namespace ringmail::agent
