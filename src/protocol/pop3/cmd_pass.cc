// PASS (RFC 1939 §7), immediately after USER.

#include <utility>

#include "protocol/pop3/session.h"
#include "protocol/pop3/wire.h"

namespace ringmail::pop3 {

io::Task<void> RunPass(Session& session, std::string_view argument) {
  const std::string name = std::exchange(session.user(), {});
  if (name.empty()) {
    session.Err("Say USER first");
    co_return;
  }
  // A password may have spaces: all that stands behind the first one is it.
  if (!ValidCredential(argument)) {
    session.Err("That is no password");
    co_return;
  }
  const Channel channel = session.MakeChannel();
  if (!session.Mechanisms(channel).Has(session::SaslMechanism::kPlain)) {
    session.Err("Passwords are not taken in the clear: say STLS first");
    co_return;
  }
  co_await session.LogIn(
      co_await session.shared().authenticator.LogIn(name, argument, session.auth_client()));
}

}  // namespace ringmail::pop3
