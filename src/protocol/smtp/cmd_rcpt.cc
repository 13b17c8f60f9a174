// RCPT (RFC 5321 §4.1.1.3): names one recipient.

#include "protocol/smtp/path_reply.h"
#include "protocol/smtp/replies.h"
#include "protocol/smtp/session.h"
#include "protocol/smtp/transaction.h"
#include "protocol/smtp/wire.h"

namespace ringmail::smtp {

Next RunRcpt(Session& session, std::string_view argument) {
  Transaction& transaction = session.transaction();
  const auto utf8 = transaction.smtp_utf8 ? message::Utf8::kAllowed : message::Utf8::kRefused;
  RcptCommand command = ParseRcpt(argument, session.listener().path_spacing, utf8);
  if (!command.keyword_found) {
    session.Reply(kRcptSyntax);
    return Next::kCommand;
  }
  if (command.path.error != message::PathError::kNone) {
    transaction.recipient_refused = true;
    const bool space =
        command.path.error == message::PathError::kSyntax && argument.substr(3).starts_with(' ');
    session.Reply(space ? kRcptSyntax
                        : PathErrorReply(command.path.error, message::PathKind::kForward));
    return Next::kCommand;
  }
  if (!session.extended() && command.has_parameters) command.error = ParameterError::kNotOffered;
  if (command.error != ParameterError::kNone) {
    transaction.recipient_refused = true;
    session.Reply(ParameterErrorReply(command.error, command.culprit, session.extended()));
    return Next::kCommand;
  }
  if (transaction.mail().MustAsk(command.path)) {
    transaction.asked_argument = argument;
    return Next::kAsk;
  }
  session.ReplyToRecipient(transaction.mail().Recipient(
      command.path, command.parameters.original_recipient, command.parameters.notify));
  return Next::kCommand;
}

// Not inline: its frame would become part of Run's, and lie there idle.
[[gnu::noinline]] io::Task<Next> Session::AskForRecipient() {
  Next next = Next::kAsk;
  while (next == Next::kAsk) {
    co_await transaction().mail().Ask();
    const std::string argument = std::move(transaction().asked_argument);
    // For the log line of a refusal.
    const std::string line = "RCPT " + argument;
    line_ = line;
    next = RunRcpt(*this, argument);
    line_ = {};
  }
  co_return AfterCommand(next);
}

}  // namespace ringmail::smtp
