// Writes header fields: encoded where they must be, folded at 78 columns (RFC 5322 §2.1.1, §2.2.3).
//
// Order: fields come out in the order of the calls; Empty ends the section. Promise: pure; lines
// end in CRLF and have at most 998 octets, whatever goes in; no value can begin a field of its own;
// what was written is read by this room's parsers as what was given, white space at its ends, a
// byte order mark before it and controls apart. Folding only ever puts a line end before white
// space that is there, so that unfolding gives the same octets.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/message/address.h"
#include "ringmail/message/date.h"
#include "ringmail/message/parameter.h"

namespace ringmail::message {

enum class HeaderCharset : uint8_t {
  kAscii,  // encoded words (RFC 2047) and extended parameters (RFC 2231)
  kUtf8,   // as it is, where the message goes by SMTPUTF8 (RFC 6532)
};

class HeaderBuilder {
 public:
  HeaderBuilder(HeaderCharset charset, std::string& out) : charset_(charset), out_(out) {}

  // All take text in UTF-8. REQUIRES: `name` is a field name.
  void Text(std::string_view name, std::string_view text);
  // Names are what a reader sees; DecodeText gives such. False where an address itself has octets
  // over 127 and the charset is ASCII: it was written as it is, and the message needs SMTPUTF8.
  bool Addresses(std::string_view name, std::span<const Address> addresses);
  void MessageIds(std::string_view name, std::span<const std::string> ids);
  void Date(std::string_view name, const DateTime& date);
  // "value; name=value; …": Content-Type and the like.
  void Parameters(std::string_view name, std::string_view value,
                  std::span<const Parameter> parameters);
  void Empty() { out_ += "\r\n"; }

 private:
  void Begin(std::string_view name);
  void End();
  void Word(std::string_view word, bool space_before);
  void Encoded(std::string_view text, bool phrase);
  void Phrase(std::string_view name);
  void OneParameter(const Parameter& parameter);
  void Continued(const Parameter& parameter);
  bool NeedsEncoding(std::string_view word) const;
  void Break();

  HeaderCharset charset_;
  std::string& out_;
  size_t column_ = 0;
};

}  // namespace ringmail::message
