#include "server/commands/send.h"

#include <algorithm>

#include <fmt/format.h>

#include "ringmail/agent/transport.h"
#include "ringmail/io/process.h"
#include "ringmail/io/shard.h"
#include "ringmail/message/envelope.h"
#include "ringmail/message/path.h"
#include "ringmail/protocol/smtp_client.h"
#include "server/commands/arguments.h"
#include "server/commands/command.h"
#include "server/commands/message_content.h"
#include "server/commands/one_shard.h"
#include "server/control/json_writer.h"

namespace ringmail::server {
namespace {

constexpr Option kOptions[] = {
    {.name = "--server",
     .value_name = "HOST:PORT",
     .about = "who to give it to (default: the configuration's first listener)"},
    {.name = "--config",
     .value_name = "FILE",
     .about = "where that listener is named (default /etc/ringmail/ringmail.toml)"},
    {.name = "--from",
     .value_name = "ADDRESS",
     .about = "the reverse-path; \"\" or \"<>\" is null",
     .needed = true},
    {.name = "--to",
     .value_name = "ADDRESS",
     .about = "a forward-path",
     .repeatable = true,
     .needed = true},
    {.name = "--helo", .value_name = "NAME", .about = "what EHLO says (default: this host's name)"},
    {.name = "--timeout",
     .value_name = "SECONDS",
     .about = "for each step of the conversation (default 60)"},
    {.name = "--json", .about = "one JSON object"},
};
constexpr ExitCode kExitCodes[] = {
    ExitCode::kOk,     ExitCode::kFailed,      ExitCode::kUsage,  ExitCode::kConfiguration,
    ExitCode::kSystem, ExitCode::kUnreachable, ExitCode::kRefused};
constexpr Usage kUsage = {.name = "send",
                          .about =
                              "Submits the message on standard input, in one transaction for all "
                              "recipients where the server takes them.\n"
                              "Lines may end in LF or CRLF; what is sent ends them in CRLF and is "
                              "otherwise unchanged. Prints what the server\n"
                              "said for each recipient. Ends with 0 where it took the message for "
                              "all of them, 1 where trying again later may\n"
                              "help for some, 8 where it refused some for good.\n",
                          .options = kOptions,
                          .exit_codes = kExitCodes};

constexpr size_t kMessageBytesMax = size_t{1} << 30;

struct Sending {
  agent::NextHop hop;
  smtp::SmtpClientOptions client;
  message::Envelope envelope;
  MessageContent* content = nullptr;
  std::vector<agent::RecipientResult> results;
  bool connected = false;
  bool ambiguous = false;
};

// Offers those that no session has had its turn with yet.
io::Task<bool> OfferRest(Sending& sending, agent::TransportSession& session,
                         message::EnvelopeView view) {
  std::vector<uint32_t> untried;
  for (uint32_t i = 0; i < sending.results.size(); ++i) {
    if (sending.results[i].outcome == agent::Outcome::kUntried &&
        untried.size() < session.recipients_max()) {
      untried.push_back(i);
    }
  }
  if (untried.empty()) co_return false;
  std::vector<agent::RecipientResult> results(untried.size());
  sending.content->Rewind();
  agent::DeliveryAttempt attempt{.id = QueueId(1),
                                 .envelope = view,
                                 .recipients = untried,
                                 .content = sending.content,
                                 .content_bytes = sending.content->bytes().size(),
                                 .content_flags = sending.content->flags(),
                                 .results = results};
  co_await session.Deliver(attempt);
  sending.ambiguous = sending.ambiguous || attempt.ambiguous;
  bool progress = false;
  for (size_t i = 0; i < untried.size(); ++i) {
    progress = progress || results[i].outcome != agent::Outcome::kUntried;
    sending.results[untried[i]] = std::move(results[i]);
  }
  co_return progress&& session.usable();
}

io::Task<void> Send(void* context) {
  auto& sending = *static_cast<Sending*>(context);
  std::string packed;
  message::PackEnvelope(sending.envelope, packed);
  const std::optional<message::EnvelopeView> view = message::EnvelopeView::Parse(packed);
  CHECK(view.has_value());
  const std::unique_ptr<agent::Transport> transport =
      smtp::MakeSmtpTransport(sending.client, nullptr);
  agent::SessionResult opened =
      co_await transport->Open(sending.hop, io::Now() + sending.client.timeouts.connect * 2);
  if (opened.session == nullptr) {
    for (agent::RecipientResult& one : sending.results) {
      one.outcome = opened.reply.permanent() ? agent::Outcome::kFailed : agent::Outcome::kDeferred;
      one.reply = opened.reply;
    }
    co_return;
  }
  sending.connected = true;
  while (co_await OfferRest(sending, *opened.session, *view)) {
  }
  co_await opened.session->Quit();
}

std::string_view OutcomeName(agent::Outcome outcome) {
  switch (outcome) {
    case agent::Outcome::kUntried:
      return "untried";
    case agent::Outcome::kDelivered:
      return "accepted";
    case agent::Outcome::kDeferred:
      return "deferred";
    case agent::Outcome::kFailed:
      return "refused";
  }
  CHECK(false);
}

ExitCode Report(const Sending& sending, bool as_json, std::string& out) {
  bool failed = false, deferred = false;
  JsonWriter json(out);
  if (as_json) json.BeginObject().Key("recipients").BeginArray();
  for (size_t i = 0; i < sending.results.size(); ++i) {
    const agent::RecipientResult& one = sending.results[i];
    failed = failed || one.outcome == agent::Outcome::kFailed;
    deferred = deferred || one.outcome == agent::Outcome::kDeferred ||
               one.outcome == agent::Outcome::kUntried;
    const std::string& path = sending.envelope.recipients[i].path;
    if (as_json) {
      json.BeginObject().Key("address").String(path).Key("outcome").String(
          OutcomeName(one.outcome));
      json.Key("reply").String(one.reply.ToLine()).EndObject();
    } else {
      out += fmt::format("{}: {}: {}\n", path, OutcomeName(one.outcome), one.reply.ToLine());
    }
  }
  if (as_json) {
    json.EndArray().Key("ambiguous").Bool(sending.ambiguous).EndObject();
    out += '\n';
  } else if (sending.ambiguous) {
    out += "the connection ended before the answer: the server may have the message all the same\n";
  }
  if (failed) return ExitCode::kRefused;
  if (!sending.connected) return ExitCode::kUnreachable;
  return deferred ? ExitCode::kFailed : ExitCode::kOk;
}

int Wrong(std::string_view what, std::string& errors) {
  errors += fmt::format("ringmail send: {} (see ringmail send --help)\n", what);
  return Number(ExitCode::kUsage);
}

// Who to give it to. An address that listens everywhere is reached at loopback.
std::optional<agent::NextHop> ChooseServer(const Arguments& given, std::string& errors, int& code) {
  if (const auto server = given.Get("--server")) {
    std::optional<agent::NextHop> hop = agent::NextHop::Parse(*server);
    if (!hop) code = Wrong(fmt::format("--server '{}' is no host:port", *server), errors);
    return hop;
  }
  const std::optional<Config> config =
      LoadConfig(std::string(given.GetOr("--config", kDefaultConfigPath)), errors);
  if (!config) {
    errors += "ringmail send: without --server the configuration says who to give it to\n";
    code = Number(ExitCode::kConfiguration);
    return std::nullopt;
  }
  const auto listener = std::find_if(
      config->listeners.begin(), config->listeners.end(), [](const ListenerConfig& one) {
        return one.options.protocol == session::ListenerProtocol::kSmtp;
      });
  if (listener == config->listeners.end()) {
    errors += "ringmail send: no listener of the configuration is for smtp: say --server\n";
    code = Number(ExitCode::kConfiguration);
    return std::nullopt;
  }
  const io::Endpoint& endpoint = listener->endpoint;
  if (!endpoint.unix_path.empty()) return agent::NextHop{endpoint.ToString(), 0};
  const bool everywhere = std::all_of(endpoint.ip.bytes.begin(), endpoint.ip.bytes.end(),
                                      [](uint8_t b) { return b == 0; });
  const bool v6 = endpoint.ip.family == IpAddress::Family::kV6;
  return agent::NextHop{everywhere ? (v6 ? "::1" : "127.0.0.1") : endpoint.ip.ToString(),
                        endpoint.port};
}

bool Ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// The envelope of the arguments, or what is wrong with them.
std::string ReadEnvelope(const Arguments& given, message::Envelope& envelope) {
  const std::string_view from = *given.Get("--from");
  if (!from.empty() && from != "<>") {
    if (!message::ParseMailbox(from, message::Utf8::kAllowed))
      return fmt::format("--from '{}' is no address", from);
    envelope.reverse_path = from;
  }
  bool utf8 = !Ascii(from);
  for (std::string_view to : given.All("--to")) {
    if (!message::ParseMailbox(to, message::Utf8::kAllowed))
      return fmt::format("--to '{}' is no address", to);
    utf8 = utf8 || !Ascii(to);
    envelope.recipients.push_back({.path = std::string(to)});
  }
  envelope.parameters.smtp_utf8 = utf8;
  return {};
}

}  // namespace

int SendCommand(std::span<const std::string_view> arguments, std::string& out,
                std::string& errors) {
  Arguments given;
  if (const auto code = given.Read(kUsage, arguments, out, errors)) return *code;
  Sending sending;
  if (const std::string wrong = ReadEnvelope(given, sending.envelope); !wrong.empty())
    return Wrong(wrong, errors);
  const auto timeout = ParseCount(given.GetOr("--timeout", "60"), 1, 3600);
  if (!timeout) return Wrong("--timeout must be a number of seconds from 1 to 3600", errors);
  const std::chrono::seconds step(static_cast<int64_t>(*timeout));
  sending.client.timeouts = {.connect = step,
                             .greeting = step,
                             .command = step,
                             .data_start = step,
                             .data_block = step,
                             .data_end = step,
                             .quit = std::min(step, sending.client.timeouts.quit)};
  sending.client.hostname = given.GetOr("--helo", io::HostName());
  if (!message::ValidDomain(sending.client.hostname, message::Utf8::kRefused) &&
      !message::ValidAddressLiteral(sending.client.hostname)) {
    if (given.Has("--helo"))
      return Wrong("--helo must be a host name or an address literal", errors);
    sending.client.hostname = "localhost";
  }
  // The server of this very host greets with our own name, and that is no loop.
  sending.client.refuse_own_hostname = false;
  int code = 0;
  std::optional<agent::NextHop> hop = ChooseServer(given, errors, code);
  if (!hop) return code;
  sending.hop = *std::move(hop);
  const StatusOr<std::string> text = io::ReadWholeFile("-", kMessageBytesMax);
  if (!text.ok()) {
    errors += fmt::format("ringmail send: standard input: {}\n", Std(text.status().message()));
    return Number(ExitCode::kFailed);
  }
  MessageContent content(*text);
  if ((content.flags() & storage::kContent8Bit) != 0)
    sending.envelope.parameters.body = message::BodyType::k8BitMime;
  if ((content.flags() & storage::kContentBinary) != 0)
    sending.envelope.parameters.body = message::BodyType::kBinaryMime;
  sending.content = sending.content = &content;
  sending.results.resize(sending.envelope.recipients.size());
  if (const Status ran = RunOnOneShard(Send, &sending); !ran.ok()) {
    errors += fmt::format("ringmail send: {}\n", Std(ran.message()));
    return Number(ExitCode::kSystem);
  }
  return Number(Report(sending, given.Has("--json"), out));
}

}  // namespace ringmail::server
