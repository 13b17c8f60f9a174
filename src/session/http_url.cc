#include <algorithm>
#include <charconv>

#include "ringmail/base/ip_address.h"
#include "ringmail/session/http_client.h"

namespace ringmail::session {
namespace {

char Small(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

// RFC 3986 §3.2.2, of what RFC 1123 §2.1 lets a host be called; "_" is in use.
bool HostChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

// RFC 3986 §2, without what §2.2 and §2.3 do not name, and without the fragment's sign.
bool UrlChar(char c) {
  return c > ' ' && c < '\x7F' &&
         std::string_view("\"#<>\\^`{|}").find(c) == std::string_view::npos;
}

bool TakePort(std::string_view text, uint16_t& port) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port != 0;
}

bool TakeAuthority(std::string_view authority, HttpUrl& url) {
  std::string_view host = authority, port;
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return false;
    host = authority.substr(1, end - 1);
    port = authority.substr(end + 1);
    const auto address = IpAddress::Parse(host);
    if (!address || address->family != IpAddress::Family::kV6) return false;
  } else {
    const size_t colon = authority.find(':');
    if (colon != std::string_view::npos) {
      host = authority.substr(0, colon);
      port = authority.substr(colon);
    }
  }
  if (!port.empty() && (port.front() != ':' || !TakePort(port.substr(1), url.port))) return false;
  url.host.clear();
  for (char c : host) url.host += Small(c);
  if (authority.starts_with('[')) return true;
  return !url.host.empty() && url.host.front() != '.' && url.host.front() != '-' &&
         std::all_of(url.host.begin(), url.host.end(), HostChar);
}

}  // namespace

std::optional<HttpUrl> HttpUrl::Parse(std::string_view text) {
  if (text.size() > kHttpUrlBytesMax || !std::all_of(text.begin(), text.end(), UrlChar))
    return std::nullopt;
  const size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return std::nullopt;
  std::string scheme;
  for (char c : text.substr(0, scheme_end)) scheme += Small(c);
  HttpUrl url;
  if (scheme != "http" && scheme != "https") return std::nullopt;
  url.tls = scheme == "https";
  url.port = url.tls ? 443 : 80;
  text.remove_prefix(scheme_end + 3);
  const size_t authority_end = std::min(text.find_first_of("/?"), text.size());
  if (!TakeAuthority(text.substr(0, authority_end), url)) return std::nullopt;
  text.remove_prefix(authority_end);
  url.target = text.starts_with('/') ? std::string(text) : "/" + std::string(text);
  return url;
}

std::string HttpUrl::Authority() const {
  std::string out = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (tls ? 443 : 80)) out += ":" + std::to_string(port);
  return out;
}

}  // namespace ringmail::session
