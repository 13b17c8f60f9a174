// LANG (RFC 6856 §3): the language of what we say beside +OK and -ERR. There is one.

#include "protocol/pop3/session.h"
#include "protocol/pop3/wire.h"

namespace ringmail::pop3 {

io::Task<void> RunLang(Session& session, std::string_view argument) {
  if (argument.empty()) {
    session.Ok("Languages follow");
    session.Write("en English\r\n.\r\n");
  } else if (argument == "*" || EqualsIgnoringCase(argument, "en")) {
    // RFC 6856 §3.2: the tag, a space, and text in it.
    session.Ok("en English it is");
  } else {
    session.Err("en That is not among our languages");
  }
  co_return;
}

}  // namespace ringmail::pop3
