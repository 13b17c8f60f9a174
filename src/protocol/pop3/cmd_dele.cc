// DELE (RFC 1939 §5): marks a message. It is QUIT that deletes.

#include "fmt/format.h"
#include "protocol/pop3/session.h"

namespace ringmail::pop3 {

io::Task<void> RunDele(Session& session, std::string_view argument) {
  if (const std::optional<uint32_t> place = session.Place(argument)) {
    session.Delete(*place);
    session.Ok(fmt::format("Message {} is deleted", *place + 1));
  }
  co_return;
}

}  // namespace ringmail::pop3
