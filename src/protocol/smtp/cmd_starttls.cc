// STARTTLS (RFC 3207): the conversation begins anew, inside.

#include "protocol/smtp/replies.h"
#include "protocol/smtp/session.h"

namespace ringmail::smtp {

Next RunStartTls(Session& session, std::string_view argument) {
  if (!argument.empty()) {
    // RFC 3207 §4: it has no parameters.
    session.Reply(kNoArgument);
    return Next::kCommand;
  }
  if (session.secure()) {
    session.Reply(kTlsAlready);
    return Next::kCommand;
  }
  if (!session.OffersStartTls()) {
    session.Reply(kTlsNotOffered);
    return Next::kCommand;
  }
  // RFC 3207 §4, RFC 2920 §3.1: the last command of a group. What comes behind it in the clear was
  // put there by somebody who hopes that we take it for what is said inside (CVE-2011-0411).
  if (session.input_waits()) return session.RefusePipelined();
  session.Reply(kTlsReady);
  return Next::kStartTls;
}

}  // namespace ringmail::smtp
