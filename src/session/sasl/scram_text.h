// The messages of SCRAM (RFC 5802 §5, §7), shared by both sides. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ringmail/session/sasl.h"

namespace ringmail::session {

enum class Gs2Binding : uint8_t { kNone, kClientOnly, kUsed };  // "n", "y", "p=..."

struct ScramClientFirst {
  Gs2Binding binding = Gs2Binding::kNone;
  std::string_view binding_name;
  std::string_view gs2_header;  // with its last comma
  std::string_view bare;        // what follows it
  std::string authorization_id, name;
  std::string_view nonce;
};
std::optional<ScramClientFirst> ParseScramClientFirst(std::string_view message);

struct ScramClientFinal {
  std::string binding;  // decoded c=
  std::string_view nonce, without_proof;
  std::string proof;
};
std::optional<ScramClientFinal> ParseScramClientFinal(std::string_view message);

struct ScramServerFirst {
  std::string_view nonce;
  std::string salt;
  uint32_t iterations = 0;
};
std::optional<ScramServerFirst> ParseScramServerFirst(std::string_view message);

// The gs2-header alone (RFC 5801 §4), also of OAUTHBEARER; `message` loses it.
struct Gs2Header {
  Gs2Binding binding = Gs2Binding::kNone;
  std::string_view binding_name;
  std::string authorization_id;
};
std::optional<Gs2Header> TakeGs2Header(std::string_view& message);

// RFC 5802 §5.1: "," and "=" are written =2C and =3D.
std::string EscapeSaslName(std::string_view name);
std::optional<std::string> UnescapeSaslName(std::string_view text);
// printable of RFC 5802 §7: no comma, no control, no octet over 127.
bool ScramPrintable(std::string_view text);
// The bytes of a channel binding; "" where the channel has none of this name.
std::string_view ChannelBinding(const SaslChannel& channel, std::string_view name);
bool ScramPlus(SaslMechanism mechanism);
codec::DigestKind ScramDigest(SaslMechanism mechanism);

}  // namespace ringmail::session
