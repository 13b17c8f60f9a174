// SASLprep (RFC 4013): the one form of names and passwords that are written in several ways.
//
// Promise: what comes out comes out again unchanged. Octets over 127 are UTF-8 or refused.
// Shard: pure; microseconds. The tables are ICU's.
// Limits: kSaslprepBytesMax of input; beyond: nothing.
// Errors: nothing for what is no UTF-8, or holds what RFC 4013 §2.3 prohibits or mixes directions
//   as §2.4 does not allow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringmail::credential {

inline constexpr size_t kSaslprepBytesMax = 8192;

// RFC 3454 §7: characters that Unicode 3.2 does not know may stand in what is asked for, and may
// not in what is kept.
enum class SaslprepUse : uint8_t { kStored, kQuery };

std::optional<std::string> Saslprep(std::string_view text, SaslprepUse use);

}  // namespace ringmail::credential
