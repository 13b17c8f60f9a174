// PASS (RFC 1939 §7), immediately after USER: together they are an exchange of PLAIN (RFC 4616).

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
  const session::SaslMechanismSet offered = session.Mechanisms(channel);
  if (!offered.Has(session::SaslMechanism::kPlain)) {
    session.Err("Passwords are not taken in the clear: say STLS first");
    co_return;
  }
  std::string message;
  message.reserve(name.size() + argument.size() + 2);  // so that no copy of it is left behind
  message.append(1, '\0').append(name).append(1, '\0').append(argument);
  const codec::Secret plain(std::move(message));
  const std::unique_ptr<Pop3Exchange> exchange = session.shared().authenticator.Begin(
      session::SaslMechanism::kPlain, offered, channel.view(), session.client());
  co_await session.LogIn(co_await exchange->Begin(plain.view()));
}

}  // namespace ringmail::pop3
