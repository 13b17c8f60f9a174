// DATA (RFC 5321 §4.1.1.4): content.cc receives what it brings.

#include "protocol/smtp/replies.h"
#include "protocol/smtp/session.h"
#include "protocol/smtp/transaction.h"

namespace ringmail::smtp {

Next RunData(Session& session, std::string_view argument) {
  // RFC 2920 §3.1: DATA is the last command of a group. What is here already was sent without
  // knowing whether we would read it as content or as commands, and the two must never be mistaken
  // for each other.
  if (session.input_waits()) return session.RefusePipelined();
  if (!argument.empty()) {
    session.Reply(kNoArgument);
    return Next::kCommand;
  }
  Transaction& transaction = session.transaction();
  // RFC 3030 §3: binary content cannot come by DATA.
  if (transaction.body == message::BodyType::kBinaryMime) {
    session.Reply(kDataForBinary);
    return Next::kCommand;
  }
  // RFC 5321 §3.3: 503 or 554 where no RCPT was accepted.
  if (transaction.mail().recipient_count() == 0) {
    session.Reply(transaction.recipient_refused ? kNoRecipients : kRecipientFirst);
    return Next::kCommand;
  }
  return Next::kContent;
}

}  // namespace ringmail::smtp
