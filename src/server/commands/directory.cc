#include "server/commands/directory.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <simdjson.h>

#include "ringmail/credential/password.h"
#include "ringmail/io/process.h"
#include "server/commands/arguments.h"
#include "server/commands/command.h"
#include "server/commands/one_shard.h"
#include "server/commands/shown.h"
#include "server/config/quantity.h"
#include "server/control/client.h"
#include "server/control/json_writer.h"
#include "server/control/target.h"
#include "server/directory/text.h"

namespace ringmail::server {
namespace {

constexpr Option kConfigOption = {
    .name = "--config",
    .value_name = "FILE",
    .about = "whose server to ask (default /etc/ringmail/ringmail.toml)"};
constexpr Option kSocketOption = {
    .name = "--socket", .value_name = "PATH", .about = "its control socket, instead of --config"};
constexpr Option kJsonOption = {.name = "--json", .about = "what the server says, as JSON"};
constexpr Option kDomainOption = {
    .name = "--domain", .value_name = "DOMAIN", .about = "list those of this domain alone"};
constexpr Option kCommentOption = {
    .name = "--comment", .value_name = "TEXT", .about = "for the operator's eyes"};
constexpr ExitCode kExitCodes[] = {ExitCode::kOk,     ExitCode::kFailed,
                                   ExitCode::kUsage,  ExitCode::kConfiguration,
                                   ExitCode::kSystem, ExitCode::kUnreachable};

constexpr Option kDomainOptions[] = {kConfigOption, kSocketOption, kCommentOption, kJsonOption};
constexpr Usage kDomainUsage = {
    .name = "domain",
    .operands = "add|delete DOMAIN... | list",
    .operands_min = 1,
    .operands_max = 10'000,
    .about =
        "Adds, removes and lists the domains whose accounts live here, beside those that the\n"
        "configuration names as [[domain]]. A domain goes when no address is left in it.\n",
    .options = kDomainOptions,
    .exit_codes = kExitCodes};

constexpr Option kAccountOptions[] = {
    kConfigOption,
    kSocketOption,
    {.name = "--name", .value_name = "TEXT", .about = "the display name"},
    kCommentOption,
    {.name = "--quota", .value_name = "SIZE", .about = "10GiB; 0B is none"},
    {.name = "--quota-messages", .value_name = "N", .about = "0 is none"},
    {.name = "--enable", .about = "set: may log in and receive"},
    {.name = "--disable", .about = "set: may not, and keeps everything"},
    {.name = "--no-password", .about = "add: without one, so that nobody can log in yet"},
    {.name = "--app",
     .value_name = "NAME",
     .about = "passwd: the app password of this name, not the account's own"},
    {.name = "--revoke", .about = "passwd: takes the password away"},
    kDomainOption,
    kJsonOption};
constexpr Usage kAccountUsage = {
    .name = "account",
    .operands = "add|passwd|set|show|delete ADDRESS | list | app-password add|list|delete ADDRESS",
    .operands_min = 1,
    .operands_max = 4,
    .about =
        "Accounts of the running server.\n"
        "\n"
        "  add     makes one; its password is the first line of standard input\n"
        "  passwd  changes the password, or adds an app password, from standard input\n"
        "  set     changes name, comment, quota, or whether it is enabled\n"
        "  show    everything but the hashes\n"
        "  delete  removes it\n"
        "  list    all, or those of --domain\n"
        "\n"
        "  app-password add ADDRESS NAME     draws a password for one device or program, and\n"
        "                                    shows it, once\n"
        "  app-password list ADDRESS         their names, and since when they are\n"
        "  app-password delete ADDRESS NAME  takes one away\n"
        "\n"
        "Passwords are read from standard input and from nowhere else. What a command did is\n"
        "on stable storage, and known to every shard, when it returns.\n",
    .options = kAccountOptions,
    .exit_codes = kExitCodes};

constexpr Option kAliasOptions[] = {
    kConfigOption,
    kSocketOption,
    {.name = "--moved", .about = "add: senders are told the one new address (RFC 5321 §3.4)"},
    kCommentOption,
    kDomainOption,
    kJsonOption};
constexpr Usage kAliasUsage = {
    .name = "alias",
    .operands = "add ADDRESS TARGET... | delete ADDRESS [TARGET...] | list",
    .operands_min = 1,
    .operands_max = 5'002,
    .about =
        "Addresses whose mail goes to others. add gives an alias more targets, or makes it;\n"
        "delete takes targets from it, or all of it. \"@DOMAIN\" is the catch-all: whoever\n"
        "is not known in the domain.\n",
    .options = kAliasOptions,
    .exit_codes = kExitCodes};

constexpr Option kDirectoryOptions[] = {
    kConfigOption,
    kSocketOption,
    {.name = "--dry-run", .about = "import: prints what would change, and changes nothing"},
    {.name = "--prune", .about = "import: what the file does not name is removed"},
    {.name = "--erase-mail", .about = "with --prune: the mail of removed accounts goes, too"},
    kJsonOption};
constexpr Usage kDirectoryUsage = {
    .name = "directory",
    .operands = "export|import FILE | lookup ADDRESS | accept",
    .operands_min = 1,
    .operands_max = 2,
    .about =
        "The whole directory as one text file, one entry a line; \"-\" is standard output or\n"
        "input.\n"
        "\n"
        "  export  writes the file, sorted, with the password hashes: keep it as you keep those\n"
        "  import  takes the file in, all of it or nothing. With --prune the file is the source\n"
        "          of truth: what it does not name goes. The mail of an account that goes stays\n"
        "          in the store, where nobody finds it any more; --erase-mail erases it\n"
        "  lookup  what becomes of mail for an address\n"
        "  accept  after damage took entries away: what is left is all there is to be. Until\n"
        "          then unknown addresses are told to try later\n",
    .options = kDirectoryOptions,
    .exit_codes = kExitCodes};

// One request, made while the shard runs.
struct Request {
  std::string method, target, body;
};

struct Job {
  std::string_view command;
  std::string socket;
  std::vector<Request> requests;
  std::vector<std::string> bodies;  // of the answers that were 200
  std::string file;                 // for faults
  std::string& errors;
  ExitCode code = ExitCode::kOk;
};

void JudgeReply(Job& job, StatusOr<ControlReply> reply) {
  if (!reply.ok()) {
    const bool absent = absl::IsNotFound(reply.status());
    job.code = absent ? ExitCode::kUnreachable : ExitCode::kFailed;
    job.errors +=
        absent ? fmt::format(
                     "ringmail {}: no server answers at {}: is `ringmail serve` "
                     "running?\n",
                     job.command, job.socket)
               : fmt::format("ringmail {}: {}\n", job.command, Std(reply.status().message()));
    return;
  }
  if (reply->status == 200) {
    job.bodies.push_back(std::move(reply->body));
    return;
  }
  job.code = ExitCode::kFailed;
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string_view what = reply->body;
  if (parser.parse(reply->body).get(root) == simdjson::SUCCESS) {
    (void)root["error"].get(what);
    simdjson::dom::array faults;
    if (root["faults"].get(faults) == simdjson::SUCCESS) {
      for (const auto fault : faults) {
        uint64_t line = 0;
        std::string_view text;
        (void)fault["line"].get(line);
        (void)fault["what"].get(text);
        job.errors += fmt::format("{}:{}: {}\n", job.file, line, Shown(text));
      }
    }
  }
  job.errors += fmt::format("ringmail {}: {}\n", job.command, Shown(what));
}

io::Task<void> Ask(void* context) {
  Job& job = *static_cast<Job*>(context);
  for (Request& one : job.requests) {
    JudgeReply(job, co_await FetchWithBody(job.socket, one.method, one.target, std::move(one.body),
                                           nullptr, nullptr));
    if (job.code == ExitCode::kUnreachable) co_return;
  }
}

// Sends the requests. A number: how the command ends at once.
std::optional<int> Send(const Arguments& given, Job& job) {
  if (const auto socket = given.Get("--socket")) {
    job.socket = *socket;
  } else {
    std::string warnings;
    const std::optional<Config> config =
        LoadConfig(std::string(given.GetOr("--config", kDefaultConfigPath)), warnings);
    if (!config) {
      job.errors += warnings;
      return Number(ExitCode::kConfiguration);
    }
    job.socket = config->control_socket;
  }
  if (const Status ran = RunOnOneShard(Ask, &job); !ran.ok()) {
    job.errors += fmt::format("ringmail {}: {}\n", job.command, Std(ran.message()));
    return Number(ExitCode::kSystem);
  }
  return std::nullopt;
}

int WrongUse(std::string_view command, std::string_view what, std::string& errors) {
  errors += fmt::format("ringmail {}: {} (see ringmail {} --help)\n", command, what, command);
  return Number(ExitCode::kUsage);
}

std::string_view Text(simdjson::dom::element element, std::string_view key) {
  std::string_view out;
  (void)element[key].get(out);
  return out;
}

// The rows of a list, as lines sorted by what they begin with.
bool WriteRows(const std::string& body, std::string_view key,
               std::string (*line)(simdjson::dom::element row), std::string& out) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  simdjson::dom::array rows;
  if (parser.parse(body).get(root) != simdjson::SUCCESS || root[key].get(rows) != simdjson::SUCCESS)
    return false;
  std::multiset<std::string> lines;
  for (const auto row : rows) lines.insert(line(row));
  for (const std::string& one : lines) out += one + "\n";
  bool complete = true;
  (void)root["complete"].get(complete);
  if (!complete) out += "damage took entries away; see `ringmail directory --help`, accept\n";
  return true;
}

std::string DomainLine(simdjson::dom::element row) {
  return fmt::format("{:<40} {}", Shown(Text(row, "name")), Shown(Text(row, "comment")));
}

std::string AccountLine(simdjson::dom::element row) {
  bool enabled = true;
  uint64_t quota = 0;
  simdjson::dom::array credentials;
  (void)row["enabled"].get(enabled);
  (void)row["quota_bytes"].get(quota);
  const bool listed = row["credentials"].get(credentials) == simdjson::SUCCESS;
  return fmt::format("{:<40} {:<8} {:>8} {} {}", Shown(Text(row, "address")),
                     enabled ? "enabled" : "disabled", quota == 0 ? "-" : FormatBytes(quota),
                     listed && credentials.size() != 0 ? "" : "(no password)",
                     Shown(Text(row, "name")));
}

std::string AliasLine(simdjson::dom::element row) {
  bool moved = false;
  (void)row["moved"].get(moved);
  std::string out =
      fmt::format("{:<40} {}", Shown(Text(row, "address")), moved ? "moved to" : "->");
  simdjson::dom::array targets;
  if (row["targets"].get(targets) != simdjson::SUCCESS) return out;
  for (const auto target : targets) {
    std::string_view text;
    (void)target.get(text);
    out += ' ' + Shown(text);
  }
  return out;
}

// A list of the running server, as JSON or as lines.
int ListRows(const Arguments& given, Job& job, std::string_view resource,
             std::string (*line)(simdjson::dom::element row), std::string& out) {
  std::string target = "/v1/" + std::string(resource);
  if (const auto domain = given.Get("--domain")) target += "?domain=" + PercentEncode(*domain);
  job.requests.push_back({"GET", std::move(target), {}});
  if (const auto code = Send(given, job)) return *code;
  if (job.bodies.empty()) return Number(job.code);
  if (given.Has("--json")) {
    out += job.bodies[0];
  } else if (!WriteRows(job.bodies[0], resource, line, out)) {
    job.errors += fmt::format(
        "ringmail {}: the server's answer is not what this version understands\n", job.command);
    return Number(ExitCode::kFailed);
  }
  return Number(job.code);
}

// Sends what changes something, and says that it is done.
int Do(const Arguments& given, Job& job, std::string_view done, std::string& out) {
  if (const auto code = Send(given, job)) return *code;
  if (given.Has("--json")) {
    for (const std::string& body : job.bodies) out += body;
  } else if (job.code == ExitCode::kOk) {
    out += fmt::format("{}\n", done);
  }
  return Number(job.code);
}

// The first line of standard input.
std::optional<std::string> ReadPassword(std::string_view command, std::string& errors) {
  auto text = io::ReadWholeFile("-", credential::kPasswordBytesMax + 2);
  std::string password = text.ok() ? *std::move(text) : "";
  password.resize(std::min(password.find('\n'), password.size()));
  if (password.ends_with('\r')) password.pop_back();
  if (!password.empty()) return password;
  errors += fmt::format("ringmail {}: no password on standard input ({})\n", command,
                        text.ok() ? "it is empty" : std::string(Std(text.status().message())));
  return std::nullopt;
}

// What `add` and `set` say of an account, or what is wrong.
std::string WriteAccount(const Arguments& given, std::string_view verb, JsonWriter& json) {
  if (const auto name = given.Get("--name")) json.Key("name").String(*name);
  if (const auto comment = given.Get("--comment")) json.Key("comment").String(*comment);
  if (const auto quota = given.Get("--quota")) {
    const auto bytes = ParseBytes(*quota);
    if (!bytes) return "--quota is a size with its unit: 10GiB";
    json.Key("quota_bytes").Number(*bytes);
  }
  if (const auto quota = given.Get("--quota-messages")) {
    const auto count = ParseCount(*quota, 0, uint64_t{1} << 62);
    if (!count) return "--quota-messages is a number";
    json.Key("quota_messages").Number(*count);
  }
  if (given.Has("--enable") && given.Has("--disable")) return "--enable or --disable, not both";
  if (given.Has("--enable")) json.Key("enabled").Bool(true);
  if (given.Has("--disable")) json.Key("enabled").Bool(false);
  if (verb == "set" && given.Has("--no-password")) return "--no-password is for add";
  return {};
}

int ShowAccount(const Arguments& given, Job& job, const std::string& address, std::string& out) {
  job.requests.push_back({"GET", "/v1/accounts/" + PercentEncode(address), {}});
  if (const auto code = Send(given, job)) return *code;
  if (job.bodies.empty()) return Number(job.code);
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (given.Has("--json") || parser.parse(job.bodies[0]).get(root) != simdjson::SUCCESS) {
    out += job.bodies[0];
    return Number(job.code);
  }
  uint64_t bytes = 0, messages = 0;
  (void)root["quota_bytes"].get(bytes);
  (void)root["quota_messages"].get(messages);
  out += AccountLine(root) + "\n";
  out += fmt::format("  created   {}\n", Shown(Text(root, "created")));
  out += fmt::format("  quota     {}, {} messages\n", bytes == 0 ? "none" : FormatBytes(bytes),
                     messages == 0 ? "any number of" : std::to_string(messages));
  out += fmt::format("  comment   {}\n", Shown(Text(root, "comment")));
  simdjson::dom::array credentials;
  if (root["credentials"].get(credentials) != simdjson::SUCCESS) return Number(job.code);
  for (const auto one : credentials) {
    out += fmt::format("  {:<9} {:<16} {:<16} {}\n", Shown(Text(one, "kind")),
                       Shown(Text(one, "name")), Shown(Text(one, "scheme")),
                       Shown(Text(one, "created")));
  }
  return Number(job.code);
}

int Export(const Arguments& given, Job& job, std::string& out) {
  job.requests.push_back({"GET", "/v1/directory", {}});
  if (const auto code = Send(given, job)) return *code;
  if (job.bodies.empty()) return Number(job.code);
  // Domains first, then by domain, so that two exports can be compared line by line.
  std::multimap<std::string, std::string_view> lines;
  std::string_view rest = job.bodies[0];
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end);
    const DirectoryText one = ParseDirectoryText(line);
    std::string key = "9";
    if (!one.entries.empty()) {
      const std::string& name = storage::NameOf(one.entries[0].entry);
      key = (one.entries[0].entry.index() == 0 ? "0" : "1") +
            std::string(storage::DomainOfName(name)) + '\0' + name;
    }
    lines.emplace(std::move(key), line);
  }
  std::string text = "# ringmail directory: `ringmail directory import` reads it\n";
  for (const auto& [key, line] : lines) text += line;
  if (job.file == "-") {
    out += text;
    return Number(job.code);
  }
  const Status written = io::WriteSecretFile(job.file, text);
  if (written.ok()) return Number(job.code);
  job.errors += fmt::format("ringmail directory: {}\n", Std(written.message()));
  return Number(ExitCode::kFailed);
}

int Import(const Arguments& given, Job& job, std::string& out) {
  auto text = io::ReadWholeFile(job.file, kDirectoryTextBytesMax);
  if (!text.ok()) {
    job.errors += fmt::format("ringmail directory: {}\n", Std(text.status().message()));
    return Number(ExitCode::kFailed);
  }
  const bool dry = given.Has("--dry-run");
  job.requests.push_back({"POST",
                          fmt::format("/v1/directory/import?prune={}&erase_mail={}&dry_run={}",
                                      given.Has("--prune"), given.Has("--erase-mail"), dry),
                          *std::move(text)});
  if (const auto code = Send(given, job)) return *code;
  if (job.bodies.empty()) return Number(job.code);
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (given.Has("--json") || parser.parse(job.bodies[0]).get(root) != simdjson::SUCCESS) {
    out += job.bodies[0];
    return Number(job.code);
  }
  simdjson::dom::array differences;
  if (dry && root["differences"].get(differences) == simdjson::SUCCESS) {
    for (const auto one : differences) {
      std::string_view line;
      (void)one.get(line);
      out += Shown(line) + "\n";
    }
  }
  uint64_t added = 0, changed = 0, removed = 0, unchanged = 0;
  (void)root["added"].get(added);
  (void)root["changed"].get(changed);
  (void)root["removed"].get(removed);
  (void)root["unchanged"].get(unchanged);
  out += fmt::format("{}{} added, {} changed, {} removed, {} unchanged\n",
                     dry ? "nothing was changed; it would be: " : "", added, changed, removed,
                     unchanged);
  uint64_t accounts = 0, erased = 0;
  std::string_view why;
  (void)root["accounts_removed"].get(accounts);
  (void)root["mail_erased"].get(erased);
  if (!dry && erased > 0) out += fmt::format("the mail of {} accounts was erased\n", erased);
  if (!dry && accounts > erased)
    out += fmt::format("the mail of {} accounts stays in the store\n", accounts - erased);
  if (root["mail_kept_because"].get(why) != simdjson::SUCCESS) return Number(job.code);
  job.errors += fmt::format("ringmail directory: {}\n", Shown(why));
  return Number(ExitCode::kFailed);
}

// The names of an account's app passwords, as GET shows its credentials.
int ListAppPasswords(const Arguments& given, Job& job, const std::string& account,
                     std::string& out) {
  job.requests.push_back({"GET", account, {}});
  if (const auto code = Send(given, job)) return *code;
  if (job.bodies.empty()) return Number(job.code);
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  simdjson::dom::array credentials;
  if (given.Has("--json") || parser.parse(job.bodies[0]).get(root) != simdjson::SUCCESS ||
      root["credentials"].get(credentials) != simdjson::SUCCESS) {
    out += job.bodies[0];
    return Number(job.code);
  }
  for (const auto one : credentials) {
    if (Text(one, "kind") != "app") continue;
    out += fmt::format("{:<40} {}\n", Shown(Text(one, "name")), Shown(Text(one, "created")));
  }
  return Number(job.code);
}

int AppPasswordCommand(const Arguments& given, Job& job, std::string& out) {
  const auto& operands = given.operands();
  const std::string_view verb = operands.size() > 1 ? operands[1] : std::string_view();
  const size_t needed = verb == "list" ? 3 : 4;
  if ((verb != "add" && verb != "list" && verb != "delete") || operands.size() != needed) {
    return WrongUse("account", "app-password add ADDRESS NAME, list ADDRESS, delete ADDRESS NAME",
                    job.errors);
  }
  const std::string account = "/v1/accounts/" + PercentEncode(operands[2]);
  if (verb == "list") return ListAppPasswords(given, job, account, out);
  if (operands[3].empty()) return WrongUse("account", "the NAME is empty", job.errors);
  std::string body;
  JsonWriter json(body);
  json.BeginObject();
  if (verb == "delete") {
    json.Key("app").String(operands[3]).Key("revoke").Bool(true).EndObject();
    job.requests.push_back({"POST", account + "/passwd", std::move(body)});
    return Do(given, job, fmt::format("app-password delete {}: done", Shown(operands[3])), out);
  }
  json.Key("name").String(operands[3]).EndObject();
  job.requests.push_back({"POST", account + "/app-password", std::move(body)});
  if (const auto code = Send(given, job)) return *code;
  if (job.bodies.empty() || job.code != ExitCode::kOk) return Number(job.code);
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (given.Has("--json") || parser.parse(job.bodies[0]).get(root) != simdjson::SUCCESS) {
    out += job.bodies[0];
  } else {
    out += fmt::format("{}\n", Shown(Text(root, "password")));
  }
  return Number(job.code);
}

}  // namespace

int DomainCommand(std::span<const std::string_view> arguments, std::string& out,
                  std::string& errors) {
  Arguments given;
  if (const auto code = given.Read(kDomainUsage, arguments, out, errors)) return *code;
  const auto& operands = given.operands();
  const std::string_view verb = operands[0];
  Job job{.command = "domain", .errors = errors};
  if (verb == "list" && operands.size() == 1)
    return ListRows(given, job, "domains", DomainLine, out);
  if ((verb != "add" && verb != "delete") || operands.size() < 2)
    return WrongUse("domain", "add DOMAIN..., delete DOMAIN... or list", errors);
  for (size_t i = 1; i < operands.size(); ++i) {
    std::string body;
    JsonWriter json(body);
    json.BeginObject();
    if (const auto comment = given.Get("--comment"); comment && verb == "add")
      json.Key("comment").String(*comment);
    json.EndObject();
    job.requests.push_back(
        {"POST", fmt::format("/v1/domains/{}/{}", PercentEncode(operands[i]), verb), body});
  }
  return Do(given, job, fmt::format("{}: done", verb), out);
}

int AccountCommand(std::span<const std::string_view> arguments, std::string& out,
                   std::string& errors) {
  Arguments given;
  if (const auto code = given.Read(kAccountUsage, arguments, out, errors)) return *code;
  const auto& operands = given.operands();
  const std::string_view verb = operands[0];
  Job job{.command = "account", .errors = errors};
  if (verb == "list" && operands.size() == 1)
    return ListRows(given, job, "accounts", AccountLine, out);
  if (verb == "app-password") return AppPasswordCommand(given, job, out);
  constexpr std::array<std::string_view, 5> kVerbs = {"add", "passwd", "set", "show", "delete"};
  if (operands.size() != 2 || std::find(kVerbs.begin(), kVerbs.end(), verb) == kVerbs.end())
    return WrongUse("account", "add, passwd, set, show or delete an ADDRESS, or list", errors);
  const std::string address(operands[1]);
  if (verb == "show") return ShowAccount(given, job, address, out);
  std::string body;
  JsonWriter json(body);
  json.BeginObject();
  const bool asks = (verb == "add" && !given.Has("--no-password")) ||
                    (verb == "passwd" && !given.Has("--revoke"));
  if (verb == "add" || verb == "set") {
    if (const std::string wrong = WriteAccount(given, verb, json); !wrong.empty())
      return WrongUse("account", wrong, errors);
  }
  if (verb == "passwd") {
    if (const auto app = given.Get("--app")) json.Key("app").String(*app);
    if (given.Has("--revoke")) json.Key("revoke").Bool(true);
  }
  if (asks) {
    const auto password = ReadPassword("account", errors);
    if (!password) return Number(ExitCode::kUsage);
    json.Key("password").String(*password);
  }
  json.EndObject();
  job.requests.push_back(
      {"POST", fmt::format("/v1/accounts/{}/{}", PercentEncode(address), verb), std::move(body)});
  return Do(given, job, fmt::format("{} {}: done", verb, Shown(address)), out);
}

int AliasCommand(std::span<const std::string_view> arguments, std::string& out,
                 std::string& errors) {
  Arguments given;
  if (const auto code = given.Read(kAliasUsage, arguments, out, errors)) return *code;
  const auto& operands = given.operands();
  const std::string_view verb = operands[0];
  Job job{.command = "alias", .errors = errors};
  if (verb == "list" && operands.size() == 1)
    return ListRows(given, job, "aliases", AliasLine, out);
  const size_t needed = verb == "add" ? 3 : 2;
  if ((verb != "add" && verb != "delete") || operands.size() < needed) {
    return WrongUse("alias", "add ADDRESS TARGET..., delete ADDRESS [TARGET...] or list", errors);
  }
  std::string body;
  JsonWriter json(body);
  json.BeginObject().Key("targets").BeginArray();
  for (size_t i = 2; i < operands.size(); ++i) json.String(operands[i]);
  json.EndArray();
  if (verb == "add") {
    json.Key("moved").Bool(given.Has("--moved"));
    if (const auto comment = given.Get("--comment")) json.Key("comment").String(*comment);
  }
  json.EndObject();
  job.requests.push_back({"POST",
                          fmt::format("/v1/aliases/{}/{}", PercentEncode(operands[1]), verb),
                          std::move(body)});
  return Do(given, job, fmt::format("{} {}: done", verb, Shown(operands[1])), out);
}

int DirectoryCommand(std::span<const std::string_view> arguments, std::string& out,
                     std::string& errors) {
  Arguments given;
  if (const auto code = given.Read(kDirectoryUsage, arguments, out, errors)) return *code;
  const auto& operands = given.operands();
  const std::string_view verb = operands[0];
  Job job{.command = "directory", .errors = errors};
  const size_t needed = verb == "accept" ? 1 : 2;
  if (operands.size() != needed ||
      (verb != "export" && verb != "import" && verb != "lookup" && verb != "accept"))
    return WrongUse("directory", "export FILE, import FILE, lookup ADDRESS or accept", errors);
  if (verb == "accept") {
    job.requests.push_back({"POST", "/v1/directory/accept", {}});
    return Do(given, job, "accept: done", out);
  }
  job.file = operands[1];
  if (verb == "export") return Export(given, job, out);
  if (verb == "import") return Import(given, job, out);
  job.requests.push_back({"GET", "/v1/lookup/" + PercentEncode(job.file), {}});
  if (const auto code = Send(given, job)) return *code;
  for (const std::string& body : job.bodies) out += body;
  return Number(job.code);
}

}  // namespace ringmail::server
