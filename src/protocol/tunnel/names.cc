#include "protocol/tunnel/names.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "ringmail/base/status.h"

namespace ringmail::tunnel {
namespace {

bool Hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
int HexValue(char c) {
  if (c <= '9') return c - '0';
  return (c | 0x20) - 'a' + 10;
}

// RFC 2253 §2.4: a backslash before the character, or before two hexadecimal digits.
std::string Unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
    } else if (i + 2 < text.size() && Hex(text[i + 1]) && Hex(text[i + 2])) {
      out += static_cast<char>(HexValue(text[i + 1]) << 4 | HexValue(text[i + 2]));
      i += 2;
    } else {
      out += text[++i];
    }
  }
  return out;
}

}  // namespace

bool NameFits(std::string_view name, std::string_view pattern) {
  if (name.empty()) return false;
  if (name.ends_with('.')) name.remove_suffix(1);
  if (!pattern.starts_with("*.")) return absl::EqualsIgnoreCase(Absl(name), Absl(pattern));
  const size_t dot = name.find('.');
  return dot != std::string_view::npos && dot > 0 &&
         absl::EqualsIgnoreCase(Absl(name.substr(dot)), Absl(pattern.substr(1)));
}

bool AnyNameFits(std::span<const std::string> names, std::span<const std::string> patterns) {
  return std::any_of(names.begin(), names.end(), [patterns](const std::string& name) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&name](const std::string& pattern) { return NameFits(name, pattern); });
  });
}

std::string CommonName(std::string_view subject) {
  while (!subject.empty()) {
    size_t end = 0;
    // A plus joins two parts of one name (RFC 2253 §2.2).
    while (end < subject.size() && subject[end] != ',' && subject[end] != '+') {
      end += subject[end] == '\\' ? 2 : 1;
    }
    end = std::min(end, subject.size());
    if (subject.starts_with("CN=")) return Unescaped(subject.substr(3, end - 3));
    subject.remove_prefix(std::min(end + 1, subject.size()));
  }
  return {};
}

}  // namespace ringmail::tunnel
