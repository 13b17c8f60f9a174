// The one table that turns a fault of ours into a reply (src/STYLE.md, "Four kinds of wrong").
//
// Promise: always 4yz, so that a sender keeps the mail and tries again: what we could not do,
//   another try may. Disk full or over quota is 452 4.3.1 (RFC 5321 §4.2.3, RFC 3463 §3.4);
//   everything else 451. The text is ours and names no file: the Status goes to the log, not to the
//   peer.
#pragma once

#include "ringmail/base/status.h"
#include "ringmail/message/reply.h"

namespace ringmail::message {

// REQUIRES: !fault.ok().
Reply ReplyForFault(const Status& fault);

}  // namespace ringmail::message
