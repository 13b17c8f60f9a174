// EXPN (RFC 5321 §4.1.1.7): known, and not offered. §3.5.2 and §4.2.4: 502 for what is not
// implemented.

#include "protocol/smtp/replies.h"
#include "protocol/smtp/session.h"

namespace ringmail::smtp {

Next RunExpn(Session& session, std::string_view argument) {
  session.Reply(argument.empty() ? kExpnSyntax : kNotExpanded);
  return Next::kCommand;
}

}  // namespace ringmail::smtp
