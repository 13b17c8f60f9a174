// EXPN (RFC 5321 §4.1.1.7): 502 to whom the policy tells nothing (§3.5.2, §4.2.4).

#include "protocol/smtp/replies.h"
#include "protocol/smtp/session.h"

namespace ringmail::smtp {

Next RunExpn(Session& session, std::string_view argument) {
  if (argument.empty()) {
    session.Reply(kExpnSyntax);
  } else {
    session.Reply(session.door().Expand(session.Source(/*smtp_utf8=*/false), argument));
  }
  return Next::kCommand;
}

}  // namespace ringmail::smtp
