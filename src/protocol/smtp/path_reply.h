// The replies to faults in the argument of MAIL and RCPT.
#pragma once

#include <string_view>

#include "protocol/smtp/wire.h"
#include "ringmail/message/path.h"
#include "ringmail/message/reply.h"

namespace ringmail::smtp {

// REQUIRES: error is not kNone. A whole reply.
std::string_view PathErrorReply(message::PathError error, message::PathKind kind);

// REQUIRES: error is not kNone. `extended`: EHLO was said.
message::Reply ParameterErrorReply(ParameterError error, std::string_view culprit, bool extended);

}  // namespace ringmail::smtp
