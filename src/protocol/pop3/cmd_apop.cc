// APOP (RFC 1939 §7): MD5 of the greeting's timestamp and the password. Only where it is
// configured, since it needs passwords that can be read, and MD5 is what it is.

#include "protocol/pop3/session.h"
#include "protocol/pop3/wire.h"

namespace ringmail::pop3 {

io::Task<void> RunApop(Session& session, std::string_view argument) {
  const std::string* const timestamp = session.baggage().timestamp.get();
  if (timestamp == nullptr) {
    session.Err("APOP is not offered: the greeting had no timestamp");
    co_return;
  }
  const std::optional<TwoWords> words = ParseApop(argument);
  if (!words) {
    session.Err("Say APOP name digest");
    co_return;
  }
  co_await session.LogIn(co_await session.shared().authenticator.Apop(
      *timestamp, words->first, words->second, session.auth_client()));
}

}  // namespace ringmail::pop3
