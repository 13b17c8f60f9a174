// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing over U+10FFFF.
#pragma once

#include <string_view>

namespace ringmail::codec {

bool Utf8Valid(std::string_view text);
// Whether every octet is under 0x80; NUL and controls are ASCII too.
bool IsAscii(std::string_view text);

}  // namespace ringmail::codec
