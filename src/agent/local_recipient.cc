#include "ringmail/agent/local_recipient.h"

namespace ringmail::agent {

LocalRecipient JudgeLocalRecipient(const storage::Directory& directory,
                                   const message::Mailbox& mailbox) {
  using Kind = storage::Resolution::Kind;
  LocalRecipient out{.resolution = directory.Resolve(mailbox.local_part, mailbox.domain),
                     .refusal = std::nullopt};
  switch (out.resolution.kind) {
    case Kind::kForeign:
    case Kind::kAlias:
      break;
    case Kind::kAccount:
      // RFC 3463 §3.3, X.2.1: the mailbox exists, and takes nothing.
      if (!out.resolution.account->enabled())
        out.refusal = message::Reply{550, {5, 2, 1}, "this mailbox takes no mail"};
      break;
    case Kind::kMoved:
      // RFC 5321 §3.4: who asks is told where the user went, and sends there.
      out.refusal = message::Reply{
          551,
          {5, 1, 6},
          "moved: try <" + storage::WrittenAddress(out.resolution.new_address) + ">"};
      break;
    case Kind::kUnknown:
      out.refusal = message::Reply{550, {5, 1, 1}, "no such user here"};
      break;
    case Kind::kUnavailable:
      out.refusal = message::Reply{451, {4, 3, 0}, "the directory cannot tell now; try later"};
      break;
  }
  return out;
}

}  // namespace ringmail::agent
