#include "ringmail/message/parameter.h"

#include <algorithm>
#include <map>

#include "message/lexer.h"
#include "message/parameter_reader.h"
#include "ringmail/codec/percent.h"
#include "ringmail/message/charset.h"
#include "ringmail/message/header_text.h"

namespace ringmail::message {
namespace {

struct Section {
  std::string octets;
  bool encoded = false;
};

// All that one name was given.
struct Gathered {
  std::optional<std::string> plain;
  std::map<int32_t, Section> sections;  // RFC 2231: name*, which stands as 0, and name*0 and so on
};

std::string Percent(std::string_view text) {
  std::string out(text.size(), '\0');
  out.resize(codec::PercentDecode(text, out.data()).bytes);
  return out;
}

// RFC 2231 §4.1: sections in the order of their numbers up to the first gap; charset and language
// are given once, at the first.
Parameter Join(const std::string& name, const std::map<int32_t, Section>& sections) {
  Parameter parameter{.name = name};
  std::string charset, octets;
  bool any_encoded = false;
  int32_t expected = 0;
  for (const auto& [number, section] : sections) {
    if (number != expected++) break;
    std::string_view text = section.octets;
    if (!section.encoded) {
      octets += text;
      continue;
    }
    any_encoded = true;
    if (number == 0) {
      if (const auto extended = codec::SplitExtendedValue(text)) {
        charset = extended->charset;
        parameter.language = extended->language;
        text = extended->text;
      }
    }
    octets += Percent(text);
  }
  // Some senders cut an encoded word into continuations.
  parameter.value = any_encoded ? DecodeCharset(charset, octets) : DecodeText(octets);
  // "%0A": a line end would begin a field where the value is written again.
  std::erase_if(parameter.value, [](char c) {
    return static_cast<uint8_t>(c) < ' ' || static_cast<uint8_t>(c) == 0x7F;
  });
  return parameter;
}

std::vector<Parameter> ReadParameters(std::string_view text) {
  std::vector<std::string> order;
  std::map<std::string, Gathered, std::less<>> gathered;
  ParameterReader reader(text);
  RawParameter raw;
  while (reader.Next(raw)) {
    const std::string name = LowerAscii(raw.name);
    auto found = gathered.find(name);
    if (found == gathered.end()) {
      if (order.size() >= kParametersMax) continue;
      order.push_back(name);
      found = gathered.emplace(name, Gathered{}).first;
    }
    std::string value;
    AppendParameterValue(raw, value);
    if (raw.section < 0 && !raw.encoded) {
      if (!found->second.plain) found->second.plain = std::move(value);
    } else if (raw.section < kParameterSectionsMax) {
      found->second.sections.try_emplace(std::max(raw.section, 0), std::move(value), raw.encoded);
    }
  }
  std::vector<Parameter> parameters;
  for (const std::string& name : order) {
    const Gathered& all = gathered.find(name)->second;
    // RFC 6266 §4.3 says it for file names: the extended form is meant where both are there.
    if (all.sections.contains(0)) {
      parameters.push_back(Join(name, all.sections));
    } else if (all.plain) {
      parameters.push_back({.name = name, .value = DecodeText(*all.plain)});
    }
  }
  return parameters;
}

}  // namespace

const Parameter* FindParameter(const std::vector<Parameter>& parameters, std::string_view name) {
  for (const Parameter& parameter : parameters) {
    if (parameter.name == name) return &parameter;
  }
  return nullptr;
}

std::string_view ContentType::charset() const {
  const Parameter* parameter = FindParameter(parameters, "charset");
  return parameter == nullptr ? std::string_view() : std::string_view(parameter->value);
}

ContentType ParseContentType(std::string_view value) {
  const RawMediaType raw = ReadMediaType(value);
  ContentType type;
  type.valid = !raw.type.empty();
  type.type = type.valid ? LowerAscii(raw.type) : "text";
  type.subtype = type.valid ? LowerAscii(raw.subtype) : "plain";
  type.parameters = ReadParameters(raw.rest);
  return type;
}

ContentDisposition ParseContentDisposition(std::string_view value) {
  ContentDisposition disposition;
  std::string_view rest;
  const std::string_view token = ReadMimeToken(value, rest);
  // "filename=x" without a disposition before it.
  const size_t next = SkipCfws(rest, 0);
  if (next < rest.size() && rest[next] == '=') {
    rest = value;
  } else {
    disposition.type = LowerAscii(token);
  }
  disposition.parameters = ReadParameters(rest);
  return disposition;
}

std::string SafeFileName(std::string_view name) {
  const size_t slash = name.find_last_of("/\\");
  if (slash != std::string_view::npos) name.remove_prefix(slash + 1);
  std::string out;
  for (const char c : name) {
    const auto octet = static_cast<uint8_t>(c);
    if (octet >= ' ' && octet != 0x7F) out += c;
  }
  // "C:name" of DOS.
  if (out.size() >= 2 && IsAlpha(out[0]) && out[1] == ':') out.erase(0, 2);
  return out == "." || out == ".." ? std::string() : out;
}

std::string ContentDisposition::file_name() const {
  const Parameter* parameter = FindParameter(parameters, "filename");
  return parameter == nullptr ? std::string() : SafeFileName(parameter->value);
}

std::optional<uint64_t> ContentDisposition::size() const {
  const Parameter* parameter = FindParameter(parameters, "size");
  if (parameter == nullptr || parameter->value.empty() || parameter->value.size() > 18) {
    return std::nullopt;
  }
  uint64_t size = 0;
  for (const char c : parameter->value) {
    if (!IsDigit(c)) return std::nullopt;
    size = size * 10 + static_cast<uint64_t>(c - '0');
  }
  return size;
}

std::optional<DateTime> ContentDisposition::date(std::string_view name) const {
  const Parameter* parameter = FindParameter(parameters, name);
  if (parameter == nullptr) return std::nullopt;
  return ParseDate(parameter->value);
}

}  // namespace ringmail::message
