// What this room bounds, whatever an authority says.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace ringmail::acme {

// An answer in JSON, and a certificate with its chain (RFC 8555 §7.4.2).
inline constexpr size_t kAnswerBytesMax = 1u << 20;
// A nonce, a token, a URL.
inline constexpr size_t kNonceBytesMax = 512;
inline constexpr size_t kTokenBytesMax = 512;
inline constexpr size_t kUrlBytesMax = 2048;
// What is shown of an authority's words.
inline constexpr size_t kProblemBytesMax = 1024;
// Names of one certificate.
inline constexpr size_t kNamesMax = 100;

// RFC 8555 §6.5: "badNonce" is to be tried again; an authority that says nothing else to one
// request is broken.
inline constexpr uint32_t kBadNoncesMax = 8;
// Looks at what is not decided yet, of one order; with the pauses below some ten minutes.
inline constexpr uint32_t kPollsMax = 60;
inline constexpr std::chrono::seconds kPollPauseFirst{1};
inline constexpr std::chrono::seconds kPollPauseMax{15};
// Asked to wait longer than this, an order is left and taken up again later.
inline constexpr std::chrono::seconds kPollRetryAfterMax{60};
// What Retry-After may ask for at most (RFC 8555 §6.6).
inline constexpr std::chrono::seconds kRetryAfterMax{7 * 86'400};

// One request, and a whole order.
inline constexpr std::chrono::seconds kCallTimeout{60};
inline constexpr std::chrono::seconds kOrderTimeout{30 * 60};

// Of the responder, on one shard: connections at once, and how long one may last.
inline constexpr uint32_t kResponderSessionsMax = 256;
inline constexpr std::chrono::seconds kResponderTimeout{10};
inline constexpr std::chrono::seconds kResponderCloseTimeout{2};
inline constexpr std::chrono::milliseconds kAcceptPause{100};

}  // namespace ringmail::acme
