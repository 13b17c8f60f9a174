// RSET (RFC 1939 §5): no message is marked as deleted.

#include "fmt/format.h"
#include "protocol/pop3/session.h"

namespace ringmail::pop3 {

io::Task<void> RunRset(Session& session, std::string_view) {
  session.Undelete();
  session.Ok(fmt::format("{} messages ({} octets)", session.count(), session.bytes()));
  co_return;
}

}  // namespace ringmail::pop3
