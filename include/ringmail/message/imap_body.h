// ENVELOPE, BODY and BODYSTRUCTURE of IMAP: RFC 9051 §7.5.2, RFC 3501 §7.4.2.
//
// Promise: pure; whatever the message is, what is written follows the grammar of RFC 9051 §9.
// Octets over 127, and controls, go into literals; where the client has enabled UTF-8, valid UTF-8
// goes into quoted strings (RFC 9051 §4.3).
#pragma once

#include <cstdint>
#include <string>

#include "ringmail/message/part_view.h"

namespace ringmail::message {

enum class ImapText : uint8_t { kAscii, kUtf8 };
enum class ImapBody : uint8_t {
  kBody,           // without extension data
  kBodyStructure,  // with it
};

// `part` is a message: the root, or the one within message/rfc822.
void AppendEnvelope(const MessageView& message, PartIndex part, ImapText text, std::string& out);
void AppendBody(const MessageView& message, PartIndex part, ImapBody form, ImapText text,
                std::string& out);

// An IMAP string: quoted where it can be, otherwise a literal. NUL, which neither can hold, is left
// out.
void AppendImapString(std::string_view octets, ImapText text, std::string& out);

}  // namespace ringmail::message
