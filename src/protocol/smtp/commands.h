// The table of commands: what each is called, where it is defined, when it may be used, what it
// does.
//
// HELP, metric labels and the fuzzers' dictionary derive from it; a new verb is a row and a file
// cmd_<verb>.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ringmail/protocol/smtp.h"

namespace ringmail::smtp {

class Session;

// Where a session stands (RFC 5321 §4.1.4), as bits.
using States = uint8_t;
inline constexpr States kBeforeHello = 1;  // nothing but the greeting was said
inline constexpr States kReady = 2;        // between transactions
inline constexpr States kEnvelope = 4;     // MAIL was accepted, content has not begun
inline constexpr States kChunks = 8;       // BDAT has brought part of the content (RFC 3030 §2)
inline constexpr States kFailed = 16;  // a BDAT failed: what follows of its content is thrown away
inline constexpr States kAlways = kBeforeHello | kReady | kEnvelope | kChunks | kFailed;

// What the conversation does after a command.
enum class Next : uint8_t {
  kCommand,  // the next one
  kContent,  // receives content up to CRLF.CRLF
  kChunk,    // receives the octets of a BDAT
  kStartTls,
  kAsk,   // asks a backend for the recipient that was named
  kAuth,  // an authentication exchange
  kClose,
};

struct CommandRow {
  std::string_view verb;  // upper case
  std::string_view rfc;
  States states;
  Next (*run)(Session& session, std::string_view argument);
  std::string_view syntax;
  std::string_view help;
  // Known in SMTP, in LMTP, or in both.
  enum class Spoken : uint8_t { kBoth, kSmtp, kLmtp };
  Spoken spoken = Spoken::kBoth;
  // RFC 4954 §6: where only account holders are served, 530 5.7.0 to who has not authenticated.
  bool for_accounts = false;
};

std::span<const CommandRow> CommandRows();
inline constexpr size_t kCommandCount = 15;

// The row of `verb`, any case, or null.
const CommandRow* FindCommand(std::string_view verb, ListenerProtocol protocol);
inline size_t CommandIndex(const CommandRow& row) {
  return static_cast<size_t>(&row - CommandRows().data());
}

// Why `row` does not fit `state`, as a whole reply.
std::string_view OutOfOrder(const CommandRow& row, States state);

// The reply to HELP without an argument, all lines.
std::string HelpReply(std::string_view hostname, ListenerProtocol protocol);
// The reply to "HELP verb".
std::string HelpReplyFor(const CommandRow& row);

// One per file.
Next RunHelo(Session& session, std::string_view argument);
Next RunEhlo(Session& session, std::string_view argument);
Next RunLhlo(Session& session, std::string_view argument);
Next RunMail(Session& session, std::string_view argument);
Next RunRcpt(Session& session, std::string_view argument);
Next RunData(Session& session, std::string_view argument);
Next RunBdat(Session& session, std::string_view argument);
Next RunRset(Session& session, std::string_view argument);
Next RunStartTls(Session& session, std::string_view argument);
Next RunAuth(Session& session, std::string_view argument);
Next RunVrfy(Session& session, std::string_view argument);
Next RunExpn(Session& session, std::string_view argument);
Next RunHelp(Session& session, std::string_view argument);
Next RunNoop(Session& session, std::string_view argument);
Next RunQuit(Session& session, std::string_view argument);

}  // namespace ringmail::smtp
