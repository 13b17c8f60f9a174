// LIST (RFC 1939 §5): sizes, of one message or of all.

#include <iterator>

#include "fmt/format.h"
#include "protocol/pop3/session.h"

namespace ringmail::pop3 {

io::Task<void> RunList(Session& session, std::string_view argument) {
  Maildrop& maildrop = session.maildrop();
  if (!argument.empty()) {
    if (const std::optional<uint32_t> place = session.Place(argument))
      session.Ok(fmt::format("{} {}", *place + 1, maildrop.at(*place).bytes));
    co_return;
  }
  session.Ok(fmt::format("{} messages ({} octets)", session.count(), session.bytes()));
  for (uint32_t place = 0; place < maildrop.count(); ++place) {
    if (session.deleted(place)) continue;
    char line[32];
    const char* const end = fmt::format_to(line, "{} {}\r\n", place + 1, maildrop.at(place).bytes);
    session.Write({line, static_cast<size_t>(end - line)});
    if (session.output_full() && !co_await session.Pace()) co_return;
  }
  session.Write(".\r\n");
}

}  // namespace ringmail::pop3
