// TOP (RFC 1939 §7): the header of a message, and some lines of its body.

#include "protocol/pop3/session.h"
#include "protocol/pop3/wire.h"

namespace ringmail::pop3 {

io::Task<void> RunTop(Session& session, std::string_view argument) {
  const std::optional<TwoWords> words = SplitTwo(argument);
  const std::optional<uint32_t> lines = words ? ParseNumber(words->second) : std::nullopt;
  if (!lines) {
    session.Err("Say TOP message lines");
    co_return;
  }
  if (const std::optional<uint32_t> place = session.Place(words->first))
    co_await session.Send(*place, *lines);
}

}  // namespace ringmail::pop3
