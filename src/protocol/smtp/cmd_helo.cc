// HELO (RFC 5321 §4.1.1.1): the greeting of clients without extensions.

#include "protocol/smtp/hello.h"
#include "protocol/smtp/replies.h"
#include "protocol/smtp/session.h"

namespace ringmail::smtp {

Next RunHelo(Session& session, std::string_view argument) {
  if (!ValidHello(argument, session.listener().helo_syntax)) {
    session.Reply(kHelloSyntax);
    return Next::kCommand;
  }
  session.Hello(argument, /*extended=*/false);
  session.Reply(session.settings().helo_reply);
  return Next::kCommand;
}

}  // namespace ringmail::smtp
