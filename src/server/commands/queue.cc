#include "server/commands/queue.h"

#include <array>
#include <optional>

#include <fmt/format.h>
#include <simdjson.h>

#include "ringmail/base/ids.h"
#include "server/commands/arguments.h"
#include "server/commands/command.h"
#include "server/commands/one_shard.h"
#include "server/commands/queue_table.h"
#include "server/control/client.h"
#include "server/control/queue_view.h"
#include "server/control/target.h"

namespace ringmail::server {
namespace {

constexpr Option kOptions[] = {
    {.name = "--config",
     .value_name = "FILE",
     .about = "whose server to ask (default /etc/ringmail/ringmail.toml)"},
    {.name = "--socket", .value_name = "PATH", .about = "its control socket, instead of --config"},
    {.name = "--domain",
     .value_name = "DOMAIN",
     .about = "messages that wait for a recipient there"},
    {.name = "--sender",
     .value_name = "ADDRESS",
     .about = "messages with this reverse-path; \"<>\" is null"},
    {.name = "--held", .about = "messages that are held"},
    {.name = "--all", .about = "every message: for retry, hold, release and drop"},
    {.name = "--limit", .value_name = "N", .about = "list at most so many"},
    {.name = "--json", .about = "what the server says, as JSON"},
};
constexpr ExitCode kExitCodes[] = {ExitCode::kOk,     ExitCode::kFailed,
                                   ExitCode::kUsage,  ExitCode::kConfiguration,
                                   ExitCode::kSystem, ExitCode::kUnreachable};
constexpr Usage kUsage = {
    .name = "queue",
    .operands = "list | show ID... | retry|hold|release|drop [ID...]",
    .operands_min = 1,
    .operands_max = 10'000,
    .about =
        "Shows and steers the queue of the running server, over its control socket.\n"
        "\n"
        "  list     what waits, who for, and what was said last\n"
        "  show     everything about some messages\n"
        "  retry    tries now, whatever the schedule\n"
        "  hold     tries no more until released\n"
        "  release  ends hold\n"
        "  drop     takes out of the queue for good, without a report to the sender\n"
        "\n"
        "The last four take ids, or choose with --domain, --sender, --held or --all. What they did "
        "is on stable\n"
        "storage when they return.\n",
    .options = kOptions,
    .exit_codes = kExitCodes};

constexpr uint64_t kPageMessages = 1000;

struct Job {
  std::string socket;
  std::string_view verb;
  std::vector<std::string> ids;
  std::string filter;  // "&domain=..." as the query has it
  uint64_t limit = UINT64_MAX;
  bool json = false;
  std::string& out;
  std::string& errors;
  ExitCode code = ExitCode::kOk;
};

// What went wrong, or the body.
std::optional<std::string> Judge(Job& job, StatusOr<ControlReply> reply) {
  if (!reply.ok()) {
    job.code = absl::IsNotFound(reply.status()) ? ExitCode::kUnreachable : ExitCode::kFailed;
    job.errors +=
        absl::IsNotFound(reply.status())
            ? fmt::format("ringmail queue: no server answers at {}: is `ringmail serve` running?\n",
                          job.socket)
            : fmt::format("ringmail queue: {}\n", Std(reply.status().message()));
    return std::nullopt;
  }
  if (reply->status == 200) return std::move(reply->body);
  job.code = ExitCode::kFailed;
  simdjson::dom::parser parser;
  std::string_view what;
  if (parser.parse(reply->body)["error"].get(what) != simdjson::SUCCESS) what = reply->body;
  job.errors += fmt::format("ringmail queue: {}\n", what);
  return std::nullopt;
}

bool PrintPiece(void* context, std::string_view piece) {
  Job& job = *static_cast<Job*>(context);
  job.out += piece;
  return Print(job.out);
}

io::Task<void> ListJson(Job& job) {
  const std::string limit = job.limit == UINT64_MAX ? "" : fmt::format("&limit={}", job.limit);
  std::string target = fmt::format("/v1/queue?{}{}", limit, job.filter);
  if (target.ends_with('?')) target.pop_back();
  if (const size_t at = target.find("?&"); at != target.npos) target.erase(at + 1, 1);
  (void)Judge(job, co_await Fetch(job.socket, "GET", std::move(target), &PrintPiece, &job));
}

// Page by page, so that a long queue needs memory for one.
io::Task<void> ListTable(Job& job) {
  std::string after;
  uint64_t listed = 0;
  while (listed < job.limit) {
    const uint64_t page = std::min(kPageMessages, job.limit - listed);
    std::string target = fmt::format("/v1/queue?limit={}{}{}", page,
                                     after.empty() ? "" : "&after=" + after, job.filter);
    const std::optional<std::string> body =
        Judge(job, co_await Fetch(job.socket, "GET", std::move(target)));
    if (!body) co_return;
    const TablePage written = WriteTable(*body, /*header=*/listed == 0, job.out);
    if (!written.good) {
      job.code = ExitCode::kFailed;
      job.errors += "ringmail queue: the server's answer is not what this version understands\n";
      co_return;
    }
    listed += written.messages;
    after = written.next;
    if (!Print(job.out) || after.empty()) break;
  }
  job.out += listed == 0 ? "the queue is empty\n"
                         : fmt::format("{} message{}\n", listed, listed == 1 ? "" : "s");
}

io::Task<void> Show(Job& job) {
  for (const std::string& id : job.ids) {
    const std::optional<std::string> body =
        Judge(job, co_await Fetch(job.socket, "GET", "/v1/queue/" + id));
    if (!body) continue;
    if (job.json) {
      job.out += *body;
    } else if (!WriteDetails(*body, job.out)) {
      job.code = ExitCode::kFailed;
      job.errors += "ringmail queue: the server's answer is not what this version understands\n";
    }
  }
}

io::Task<void> ActOn(Job& job, const std::string& id, std::string target) {
  const std::optional<std::string> body =
      Judge(job, co_await Fetch(job.socket, "POST", std::move(target)));
  if (!body) co_return;
  if (job.json) {
    job.out += *body;
    co_return;
  }
  simdjson::dom::parser parser;
  uint64_t messages = 0;
  (void)parser.parse(*body)["messages"].get(messages);
  job.out += fmt::format("{} {}: {} message{}\n", job.verb, id, messages, messages == 1 ? "" : "s");
}

io::Task<void> Run(void* context) {
  Job& job = *static_cast<Job*>(context);
  if (job.verb == "list") {
    if (job.json) {
      co_await ListJson(job);
    } else {
      co_await ListTable(job);
    }
  } else if (job.verb == "show") {
    co_await Show(job);
  } else if (job.ids.empty()) {
    const std::string query = job.filter.empty() ? "" : "?" + job.filter.substr(1);
    co_await ActOn(job, "all", fmt::format("/v1/queue/all/{}{}", job.verb, query));
  } else {
    for (const std::string& id : job.ids)
      co_await ActOn(job, id, fmt::format("/v1/queue/{}/{}", id, job.verb));
  }
}

// The verb, ids and filter, or what is wrong with them.
std::string ReadJob(const Arguments& given, Job& job) {
  job.verb = given.operands().front();
  const bool acts = ParseAction(job.verb).has_value();
  if (!acts && job.verb != "list" && job.verb != "show") {
    return fmt::format("'{}' is none of list, show, retry, hold, release, drop", job.verb);
  }
  for (size_t i = 1; i < given.operands().size(); ++i) {
    const std::string_view id = given.operands()[i];
    if (!QueueId::Parse(id))
      return fmt::format("'{}' is no queue id: it has 12 characters, 0-9 and a-v", id);
    job.ids.emplace_back(id);
  }
  if (const auto domain = given.Get("--domain")) job.filter += "&domain=" + PercentEncode(*domain);
  if (const auto sender = given.Get("--sender")) job.filter += "&sender=" + PercentEncode(*sender);
  if (given.Has("--held")) job.filter += "&held=true";
  const bool chooses = !job.filter.empty() || given.Has("--all");
  if (job.verb == "list" && !job.ids.empty()) return "list takes no ids: show does";
  if (job.verb == "show" && job.ids.empty()) return "show needs an id";
  if (job.verb == "show" && chooses) return "show takes ids alone";
  if (acts && job.ids.empty() && !chooses)
    return fmt::format("{} needs ids, or --domain, --sender, --held or --all", job.verb);
  if (acts && !job.ids.empty() && chooses)
    return fmt::format("{} takes ids or a choice, not both", job.verb);
  if (const auto limit = given.Get("--limit")) {
    const auto count = ParseCount(*limit, 1, UINT64_MAX - 1);
    if (!count || job.verb != "list") return "--limit is a number from 1, and for list alone";
    job.limit = *count;
  }
  job.json = given.Has("--json");
  return {};
}

}  // namespace

int QueueCommand(std::span<const std::string_view> arguments, std::string& out,
                 std::string& errors) {
  Arguments given;
  if (const auto code = given.Read(kUsage, arguments, out, errors)) return *code;
  Job job{.out = out, .errors = errors};
  if (const std::string wrong = ReadJob(given, job); !wrong.empty()) {
    errors += fmt::format("ringmail queue: {} (see ringmail queue --help)\n", wrong);
    return Number(ExitCode::kUsage);
  }
  if (const auto socket = given.Get("--socket")) {
    job.socket = *socket;
  } else {
    std::string warnings;
    const std::optional<Config> config =
        LoadConfig(std::string(given.GetOr("--config", kDefaultConfigPath)), warnings);
    if (!config) {
      errors += warnings;
      return Number(ExitCode::kConfiguration);
    }
    job.socket = config->control_socket;
  }
  if (const Status ran = RunOnOneShard(Run, &job); !ran.ok()) {
    errors += fmt::format("ringmail queue: {}\n", Std(ran.message()));
    return Number(ExitCode::kSystem);
  }
  return Number(job.code);
}

}  // namespace ringmail::server
