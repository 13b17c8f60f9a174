#include "ringmail/backend/templates.h"

#include <algorithm>
#include <array>

namespace ringmail::backend {
namespace {

constexpr std::array<std::string_view, 3> kParts = {"address", "local_part", "domain"};

bool IsWord(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// How far what begins at `at` and is no place for a parameter goes; `at` where nothing does.
size_t PassQuoted(std::string_view query, size_t at) {
  const std::string_view rest = query.substr(at);
  if (rest.starts_with("--")) return std::min(query.find('\n', at), query.size());
  if (rest.starts_with("/*")) {
    const size_t end = query.find("*/", at + 2);
    return end == query.npos ? query.size() : end + 2;
  }
  const char quote = query[at];
  if (quote != '\'' && quote != '"') return at;
  const size_t end = query.find(quote, at + 1);
  return end == query.npos ? query.size() : end + 1;
}

void AppendHex(std::string& out, char c) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const auto octet = static_cast<unsigned char>(c);
  out += '\\';
  out += kHex[octet >> 4];
  out += kHex[octet & 15];
}

void AppendEscaped(std::string& out, std::string_view value, LdapEscape escape) {
  constexpr std::string_view kFilter = "*()\\";
  constexpr std::string_view kName = "\"+,;<>\\=#/ ";
  const std::string_view special = escape == LdapEscape::kFilter ? kFilter : kName;
  for (const char c : value) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet >= 0x7F || special.find(c) != special.npos) {
      AppendHex(out, c);
    } else {
      out += c;
    }
  }
}

}  // namespace

SqlTemplate NumberSqlParameters(std::string_view query) {
  SqlTemplate out;
  for (size_t i = 0; i < query.size();) {
    if (const size_t end = PassQuoted(query, i); end > i) {
      out.text += query.substr(i, end - i);
      i = end;
      continue;
    }
    if (query.substr(i).starts_with("::")) {
      out.text += "::";
      i += 2;
      continue;
    }
    if (query[i] != ':' || i + 1 == query.size() || !IsWord(query[i + 1])) {
      out.text += query[i++];
      continue;
    }
    size_t end = i + 1;
    while (end < query.size() && IsWord(query[end])) ++end;
    const std::string_view name = query.substr(i + 1, end - i - 1);
    const auto part = std::find(kParts.begin(), kParts.end(), name);
    if (part == kParts.end()) {
      out.wrong =
          "has a parameter :" + std::string(name) + ": there are :address, :local_part and :domain";
      return out;
    }
    out.text += '$' + std::to_string(part - kParts.begin() + 1);
    i = end;
  }
  return out;
}

std::string FillLdapTemplate(std::string_view text, const TemplateParts& parts, LdapEscape escape,
                             std::string& wrong) {
  const std::array<std::string_view, 3> values = {parts.address, parts.local_part, parts.domain};
  std::string out;
  wrong.clear();
  while (!text.empty()) {
    const size_t open = std::min(text.find('{'), text.size());
    out += text.substr(0, open);
    text.remove_prefix(open);
    if (text.empty()) break;
    const size_t close = text.find('}');
    const std::string_view name = text.substr(1, close == text.npos ? close : close - 1);
    const auto part = std::find(kParts.begin(), kParts.end(), name);
    if (close == text.npos || part == kParts.end()) {
      wrong = "has braces around what is none of {address}, {local_part} and {domain}";
      return {};
    }
    AppendEscaped(out, values[static_cast<size_t>(part - kParts.begin())], escape);
    text.remove_prefix(close + 1);
  }
  return out;
}

}  // namespace ringmail::backend
