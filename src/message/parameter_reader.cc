#include "message/parameter_reader.h"

#include <algorithm>
#include <array>

#include "message/lexer.h"

namespace ringmail::message {
namespace {

constexpr std::array<bool, 256> TokenTable() {
  std::array<bool, 256> table{};
  for (size_t c = 0x21; c < 256; ++c) table[c] = c != 0x7F;
  for (const char c : std::string_view("()<>@,;:\\\"/[]?=")) table[static_cast<uint8_t>(c)] = false;
  return table;
}
constexpr std::array<bool, 256> kTokenChar = TokenTable();

size_t SkipToken(std::string_view text, size_t at) {
  while (at < text.size() && kTokenChar[static_cast<uint8_t>(text[at])]) ++at;
  return at;
}

// "*2*", "*2" or "*" at the end of a name (RFC 2231 §7).
void CutSection(RawParameter& parameter) {
  std::string_view name = parameter.name;
  if (name.size() > 1 && name.back() == '*') {
    parameter.encoded = true;
    name.remove_suffix(1);
  }
  const size_t star = name.rfind('*');
  if (star != std::string_view::npos && star > 0 && star + 1 < name.size() &&
      name.size() - star <= 4) {
    int32_t section = 0;
    for (const char c : name.substr(star + 1)) {
      if (!IsDigit(c)) {
        section = -1;
        break;
      }
      section = section * 10 + (c - '0');
    }
    if (section >= 0) {
      parameter.section = section;
      name = name.substr(0, star);
    }
  }
  parameter.name = name;
}

// Whether "name=" follows at the start of a folded line: the semicolon before it was forgotten, as
// in an example of RFC 2046 §5.2.3.7.
bool BeginsParameter(std::string_view text, size_t at) {
  while (at < text.size() && IsBlank(text[at])) ++at;
  const size_t end = SkipToken(text, at);
  return end > at && end < text.size() && text[end] == '=';
}

}  // namespace

bool ParameterReader::ReadName(RawParameter& parameter) {
  const size_t begin = at_;
  while (at_ < text_.size() && text_[at_] != '=' && text_[at_] != ';') {
    if (text_[at_] == '"') {
      at_ = SkipQuoted(text_, at_);
    } else if (text_[at_] == '(') {
      at_ = SkipComment(text_, at_);
    } else {
      ++at_;
    }
  }
  if (at_ >= text_.size() || text_[at_] == ';') return false;
  const size_t end = std::min(at_, SkipToken(text_, begin));
  ++at_;
  parameter.name = text_.substr(begin, end - begin);
  CutSection(parameter);
  return !parameter.name.empty();
}

void ParameterReader::ReadValue(RawParameter& parameter) {
  at_ = SkipCfws(text_, at_);
  if (at_ < text_.size() && text_[at_] == '"') {
    const size_t begin = at_ + 1;
    at_ = SkipQuoted(text_, at_);
    const bool closed = at_ > begin && text_[at_ - 1] == '"';
    parameter.value = text_.substr(begin, at_ - begin - (closed ? 1 : 0));
    parameter.quoted = true;
  } else {
    // Deviates: RFC 2045 §5.1 ends a token at the first tspecial; senders leave "/", "=" and blanks
    // unquoted, and every client reads on to the semicolon.
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != ';' &&
           !(text_[at_] == '(' && at_ > begin && IsBlank(text_[at_ - 1]))) {
      if (text_[at_] == '\n' && at_ > begin && BeginsParameter(text_, at_)) {
        parameter.value = TrimBlank(text_.substr(begin, at_ - begin));
        return;
      }
      ++at_;
    }
    parameter.value = TrimBlank(text_.substr(begin, at_ - begin));
  }
  // A parameter ends at its semicolon, whatever comes before it.
  while (at_ < text_.size() && text_[at_] != ';') {
    if (text_[at_] == '(') {
      at_ = SkipComment(text_, at_);
    } else {
      ++at_;
    }
  }
}

bool ParameterReader::Next(RawParameter& parameter) {
  while (true) {
    at_ = SkipCfws(text_, at_);
    while (at_ < text_.size() && text_[at_] == ';') at_ = SkipCfws(text_, at_ + 1);
    if (at_ >= text_.size()) return false;
    parameter = {};
    if (!ReadName(parameter)) continue;
    ReadValue(parameter);
    return true;
  }
}

void AppendParameterValue(const RawParameter& parameter, std::string& out) {
  if (parameter.quoted) {
    AppendUnescaped(parameter.value, out);
    return;
  }
  for (const char c : parameter.value) {
    if (c != '\r' && c != '\n') out += c;
  }
}

std::string_view ReadMimeToken(std::string_view value, std::string_view& rest) {
  const size_t begin = SkipCfws(value, 0);
  const size_t end = SkipToken(value, begin);
  rest = value.substr(end);
  return value.substr(begin, end - begin);
}

RawMediaType ReadMediaType(std::string_view value) {
  RawMediaType media;
  std::string_view rest;
  const std::string_view type = ReadMimeToken(value, rest);
  const size_t slash = SkipCfws(rest, 0);
  if (type.empty() || slash >= rest.size() || rest[slash] != '/') {
    // Parameters of a type that cannot be read are still looked for by those who ask.
    media.rest = value.substr(std::min(value.find(';'), value.size()));
    return media;
  }
  const std::string_view subtype = ReadMimeToken(rest.substr(slash + 1), rest);
  if (subtype.empty()) {
    media.rest = value.substr(std::min(value.find(';'), value.size()));
    return media;
  }
  media.type = type;
  media.subtype = subtype;
  media.rest = rest;
  return media;
}

}  // namespace ringmail::message
