// UIDL (RFC 1939 §7): unique-ids, of one message or of all: UID and UIDVALIDITY (RFC 9051
// §2.3.1.1), which are never used again for another message, in the form that the operator wants.

#include "fmt/format.h"
#include "protocol/pop3/session.h"

namespace ringmail::pop3 {

io::Task<void> RunUidl(Session& session, std::string_view argument) {
  Maildrop& maildrop = session.maildrop();
  const UniqueIdFormat& format = session.settings().options.unique_id;
  const auto line_of = [&](uint32_t place, std::string& line) {
    line = std::to_string(place + 1);
    line += ' ';
    format.Append(maildrop.uid_validity(), maildrop.at(place).uid.value, line);
  };
  std::string line;
  if (!argument.empty()) {
    if (const std::optional<uint32_t> place = session.Place(argument)) {
      line_of(*place, line);
      session.Ok(line);
    }
    co_return;
  }
  session.Ok("Unique-ids follow");
  for (uint32_t place = 0; place < maildrop.count(); ++place) {
    if (session.deleted(place)) continue;
    line_of(place, line);
    line += "\r\n";
    session.Write(line);
    if (session.output_full() && !co_await session.Pace()) co_return;
  }
  session.Write(".\r\n");
}

}  // namespace ringmail::pop3
