// Hexadecimal: RFC 4648 §8.
//
// Promise: every kernel gives the same. Nothing is allocated. Shard: pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ringmail::codec {

enum class HexCase : uint8_t { kLower, kUpper };

// Returns 2 * octets.size(). REQUIRES: room for them, apart from the input.
size_t HexEncode(std::string_view octets, HexCase hex_case, char* out);
// Both cases. Returns how many octets it wrote; nothing where the count of digits is odd or one is
// none. REQUIRES: room for text.size() / 2; `out` may be text.data().
std::optional<size_t> HexDecode(std::string_view text, char* out);
// 0 to 15, or 16 where it is no digit.
uint8_t HexDigitValue(char digit);

}  // namespace ringmail::codec
