#include "server/commands/exchange.h"

#include <cstdio>
#include <optional>

#include <fmt/format.h>

#include "ringmail/codec/digest.h"
#include "ringmail/codec/hex.h"
#include "ringmail/io/process.h"
#include "server/commands/arguments.h"
#include "server/commands/command.h"
#include "server/commands/one_shard.h"
#include "server/commands/shown.h"
#include "server/exchange/exporter.h"
#include "server/exchange/importer.h"

namespace ringmail::server {
namespace {

constexpr Option kConfigOption = {
    .name = "--config",
    .value_name = "FILE",
    .about = "whose server to ask (default /etc/ringmail/ringmail.toml)"};
constexpr Option kSocketOption = {
    .name = "--socket", .value_name = "PATH", .about = "its control socket, instead of --config"};
constexpr Option kQuietOption = {.name = "--quiet", .about = "no progress on standard error"};
constexpr Option kKeepGoingOption = {
    .name = "--keep-going", .about = "exit 0 although messages were left out; they are named"};
constexpr ExitCode kExitCodes[] = {ExitCode::kOk,     ExitCode::kFailed,
                                   ExitCode::kUsage,  ExitCode::kConfiguration,
                                   ExitCode::kSystem, ExitCode::kUnreachable};

constexpr Option kImportOptions[] = {
    kConfigOption,
    kSocketOption,
    {.name = "--format",
     .value_name = "FORMAT",
     .about = "maildir, mbox or sdbox (default: as the files look)"},
    {.name = "--mailbox",
     .value_name = "NAME",
     .about = "where the source's INBOX goes, and its other mailboxes below (default INBOX)"},
    {.name = "--from-quoting",
     .value_name = "KIND",
     .about = "mbox: mboxrd, mboxo or mboxcl2 (default: by Content-Length, else mboxrd)"},
    {.name = "--journal",
     .value_name = "FILE",
     .about = "what was imported (default ringmail-import-….journal in the working directory)"},
    {.name = "--new-uids",
     .about = "no UID is kept: for a copy that is older than what clients have seen here"},
    {.name = "--lanes", .value_name = "N", .about = "mailboxes at one time, 1 to 16 (default 4)"},
    kKeepGoingOption,
    kQuietOption};
constexpr Usage kImportUsage = {
    .name = "import",
    .operands = "ADDRESS PATH",
    .operands_min = 2,
    .operands_max = 2,
    .about =
        "Brings mailboxes of other programs into an account of the running server, which goes\n"
        "on serving it: Maildir and Maildir++ (Courier, Dovecot), mbox files and trees of them,\n"
        "and Dovecot's sdbox. The files are only read.\n"
        "\n"
        "Internal dates, flags, keywords, the tree of mailboxes and subscriptions are kept.\n"
        "UIDVALIDITY and UIDs are kept, and with them what POP3 and IMAP clients have seen,\n"
        "where the mailbox here is empty and always was; elsewhere messages get new ones, and\n"
        "clients fetch them again. So import before new mail comes in. Quotas do not count.\n"
        "\n"
        "It may be stopped, or killed, and run again with the same journal: no message comes\n"
        "twice, none is forgotten, and what has come into the source since is brought, too. What\n"
        "cannot be read is named with its file and octet and left out; then the exit code is 1.\n",
    .options = kImportOptions,
    .exit_codes = kExitCodes};

constexpr Option kExportOptions[] = {
    kConfigOption,
    kSocketOption,
    {.name = "--format", .value_name = "FORMAT", .about = "maildir (default) or mbox"},
    {.name = "--mailbox", .value_name = "NAME", .about = "this one alone (default: all)"},
    {.name = "--from-quoting",
     .value_name = "KIND",
     .about = "mbox: mboxrd (default), mboxo or mboxcl2"},
    kKeepGoingOption,
    kQuietOption};
constexpr Usage kExportUsage = {
    .name = "export",
    .operands = "ADDRESS DIRECTORY",
    .operands_min = 2,
    .operands_max = 2,
    .about =
        "Writes the mailboxes of an account into files: a Maildir++ as Dovecot reads it, with\n"
        "dovecot-uidlist, dovecot-keywords and subscriptions, or a tree of mbox files, with\n"
        "DIRECTORY.ringmail-export beside it, which says how far they are whole. Each mailbox as\n"
        "it stands when its turn comes; the server goes on serving.\n"
        "\n"
        "It may be stopped, or killed, and run again: it goes on where it was, and brings what is\n"
        "new. What was expunged since stays in the files.\n",
    .options = kExportOptions,
    .exit_codes = kExitCodes};

int WrongUse(std::string_view command, std::string_view what, std::string& errors) {
  errors += fmt::format("ringmail {}: {} (see ringmail {} --help)\n", command, what, command);
  return Number(ExitCode::kUsage);
}

// While it goes on: to standard error at once.
void Report(void* context, std::string_view line) {
  const auto& command = *static_cast<const std::string_view*>(context);
  const std::string text = fmt::format("ringmail {}: {}\n", command, line);
  (void)std::fwrite(text.data(), 1, text.size(), stderr);
}

std::optional<std::string> SocketOf(const Arguments& given, std::string& errors) {
  if (const auto socket = given.Get("--socket")) return std::string(*socket);
  std::string warnings;
  const std::optional<Config> config =
      LoadConfig(std::string(given.GetOr("--config", kDefaultConfigPath)), warnings);
  if (config) return config->control_socket;
  errors += warnings;
  return std::nullopt;
}

std::optional<foreign::FromQuoting> QuotingOf(std::string_view name) {
  if (name == "mboxrd") return foreign::FromQuoting::kMboxrd;
  if (name == "mboxo") return foreign::FromQuoting::kMboxo;
  if (name == "mboxcl2") return foreign::FromQuoting::kMboxcl2;
  return std::nullopt;
}

// How a run ended.
int Judge(std::string_view command, const std::string& socket, const Status& status,
          uint64_t faults, bool keep_going, std::string& errors) {
  if (absl::IsFailedPrecondition(status)) {
    errors += fmt::format("ringmail {}: no server answers at {}: is `ringmail serve` running?\n",
                          command, socket);
    return Number(ExitCode::kUnreachable);
  }
  if (!status.ok()) {
    errors += fmt::format("ringmail {}: {}\n", command, Shown(Std(status.message())));
    return Number(ExitCode::kFailed);
  }
  return Number(faults == 0 || keep_going ? ExitCode::kOk : ExitCode::kFailed);
}

template <typename Options, typename Result>
struct Job {
  Options options;
  Result result;
};
using ImportJob = Job<ImportOptions, ImportResult>;
using ExportJob = Job<ExportOptions, ExportResult>;

io::Task<void> RunImport(void* context) {
  auto& job = *static_cast<ImportJob*>(context);
  job.result = co_await Import(job.options);
}
io::Task<void> RunExport(void* context) {
  auto& job = *static_cast<ExportJob*>(context);
  job.result = co_await Export(job.options);
}

// One for each account and source.
std::string DefaultJournal(std::string_view account, std::string_view source,
                           std::string_view mailbox) {
  const codec::DigestValue digest =
      codec::Digest(codec::DigestKind::kSha256, {account, "\n", source, "\n", mailbox});
  std::string text(16, '\0');
  codec::HexEncode(digest.view().substr(0, 8), codec::HexCase::kLower, text.data());
  return "ringmail-import-" + text + ".journal";
}

std::string ReadImport(const Arguments& given, ImportOptions& options) {
  constexpr std::pair<std::string_view, SourceFormat> kFormats[] = {
      {"maildir", SourceFormat::kMaildir},
      {"mbox", SourceFormat::kMbox},
      {"sdbox", SourceFormat::kSdbox}};
  if (const auto format = given.Get("--format")) {
    for (const auto& [name, value] : kFormats) {
      if (name == *format) options.format = value;
    }
    if (options.format == SourceFormat::kDetect) return "--format is maildir, mbox or sdbox";
  }
  if (const auto quoting = given.Get("--from-quoting")) {
    const auto kind = QuotingOf(*quoting);
    if (!kind) return "--from-quoting is mboxrd, mboxo or mboxcl2";
    options.quoting = *kind;
  }
  if (given.Has("--new-uids")) options.uids = ImportUids::kNew;
  if (const auto lanes = given.Get("--lanes")) {
    const auto count = ParseCount(*lanes, 1, kLanesMax);
    if (!count) return "--lanes is a number from 1 to 16";
    options.lanes = static_cast<uint32_t>(*count);
  }
  options.account = given.operands()[0];
  options.path = given.operands()[1];
  options.mailbox = given.GetOr("--mailbox", "");
  return {};
}

}  // namespace

int ImportCommand(std::span<const std::string_view> arguments, std::string& out,
                  std::string& errors) {
  Arguments given;
  if (const auto code = given.Read(kImportUsage, arguments, out, errors)) return *code;
  static constexpr std::string_view kName = "import";
  ImportJob job;
  if (const std::string wrong = ReadImport(given, job.options); !wrong.empty())
    return WrongUse(kName, wrong, errors);
  const auto socket = SocketOf(given, errors);
  if (!socket) return Number(ExitCode::kConfiguration);
  const auto source = io::AbsolutePath(job.options.path);
  if (!source.ok()) return WrongUse(kName, Std(source.status().message()), errors);
  job.options.socket = *socket;
  job.options.source = *source + "\n" + job.options.mailbox;
  job.options.journal =
      given.GetOr("--journal", DefaultJournal(job.options.account, *source, job.options.mailbox));
  job.options.report = &Report;
  job.options.context = const_cast<std::string_view*>(&kName);
  if (given.Has("--quiet")) job.options.progress_every = std::chrono::hours(1'000'000);
  if (const Status ran = RunOnOneShard(RunImport, &job); !ran.ok()) {
    errors += fmt::format("ringmail import: {}\n", Std(ran.message()));
    return Number(ExitCode::kSystem);
  }
  const ImportResult& result = job.result;
  out += fmt::format(
      "{} messages imported ({} octets) into {} mailboxes, {} were there already, {} left out\n",
      result.messages, result.bytes, result.mailboxes, result.known, result.faults);
  if (result.uids_kept > 0)
    out += fmt::format("UIDs and UIDVALIDITY kept in {} mailboxes\n", result.uids_kept);
  if (result.uids_new > 0)
    out += fmt::format("{} messages got new UIDs: other messages have theirs\n", result.uids_new);
  if (result.keywords_lost > 0)
    out += fmt::format("{} messages lost their keywords: the mailbox has no room for more\n",
                       result.keywords_lost);
  return Judge(kName, *socket, result.status, result.faults, given.Has("--keep-going"), errors);
}

int ExportCommand(std::span<const std::string_view> arguments, std::string& out,
                  std::string& errors) {
  Arguments given;
  if (const auto code = given.Read(kExportUsage, arguments, out, errors)) return *code;
  static constexpr std::string_view kName = "export";
  ExportJob job;
  const std::string_view format = given.GetOr("--format", "maildir");
  if (format != "maildir" && format != "mbox")
    return WrongUse(kName, "--format is maildir or mbox", errors);
  const auto quoting = QuotingOf(given.GetOr("--from-quoting", "mboxrd"));
  if (!quoting) return WrongUse(kName, "--from-quoting is mboxrd, mboxo or mboxcl2", errors);
  const auto socket = SocketOf(given, errors);
  if (!socket) return Number(ExitCode::kConfiguration);
  job.options.socket = *socket;
  job.options.account = given.operands()[0];
  job.options.path = given.operands()[1];
  job.options.mailbox = given.GetOr("--mailbox", "");
  job.options.format =
      format == "mbox" ? ExportOptions::Format::kMbox : ExportOptions::Format::kMaildir;
  job.options.quoting = *quoting;
  job.options.report = &Report;
  job.options.context = const_cast<std::string_view*>(&kName);
  if (given.Has("--quiet")) job.options.progress_every = std::chrono::hours(1'000'000);
  if (const Status ran = RunOnOneShard(RunExport, &job); !ran.ok()) {
    errors += fmt::format("ringmail export: {}\n", Std(ran.message()));
    return Number(ExitCode::kSystem);
  }
  const ExportResult& result = job.result;
  out += fmt::format(
      "{} messages exported ({} octets) from {} mailboxes, {} were there already, {} left out\n",
      result.messages, result.bytes, result.mailboxes, result.known, result.faults);
  if (result.keywords_lost > 0)
    out += fmt::format("{} keywords lost: Maildir has letters for 26\n", result.keywords_lost);
  return Judge(kName, *socket, result.status, result.faults, given.Has("--keep-going"), errors);
}

}  // namespace ringmail::server
