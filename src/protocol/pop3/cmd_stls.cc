// STLS (RFC 2595 §4): the conversation goes on inside, in AUTHORIZATION.

#include "protocol/pop3/session.h"

namespace ringmail::pop3 {

io::Task<void> RunStls(Session& session, std::string_view) {
  if (session.secure()) {
    session.Err("TLS protects this session already");
  } else if (!session.MakeOffer().stls) {
    session.Err("TLS is not offered here");
  } else if (session.baggage().utf8) {
    // RFC 6856 §2.1.
    session.Err("STLS comes before UTF8");
  } else if (session.input_waits()) {
    // RFC 2595 §4: the client waits. What comes behind it in the clear was put there by somebody
    // who hopes that we take it for what is said inside (CVE-2011-0411).
    session.Err("Something came behind STLS in the clear");
    session.End(Ending::kAbuse);
  } else {
    session.Ok("Begin");
    co_await session.StartTls();
  }
}

}  // namespace ringmail::pop3
