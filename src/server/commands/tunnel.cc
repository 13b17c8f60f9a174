#include "server/commands/tunnel.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "ringmail/io/process.h"
#include "ringmail/io/runtime.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "server/commands/arguments.h"
#include "server/commands/command.h"
#include "server/config/schema.h"
#include "server/config/tls.h"

namespace ringmail::server {
namespace {

constexpr Option kOptions[] = {
    {.name = "--listen",
     .value_name = "ADDR",
     .about = "where clients come, 0.0.0.0:443 or unix:/run/x.sock; port 0 chooses one",
     .needed = true},
    {.name = "--connect",
     .value_name = "ADDR",
     .about = "where their octets go, 127.0.0.1:80 or unix:/run/y.sock",
     .needed = true},
    {.name = "--tls-listen",
     .value_name = "FILE",
     .about = "clients speak TLS; the certificate with its chain, in PEM"},
    {.name = "--tls-connect",
     .value_name = "NAME",
     .about = "the target speaks TLS; what its certificate must be for"},
    {.name = "--private-key",
     .value_name = "FILE",
     .about = "of the certificate of --tls-listen or --certificate"},
    {.name = "--certificate",
     .value_name = "FILE",
     .about = "what the target is shown (--tls-connect)"},
    {.name = "--authorities",
     .value_name = "FILE",
     .about = "who vouches for the target (default: the system's), or for clients, who then need "
              "a certificate"},
    {.name = "--client-name",
     .value_name = "NAME",
     .about = "a client's certificate must be for this, or for another that is given",
     .repeatable = true},
    {.name = "--no-verify", .about = "whoever the target is (--tls-connect)"},
    {.name = "--alpn",
     .value_name = "PROTOCOL",
     .about = "by preference; none in common: refused",
     .repeatable = true},
    {.name = "--accept-proxy",
     .value_name = "NETWORK",
     .about = "who comes from there begins with a PROXY header",
     .repeatable = true},
    {.name = "--send-proxy", .value_name = "v1|v2", .about = "the target gets a PROXY header"},
    {.name = "--idle-timeout",
     .value_name = "SECONDS",
     .about = "nothing moved for so long: closed (default 600)"},
    {.name = "--shards", .value_name = "N", .about = "threads (default 1)"},
};
constexpr ExitCode kExitCodes[] = {ExitCode::kOk, ExitCode::kUsage, ExitCode::kConfiguration,
                                   ExitCode::kAddress, ExitCode::kSystem};
constexpr Usage kUsage = {
    .name = "tunnel",
    .about =
        "Puts TLS in front of a service that has none (--tls-listen), or takes it away for clients "
        "that have none\n"
        "(--tls-connect). Neither a configuration nor a store is needed; [[tunnel]] in the "
        "configuration does the same,\n"
        "and more, inside a server. SIGTERM or SIGINT ends it with 0, once nothing moves any more; "
        "the address comes first,\n"
        "so that whoever starts it knows the port. The log is on standard error.\n",
    .options = kOptions,
    .exit_codes = kExitCodes};

constexpr Nanoseconds kStopTimeout = std::chrono::seconds(10);

struct Boot;
// One shard's, and how shard 0 reaches it.
struct TunnelShard {
  io::Event* end = nullptr;
};

struct Boot {
  tunnel::TunnelOptions options;
  uint16_t shard_count = 1;
  std::vector<io::Listener> listeners;
  std::vector<TunnelShard> shards;
  // Written on shard 0 alone.
  uint16_t arrived = 0;
  io::Event* all_arrived = nullptr;
};

void EndShard(io::ShardMessage& message) { message.Pointer<TunnelShard>(0)->end->Notify(); }

// On shard 0, from each shard: it listens.
void Arrived(io::ShardMessage& message) {
  Boot& boot = *message.Pointer<Boot>(0);
  if (++boot.arrived == boot.shard_count && boot.all_arrived != nullptr) boot.all_arrived->Notify();
}

io::Task<void> Direct(Boot* boot) {
  io::Event all;
  boot->all_arrived = &all;
  if (boot->arrived < boot->shard_count) (void)co_await all.Wait(kNever);
  boot->all_arrived = nullptr;
  while (co_await io::NextSignal(kNever) != io::Signal::kTerminate) {
    // SIGHUP: the log may have been rotated.
    io::ReopenLog();
  }
  for (uint16_t i = 0; i < boot->shard_count; ++i) {
    io::ShardMessage message{.run = EndShard};
    message.SetPointer(0, &boot->shards[i]);
    co_await io::Post(ShardIndex(i), message);
  }
}

io::Task<void> TunnelMain(void* context) {
  Boot& boot = *static_cast<Boot*>(context);
  const uint16_t index = io::ThisShard().value;
  io::Event end;
  boot.shards[index].end = &end;
  const std::unique_ptr<tunnel::TunnelService> service = tunnel::TunnelService::Make();
  if (boot.listeners[index].open()) service->Listen(std::move(boot.listeners[index]), boot.options);
  io::ShardMessage arrived{.run = Arrived};
  arrived.SetPointer(0, &boot);
  co_await io::Post(ShardIndex(0), arrived);
  if (index == 0) co_await Direct(&boot);
  (void)co_await end.Wait(kNever);
  co_await service->Stop(io::Now() + kStopTimeout);
}

// "", or what is wrong with how it was called.
std::string_view Misuse(const Arguments& given) {
  const bool wrap = given.Has("--tls-listen"), unwrap = given.Has("--tls-connect");
  if (wrap == unwrap) return "needs --tls-listen or --tls-connect, and not both";
  const bool certificate = wrap || given.Has("--certificate");
  if (certificate != given.Has("--private-key")) {
    return "a certificate and --private-key go together";
  }
  if (wrap && (given.Has("--certificate") || given.Has("--no-verify"))) {
    return "--certificate and --no-verify are for --tls-connect";
  }
  if (unwrap && given.Has("--client-name")) return "--client-name is for --tls-listen";
  if (given.Has("--client-name") && !given.Has("--authorities")) {
    return "--client-name needs --authorities";
  }
  return {};
}

// "", or what is wrong with a value.
std::string SetValues(const Arguments& given, TunnelConfig& tunnel) {
  tunnel::TunnelOptions& options = tunnel.options;
  for (const auto& [name, to] :
       {std::pair{"--listen", &tunnel.endpoint}, std::pair{"--connect", &options.target}}) {
    const std::optional<io::Endpoint> endpoint = io::Endpoint::Parse(given.GetOr(name, ""));
    if (!endpoint)
      return fmt::format("{} must be 127.0.0.1:80, [::1]:80 or unix:/run/x.sock", name);
    *to = *endpoint;
  }
  for (const std::string_view network : given.All("--accept-proxy")) {
    const std::string problem = SetProxy(std::string(network), options.proxies);
    if (!problem.empty()) return "--accept-proxy " + problem;
  }
  const std::string_view send = given.GetOr("--send-proxy", "none");
  if (send != "none" && send != "v1" && send != "v2") return "--send-proxy must be v1 or v2";
  options.send_proxy = send == "v1"   ? tunnel::SendProxy::kV1
                       : send == "v2" ? tunnel::SendProxy::kV2
                                      : tunnel::SendProxy::kNone;
  const auto idle = ParseCount(given.GetOr("--idle-timeout", "600"), 1, 30 * 86'400);
  if (!idle) return "--idle-timeout must be a number of seconds";
  options.idle_timeout = std::chrono::seconds(static_cast<int64_t>(*idle));
  return {};
}

void SetTls(const Arguments& given, TunnelConfig& tunnel) {
  const bool wrap = given.Has("--tls-listen");
  tunnel.options.mode = wrap ? tunnel::TunnelMode::kWrap : tunnel::TunnelMode::kUnwrap;
  tunnel.certificate.certificate.path = given.GetOr(wrap ? "--tls-listen" : "--certificate", "");
  tunnel.certificate.private_key.path = given.GetOr("--private-key", "");
  tunnel.authorities.path = given.GetOr("--authorities", "");
  tunnel.options.server_name = given.GetOr("--tls-connect", "");
  if (given.Has("--no-verify")) tunnel.options.trust = io::TlsTrust::kAnybody;
  if (wrap && given.Has("--authorities")) {
    tunnel.client_certificates = io::TlsClientCertificates::kRequired;
  }
  for (const std::string_view one : given.All("--client-name")) {
    tunnel.options.client_names.emplace_back(one);
  }
  for (const std::string_view one : given.All("--alpn")) tunnel.alpn.emplace_back(one);
}

}  // namespace

int TunnelCommand(std::span<const std::string_view> arguments, std::string& out,
                  std::string& errors) {
  Arguments given;
  if (const auto code = given.Read(kUsage, arguments, out, errors)) return *code;
  const auto wrong = [&errors](std::string_view what) {
    errors += fmt::format("ringmail tunnel: {} (see ringmail tunnel --help)\n", what);
    return Number(ExitCode::kUsage);
  };
  if (const std::string_view misuse = Misuse(given); !misuse.empty()) return wrong(misuse);
  ConfigResult result;
  TunnelConfig& tunnel = result.config.tunnels.emplace_back();
  if (const std::string problem = SetValues(given, tunnel); !problem.empty()) return wrong(problem);
  const auto shards = ParseCount(given.GetOr("--shards", "1"), 1, io::kShardCountMax);
  if (!shards) return wrong("--shards must be a number from 1 to 256");
  SetTls(given, tunnel);
  LoadTls(result, io::ReadWholeFile, io::TlsTicketKeys::Make(result.config.tls.ticket_period),
          io::SystemTime());
  errors += FormatDiagnostics("ringmail tunnel", result.diagnostics);
  if (!result.ok()) return Number(ExitCode::kConfiguration);

  Boot boot;
  boot.options = tunnel.options;
  boot.shard_count = static_cast<uint16_t>(*shards);
  boot.shards.resize(boot.shard_count);
  const uint64_t descriptors = io::RaiseDescriptorLimit();
  auto opened = io::OpenListeners({.endpoint = tunnel.endpoint}, boot.shard_count);
  if (!opened.ok()) {
    errors += fmt::format("ringmail tunnel: {}\n", Std(opened.status().message()));
    return Number(ExitCode::kAddress);
  }
  boot.listeners = *std::move(opened);
  out += fmt::format("listening {}\n", boot.listeners.front().local().ToString());
  (void)Print(out);
  io::CaptureSignals();
  io::RuntimeOptions options;
  options.shard_count = boot.shard_count;
  options.connections_max =
      static_cast<uint32_t>(std::min<uint64_t>(65'536, descriptors / boot.shard_count / 2 + 64));
  boot.options.connections_max = boot.options.connections_per_network_max =
      options.connections_max / 2;
  const Status ran = io::RunShards(options, TunnelMain, &boot);
  if (ran.ok()) return Number(ExitCode::kOk);
  errors += fmt::format("ringmail tunnel: {}\n", Std(ran.message()));
  return Number(ExitCode::kSystem);
}

}  // namespace ringmail::server
