// Percent encoding of parameters: RFC 2231 §4, and what it leaves to stand for itself.
//
// Promise: nothing is allocated; views lie within what was read. Shard: pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "ringmail/codec/encoded_word.h"

namespace ringmail::codec {

// extended-initial-value (RFC 2231 §7): charset'language'text; the first two may be empty.
struct ExtendedValue {
  std::string_view charset, language, text;
};
// Nothing where there are not two apostrophes.
std::optional<ExtendedValue> SplitExtendedValue(std::string_view value);

inline constexpr uint8_t kPercentLowerHex = 1;       // "%e4", decoded; §7 asks for upper case
inline constexpr uint8_t kPercentInvalidEscape = 2;  // '%' without two digits, kept
inline constexpr uint8_t kPercentForeign = 4;        // what is no attribute-char, kept
struct PercentDecoded {
  size_t bytes = 0;
  uint8_t departures = 0;
};
// REQUIRES: room for text.size(); `out` may be text.data().
PercentDecoded PercentDecode(std::string_view text, char* out);

// Returns how many octets it wrote. REQUIRES: room for 3 * octets.size(), apart from them.
size_t PercentEncode(std::string_view octets, char* out);
size_t PercentEncodedBytes(std::string_view octets);
// As many whole characters of UTF-8 as fit into `room`, for continuations (§3). REQUIRES: room for
// `room` octets.
EncodeStep PercentEncodeSome(std::string_view utf8, size_t room, char* out);

}  // namespace ringmail::codec
