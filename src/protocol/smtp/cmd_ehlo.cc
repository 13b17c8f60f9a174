// EHLO (RFC 5321 §4.1.1.1): the greeting whose reply lists the extensions.

#include "protocol/smtp/extensions.h"
#include "protocol/smtp/hello.h"
#include "protocol/smtp/replies.h"
#include "protocol/smtp/session.h"

namespace ringmail::smtp {

Next RunEhlo(Session& session, std::string_view argument) {
  // RFC 2920 §3.1: EHLO is the last command of a group, for what may follow is only in its reply.
  if (session.input_waits()) return session.RefusePipelined();
  if (!ValidHello(argument, session.listener().helo_syntax)) {
    session.Reply(kHelloSyntax);
    return Next::kCommand;
  }
  session.Hello(argument, /*extended=*/true);
  if (session.OffersAuth()) {
    // RFC 4954 §3: the mechanisms depend on the channel, so that this reply is made for it.
    session.Reply(EhloReply(
        session.settings().options.hostname,
        session.settings().Offer(session.OffersStartTls(), session.Mechanisms().Names())));
    return Next::kCommand;
  }
  session.Reply(session.OffersStartTls() ? session.settings().ehlo_starttls_reply
                                         : session.settings().ehlo_reply);
  return Next::kCommand;
}

}  // namespace ringmail::smtp
