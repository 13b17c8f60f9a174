// UIDL (RFC 1939 §7): unique-ids, of one message or of all: UIDVALIDITY and UID (RFC 9051
// §2.3.1.1), which are never used again for another message.

#include "fmt/format.h"
#include "protocol/pop3/session.h"

namespace ringmail::pop3 {

io::Task<void> RunUidl(Session& session, std::string_view argument) {
  Maildrop& maildrop = session.maildrop();
  const uint32_t validity = maildrop.uid_validity();
  if (!argument.empty()) {
    if (const std::optional<uint32_t> place = session.Place(argument))
      session.Ok(fmt::format("{} {}.{}", *place + 1, validity, maildrop.at(*place).uid.value));
    co_return;
  }
  session.Ok("Unique-ids follow");
  for (uint32_t place = 0; place < maildrop.count(); ++place) {
    if (session.deleted(place)) continue;
    char line[48];
    const char* const end =
        fmt::format_to(line, "{} {}.{}\r\n", place + 1, validity, maildrop.at(place).uid.value);
    session.Write({line, static_cast<size_t>(end - line)});
    if (session.output_full() && !co_await session.Pace()) co_return;
  }
  session.Write(".\r\n");
}

}  // namespace ringmail::pop3
