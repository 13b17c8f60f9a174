// Reads the parameters of RFC 2045 §5.1 one by one, allocating nothing. Private to message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ringmail::message {

// One "; name=value", as written. RFC 2231: name*2*=… is section 2, encoded.
struct RawParameter {
  std::string_view name;   // without the asterisks of RFC 2231
  std::string_view value;  // of a quoted-string, what stands between the quotes
  bool quoted = false;
  bool encoded = false;  // RFC 2231 §4
  int32_t section = -1;  // RFC 2231 §3; -1 for none
};
inline constexpr int32_t kParameterSectionsMax = 1000;

class ParameterReader {
 public:
  // `text`: what follows the value proper of the field.
  explicit ParameterReader(std::string_view text) : text_(text) {}
  // False at the end. What is no parameter is passed over.
  bool Next(RawParameter& parameter);

 private:
  bool ReadName(RawParameter& parameter);
  void ReadValue(RawParameter& parameter);

  std::string_view text_;
  size_t at_ = 0;
};

// The value as meant: without escapes and line ends. Percent encoding and charset are the caller's.
void AppendParameterValue(const RawParameter& parameter, std::string& out);

// "type/subtype" at the start of a Content-Type. Both empty where there is none (RFC 2045 §5.2).
struct RawMediaType {
  std::string_view type, subtype;
  std::string_view rest;  // the parameters
};
RawMediaType ReadMediaType(std::string_view value);

// The first word, as Content-Disposition and Content-Transfer-Encoding begin with; `rest` follows.
std::string_view ReadMimeToken(std::string_view value, std::string_view& rest);

}  // namespace ringmail::message
