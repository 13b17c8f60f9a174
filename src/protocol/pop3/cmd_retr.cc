// RETR (RFC 1939 §5): a message.

#include "protocol/pop3/session.h"

namespace ringmail::pop3 {

io::Task<void> RunRetr(Session& session, std::string_view argument) {
  if (const std::optional<uint32_t> place = session.Place(argument))
    co_await session.Send(*place, std::nullopt);
}

}  // namespace ringmail::pop3
