#include "protocol/smtp/wire.h"

#include <algorithm>
#include <limits>

#include "protocol/smtp/extensions.h"
#include "protocol/smtp/limits.h"

namespace ringmail::smtp {
namespace {

char AsciiLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool Alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (AsciiLower(c) >= 'a' && AsciiLower(c) <= 'z');
}

// RFC 5321 §4.1.2: esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-").
bool ValidKeyword(std::string_view text) {
  if (text.empty() || !Alphanumeric(text.front())) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return Alphanumeric(c) || c == '-'; });
}

// RFC 5321 §4.1.2: esmtp-value = 1*(%d33-60 / %d62-126); RFC 6531 §3.3 adds UTF-8, which `path` and
// the line judge.
bool ValidValue(std::string_view text) {
  if (text.empty()) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet > 32 && octet != 127 && c != '=';
  });
}

// Takes "KEYWORD:" and what spaces `spacing` permits off the front.
bool TakeKeyword(std::string_view& text, std::string_view keyword, PathSpacing spacing) {
  if (text.size() < keyword.size() || !EqualsIgnoringCase(text.substr(0, keyword.size()), keyword))
    return false;
  text.remove_prefix(keyword.size());
  if (spacing == PathSpacing::kLegacyMailer) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  }
  return true;
}

// Walks the parameters after a path, each at most once, and gives them to the extension that
// defines them.
template <typename Parameters>
ParameterError ParseParameters(std::string_view text, Parameters& parameters,
                               std::string_view& culprit) {
  uint32_t seen = 0;
  while (!text.empty()) {
    // RFC 5321 §4.1.1.2 has one space; more do no harm.
    if (text.front() != ' ') {
      culprit = text;
      return ParameterError::kSyntax;
    }
    const size_t start = text.find_first_not_of(' ');
    if (start == std::string_view::npos) break;
    text.remove_prefix(start);
    culprit = text.substr(0, std::min(text.find(' '), text.size()));
    text.remove_prefix(culprit.size());

    const size_t equals = culprit.find('=');
    const bool has_value = equals != std::string_view::npos;
    const std::string_view keyword = culprit.substr(0, has_value ? equals : culprit.size());
    const std::string_view value = has_value ? culprit.substr(equals + 1) : std::string_view();
    if (!ValidKeyword(keyword)) return ParameterError::kSyntax;
    if (has_value && !ValidValue(value)) return ParameterError::kSyntax;

    const auto rows = ParameterRows(parameters);
    size_t index = 0;
    while (index < rows.size() && !EqualsIgnoringCase(rows[index].keyword, keyword)) ++index;
    // RFC 5321 §4.1.1.11: a parameter of no extension that was offered.
    if (index == rows.size()) return ParameterError::kNotOffered;
    if ((seen & (1u << index)) != 0) return ParameterError::kRepeated;
    seen |= 1u << index;
    if (rows[index].has_value != has_value) return ParameterError::kBadValue;
    if (!rows[index].parse(value, parameters)) return ParameterError::kBadValue;
  }
  culprit = {};
  return ParameterError::kNone;
}

}  // namespace

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return AsciiLower(x) == AsciiLower(y); });
}

bool HasOctetOver127(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) > 127; });
}

CommandWords SplitCommand(std::string_view line) {
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
  const size_t space = std::min(line.find(' '), line.size());
  CommandWords words{.verb = line.substr(0, space), .argument = line.substr(space)};
  const size_t start = std::min(words.argument.find_first_not_of(' '), words.argument.size());
  words.argument.remove_prefix(start);
  return words;
}

std::optional<uint64_t> ParseNumber(std::string_view text) {
  if (text.empty() || text.size() > kSizeDigitsMax) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<uint64_t>(c - '0');
    if (value > (std::numeric_limits<uint64_t>::max() - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

bool ValidXtext(std::string_view text, size_t bytes_max) {
  if (text.empty() || text.size() > bytes_max) return false;
  const auto upper_hex = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const auto octet = static_cast<unsigned char>(text[i]);
    if (octet < 33 || octet > 126 || octet == '=') return false;
    if (octet != '+') continue;
    // RFC 3461 §4: hexchar is "+" and two upper case digits. What it hides must be printable too
    // (§4.2, §4.4): a control character would reach logs and notifications.
    if (text.size() - i < 3) return false;
    const int high = upper_hex(text[i + 1]), low = upper_hex(text[i + 2]);
    if (high < 0 || low < 0) return false;
    const int hidden = high * 16 + low;
    if (hidden < 32 || hidden == 127) return false;
    i += 2;
  }
  return true;
}

MailCommand ParseMail(std::string_view argument, PathSpacing spacing) {
  MailCommand command;
  command.keyword_found = TakeKeyword(argument, "FROM:", spacing);
  if (!command.keyword_found) return command;
  // SMTPUTF8 comes after the path that it is about: read the path with UTF-8, then see whether it
  // was allowed.
  command.path = message::ParsePath(argument, message::PathKind::kReverse, message::Utf8::kAllowed);
  if (command.path.error != message::PathError::kNone) return command;
  argument.remove_prefix(command.path.consumed_bytes);
  command.has_parameters = !argument.empty();
  command.error = ParseParameters(argument, command.parameters, command.culprit);
  if (command.error == ParameterError::kNone && !command.parameters.smtp_utf8 &&
      HasOctetOver127(command.path.text)) {
    command.path.error = message::PathError::kNeedsSmtpUtf8;
  }
  return command;
}

RcptCommand ParseRcpt(std::string_view argument, PathSpacing spacing, message::Utf8 utf8) {
  RcptCommand command;
  command.keyword_found = TakeKeyword(argument, "TO:", spacing);
  if (!command.keyword_found) return command;
  command.path = message::ParsePath(argument, message::PathKind::kForward, utf8);
  if (command.path.error != message::PathError::kNone) return command;
  argument.remove_prefix(command.path.consumed_bytes);
  command.has_parameters = !argument.empty();
  command.error = ParseParameters(argument, command.parameters, command.culprit);
  if (command.error == ParameterError::kNone && utf8 == message::Utf8::kRefused &&
      HasOctetOver127(command.parameters.original_recipient)) {
    command.error = ParameterError::kBadValue;
    command.culprit = "ORCPT";
  }
  return command;
}

BdatCommand ParseBdat(std::string_view argument) {
  BdatCommand command;
  const size_t space = std::min(argument.find(' '), argument.size());
  command.bytes = ParseNumber(argument.substr(0, space));
  std::string_view rest = argument.substr(space);
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  command.last = EqualsIgnoringCase(rest, "LAST");
  command.well_formed = command.bytes.has_value() && (rest.empty() || command.last);
  return command;
}

}  // namespace ringmail::smtp
