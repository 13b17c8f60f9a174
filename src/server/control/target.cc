#include "server/control/target.h"

namespace ringmail::server {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool Unreserved(char c) {  // RFC 3986 §2.3
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

std::optional<std::string> PercentDecode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

// The part of `rest` before `separator`; `rest` moves past it.
std::string_view TakeUntil(std::string_view& rest, char separator) {
  const size_t at = rest.find(separator);
  const std::string_view part = rest.substr(0, at);
  rest.remove_prefix(at == rest.npos ? rest.size() : at + 1);
  return part;
}

}  // namespace

const std::string* RequestTarget::Find(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::optional<RequestTarget> ParseTarget(std::string_view target) {
  if (!target.starts_with('/')) return std::nullopt;
  RequestTarget out;
  std::string_view path = TakeUntil(target, '?');
  path.remove_prefix(1);
  while (!path.empty()) {
    std::optional<std::string> segment = PercentDecode(TakeUntil(path, '/'));
    if (!segment || segment->empty()) return std::nullopt;
    out.segments.push_back(*std::move(segment));
  }
  while (!target.empty()) {
    std::string_view pair = TakeUntil(target, '&');
    std::optional<std::string> name = PercentDecode(TakeUntil(pair, '='));
    std::optional<std::string> value = PercentDecode(pair);
    if (!name || !value || name->empty()) return std::nullopt;
    out.query.emplace_back(*std::move(name), *std::move(value));
  }
  return out;
}

std::string PercentEncode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    if (Unreserved(c)) {
      out += c;
      continue;
    }
    const auto octet = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[octet >> 4];
    out += kHex[octet & 15];
  }
  return out;
}

}  // namespace ringmail::server
