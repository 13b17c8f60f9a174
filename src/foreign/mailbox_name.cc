#include "ringmail/foreign/mailbox_name.h"

#include <algorithm>

#include "ringmail/codec/ascii.h"
#include "ringmail/codec/utf7.h"
#include "ringmail/codec/utf8.h"

namespace ringmail::foreign {
namespace {

// '.' and '/' within a level, which a file system or a layout cannot have: printable US-ASCII that
// RFC 3501 §5.1.3 would not encode.
constexpr std::string_view kEncodedDot = "&AC4-", kEncodedSlash = "&AC8-";

std::string Replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t found = std::min(text.find(from, at), text.size());
    out += text.substr(at, found - at);
    if (found == text.size()) break;
    out += to;
    at = found + from.size();
  }
  return out;
}

// One level as the file system has it. False: no text.
bool DecodeLevel(std::string_view level, std::string& name) {
  const bool ascii = std::all_of(level.begin(), level.end(), [](char c) { return c > 0; });
  if (!ascii) {
    if (!codec::Utf8Valid(level)) return false;
    name = level;
  } else {
    const std::string plain = Replaced(Replaced(level, kEncodedDot, "."), kEncodedSlash, "_");
    name.resize(codec::Utf7DecodedBytesMax(plain.size()));
    const codec::Utf7Result result = codec::Utf7Decode(plain, name.data());
    if (result.verdict == codec::Utf7Verdict::kOk) {
      name.resize(result.bytes);
    } else {
      // "R&D", written by who did not know the encoding: the name is what stands there.
      name = plain;
    }
  }
  std::replace(name.begin(), name.end(), '/', '_');
  return !name.empty() && std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<uint8_t>(c) < ' ' || c == '\x7F';
  });
}

std::vector<std::string_view> Split(std::string_view path, char separator) {
  std::vector<std::string_view> levels;
  for (;;) {
    const size_t end = std::min(path.find(separator), path.size());
    levels.push_back(path.substr(0, end));
    if (end == path.size()) return levels;
    path.remove_prefix(end + 1);
  }
}

}  // namespace

std::optional<std::string> NameFromLevels(const std::vector<std::string_view>& levels) {
  std::string name;
  for (const std::string_view level : levels) {
    std::string decoded;
    if (!DecodeLevel(level, decoded)) return std::nullopt;
    if (name.empty() && codec::AsciiEqualNoCase(decoded, "INBOX")) decoded = "INBOX";
    if (!name.empty()) name += '/';
    name += decoded;
  }
  if (name.empty()) return std::nullopt;
  return name;
}

std::optional<std::string> NameFromPath(std::string_view path, char separator) {
  return NameFromLevels(Split(path, separator));
}

std::vector<std::string> LevelsOfName(std::string_view name, char avoid) {
  std::vector<std::string> levels;
  for (const std::string_view level : Split(name, '/')) {
    std::string encoded(codec::Utf7EncodedBytesMax(level.size()), '\0');
    const codec::Utf7Result result = codec::Utf7Encode(level, encoded.data());
    if (result.verdict == codec::Utf7Verdict::kOk) {
      encoded.resize(result.bytes);
    } else {
      encoded = level;
    }
    // A level of dots would be a directory of the file system's.
    const bool dots = encoded.find_first_not_of('.') == encoded.npos;
    if (avoid == '.' || dots) encoded = Replaced(encoded, ".", kEncodedDot);
    levels.push_back(std::move(encoded));
  }
  return levels;
}

std::vector<std::string_view> NamesAbove(std::string_view name) {
  std::vector<std::string_view> above;
  for (size_t at = name.find('/'); at != name.npos; at = name.find('/', at + 1))
    above.push_back(name.substr(0, at));
  return above;
}

}  // namespace ringmail::foreign
