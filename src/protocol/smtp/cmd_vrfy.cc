// VRFY (RFC 5321 §4.1.1.6): says 252, since telling who exists helps those who guess addresses
// (§7.3).

#include "protocol/smtp/replies.h"
#include "protocol/smtp/session.h"

namespace ringmail::smtp {

Next RunVrfy(Session& session, std::string_view argument) {
  session.Reply(argument.empty() ? kVrfySyntax : kVerifyLater);
  return Next::kCommand;
}

}  // namespace ringmail::smtp
