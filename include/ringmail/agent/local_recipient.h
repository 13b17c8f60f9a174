// What the door says to a recipient, as far as the directory knows: the one place where a look-up
// becomes a reply.
//
// Promise: synchronous, no allocation but the reply's text. 5yz only where the request can never
// succeed; whatever damage may have hidden is 4yz.
// Shard: the directory's.
#pragma once

#include <optional>

#include "ringmail/message/path.h"
#include "ringmail/message/reply.h"
#include "ringmail/storage/directory.h"

namespace ringmail::agent {

struct LocalRecipient {
  // kForeign with certain: the directory has no part in it.
  storage::Resolution resolution;
  // What RCPT is answered; nothing: it is somebody here (or foreign), and the door goes on.
  std::optional<message::Reply> refusal;
  bool local() const { return resolution.kind != storage::Resolution::Kind::kForeign; }
};

// `mailbox` as ParsePath has it, with a domain.
LocalRecipient JudgeLocalRecipient(const storage::Directory& directory,
                                   const message::Mailbox& mailbox);

}  // namespace ringmail::agent
