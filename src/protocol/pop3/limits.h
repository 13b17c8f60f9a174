// Every limit of the POP3 room, with its unit and where it comes from.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "ringmail/base/time.h"
#include "ringmail/session/sasl.h"

namespace ringmail::pop3 {

// RFC 2449 §4: a command with its CRLF; AUTH with an initial response too (RFC 5034 §4).
inline constexpr size_t kCommandLineBytesMax = 255;
static_assert(kCommandLineBytesMax >= 255, "RFC 2449 §4");
// A response to a challenge of AUTH, which may be longer than a command (RFC 5034 §4).
inline constexpr size_t kLineBytesMax = session::kSaslLineBytesMax;

// The first line of a reply, with its CRLF: RFC 2449 §4.
inline constexpr size_t kReplyLineBytesMax = 512;

// Replies held for a client that does not read them, before the session waits for it.
inline constexpr size_t kOutputBytesMax = 64u << 10;
// Up to here octets of content are copied behind others, so that small messages share sends; longer
// runs are sent from where they are. A send costs more than such a copy.
inline constexpr size_t kCopiedRunBytesMax = 16u << 10;

// Ranges of uids deleted in one transaction of an account. More: one transaction after the other.
inline constexpr size_t kDeletedRangesMax = 50'000;

// Logins of one shard that LOGIN-DELAY remembers; beyond, the oldest are forgotten.
inline constexpr size_t kLoginsRememberedMax = 100'000;

// How long a reply may wait for the peer to take it when the session ends, and how long we wait for
// its own end.
inline constexpr Nanoseconds kCloseTimeout = std::chrono::seconds(5);
// A whole handshake of TLS.
inline constexpr Nanoseconds kTlsHandshakeTimeout = std::chrono::seconds(60);
// Sending what was written before a session moves to its account's shard.
inline constexpr Nanoseconds kMoveTimeout = std::chrono::seconds(60);
// How long to stop accepting when the process has no descriptor or memory left.
inline constexpr Nanoseconds kAcceptPause = std::chrono::milliseconds(200);
// Connections turned away that are being closed at one time; beyond, they are reset.
inline constexpr uint32_t kRefusalsMax = 256;

// Where sessions of POP3 arrive that come from other shards (io/move.h).
inline constexpr uint16_t kMovePlace = 1;

}  // namespace ringmail::pop3
