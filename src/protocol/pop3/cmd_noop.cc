// NOOP (RFC 1939 §5).

#include "protocol/pop3/session.h"

namespace ringmail::pop3 {

io::Task<void> RunNoop(Session& session, std::string_view) {
  session.Ok("Nothing done");
  co_return;
}

}  // namespace ringmail::pop3
