// STAT (RFC 1939 §5): how many messages, and octets, without those deleted.

#include "fmt/format.h"
#include "protocol/pop3/session.h"

namespace ringmail::pop3 {

io::Task<void> RunStat(Session& session, std::string_view) {
  session.Ok(fmt::format("{} {}", session.count(), session.bytes()));
  co_return;
}

}  // namespace ringmail::pop3
