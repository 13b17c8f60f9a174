#include "server/commands/check.h"

#include <fmt/format.h>

#include "ringmail/io/file.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/process.h"
#include "ringmail/io/runtime.h"
#include "ringmail/io/tls.h"
#include "server/commands/arguments.h"
#include "server/commands/command.h"
#include "server/commands/one_shard.h"
#include "server/config/quantity.h"
#include "server/config/tls.h"
#include "server/serve/capacity.h"

namespace ringmail::server {
namespace {

constexpr Option kOptions[] = {
    {.name = "--config",
     .value_name = "FILE",
     .about = "the configuration (default /etc/ringmail/ringmail.toml)"}};
constexpr ExitCode kExitCodes[] = {ExitCode::kOk, ExitCode::kFailed, ExitCode::kUsage};
constexpr Usage kUsage = {.name = "check",
                          .about =
                              "Judges the configuration, the data directory, the addresses to "
                              "listen at, the limits of this system and its\n"
                              "kernel; says what is in the way of `ringmail serve`, and which "
                              "features of the kernel are done without.\n"
                              "Changes nothing.\n",
                          .options = kOptions,
                          .exit_codes = kExitCodes};

struct DataDirectory {
  const std::string path;
  Status listed;
  uint64_t free_bytes = 0;
};

io::Task<void> LookAt(void* context) {
  auto& directory = *static_cast<DataDirectory*>(context);
  directory.listed = (co_await io::ListDirectory(directory.path)).status();
  const StatusOr<uint64_t> free = co_await io::FreeBytes(directory.path);
  if (free.ok()) directory.free_bytes = *free;
}

bool CheckKernel(std::string& out) {
  const io::KernelReport report = io::ProbeKernel();
  out += fmt::format("kernel {}\n", report.release);
  for (const io::KernelFeature& one : report.features) {
    out += one.on ? fmt::format("  {}: on\n", one.name)
                  : fmt::format("  {}: off, instead: {}\n", one.name, one.without);
  }
  if (report.usable.ok()) return true;
  out += fmt::format("  NOT usable: {}\n", Std(report.usable.message()));
  return false;
}

bool CheckDataDirectory(const Config& config, std::string& out) {
  DataDirectory directory{.path = config.data_dir};
  const Status ran = RunOnOneShard(LookAt, &directory);
  if (!ran.ok()) {
    out += fmt::format("data_dir {}: not looked at: {}\n", config.data_dir, Std(ran.message()));
    return false;
  }
  if (absl::IsNotFound(directory.listed)) {
    out += fmt::format("data_dir {}: not there yet; serve makes it\n", config.data_dir);
    return true;
  }
  if (!directory.listed.ok()) {
    out += fmt::format("data_dir {}: {}\n", config.data_dir, Std(directory.listed.message()));
    return false;
  }
  const bool room =
      directory.free_bytes > config.store.reserve_bytes + 2 * config.store.segment_bytes;
  out += fmt::format(
      "data_dir {}: {} MiB free{}\n", config.data_dir, directory.free_bytes >> 20,
      room ? "" : ", which is less than [store] reserve and two segments: no mail would be taken");
  return room;
}

bool CheckListeners(const Config& config, std::string& out) {
  bool good = true;
  for (const ListenerConfig& one : ListenersOf(config)) {
    const auto opened = io::OpenListeners(ListenOptionsOf(one), 1);
    std::string state = "free";
    if (absl::IsAlreadyExists(opened.status())) {
      // As it is while the server runs: worth saying, and no fault of the configuration.
      state = fmt::format("in use now ({})", Std(opened.status().message()));
    } else if (!opened.ok()) {
      state = fmt::format("not possible: {}", Std(opened.status().message()));
      good = false;
    }
    out += fmt::format("listener {} {}: {}\n", one.options.name, one.endpoint.ToString(), state);
  }
  return good;
}

// What is wrong with them stands with the configuration's faults.
void ShowCertificates(const Config& config, std::string& out) {
  for (const CertificateConfig& one : config.tls.certificates) {
    const auto certificate = io::ReadWholeFile(one.certificate.path, io::kTlsPemBytesMax);
    const auto key = io::ReadWholeFile(one.private_key.path, io::kTlsPemBytesMax);
    if (!certificate.ok() || !key.ok()) continue;
    const auto facts = io::ExamineTlsIdentity(
        {.certificate_pem = *certificate, .private_key_pem = *key, .ocsp_response = {}});
    if (!facts.ok()) continue;
    out += fmt::format("certificate {}: {}\n", one.certificate.path, DescribeCertificate(*facts));
  }
}

bool CheckCapacity(const Config& config, std::string& out) {
  const uint16_t shards = config.shards != 0 ? config.shards : io::AllowedCpuCount();
  const Capacity capacity = PlanCapacity(config, shards, io::RaiseDescriptorLimit());
  out += fmt::format("descriptors: {}\n", capacity.explanation);
  return capacity.enough;
}

}  // namespace

int CheckCommand(std::span<const std::string_view> arguments, std::string& out,
                 std::string& errors) {
  Arguments given;
  if (const auto code = given.Read(kUsage, arguments, out, errors)) return *code;
  const std::string path(given.GetOr("--config", kDefaultConfigPath));
  std::optional<Config> config = LoadConfig(path, errors);
  if (config) {
    ShowCertificates(*config, out);
    if (!LoadTlsFiles(*config, path, nullptr, errors)) config.reset();
  }
  bool good = config.has_value();
  const bool kernel = CheckKernel(out);
  if (config) {
    out += fmt::format("configuration {}: good\n", path);
    good = CheckCapacity(*config, out) && good;
    // Without io_uring there is no way to look further.
    if (kernel) {
      good = CheckDataDirectory(*config, out) && good;
      good = CheckListeners(*config, out) && good;
    }
  }
  good = good && kernel;
  out += good ? "all good\n" : "NOT good: see above\n";
  return Number(good ? ExitCode::kOk : ExitCode::kFailed);
}

}  // namespace ringmail::server
