// base64 of short values held whole (SASL, stored passwords, tokens), judged strictly: one text
// means one value, and only it. Streams of mail use base64.h.
//
// Promise: From... gives nothing for text that To... of the same padding would not have written.
// Shard: pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ringmail/codec/base64.h"

namespace ringmail::codec {

enum class Base64Padding : uint8_t {
  kRequired,  // RFC 4648 §3.2
  kNone,      // RFC 7515 §2, the PHC string format
  kOptional,  // LDAP servers that drop it
};

// REQUIRES: form is not kMime; padding is not kOptional.
std::string ToBase64(std::string_view octets, Base64Form form, Base64Padding padding);
std::optional<std::string> FromBase64(std::string_view text, Base64Form form,
                                      Base64Padding padding);

}  // namespace ringmail::codec
