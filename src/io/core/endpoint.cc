#include "ringmail/io/endpoint.h"

#include <charconv>

#include "ringmail/io/stream.h"

namespace ringmail::io {
namespace {

// sockaddr_un holds 108 octets with its NUL.
constexpr size_t kUnixPathBytesMax = 107;
constexpr std::string_view kUnix = "unix:";

std::optional<uint16_t> ParsePort(std::string_view text) {
  uint16_t port = 0;
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

}  // namespace

std::optional<Endpoint> Endpoint::Parse(std::string_view text) {
  Endpoint endpoint;
  if (text.starts_with(kUnix)) {
    const std::string_view path = text.substr(kUnix.size());
    if (path.empty() || path.size() > kUnixPathBytesMax) return std::nullopt;
    if (path.find('\0') != std::string_view::npos) return std::nullopt;
    endpoint.unix_path = path;
    return endpoint;
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
  if (bracketed) host = host.substr(1, host.size() - 2);
  // Without brackets the colons of an IPv6 address and that of the port cannot be told apart (RFC
  // 3986 §3.2.2).
  if (bracketed != (host.find(':') != std::string_view::npos)) return std::nullopt;
  const auto ip = IpAddress::Parse(host);
  const auto port = ParsePort(text.substr(colon + 1));
  if (!ip || !port) return std::nullopt;
  endpoint.ip = *ip;
  endpoint.port = *port;
  return endpoint;
}

std::string Endpoint::ToString() const {
  if (!unix_path.empty()) return std::string(kUnix) + unix_path;
  const std::string number = std::to_string(port);
  switch (ip.family) {
    case IpAddress::Family::kNone:
      return {};
    case IpAddress::Family::kV4:
      return ip.ToString() + ":" + number;
    case IpAddress::Family::kV6:
      return "[" + ip.ToString() + "]:" + number;
  }
  return {};
}

std::string_view ToString(StreamStatus status) {
  switch (status) {
    case StreamStatus::kOk:
      return "ok";
    case StreamStatus::kEnd:
      return "end";
    case StreamStatus::kTimedOut:
      return "timed out";
    case StreamStatus::kCancelled:
      return "cancelled";
    case StreamStatus::kFailed:
      return "failed";
  }
  return "unknown";
}

}  // namespace ringmail::io
