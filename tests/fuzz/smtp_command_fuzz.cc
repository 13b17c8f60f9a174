// The SMTP server's conversation: whatever the peer sends, however it is cut, nothing is mistaken
// for anything else.
//
// Commands alone, then a whole session twice, cut in two ways: what was accepted must be the same.
// The first octets choose the cuts. What a session answers may differ (a pipelined DATA is
// refused), but content never becomes a command: no more messages than ends of data, and each
// transaction that began has ended.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/smtp/commands.h"
#include "protocol/smtp/hello.h"
#include "protocol/smtp/session.h"
#include "protocol/smtp/wire.h"
#include "support/io/still_io.h"
#include "support/one_account.h"
#include "unit/protocol/smtp/recording_door.h"

namespace ringmail::smtp {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

bool Inside(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void ParseLine(std::string_view line) {
  const CommandWords words = SplitCommand(line);
  Require(Inside(words.verb, line) && Inside(words.argument, line));
  const CommandRow* row = FindCommand(words.verb, ListenerProtocol::kSmtp);
  if (row != nullptr) Require(EqualsIgnoringCase(row->verb, words.verb));
  for (const PathSpacing spacing : {PathSpacing::kRefused, PathSpacing::kLegacyMailer}) {
    const MailCommand mail = ParseMail(words.argument, spacing);
    Require(Inside(mail.culprit, line) && Inside(mail.path.text, line));
    const RcptCommand rcpt = ParseRcpt(words.argument, spacing, message::Utf8::kRefused);
    if (rcpt.error == ParameterError::kNone && rcpt.keyword_found &&
        rcpt.path.error == message::PathError::kNone) {
      Require(!HasOctetOver127(rcpt.path.text) &&
              !HasOctetOver127(rcpt.parameters.original_recipient));
      Require(rcpt.path.text.find_first_of(std::string_view("\r\n\0", 3)) ==
              std::string_view::npos);
    }
  }
  const BdatCommand bdat = ParseBdat(words.argument);
  Require(bdat.bytes.has_value() || !bdat.well_formed);
  (void)ValidHello(words.argument, HeloSyntax::kWindowsHost);
}

// Replies are whole lines of three digits each.
void RequireReplies(const io::Connection& connection) {
  for (std::string_view answer : connection.turns) {
    while (!answer.empty()) {
      const size_t end = answer.find("\r\n");
      Require(end != std::string_view::npos && end >= 4);
      for (size_t i = 0; i < 3; ++i) Require(answer[i] >= '0' && answer[i] <= '9');
      answer.remove_prefix(end + 2);
    }
  }
}

// Runs `input` as a session, cut as `choice` says: a piece ends at a CRLF too where its bit says
// so, which lets a script with DATA go on as a client that waits does.
void RunSession(std::string_view choice, std::string_view input, BareNewline bare_newline,
                ListenerProtocol protocol) {
  DoorRecord& record = NewRecord();
  io::ResetStillIo();
  std::vector<io::Happening> script;
  size_t turn = 0;
  while (!input.empty() && script.size() < 4096) {
    const auto octet = static_cast<uint8_t>(choice[turn++ % choice.size()]);
    size_t count = input.size();
    if ((octet & 1) != 0) {
      const size_t line_end = input.find("\r\n");
      if (line_end != std::string_view::npos) count = line_end + 2;
    } else {
      count = std::min<size_t>(count, octet / 2 + 1);
    }
    script.push_back({.bytes = std::string(input.substr(0, count))});
    input.remove_prefix(count);
  }
  const agent::MailLimits limits{.message_bytes_max = 4096, .recipients_max = 100};
  SmtpOptions options;
  options.hostname = "mx.example.org";
  SmtpListenerOptions listener;
  listener.bare_newline = bare_newline;
  OneAccount account;
  const bool submission = protocol == ListenerProtocol::kSubmission;
  if (submission) {
    options.authenticator = &account;
    listener.protocol = protocol;
    listener.auth = ListenerAuth::kAlways;
  }
  const auto door = MakeDoor(limits);
  Settings settings(options, limits);
  const auto shared = std::unique_ptr<Shared>(new Shared{.door = *door});
  io::Connection connection(std::move(script));
  {
    Session session(*shared, settings, listener, io::Stream(&connection));
    io::RunStill(session.Run());
  }
  Require(connection.closed);
  Require(record.begun == record.ended);
  Require(record.messages.size() == shared->metrics.messages_accepted.value());
  for (const RecordedMessage& message : record.messages) {
    Require(!message.recipients.empty());
    // Nothing is submitted but by an account.
    Require(!submission || message.account == account.account);
    if (message.parameters.body == message::BodyType::kBinaryMime) continue;
    // What was accepted means one thing to everybody: no line end but CRLF, and each dot that
    // begins a line is known.
    size_t dot_lines = 0;
    for (size_t i = 0; i < message.content.size(); ++i) {
      const char c = message.content[i];
      const char before = i == 0 ? '\n' : message.content[i - 1];
      Require(c != '\0');
      Require((c == '\n') == (i > 0 && before == '\r'));
      if (c == '.' && before == '\n') {
        Require(dot_lines < message.dot_lines.size() && message.dot_lines[dot_lines] == i);
        ++dot_lines;
      }
    }
    Require(message.content.empty() || message.content.back() != '\r');
    Require(dot_lines == message.dot_lines.size());
  }
  RequireReplies(connection);
}

}  // namespace
}  // namespace ringmail::smtp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kChoiceBytes = 4;
  if (size < kChoiceBytes || size > 64 << 10) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view choice = input.substr(0, kChoiceBytes), text = input.substr(kChoiceBytes);
  ringmail::smtp::ParseLine(text.substr(0, text.find('\r')));
  // Beside the chosen cuts, whole lines: how a client that waits would send it.
  for (const std::string_view cuts : {choice, std::string_view("\xff", 1)}) {
    using ringmail::smtp::BareNewline;
    using ringmail::smtp::ListenerProtocol;
    using ringmail::smtp::RunSession;
    RunSession(cuts, text, BareNewline::kRefused, ListenerProtocol::kSmtp);
    RunSession(cuts, text, BareNewline::kLegacyScanner, ListenerProtocol::kSmtp);
    RunSession(cuts, text, BareNewline::kRefused, ListenerProtocol::kSubmission);
  }
  return 0;
}
