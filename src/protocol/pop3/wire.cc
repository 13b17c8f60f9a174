#include "protocol/pop3/wire.h"

#include <algorithm>
#include <iterator>

#include "ringmail/base/check.h"
#include "ringmail/codec/utf8.h"

namespace ringmail::pop3 {
namespace {

char Upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

}  // namespace

CommandWords SplitCommand(std::string_view line) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) return {.verb = line, .argument = {}};
  return {.verb = line.substr(0, space), .argument = line.substr(space + 1)};
}

std::optional<TwoWords> SplitTwo(std::string_view argument) {
  const size_t space = argument.find(' ');
  if (space == 0 || space == std::string_view::npos) return std::nullopt;
  const TwoWords words{.first = argument.substr(0, space), .second = argument.substr(space + 1)};
  if (words.second.empty() || words.second.find(' ') != std::string_view::npos) return std::nullopt;
  return words;
}

std::optional<uint32_t> ParseNumber(std::string_view word) {
  constexpr size_t kDigitsMax = 10;
  if (word.empty() || word.size() > kDigitsMax) return std::nullopt;
  uint64_t number = 0;
  for (const char c : word) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<uint64_t>(c - '0');
  }
  if (number > UINT32_MAX) return std::nullopt;
  return static_cast<uint32_t>(number);
}

std::optional<TwoWords> ParseApop(std::string_view argument) {
  constexpr size_t kDigestCharacters = 32;
  const std::optional<TwoWords> words = SplitTwo(argument);
  if (!words || !ValidCredential(words->first) || words->second.size() != kDigestCharacters ||
      words->second.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
    return std::nullopt;
  }
  return words;
}

bool ValidCredential(std::string_view text) {
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet >= 0x20 && octet != 0x7F;
  });
  return printable && !text.empty() && codec::Utf8ValidPrefix(text) == text.size();
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return Upper(x) == Upper(y); });
}

bool BeginsHttp(std::string_view verb) {
  constexpr std::string_view kMethods[] = {"GET",     "POST",    "PUT",   "HEAD",
                                           "OPTIONS", "CONNECT", "PATCH", "DELETE"};
  return std::any_of(std::begin(kMethods), std::end(kMethods),
                     [verb](std::string_view method) { return EqualsIgnoringCase(verb, method); });
}

size_t MessageCut::Feed(std::string_view piece) {
  header_bytes_ = 0;
  size_t at = 0;
  while (at < piece.size() && !done()) {
    const size_t newline = piece.find('\n', at);
    const size_t end = newline == std::string_view::npos ? piece.size() : newline;
    const std::string_view line = piece.substr(at, end - at);
    if (line_bytes_ == 0) line_cr_ = line.starts_with('\r');
    line_bytes_ += line.size();
    at = end;
    if (newline != std::string_view::npos) {
      ++at;
      if (!in_header_) --body_lines_;
      if (in_header_) header_bytes_ = at;
      in_header_ = in_header_ && !(line_bytes_ == 0 || (line_bytes_ == 1 && line_cr_));
      line_bytes_ = 0;
    }
    if (in_header_) header_bytes_ = at;
  }
  CHECK_LE(header_bytes_, at);
  return at;
}

}  // namespace ringmail::pop3
