// VRFY (RFC 5321 §4.1.1.6): says 252 to whom the policy tells nothing, since that helps those who
// guess addresses (§7.3).

#include "protocol/smtp/replies.h"
#include "protocol/smtp/session.h"

namespace ringmail::smtp {

Next RunVrfy(Session& session, std::string_view argument) {
  if (argument.empty()) {
    session.Reply(kVrfySyntax);
  } else {
    session.Reply(session.door().Verify(session.Source(/*smtp_utf8=*/false), argument));
  }
  return Next::kCommand;
}

}  // namespace ringmail::smtp
