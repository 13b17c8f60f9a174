#include "server/commands/serve.h"

#include <fmt/format.h>

#include "ringmail/io/process.h"
#include "ringmail/io/runtime.h"
#include "server/commands/arguments.h"
#include "server/commands/command.h"
#include "server/serve/capacity.h"
#include "server/serve/director.h"

namespace ringmail::server {
namespace {

constexpr Option kOptions[] = {
    {.name = "--config",
     .value_name = "FILE",
     .about = "the configuration (default /etc/ringmail/ringmail.toml)"}};
constexpr ExitCode kExitCodes[] = {
    ExitCode::kOk,    ExitCode::kFailed,  ExitCode::kUsage, ExitCode::kConfiguration,
    ExitCode::kStore, ExitCode::kAddress, ExitCode::kSystem};
constexpr Usage kUsage = {.name = "serve",
                          .about =
                              "Runs the server in the foreground until a signal ends it.\n"
                              "\n"
                              "SIGHUP reads the configuration again and opens the log again; no "
                              "connection is dropped, and a wrong\n"
                              "configuration changes nothing. SIGTERM and SIGINT stop taking mail "
                              "in, finish what is in flight within\n"
                              "shutdown_timeout, and end with 0. A second one ends at once with "
                              "130; the log makes that safe.\n",
                          .options = kOptions,
                          .exit_codes = kExitCodes};

ConfigResult ReadConfigFile(const std::string& path) {
  const StatusOr<std::string> text = io::ReadWholeFile(path, kConfigBytesMax);
  if (text.ok()) return ParseConfig(*text, io::HostName());
  ConfigResult result;
  result.diagnostics.push_back({.text = std::string(Std(text.status().message()))});
  return result;
}

int Say(ExitCode code, std::string_view what, std::string& errors) {
  errors += fmt::format("ringmail serve: {}\n", what);
  return Number(code);
}

// Opens every address, and names all that are not to be had.
bool OpenAll(Boot& boot, std::string& errors) {
  bool good = true;
  for (const ListenerConfig& one : ListenersOf(*boot.config)) {
    StatusOr<std::vector<io::Listener>> opened =
        io::OpenListeners(ListenOptionsOf(one), boot.shard_count);
    if (!opened.ok()) {
      good = false;
      errors += fmt::format("ringmail serve: {}\n", Std(opened.status().message()));
      continue;
    }
    const io::Endpoint local = opened->front().local();
    boot.listeners.push_back({one, local, *std::move(opened)});
  }
  return good;
}

// Those that have a process of their own; it ends with the object.
bool StartBackends(const Config& config, std::vector<io::Companion>& started, std::string& errors) {
  for (const BackendConfig& one : config.backends) {
    if (one.in_process()) continue;
    const std::string program =
        one.program.empty() ? io::ProgramDirectory() + "/ringmail-backend" : one.program;
    const backend::WireMessage told = BackendProcessConfig(config, one);
    const std::string input = backend::FitsWire(told) ? backend::EncodeWire(told) : "";
    if (input.empty() || input.size() > io::kCompanionInputBytesMax) {
      errors += fmt::format("ringmail serve: [[backend]] {} says too much\n", one.options.name);
      return false;
    }
    auto companion = io::Companion::Start(program, {}, input);
    if (!companion.ok()) {
      errors += fmt::format("ringmail serve: [[backend]] {}: {}\n", one.options.name,
                            Std(companion.status().message()));
      return false;
    }
    started.push_back(*std::move(companion));
  }
  return true;
}

}  // namespace

int ServeCommand(std::span<const std::string_view> arguments, std::string& out,
                 std::string& errors) {
  Arguments given;
  if (const auto code = given.Read(kUsage, arguments, out, errors)) return *code;
  Boot boot;
  boot.config_path = given.GetOr("--config", kDefaultConfigPath);
  boot.read_config = ReadConfigFile;
  std::optional<Config> config = LoadConfig(boot.config_path, errors);
  if (config) {
    boot.ticket_keys = io::TlsTicketKeys::Make(config->tls.ticket_period);
    if (!LoadTlsFiles(*config, boot.config_path, boot.ticket_keys, errors)) config.reset();
  }
  if (!config) return Number(ExitCode::kConfiguration);
  boot.config = std::make_unique<const Config>(*std::move(config));
  boot.read_file = io::ReadWholeFile;
  boot.stamp_file = io::StampOfFile;
  boot.shard_count = boot.config->shards != 0 ? boot.config->shards : io::AllowedCpuCount();

  const Capacity capacity =
      PlanCapacity(*boot.config, boot.shard_count, io::RaiseDescriptorLimit());
  if (!capacity.enough)
    return Say(ExitCode::kSystem, fmt::format("descriptors: {}", capacity.explanation), errors);
  boot.sessions_per_shard = capacity.sessions_per_shard;

  const auto lock = io::DirectoryLock::Acquire(boot.config->data_dir, boot.config->user);
  if (!lock.ok()) return Say(ExitCode::kStore, Std(lock.status().message()), errors);
  if (!OpenAll(boot, errors)) return Number(ExitCode::kAddress);
  std::vector<io::Companion> companions;
  if (!StartBackends(*boot.config, companions, errors)) return Number(ExitCode::kSystem);
  // From here on without the rights of root; the control socket is made by who will remove it.
  if (const Status dropped = io::DropPrivileges(boot.config->user); !dropped.ok()) {
    return Say(ExitCode::kSystem, Std(dropped.message()), errors);
  }
  auto control =
      io::OpenListeners({.endpoint = {.unix_path = boot.config->control_socket}}, boot.shard_count);
  if (!control.ok()) return Say(ExitCode::kAddress, Std(control.status().message()), errors);
  boot.control = std::move(control->front());

  io::CaptureSignals();
  io::RuntimeOptions options;
  options.shard_count = boot.shard_count;
  options.connections_max = capacity.connections_per_shard;
  options.log_path = boot.config->log.path;
  options.lock = &*lock;
  // For tests: to do without features, as an older kernel would.
  options.features_off = io::Environment("RINGMAIL_FEATURES_OFF").value_or("");
  const Status ran = io::RunShards(options, ServerMain, &boot);
  if (!ran.ok()) return Say(ExitCode::kSystem, Std(ran.message()), errors);
  if (boot.code != ExitCode::kOk) return Say(boot.code, boot.problem, errors);
  return Number(ExitCode::kOk);
}

}  // namespace ringmail::server
