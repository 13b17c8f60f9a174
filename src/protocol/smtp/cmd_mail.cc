// MAIL (RFC 5321 §4.1.1.2): begins a mail transaction.

#include <memory>
#include <utility>

#include "protocol/smtp/path_reply.h"
#include "protocol/smtp/replies.h"
#include "protocol/smtp/session.h"
#include "protocol/smtp/transaction.h"
#include "protocol/smtp/wire.h"

namespace ringmail::smtp {

Next RunMail(Session& session, std::string_view argument) {
  MailCommand command = ParseMail(argument, session.listener().path_spacing);
  if (!command.keyword_found) {
    session.Reply(kMailSyntax);
    return Next::kCommand;
  }
  if (command.path.error != message::PathError::kNone) {
    const bool space =
        command.path.error == message::PathError::kSyntax && argument.substr(5).starts_with(' ');
    session.Reply(space ? kMailSyntax
                        : PathErrorReply(command.path.error, message::PathKind::kReverse));
    return Next::kCommand;
  }
  // Without EHLO nothing was offered (RFC 5321 §4.1.1.11).
  if (!session.extended() && command.has_parameters) command.error = ParameterError::kNotOffered;
  // RFC 4954 §5: of those who may authenticate here.
  if (command.parameters.submitter_given && !session.KnowsAuth() &&
      command.error == ParameterError::kNone) {
    command.error = ParameterError::kNotOffered;
    command.culprit = "AUTH";
  }
  if (command.error != ParameterError::kNone) {
    session.Reply(ParameterErrorReply(command.error, command.culprit, session.extended()));
    return Next::kCommand;
  }
  if (!session.CountTransaction()) return Next::kClose;

  const bool smtp_utf8 = command.parameters.smtp_utf8;
  auto transaction = std::make_unique<Transaction>(session.door(), session.Source(smtp_utf8),
                                                   session.listener().bare_newline);
  transaction->body = command.parameters.body;
  transaction->smtp_utf8 = smtp_utf8;
  transaction->set_reverse_path(command.path.text);
  const message::Reply reply =
      transaction->mail().Mail(command.path.text, std::move(command.parameters));
  if (reply.completed()) session.Begin(std::move(transaction));
  session.Reply(reply);
  return Next::kCommand;
}

}  // namespace ringmail::smtp
