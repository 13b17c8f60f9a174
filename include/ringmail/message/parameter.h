// Content-Type and Content-Disposition with their parameters: RFC 2045 §5.1, RFC 2183, RFC 2231.
//
// Promise: pure; every input gives a value. Values are UTF-8: continuations joined, percent
// encoding and charset of RFC 2231 decoded, and encoded words too, which RFC 2047 §5 forbids there
// and every client reads. Limits: kParametersMax parameters, 1000 sections each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/message/date.h"

namespace ringmail::message {

inline constexpr size_t kParametersMax = 500;

struct Parameter {
  std::string name;      // lower case, without RFC 2231's asterisks
  std::string value;     // UTF-8
  std::string language;  // RFC 2231 §4; "" for none

  friend bool operator==(const Parameter&, const Parameter&) = default;
};

// The first one of that name, nullptr where there is none. `name` in lower case.
const Parameter* FindParameter(const std::vector<Parameter>& parameters, std::string_view name);

struct ContentType {
  std::string type, subtype;  // lower case
  std::vector<Parameter> parameters;
  bool valid = false;  // if not, the type is the default: text/plain; charset=us-ascii (§5.2)

  std::string_view charset() const;  // "" where not given
};
ContentType ParseContentType(std::string_view value);

struct ContentDisposition {
  std::string type;  // lower case; "" where there is none. RFC 2183 §2.8: unknown is "attachment"
  std::vector<Parameter> parameters;

  // The last component of filename (RFC 2183 §2.3: no directories), "" for none.
  std::string file_name() const;
  std::optional<uint64_t> size() const;                            // RFC 2183 §2.7
  std::optional<DateTime> date(std::string_view parameter) const;  // "creation-date" and so on
};
ContentDisposition ParseContentDisposition(std::string_view value);

// A file name from anywhere, without directories, drives and controls.
std::string SafeFileName(std::string_view name);

}  // namespace ringmail::message
