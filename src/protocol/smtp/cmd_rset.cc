// RSET (RFC 5321 §4.1.1.5): gives up the transaction, keeps the session.

#include "protocol/smtp/replies.h"
#include "protocol/smtp/session.h"

namespace ringmail::smtp {

Next RunRset(Session& session, std::string_view argument) {
  if (!argument.empty()) {
    session.Reply(kNoArgument);
    return Next::kCommand;
  }
  session.EndTransaction(session.state() == kBeforeHello ? kBeforeHello : kReady);
  session.Reply(kOk);
  return Next::kCommand;
}

}  // namespace ringmail::smtp
