// BDAT (RFC 3030 §2): content.cc receives its octets, in whatever state, so that they are never
// taken for commands.

#include "protocol/smtp/limits.h"
#include "protocol/smtp/replies.h"
#include "protocol/smtp/session.h"
#include "protocol/smtp/transaction.h"
#include "protocol/smtp/wire.h"

namespace ringmail::smtp {
namespace {

// Why the chunk cannot be taken; empty where it can. A transaction that it makes fail is ended.
std::string_view Refusal(Session& session, const BdatCommand& command) {
  switch (session.state()) {
    case kBeforeHello:
      return kBdatNeedsEhlo;
    case kReady:
      return kMailFirst;
    case kFailed:
      // RFC 3030 §2: chunks that were in the pipeline behind one that failed.
      return kBdatFailed;
    default:
      break;
  }
  std::string_view refusal;
  Transaction& transaction = session.transaction();
  const uint64_t bytes_max = session.door().limits().message_bytes_max;
  if (!session.extended()) {
    refusal = kBdatNeedsEhlo;
  } else if (!command.well_formed) {
    refusal = kBdatSyntax;
  } else if (transaction.mail().recipient_count() == 0) {
    refusal = transaction.recipient_refused ? kNoRecipients : kRecipientFirst;
  } else if (*command.bytes > bytes_max ||
             transaction.content_bytes() > bytes_max - *command.bytes) {
    refusal = kTooLarge;
  }
  if (!refusal.empty()) session.EndTransaction(kFailed);
  return refusal;
}

}  // namespace

Next RunBdat(Session& session, std::string_view argument) {
  const BdatCommand command = ParseBdat(argument);
  if (!command.bytes.has_value()) {
    // Nobody can say where the octets end and the next command begins; with no argument there are
    // none.
    session.Reply(argument.empty() ? kBdatSyntax : kBdatSyntaxClosing);
    return argument.empty() ? Next::kCommand : Next::kClose;
  }
  const std::string_view refusal = Refusal(session, command);
  if (!refusal.empty() && *command.bytes > kDiscardedBytesMax) {
    session.Reply(refusal);
    return Next::kClose;
  }
  session.ExpectChunk(*command.bytes, command.last, refusal);
  return Next::kChunk;
}

}  // namespace ringmail::smtp
