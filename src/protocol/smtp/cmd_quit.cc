// QUIT (RFC 5321 §4.1.1.10): an open transaction is given up.

#include "protocol/smtp/replies.h"
#include "protocol/smtp/session.h"

namespace ringmail::smtp {

Next RunQuit(Session& session, std::string_view argument) {
  if (!argument.empty()) {
    session.Reply(kNoArgument);
    return Next::kCommand;
  }
  session.Reply(kBye);
  return Next::kClose;
}

}  // namespace ringmail::smtp
