// Every limit of the SMTP room, with its unit and where it comes from.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "ringmail/base/time.h"
#include "ringmail/message/path.h"
#include "ringmail/protocol/smtp.h"
#include "ringmail/session/sasl.h"

namespace ringmail::smtp {

// A command line with its CRLF. RFC 5321 §4.5.3.1.4: 512, and what extensions add to MAIL and RCPT:
// SIZE 26 (RFC 1870 §3), BODY 16 (RFC 6152), SMTPUTF8 10 (RFC 6531 §3.1), RET 9 and ENVID 107,
// NOTIFY 29 and ORCPT 507 (RFC 3461 §4).
inline constexpr size_t kCommandLineBytesMax = 2048;
inline constexpr size_t kMailLineBytesNeeded = 512 + 26 + 16 + 10 + 9 + 107;
inline constexpr size_t kRcptLineBytesNeeded = 512 + 29 + 507;
// RFC 4954 §3 (6): AUTH= adds 500.
static_assert(kCommandLineBytesMax >= kMailLineBytesNeeded + 500,
              "RFC 5321 §4.5.3.1.4 with extensions");
static_assert(kCommandLineBytesMax >= kRcptLineBytesNeeded, "RFC 5321 §4.5.3.1.4 with extensions");

// RFC 5321 §4.5.3.1.2; RFC 5321 §4.1.1.1 gives a domain or an address literal.
inline constexpr size_t kHeloBytesMax = message::kDomainBytesMax;
static_assert(kHeloBytesMax >= 255, "RFC 5321 §4.5.3.1.2");

// RFC 3461 §4.4 and §4.2: of the xtext, as written.
inline constexpr size_t kEnvelopeIdBytesMax = 100;
inline constexpr size_t kOriginalRecipientBytesMax = 500;
// RFC 4954 §5: AUTH= of MAIL, likewise.
inline constexpr size_t kSubmitterBytesMax = 500;

// RFC 4954 §4: a line of an exchange without its CRLF, and of the AUTH command with its verb and
// the longest name of a mechanism (RFC 4422 §3.1: 20).
inline constexpr size_t kAuthResponseBytesMax = session::kSaslLineBytesMax - 2;
inline constexpr size_t kAuthLineBytesMax = session::kSaslLineBytesMax + 32;

// RFC 1870 §3: SIZE= has at most 20 digits. RFC 3030 §2: so has the octet count of BDAT, to our
// mind.
inline constexpr size_t kSizeDigitsMax = 20;

// RFC 9422: the values of LIMITS have at most six digits.
inline constexpr uint32_t kLimitsValueMax = 999'999;

// Replies held for a peer that does not read them, before the session waits for it.
inline constexpr size_t kOutputBytesMax = 16u << 10;

// Content of a message that is already refused (too large, or the disk is full) is read and thrown
// away so that the reply is understood; a peer that sends more than this is cut off.
inline constexpr uint64_t kDiscardedBytesMax = 256u << 20;

// How long a reply may wait for the peer to take it when the session ends, and how long we wait for
// its own end.
inline constexpr Nanoseconds kCloseTimeout = std::chrono::seconds(5);
// A whole handshake of TLS.
inline constexpr Nanoseconds kTlsHandshakeTimeout = std::chrono::seconds(60);
// How long to stop accepting when the process has no descriptor or memory left.
inline constexpr Nanoseconds kAcceptPause = std::chrono::milliseconds(200);
// Connections turned away with 421 that are being closed at one time; beyond, they are reset.
inline constexpr uint32_t kRefusalsMax = 256;

static_assert(agent::MailLimits{}.message_bytes_max >= 64u << 10, "RFC 5321 §4.5.3.1.7");
static_assert(message::kLocalPartBytesMax >= 64, "RFC 5321 §4.5.3.1.1");
static_assert(message::kPathBytesMax >= 256, "RFC 5321 §4.5.3.1.3");

}  // namespace ringmail::smtp
