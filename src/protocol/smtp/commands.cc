#include "protocol/smtp/commands.h"

#include "absl/strings/str_cat.h"
#include "protocol/smtp/wire.h"
#include "ringmail/base/status.h"

namespace ringmail::smtp {
namespace {

// RFC 5321 §4.1.4 says which order is right. BDAT judges for itself, since its octets must be read
// in any state.
constexpr CommandRow kCommands[] = {
    {"HELO", "RFC 5321 4.1.1.1", kAlways, RunHelo, "HELO domain",
     "Says who you are; without extensions.", CommandRow::Spoken::kSmtp},
    {"EHLO", "RFC 5321 4.1.1.1", kAlways, RunEhlo, "EHLO domain",
     "Says who you are; the reply lists the extensions.", CommandRow::Spoken::kSmtp},
    {"LHLO", "RFC 2033 4.1", kAlways, RunLhlo, "LHLO domain",
     "Says who you are; the reply lists the extensions.", CommandRow::Spoken::kLmtp},
    {"MAIL", "RFC 5321 4.1.1.2", kReady | kFailed, RunMail, "MAIL FROM:<reverse-path> [parameters]",
     "Begins a message. FROM:<> is for notifications.", CommandRow::Spoken::kBoth,
     /*for_accounts=*/true},
    {"RCPT", "RFC 5321 4.1.1.3", kEnvelope, RunRcpt, "RCPT TO:<forward-path> [parameters]",
     "Names one recipient; repeat it for more."},
    {"DATA", "RFC 5321 4.1.1.4", kEnvelope, RunData, "DATA",
     "Then the message; a line with only a dot ends it."},
    {"BDAT", "RFC 3030 2", kAlways, RunBdat, "BDAT octets [LAST]",
     "That many octets of the message follow the line; LAST ends it."},
    {"RSET", "RFC 5321 4.1.1.5", kAlways, RunRset, "RSET", "Forgets the message that was begun."},
    {"STARTTLS", "RFC 3207 4", kReady, RunStartTls, "STARTTLS",
     "Goes on encrypted, from the beginning."},
    // RFC 4954 §4: never within a mail transaction.
    {"AUTH", "RFC 4954 4", kReady, RunAuth, "AUTH mechanism [initial-response]",
     "Proves who you are; EHLO lists the mechanisms."},
    {"VRFY", "RFC 5321 4.1.1.6", kAlways, RunVrfy, "VRFY address",
     "Answers 252 where only RCPT says who is known here.", CommandRow::Spoken::kBoth,
     /*for_accounts=*/true},
    {"EXPN", "RFC 5321 4.1.1.7", kAlways, RunExpn, "EXPN list",
     "Answers 502 where members of lists are not disclosed.", CommandRow::Spoken::kBoth,
     /*for_accounts=*/true},
    {"HELP", "RFC 5321 4.1.1.8", kAlways, RunHelp, "HELP [command]",
     "This, or more about one command."},
    {"NOOP", "RFC 5321 4.1.1.9", kAlways, RunNoop, "NOOP", "Does nothing."},
    {"QUIT", "RFC 5321 4.1.1.10", kAlways, RunQuit, "QUIT", "Ends the session."},
};
static_assert(std::size(kCommands) == kCommandCount);

// Four letters in upper case as one number, so that a look-up compares words, not strings.
constexpr uint32_t Fold(std::string_view verb) {
  uint32_t folded = 0;
  for (const char c : verb) {
    const auto octet = static_cast<unsigned char>(c);
    folded = folded << 8 | (octet >= 'a' && octet <= 'z' ? octet - 32u : octet);
  }
  return folded;
}

}  // namespace

std::span<const CommandRow> CommandRows() { return kCommands; }

namespace {

bool Speaks(const CommandRow& row, ListenerProtocol protocol) {
  switch (row.spoken) {
    case CommandRow::Spoken::kBoth:
      return true;
    case CommandRow::Spoken::kSmtp:
      return protocol != ListenerProtocol::kLmtp;
    case CommandRow::Spoken::kLmtp:
      return protocol == ListenerProtocol::kLmtp;
  }
  return false;
}

}  // namespace

const CommandRow* FindCommand(std::string_view verb, ListenerProtocol protocol) {
  if (verb.size() == 4) {
    const uint32_t folded = Fold(verb);
    for (const CommandRow& row : kCommands) {
      if (row.verb.size() == 4 && Fold(row.verb) == folded && Speaks(row, protocol)) return &row;
    }
    return nullptr;
  }
  for (const CommandRow& row : kCommands) {
    if (EqualsIgnoringCase(row.verb, verb) && Speaks(row, protocol)) return &row;
  }
  return nullptr;
}

std::string_view OutOfOrder(const CommandRow& row, States state) {
  if (state == kBeforeHello) return "503 5.5.1 Say EHLO (LMTP: LHLO) and your host name first\r\n";
  if (state == kChunks) return "503 5.5.1 BDAT has begun the content: go on with BDAT, or RSET\r\n";
  if (state == kFailed) return "503 5.5.1 The content was refused: begin again with MAIL\r\n";
  if (row.run == RunStartTls || row.run == RunAuth)
    return "503 5.5.1 A message is begun: RSET gives it up\r\n";
  if (row.run == RunMail) return "503 5.5.1 A message is begun already: RSET gives it up\r\n";
  return "503 5.5.1 Say MAIL FROM first\r\n";
}

std::string HelpReply(std::string_view hostname, ListenerProtocol protocol) {
  std::string reply =
      absl::StrCat("214-2.0.0 ", Absl(hostname), " understands these commands:\r\n");
  for (const CommandRow& row : kCommands) {
    if (!Speaks(row, protocol)) continue;
    absl::StrAppend(&reply, "214-2.0.0   ", Absl(row.syntax), "\r\n");
  }
  reply += "214 2.0.0 HELP and a command says more about it.\r\n";
  return reply;
}

std::string HelpReplyFor(const CommandRow& row) {
  return absl::StrCat("214-2.0.0 ", Absl(row.syntax), "\r\n214 2.0.0 ", Absl(row.help), " (",
                      Absl(row.rfc), ")\r\n");
}

}  // namespace ringmail::smtp
