// USER (RFC 1939 §7): the name, for the PASS that follows. Whether anybody has it is not said.

#include "protocol/pop3/session.h"
#include "protocol/pop3/wire.h"

namespace ringmail::pop3 {

io::Task<void> RunUser(Session& session, std::string_view argument) {
  if (!session.MakeOffer().user) {
    session.Err("Passwords are not taken in the clear: say STLS first");
  } else if (!ValidCredential(argument)) {
    session.Err("That is no name");
  } else {
    session.user() = argument;
    session.Ok("Now the password");
  }
  co_return;
}

}  // namespace ringmail::pop3
