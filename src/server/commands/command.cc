#include "server/commands/command.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "ringmail/codec/kernel.h"
#include "ringmail/io/process.h"
#include "server/commands/check.h"
#include "server/commands/directory.h"
#include "server/commands/exchange.h"
#include "server/commands/fsck.h"
#include "server/commands/init.h"
#include "server/commands/limits.h"
#include "server/commands/mime.h"
#include "server/commands/queue.h"
#include "server/commands/send.h"
#include "server/commands/serve.h"
#include "server/commands/sink.h"
#include "server/commands/tunnel.h"
#include "server/commands/version.h"
#include "server/config/nearest.h"
#include "server/config/tls.h"
#include "server/config/token.h"

namespace ringmail::server {
namespace {

constexpr Command kCommands[] = {
    {"serve", "runs the server; SIGHUP reloads, SIGTERM drains", ServeCommand},
    {"init", "writes a configuration for a domain, and prints its DNS records", InitCommand},
    {"check", "judges the configuration, the data directory, the addresses and the kernel",
     CheckCommand},
    {"domain", "adds, removes and lists the domains whose accounts live here", DomainCommand},
    {"account", "adds, changes, removes and lists accounts", AccountCommand},
    {"alias", "adds, removes and lists aliases and catch-alls", AliasCommand},
    {"directory", "the whole directory as one text file, out and in", DirectoryCommand},
    {"import", "brings in mailboxes of Maildir, mbox and sdbox", ImportCommand},
    {"export", "writes mailboxes into files: Maildir or mbox", ExportCommand},
    {"queue", "lists and steers the queue of a running server", QueueCommand},
    {"send", "submits the message on standard input by SMTP", SendCommand},
    {"sink", "takes in all mail, keeps or discards it, and counts", SinkCommand},
    {"tunnel", "TLS in front of one service, or away from it, without a store", TunnelCommand},
    {"fsck", "reads a store that nobody serves and says what is in it", FsckCommand},
    {"mime", "reads messages: their parts, their faults, one part by itself", MimeCommand},
    {"limits", "prints every limit: unit, RFC section, what happens there", LimitsCommand},
    {"version", "prints the version", VersionCommand},
};

std::string Overview() {
  std::string text = "usage: ringmail COMMAND [arguments]\n\n";
  for (const Command& one : kCommands) text += fmt::format("  {:<9} {}\n", one.name, one.summary);
  text += "\n`ringmail COMMAND --help` says the rest. Exit codes of all commands:\n";
  for (int code = 0; code <= Number(ExitCode::kRefused); ++code) {
    text += fmt::format("  {}  {}\n", code, Meaning(static_cast<ExitCode>(code)));
  }
  text += "  130  ended by a second signal\n";
  return text;
}

}  // namespace

std::span<const Command> Commands() { return kCommands; }

int RunCommand(std::span<const std::string_view> arguments, std::string& out, std::string& errors) {
  if (arguments.empty()) {
    errors += Overview();
    return Number(ExitCode::kUsage);
  }
  const std::string_view name = arguments.front();
  if (name == "--help" || name == "-h" || name == "help") {
    out += Overview();
    return Number(ExitCode::kOk);
  }
  const auto found = std::find_if(std::begin(kCommands), std::end(kCommands),
                                  [&](const Command& one) { return one.name == name; });
  if (found != std::end(kCommands)) {
    if (!ApplyCodecKernel(errors)) return Number(ExitCode::kSystem);
    return found->run(arguments.subspan(1), out, errors);
  }
  if (name == "--version") return VersionCommand({}, out, errors);
  std::vector<std::string_view> known;
  for (const Command& one : kCommands) known.push_back(one.name);
  const std::string_view nearest = Nearest(name, known);
  errors += fmt::format("ringmail: unknown command '{}'{} (see ringmail --help)\n", name,
                        nearest.empty() ? "" : fmt::format("; did you mean '{}'?", nearest));
  return Number(ExitCode::kUsage);
}

bool Print(std::string& out) {
  const bool written =
      std::fwrite(out.data(), 1, out.size(), stdout) == out.size() && std::fflush(stdout) == 0;
  out.clear();
  return written;
}

std::optional<Config> LoadConfig(const std::string& path, std::string& errors) {
  const StatusOr<std::string> text = io::ReadWholeFile(path, kConfigBytesMax);
  if (!text.ok()) {
    errors +=
        fmt::format("ringmail: cannot read the configuration: {}\n", Std(text.status().message()));
    return std::nullopt;
  }
  ConfigResult result = ParseConfig(*text, io::HostName());
  errors += FormatDiagnostics(path, result.diagnostics);
  if (!result.ok()) return std::nullopt;
  return std::move(result.config);
}

bool LoadTlsFiles(Config& config, const std::string& path,
                  std::shared_ptr<io::TlsTicketKeys> ticket_keys, std::string& errors) {
  ConfigResult result;
  result.config = std::move(config);
  LoadTls(result, io::ReadWholeFile, std::move(ticket_keys), io::SystemTime());
  LoadTokenKeys(result, io::ReadWholeFile);
  LoadBackends(result, io::ReadWholeFile, io::StampOfFile);
  errors += FormatDiagnostics(path, result.diagnostics);
  config = std::move(result.config);
  return result.ok();
}

bool ApplyCodecKernel(std::string& errors) {
  const std::optional<std::string> name = io::Environment("RINGMAIL_KERNEL");
  if (!name || name->empty()) return true;
  const std::optional<codec::Kernel> kernel = codec::ParseKernelName(*name);
  if (kernel && codec::ForceKernel(*kernel)) return true;
  errors += fmt::format("ringmail: RINGMAIL_KERNEL={}: {}\n", *name,
                        kernel ? "this CPU lacks its instructions"
                               : "there are portable, sse42, avx2, avx512 and neon");
  return false;
}

}  // namespace ringmail::server
