#include "server/commands/limits.h"

#include <array>

#include <fmt/format.h>

#include "ringmail/agent/transfer.h"
#include "ringmail/base/limit.h"
#include "ringmail/io/blocking.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"
#include "ringmail/message/envelope.h"
#include "ringmail/message/path.h"
#include "ringmail/message/reply.h"
#include "ringmail/protocol/acme.h"
#include "ringmail/protocol/pop3.h"
#include "ringmail/protocol/smtp.h"
#include "ringmail/session/proxy_entrance.h"
#include "ringmail/storage/content.h"
#include "server/commands/arguments.h"
#include "server/commands/command.h"
#include "server/config/quantity.h"
#include "server/config/schema.h"
#include "server/control/json_writer.h"

namespace ringmail::server {
namespace {

constexpr Option kOptions[] = {
    {.name = "--config",
     .value_name = "FILE",
     .about = "the values that this configuration sets (default: the defaults)"},
    {.name = "--json", .about = "as a JSON array"}};
constexpr ExitCode kExitCodes[] = {ExitCode::kOk, ExitCode::kUsage, ExitCode::kConfiguration};
constexpr Usage kUsage = {.name = "limits",
                          .about =
                              "Prints every limit: its value, what sets it, the RFC section that "
                              "asks for it, and what happens when it is\n"
                              "reached.\n",
                          .options = kOptions,
                          .exit_codes = kExitCodes};

// What no configuration changes, of the floors below the rooms that have a table of their own.
constexpr FixedLimit kFixed[] = {
    {"local part", message::kLocalPartBytesMax, "octets", "RFC 5321 §4.5.3.1.1",
     "501 5.1.3 or 5.1.7"},
    {"domain", message::kDomainBytesMax, "octets", "RFC 5321 §4.5.3.1.2", "501 5.1.3 or 5.1.7"},
    {"path", message::kPathBytesMax, "octets", "RFC 5321 §4.5.3.1.3", "501 5.1.3 or 5.1.7"},
    {"reply text kept", message::kReplyTextBytesMax, "octets", "RFC 5321 §4.5.3.1.5",
     "the rest is cut off"},
    {"recipients of a stored envelope", message::kEnvelopeRecipientsMax, "recipients",
     "RFC 5321 §4.5.3.1.8", "no envelope has more"},
    {"content in memory while it arrives", storage::kContentStagingBytesMax,
     "octets per connection", "", "the connection waits for the disk"},
    {"input read ahead of a conversation", io::kInputBytesAheadMax, "octets per connection", "",
     "TCP closes its window"},
    {"memory of an idle connection in io", io::kConnectionBytesMax, "octets per connection", "",
     "a static bound"},
    {"messages between two shards", io::kShardQueueMessagesMax, "messages each way", "",
     "the sender waits"},
    {"calls waiting for the blocking pool", io::kBlockingCallsMax, "calls", "", "the caller waits"},
    {"PROXY header, version 1", session::kProxyV1BytesMax, "octets", "",
     "the connection is closed"},
    {"PROXY header, version 2", session::kProxyV2BytesMax, "octets", "",
     "the connection is closed"},
    {"PROXY header on its way",
     std::chrono::duration_cast<std::chrono::seconds>(session::kProxyHeaderTimeout).count(),
     "seconds", "", "the connection is closed"},
    {"connections that owe a PROXY header", session::kProxyWaitingMax, "of one shard and protocol",
     "", "the next are closed"},
    {"shards", io::kShardCountMax, "threads", "", "the configuration is refused"},
};

struct Row {
  std::string name, value, rfc, reached;
};

std::string Shown(KeyType type, uint64_t number) {
  if (type == KeyType::kBytes) return FormatBytes(number);
  if (type == KeyType::kSeconds) return FormatSeconds(number);
  return std::to_string(number);
}

std::vector<Row> Rows(const Config& config) {
  std::vector<Row> rows;
  for (const Section& section : Sections()) {
    for (const Key& key : section.keys) {
      if (key.now == nullptr) continue;
      const std::string name = section.name.empty()
                                   ? std::string(key.name)
                                   : fmt::format("[{}] {}", section.name, key.name);
      rows.push_back(
          {name, Shown(key.type, key.now(config)), std::string(key.rfc), std::string(key.reached)});
    }
  }
  for (const std::span<const FixedLimit> table :
       {smtp::SmtpLimits(), pop3::Pop3Limits(), acme::AcmeLimits(), tunnel::TunnelLimits(),
        agent::AgentLimits(), std::span<const FixedLimit>(kFixed)}) {
    for (const FixedLimit& one : table) {
      rows.push_back({std::string(one.name), fmt::format("{} {}", one.value, one.unit),
                      std::string(one.rfc), std::string(one.reached)});
    }
  }
  return rows;
}

}  // namespace

int LimitsCommand(std::span<const std::string_view> arguments, std::string& out,
                  std::string& errors) {
  Arguments given;
  if (const auto code = given.Read(kUsage, arguments, out, errors)) return *code;
  Config config;
  if (const auto path = given.Get("--config")) {
    std::optional<Config> loaded = LoadConfig(std::string(*path), errors);
    if (!loaded) return Number(ExitCode::kConfiguration);
    config = *std::move(loaded);
  }
  const std::vector<Row> rows = Rows(config);
  if (given.Has("--json")) {
    JsonWriter json(out);
    json.BeginArray();
    for (const Row& row : rows) {
      json.BeginObject().Key("limit").String(row.name).Key("value").String(row.value);
      json.Key("rfc").String(row.rfc).Key("reached").String(row.reached).EndObject();
    }
    json.EndArray();
    out += '\n';
    return Number(ExitCode::kOk);
  }
  for (const Row& row : rows) {
    out += fmt::format("{:<42} {:<32} {}{}{}\n", row.name, row.value, row.reached,
                       row.rfc.empty() ? "" : "; ", row.rfc);
  }
  return Number(ExitCode::kOk);
}

}  // namespace ringmail::server
