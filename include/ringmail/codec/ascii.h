// US-ASCII without regard to case. Octets over 127 are only equal to themselves.
//
// Promise: every kernel gives the same. Nothing is allocated. Shard: pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace ringmail::codec {

constexpr char AsciiLower(char octet) {
  return octet >= 'A' && octet <= 'Z' ? static_cast<char>(octet | 0x20) : octet;
}
bool AsciiEqualNoCase(std::string_view a, std::string_view b);
bool AsciiStartsWithNoCase(std::string_view text, std::string_view start);
// The first place at or after `from` where `needle` stands in any case; npos where there is none.
// An empty needle stands everywhere.
size_t AsciiFindNoCase(std::string_view text, std::string_view needle, size_t from);
// Each upper-case letter as its lower-case one. `out` may be in.data().
void AsciiLowerCopy(std::string_view in, char* out);

}  // namespace ringmail::codec
