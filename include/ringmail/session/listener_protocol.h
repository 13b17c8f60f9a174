// What a listener speaks, and to whom: the word that the configuration, the rooms of protocols and
// whoever gives a listener to one of them have in common.
#pragma once

#include <cstdint>

namespace ringmail::session {

enum class ListenerProtocol : uint8_t {
  kSmtp,        // other hosts, and whoever the relay policy lets in
  kSubmission,  // SMTP for account holders (RFC 6409 §3.1): nothing is taken from who did not
                // authenticate (530 5.7.0)
  // RFC 2033: LHLO for EHLO, and a reply for each recipient at the end of content. What it says 250
  // to is on stable storage, and this server's to deliver: RCPT has said already who is not known
  // here, and a queue stands behind who is.
  kLmtp,
  kPop3,  // account holders fetch their mail (RFC 1939)
  kAcme,  // an authority looks whether a name is ours (RFC 8555 §8.3, RFC 8737)
};

}  // namespace ringmail::session
