// NOOP (RFC 5321 §4.1.1.9): its argument means nothing.

#include "protocol/smtp/replies.h"
#include "protocol/smtp/session.h"

namespace ringmail::smtp {

Next RunNoop(Session& session, std::string_view) {
  session.Reply(kOk);
  return Next::kCommand;
}

}  // namespace ringmail::smtp
