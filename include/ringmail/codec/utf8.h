// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing over U+10FFFF.
//
// Promise: every kernel and every cut gives the same verdict. Nothing is allocated. Shard: pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringmail::codec {

bool Utf8Valid(std::string_view text);
// Whether every octet is under 0x80; NUL and controls are ASCII too.
bool IsAscii(std::string_view text);
// How many octets of `text` are valid and whole, up to the first that is not, or to a character
// that the end cuts.
size_t Utf8ValidPrefix(std::string_view text);
// 1 to 4: the octets of the character that `text` starts with; 0 where it starts with none.
size_t Utf8CharacterBytes(std::string_view text);

// Text that comes in pieces. Order: Feed any number of times, then valid().
class Utf8Validator {
 public:
  void Feed(std::string_view piece);
  // Whether all that was fed is valid, were this its end: a cut character is not.
  bool valid() const { return valid_ && held_ == 0; }
  // Whether something was fed that no continuation makes valid.
  bool failed() const { return !valid_; }

 private:
  void Judge();

  bool valid_ = true;
  uint8_t held_ = 0;  // octets of a character that goes on in the next piece
  char character_[4] = {};
};

}  // namespace ringmail::codec
