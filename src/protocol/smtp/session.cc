#include "protocol/smtp/session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "protocol/smtp/limits.h"
#include "protocol/smtp/replies.h"
#include "protocol/smtp/wire.h"
#include "ringmail/base/check.h"
#include "ringmail/base/log.h"
#include "ringmail/base/status.h"
#include "ringmail/io/shard.h"

namespace ringmail::smtp {
namespace {

// Words that begin a request of HTTP. A browser that was told to post a form to this port sends one
// first, and what it posts may look like commands.
bool BeginsHttp(std::string_view verb) {
  constexpr std::string_view kMethods[] = {"GET",     "POST",    "PUT",   "HEAD",
                                           "OPTIONS", "CONNECT", "PATCH", "DELETE"};
  return std::any_of(std::begin(kMethods), std::end(kMethods),
                     [verb](std::string_view method) { return EqualsIgnoringCase(verb, method); });
}

}  // namespace

Session::Session(Shared& shared, Settings& settings, const SmtpListenerOptions& listener,
                 io::Stream stream)
    : shared_(shared),
      settings_(settings),
      listener_(listener),
      stream_(std::move(stream)),
      lines_(listener.auth == ListenerAuth::kNone ? kCommandLineBytesMax - 2 : kAuthLineBytesMax),
      began_(io::Now()) {
  if (listener.auth != ListenerAuth::kNone && settings.options.authenticator != nullptr)
    auth_ = std::make_unique<AuthState>();
  ++settings_.sessions;
  shared_.metrics.sessions_begun.Add();
  shared_.metrics.sessions.Add(1);
}

Session::~Session() {
  transaction_.reset();
  --settings_.sessions;
  shared_.metrics.sessions.Add(-1);
}

io::Task<void> Session::Run() {
  LogBegin();
  if (listener_.tls == ListenerTls::kImplicit) (void)co_await StartTls();
  if (ending_ == Ending::kNone && listener_.greeting_delay > Nanoseconds(0))
    co_await AwaitGreeting();
  if (ending_ == Ending::kNone)
    stream_.Write(lmtp() ? settings_.lmtp_greeting : settings_.greeting);

  while (ending_ == Ending::kNone) {
    if (shared_.stopping) {
      SayStopping();
      break;
    }
    session::Line line = lines_.TryLine(stream_);
    if (line.status == session::LineStatus::kNeedMore) {
      // The whole of the next line has one deadline, so that a byte now and then gains nothing.
      waits_for_command_ = true;
      line = co_await lines_.ReadLine(stream_, io::Now() + settings_.options.command_timeout);
      waits_for_command_ = false;
    }
    Next next = Dispatch(line);
    if (next == Next::kContent) next = co_await ReceiveContent();
    if (next == Next::kChunk) next = co_await ReceiveChunk();
    if (next == Next::kStartTls) next = co_await StartTls();
    if (next == Next::kAsk) next = co_await AskForRecipient();
    if (next == Next::kAuth) next = co_await Authenticate();
    if (next == Next::kClose) break;
    if (stream_.output_bytes() > kOutputBytesMax) {
      if (!Heard(co_await stream_.Flush(io::Now() + settings_.options.command_timeout),
                 "reading replies"))
        break;
    }
  }
  transaction_.reset();
  LogEnd();
  co_await stream_.Close(std::min(io::Now() + kCloseTimeout, shared_.stop_deadline));
}

// Not inline: its frame would become part of Run's, and lie there idle.
[[gnu::noinline]] io::Task<Next> Session::StartTls() {
  lines_.Release(stream_);
  io::TlsResult result;
  result.problem = "no certificate is configured";
  if (settings_.options.tls != nullptr) {
    waits_for_command_ = true;
    const MonotonicTime deadline = io::Now() + kTlsHandshakeTimeout;
    if (listener_.tls == ListenerTls::kImplicit) {
      result = co_await stream_.StartImplicitTls(settings_.options.tls, deadline);
    } else {
      result = co_await stream_.StartTlsServer(settings_.options.tls, deadline);
    }
    waits_for_command_ = false;
  }
  if (!result.ok()) {
    shared_.metrics.tls_failed.Add();
    LogLine(io::ShardLog(), LogLevel::kInfo, "tls_failed")
        .Field("listener", listener_.name)
        .Field("client", client().ToString())
        .Field("how", io::ToString(result.outcome))
        .Field("why", result.problem);
    // There is nobody to tell: in the clear it would be taken for TLS, and TLS there is none.
    End(Ending::kTls);
    co_return Next::kClose;
  }
  (result.resumed ? shared_.metrics.tls_resumed : shared_.metrics.tls_begun).Add();
  tls_ = absl::StrCat(Absl(io::ToString(result.version)), " cipher ", Absl(result.cipher));
  if (auth_ != nullptr) {
    auth_->account.clear();
    // RFC 9266 §4.2: TLS 1.2 has it where the master secret is extended, and io says so.
    auth_->exporter = stream_.TlsChannelBinding(io::TlsBinding::kExporter);
    auth_->end_point = stream_.TlsChannelBinding(io::TlsBinding::kServerEndPoint);
    auth_->certificate = std::move(result.peer_mailbox);
  }
  // RFC 3207 §4.2: what was said before is forgotten, the name in EHLO too.
  EndTransaction(kBeforeHello);
  helo_.clear();
  extended_ = false;
  co_return Next::kCommand;
}

io::Task<void> Session::AwaitGreeting() {
  waits_for_command_ = true;
  const io::StreamStatus status = co_await stream_.Receive(io::Now() + listener_.greeting_delay);
  waits_for_command_ = false;
  if (status == io::StreamStatus::kTimedOut) co_return;
  if (status == io::StreamStatus::kOk) {
    // RFC 5321 §3.1: 554 is the greeting of a server that will not serve; §4.3.1: the client waits
    // for a greeting.
    stream_.Write("554 ");
    stream_.Write(settings_.options.hostname);
    stream_.Write(" You spoke before the greeting\r\n");
    End(Ending::kUnsynchronized);
    co_return;
  }
  (void)Heard(status, "the greeting");
}

void Session::Drain() {
  if (waits_for_command_) stream_.Cancel();
}

void Session::SayStopping() {
  Farewell("4.3.2", "Shutting down; try again later");
  End(Ending::kShutdown);
}

bool Session::Heard(io::StreamStatus status, std::string_view what) {
  switch (status) {
    case io::StreamStatus::kOk:
      return true;
    case io::StreamStatus::kTimedOut:
      // RFC 5321 §4.5.3.2: nothing came in time.
      stream_.Write("421 4.4.2 ");
      stream_.Write(settings_.options.hostname);
      stream_.Write(" Waited too long for ");
      stream_.Write(what);
      stream_.Write("\r\n");
      End(Ending::kTimedOut);
      return false;
    case io::StreamStatus::kCancelled:
      if (shared_.stopping) {
        SayStopping();
        return false;
      }
      break;
    case io::StreamStatus::kEnd:
    case io::StreamStatus::kFailed:
      break;
  }
  End(Ending::kLost);
  return false;
}

Next Session::Dispatch(const session::Line& line) {
  using session::LineStatus;
  switch (line.status) {
    case LineStatus::kLine:
      return RunCommand(line.text);
    case LineStatus::kBareCr:
    case LineStatus::kBareLf:
      Reply(kLineBareNewline);
      break;
    case LineStatus::kNul:
      Reply(kLineNul);
      break;
    case LineStatus::kTooLong:
      Reply(kLineTooLong);
      break;
    case LineStatus::kStream:
      return Heard(line.stream, "a command") ? Next::kCommand : Next::kClose;
    case LineStatus::kNeedMore:
      CHECK(line.status != LineStatus::kNeedMore);
  }
  return AfterCommand(Next::kCommand);
}

Next Session::RunCommand(std::string_view line) {
  ++commands_;
  const CommandWords words = SplitCommand(line);
  const CommandRow* row = FindCommand(words.verb, listener_.protocol);
  line_ = line;
  if (row != nullptr && row->run == RunAuth) {
    // The log is no place for what stands behind the mechanism.
    const size_t name = static_cast<size_t>(words.argument.data() - line.data());
    line_ = line.substr(0, std::min(line.find(' ', name), line.size()));
  }
  Next next = Next::kCommand;
  if (line.size() > kCommandLineBytesMax - 2 && (row == nullptr || row->run != RunAuth)) {
    // Only AUTH may be as long as the reader lets a line be (RFC 4954 §4).
    Reply(kLineTooLong);
  } else if (row == nullptr) {
    shared_.metrics.unknown_commands.Add();
    if (BeginsHttp(words.verb)) {
      Farewell("4.7.0", "This is SMTP, not HTTP");
      End(Ending::kAbuse);
      next = Next::kClose;
    } else {
      Reply(kUnknownCommand);
    }
  } else {
    shared_.metrics.commands[CommandIndex(*row)].Add();
    if (const std::string_view demand = Demand(*row); !demand.empty()) {
      Reply(demand);
    } else if ((row->states & state_) != 0) {
      next = row->run(*this, words.argument);
    } else if (row->run == RunData && input_waits()) {
      // A client that took its place in the order for granted has sent content behind DATA: it is
      // not commands.
      next = RefusePipelined();
    } else {
      Reply(OutOfOrder(*row, state_));
    }
  }
  line_ = {};
  if (next == Next::kClose) End(Ending::kQuit);
  return AfterCommand(next);
}

std::string_view Session::Demand(const CommandRow& row) const {
  if (!row.for_accounts || listener_.protocol != ListenerProtocol::kSubmission ||
      !account().empty() || (row.states & state_) == 0)
    return {};
  return OffersStartTls() && listener_.auth == ListenerAuth::kEncrypted ? kTlsRequired
                                                                        : kAuthRequired;
}

Next Session::AfterCommand(Next next) {
  if (next != Next::kCommand) return next;
  const SmtpOptions& options = settings_.options;
  ++idle_commands_;
  std::string_view why;
  if (errors_ >= options.errors_max) {
    why = "Too many errors";
  } else if (refused_recipients_ >= options.refused_recipients_max) {
    why = "Too many recipients were refused";
  } else if (idle_commands_ > options.idle_commands_max) {
    why = "Too many commands without a message";
  } else {
    return Next::kCommand;
  }
  Farewell("4.7.0", why);
  End(Ending::kAbuse);
  return Next::kClose;
}

void Session::Reply(std::string_view reply) {
  stream_.Write(reply);
  CountReply(reply);
}

void Session::Reply(const message::Reply& reply) {
  // A line more than the text can have, with "550-5.7.1 " and CRLF for each, would be cut: the text
  // of our own replies is one line, and a reply of many lines comes from elsewhere only within
  // kReplyTextBytesMax.
  char buffer[8 * message::kReplyTextBytesMax];
  size_t size = 0;
  const auto put = [&](std::string_view text) {
    const size_t count = std::min(text.size(), sizeof buffer - 2 - size);
    std::memcpy(buffer + size, text.data(), count);
    size += count;
  };
  const auto put_number = [&](uint32_t number) {
    char digits[10];
    size_t at = sizeof digits;
    do {
      digits[--at] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number != 0);
    put({digits + at, sizeof digits - at});
  };
  std::string_view text = std::string_view(reply.text).substr(0, message::kReplyTextBytesMax);
  while (true) {
    const size_t newline = text.find('\n');
    put_number(reply.code);
    put(newline == std::string_view::npos ? " " : "-");
    if (reply.status.present()) {
      put_number(reply.status.klass);
      put(".");
      put_number(reply.status.subject);
      put(".");
      put_number(reply.status.detail);
      put(" ");
    }
    put(text.substr(0, newline));
    put("\r\n");
    if (newline == std::string_view::npos) break;
    text.remove_prefix(newline + 1);
  }
  Reply(std::string_view(buffer, size));
}

void Session::CountReply(std::string_view reply) {
  CHECK_GE(reply.size(), 5u);
  if (reply.front() < '4') {
    if (reply.front() == '2') shared_.metrics.replies_positive.Add();
    return;
  }
  if (reply.front() == '5') {
    shared_.metrics.replies_permanent.Add();
    ++errors_;
  } else {
    shared_.metrics.replies_transient.Add();
  }
  std::string_view text = reply;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  LogLine log(io::ShardLog(), LogLevel::kInfo, "refused");
  log.Field("listener", listener_.name).Field("client", client().ToString()).Field("helo", helo_);
  if (transaction_ != nullptr) log.Field("from", transaction_->reverse_path());
  if (!line_.empty()) log.Field("command", line_);
  log.Field("reply", text);
}

void Session::Farewell(std::string_view enhanced, std::string_view text) {
  stream_.Write("421 ");
  stream_.Write(enhanced);
  stream_.Write(" ");
  stream_.Write(settings_.options.hostname);
  stream_.Write(" ");
  stream_.Write(text);
  stream_.Write("\r\n");
  shared_.metrics.replies_transient.Add();
}

Next Session::RefusePipelined() {
  Reply(kPipelinedPast);
  End(Ending::kUnsynchronized);
  return Next::kClose;
}

void Session::Hello(std::string_view name, bool extended) {
  // RFC 5321 §4.1.4: EHLO in mid-session clears all buffers as RSET does.
  EndTransaction(kReady);
  helo_.assign(name);
  extended_ = extended;
}

agent::MailSource Session::Source(bool smtp_utf8) const {
  agent::MailSource source;
  source.client = client();
  source.helo = helo_;
  // RFC 3848; RFC 6531 §3.7.3, §4.3. TLS after HELO has no name.
  constexpr std::string_view kProtocols[2][2][4] = {
      {{"ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA"},
       {"UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA"}},
      {{"LMTP", "LMTPS", "LMTPA", "LMTPSA"}, {"UTF8LMTP", "UTF8LMTPS", "UTF8LMTPA", "UTF8LMTPSA"}}};
  const size_t protection = (secure() ? 1u : 0u) + (account().empty() ? 0u : 2u);
  source.with_protocol =
      smtp_utf8 || extended_ ? kProtocols[lmtp() ? 1 : 0][smtp_utf8 ? 1 : 0][protection] : "SMTP";
  source.tls = tls_;
  source.authenticated = !account().empty();
  source.account = account();
  return source;
}

bool Session::CountTransaction() {
  const uint32_t max = settings_.options.transactions_max;
  if (max != 0 && transactions_ >= max) {
    Farewell("4.7.0", "Enough messages for one session; connect again");
    End(Ending::kQuit);
    return false;
  }
  ++transactions_;
  return true;
}

void Session::Begin(std::unique_ptr<Transaction> transaction) {
  CHECK(transaction_ == nullptr);
  transaction_ = std::move(transaction);
  state_ = kEnvelope;
}

void Session::EndTransaction(States next) {
  transaction_.reset();
  state_ = next;
  if (next != kFailed) accepted_recipients_ = 0;
}

void Session::ReplyToRecipient(const message::Reply& reply) {
  const uint32_t errors = errors_;
  Reply(reply);
  errors_ = errors;
  if (reply.completed()) {
    idle_commands_ = 0;
    ++accepted_recipients_;
    return;
  }
  transaction().recipient_refused = true;
  ++refused_recipients_;
}

void Session::ExpectChunk(uint64_t bytes, bool last, std::string_view refusal) {
  chunk_bytes_ = bytes;
  chunk_last_ = last;
  chunk_refusal_ = refusal;
  if (refusal.empty()) {
    if (bytes > 0) idle_commands_ = 0;
    if (!transaction().content_begun()) transaction().BeginContent(io::Now());
    state_ = kChunks;
    return;
  }
  const SmtpOptions& options = settings_.options;
  const uint64_t rate = options.content_bytes_per_second_min;
  chunk_deadline_ =
      rate == 0 ? kNever : io::Now() + options.content_timeout + std::chrono::seconds(bytes / rate);
}

MonotonicTime Session::ContentDeadline() const {
  const MonotonicTime now = io::Now();
  if (chunk_refusal_.empty()) return transaction_->Deadline(now, settings_.options);
  return std::min(now + settings_.options.content_timeout, chunk_deadline_);
}

void Session::End(Ending ending) {
  if (ending_ == Ending::kNone) ending_ = ending;
}

void Session::LogBegin() {
  LogLine(io::ShardLog(), LogLevel::kInfo, "connect")
      .Field("listener", listener_.name)
      .Field("client", client().ToString());
}

void Session::LogAccepted(QueueId id, uint32_t recipients) {
  const Transaction& transaction = *transaction_;
  LogLine line(io::ShardLog(), LogLevel::kInfo, "accepted");
  line.Id(id)
      .Field("from", transaction.reverse_path())
      .Field("recipients", recipients)
      .Field("bytes", transaction.content_bytes())
      .Field("client", client().ToString())
      .Field("helo", helo_)
      .Field("protocol", transaction.source().with_protocol)
      .Field("listener", listener_.name);
  if (secure()) line.Field("tls", tls_);
  if (!account().empty()) line.Field("account", account());
}

void Session::LogEnd() {
  SmtpMetrics& metrics = shared_.metrics;
  std::string_view why = "quit";
  switch (ending_) {
    case Ending::kNone:
    case Ending::kQuit:
      break;
    case Ending::kLost:
      why = "lost";
      metrics.ends_lost.Add();
      break;
    case Ending::kTimedOut:
      why = "timeout";
      metrics.ends_timeout.Add();
      break;
    case Ending::kAbuse:
      why = "abuse";
      metrics.ends_abuse.Add();
      break;
    case Ending::kUnsynchronized:
      why = "unsynchronized";
      metrics.ends_unsynchronized.Add();
      break;
    case Ending::kTls:
      why = "tls";
      metrics.ends_lost.Add();
      break;
    case Ending::kShutdown:
      why = "shutdown";
      metrics.ends_shutdown.Add();
      break;
  }
  LogLine(io::ShardLog(), LogLevel::kInfo, "disconnect")
      .Field("listener", listener_.name)
      .Field("client", client().ToString())
      .Field("why", why)
      .Field("commands", commands_)
      .Field("transactions", transactions_)
      .Field("messages", messages_)
      .Field("errors", errors_)
      .Field("seconds", io::Now() - began_);
}

}  // namespace ringmail::smtp
