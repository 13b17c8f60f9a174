// HELP (RFC 5321 §4.1.1.8): the table of commands, or one row of it.

#include "protocol/smtp/commands.h"
#include "protocol/smtp/session.h"

namespace ringmail::smtp {

Next RunHelp(Session& session, std::string_view argument) {
  if (argument.empty()) {
    session.Reply(session.lmtp() ? session.settings().lmtp_help_reply
                                 : session.settings().help_reply);
    return Next::kCommand;
  }
  const CommandRow* row = FindCommand(argument, session.listener().protocol);
  // RFC 5321 §4.3.2: 504 for a topic that has no help.
  session.Reply(row == nullptr ? "504 5.5.4 There is no such command; HELP lists them\r\n"
                               : HelpReplyFor(*row));
  return Next::kCommand;
}

}  // namespace ringmail::smtp
