// How UIDL names a message (RFC 1939 §7), in the words of Dovecot's pop3_uidl_format: a client that
// was served by another program before finds what it has fetched.
//
// Made by: Parse; by default as Dovecot's default is. A value. Pure.
// Promise: 1 to 70 octets from 0x21 to 0x7E, which name one message of a mailbox of one
//   UIDVALIDITY.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringmail::pop3 {

class UniqueIdFormat {
 public:
  // Text, with "%u" for the UID and "%v" for UIDVALIDITY, "%%" for a percent sign. Between percent
  // sign and letter may stand a width, "0" and 1 to 10, filled with zeros, and then "X":
  // hexadecimal, in lower case.
  // nullopt: it is not, has no UID, or may give more than 70 octets.
  static std::optional<UniqueIdFormat> Parse(std::string_view text);

  std::string_view text() const { return text_; }
  void Append(uint32_t uid_validity, uint32_t uid, std::string& out) const;

 private:
  struct Field {
    char letter = '%';
    bool hexadecimal = false;
    int width = 0;
  };
  static std::optional<Field> TakeField(std::string_view& text);

  std::string text_ = "%08Xu%08Xv";
};

}  // namespace ringmail::pop3
