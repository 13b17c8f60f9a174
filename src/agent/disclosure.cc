// VRFY and EXPN: what is told of who lives here, and to whom (RFC 5321 §3.5, §7.3).
#include "fmt/format.h"
#include "ringmail/agent/local_recipient.h"
#include "ringmail/agent/mail_transaction.h"
#include "ringmail/storage/directory_entry.h"

namespace ringmail::agent {
namespace {

using message::Mailbox;
using message::Reply;
using Kind = storage::Resolution::Kind;

// "user@domain", in brackets or not.
std::optional<Mailbox> AskedFor(std::string_view argument) {
  if (argument.starts_with('<') && argument.ends_with('>'))
    argument = argument.substr(1, argument.size() - 2);
  return message::ParseMailbox(argument, message::Utf8::kAllowed);
}

std::string Bracketed(std::string_view address) {
  return fmt::format("<{}>", storage::WrittenAddress(address));
}

}  // namespace

bool MailDoor::Discloses(const MailSource& source) const {
  switch (options_.disclosure) {
    case Disclosure::kNobody:
      return false;
    case Disclosure::kTrusted:
      return source.authenticated || options_.relay.Knows(source);
    case Disclosure::kAnybody:
      return true;
  }
  return false;
}

Reply MailDoor::Verify(const MailSource& source, std::string_view argument) const {
  const Reply later{252, {2, 0, 0}, "Not verified; RCPT will tell"};
  if (options_.directory == nullptr || !Discloses(source)) return later;
  const std::optional<Mailbox> mailbox = AskedFor(argument);
  if (!mailbox) return later;
  const LocalRecipient judged = JudgeLocalRecipient(*options_.directory, *mailbox);
  if (!judged.local()) return later;
  if (judged.refusal && judged.resolution.kind == Kind::kUnknown && options_.backends != nullptr &&
      options_.backends->Covers(mailbox->domain)) {
    return later;  // a backend may know better: RCPT asks it
  }
  if (judged.refusal) return *judged.refusal;
  return {250, {2, 1, 5}, Bracketed(judged.resolution.name)};
}

Reply MailDoor::Expand(const MailSource& source, std::string_view argument) const {
  if (options_.directory == nullptr || !Discloses(source))
    return {502, {5, 5, 1}, "Members of lists are not disclosed"};
  const Reply unknown{550, {5, 1, 1}, "no such list here"};
  const std::optional<Mailbox> mailbox = AskedFor(argument);
  if (!mailbox) return unknown;
  const LocalRecipient judged = JudgeLocalRecipient(*options_.directory, *mailbox);
  if (!judged.local()) return unknown;
  if (judged.refusal && judged.resolution.kind == Kind::kUnknown && options_.backends != nullptr &&
      options_.backends->Covers(mailbox->domain)) {
    return {252, {2, 0, 0}, "Not verified; RCPT will tell"};
  }
  if (judged.refusal) return *judged.refusal;
  if (judged.resolution.kind != Kind::kAlias)
    return {250, {2, 1, 5}, Bracketed(judged.resolution.name)};
  const storage::Expansion members =
      options_.directory->Expand(mailbox->local_part, mailbox->domain);
  if (members.unavailable) return {451, {4, 3, 0}, "the directory cannot tell now; try later"};
  std::string text;
  const auto add = [&text](std::string_view address) {
    if (!text.empty()) text += '\n';
    text += Bracketed(address);
  };
  for (const storage::Expansion::Local& one : members.accounts) add(one.address);
  for (const std::string& one : members.foreign) add(one);
  if (text.empty()) return {550, {5, 1, 1}, "this alias leads to nobody"};
  // RFC 5321 §3.5.3: 252 where all is well, but it is not told.
  if (members.truncated || text.size() > message::kReplyTextBytesMax)
    return {252, {2, 0, 0}, "a list of too many members to name"};
  return {250, {2, 1, 5}, std::move(text)};
}

}  // namespace ringmail::agent
