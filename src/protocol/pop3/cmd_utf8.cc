// UTF8 (RFC 6856 §2): the client reads headers in UTF-8.

#include "protocol/pop3/session.h"

namespace ringmail::pop3 {

io::Task<void> RunUtf8(Session& session, std::string_view) {
  session.baggage().utf8 = true;
  session.Ok("Headers come in UTF-8");
  co_return;
}

}  // namespace ringmail::pop3
