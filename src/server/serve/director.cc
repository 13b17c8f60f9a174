#include "server/serve/director.h"

#include <algorithm>
#include <deque>

#include "ringmail/base/log.h"
#include "ringmail/io/blocking.h"
#include "ringmail/io/shard.h"
#include "server/config/token.h"
#include "server/control/routes.h"
#include "server/control/service.h"
#include "server/serve/auth_secret.h"
#include "server/serve/certificate_keeper.h"
#include "server/serve/on_shard.h"

namespace ringmail::server {
namespace {

struct OpenWork {
  Status status;
  io::Task<void> Run(ShardServer& server) { status = co_await server.Open(); }
};

// On shard 0, once all stores are open.
struct PublishWork {
  std::vector<storage::Directory*> directories;
  std::vector<storage::Accounts*> accounts;
  io::Task<void> Run(ShardServer& server) {
    co_await server.directory().Publish(std::move(directories));
    co_await server.accounts().Publish(std::move(accounts));
  }
};

struct ServicesWork {
  const codec::Secret* secret = nullptr;
  StatusOr<io::FileStamp> (*stamp_file)(const std::string&) = nullptr;
  io::Task<void> Run(ShardServer& server) {
    server.MakeServices(*secret, stamp_file);
    co_return;
  }
};

struct StartWork {
  std::vector<agent::MailDoor*> doors;
  std::vector<agent::Transfer*> peers;
  std::vector<agent::Authenticator*> authenticators;
  io::Task<void> Run(ShardServer& server) {
    server.Start(std::move(doors), std::move(peers), std::move(authenticators));
    co_return;
  }
};

struct ListenWork {
  io::Listener listener;
  ListenerConfig config;
  io::Task<void> Run(ShardServer& server) {
    server.Listen(std::move(listener), config);
    co_return;
  }
};

struct UnlistenWork {
  io::Endpoint local;
  io::Task<void> Run(ShardServer& server) {
    server.Unlisten(local);
    co_return;
  }
};

struct ConfigureTunnelWork {
  io::Endpoint local;
  const tunnel::TunnelOptions* options;
  io::Task<void> Run(ShardServer& server) {
    server.Configure(local, *options);
    co_return;
  }
};

struct ReconfigureWork {
  const Config* config;
  io::Task<void> Run(ShardServer& server) {
    server.Reconfigure(*config);
    co_return;
  }
};

struct StopSessionsWork {
  MonotonicTime deadline;
  io::Task<void> Run(ShardServer& server) { co_await server.StopSessions(deadline); }
};

struct StopAccountsWork {
  io::Task<void> Run(ShardServer& server) { co_await server.StopAccounts(); }
};

struct StopTransferWork {
  MonotonicTime deadline;
  io::Task<void> Run(ShardServer& server) { co_await server.StopTransfer(deadline); }
};

struct StopBackendsWork {
  io::Task<void> Run(ShardServer& server) { co_await server.StopBackends(); }
};

struct StopAuthenticatorWork {
  io::Task<void> Run(ShardServer& server) { co_await server.StopAuthenticator(); }
};

struct CloseWork {
  Status status;
  io::Task<void> Run(ShardServer& server) { status = co_await server.Close(); }
};

struct EndWork {
  io::Task<void> Run(ShardServer& server) {
    server.End();
    co_return;
  }
};

// A configuration read on the blocking pool.
struct ReadWork {
  Boot* boot;
  WallTime now{};
  ConfigResult result;
  static void Call(void* context) {
    auto& self = *static_cast<ReadWork*>(context);
    self.result = self.boot->read_config(self.boot->config_path);
    if (self.boot->read_file != nullptr) {
      LoadTls(self.result, self.boot->read_file, self.boot->ticket_keys, self.now);
      LoadTokenKeys(self.result, self.boot->read_file);
    }
  }
};

LogLine Log(LogLevel level, std::string_view event) {
  return LogLine(io::ShardLog(), level, event);
}

class Director {
 public:
  explicit Director(Boot& boot) : boot_(boot) {}
  io::Task<void> Run();

 private:
  io::Task<bool> Open();
  io::Task<void> Start();
  io::Task<void> HandOut(BoundListener& bound);
  io::Task<void> Reload();
  io::Task<void> Lock();
  void Unlock();
  static io::Task<void> Install(void* self);
  io::Task<void> Use(std::unique_ptr<Config> wanted);
  io::Task<bool> ReloadListeners(const std::vector<ListenerConfig>& wanted);
  io::Task<void> ReloadTunnels(const std::vector<ListenerConfig>& wanted);
  io::Task<void> ReloadListener(BoundListener& bound, const ListenerConfig& wanted);
  io::Task<void> TakeBack(const BoundListener& bound);
  io::Task<void> Stop();
  io::Task<void> Close();
  void Fail(ExitCode code, std::string_view what);

  Boot& boot_;
  std::unique_ptr<ControlService> control_;
  std::unique_ptr<CertificateKeeper> keeper_;
  // The configuration is changed by one at a time, in turn.
  bool busy_ = false;
  std::deque<io::Event*> waiting_;
};

void Director::Fail(ExitCode code, std::string_view what) {
  if (boot_.code != ExitCode::kOk) return;
  boot_.code = code;
  boot_.problem = what;
}

io::Task<void> Director::Run() {
  Log(LogLevel::kInfo, "start")
      .Field("version", RINGMAIL_VERSION)
      .Field("config", boot_.config_path);
  if (co_await Open()) {
    co_await Start();
    for (;;) {
      const io::Signal signal = co_await io::NextSignal(kNever);
      if (signal == io::Signal::kTerminate) break;
      if (signal != io::Signal::kReload) continue;
      co_await Lock();
      co_await Reload();
      Unlock();
    }
    co_await Stop();
  }
  co_await Close();
  std::vector<EndWork> ends(boot_.servers.size());
  co_await RunOnEach<EndWork>(boot_.servers, ends);
}

io::Task<bool> Director::Open() {
  std::vector<OpenWork> opened(boot_.servers.size());
  co_await RunOnEach<OpenWork>(boot_.servers, opened);
  bool good = true;
  for (size_t i = 0; i < opened.size(); ++i) {
    if (opened[i].status.ok()) continue;
    good = false;
    const std::string_view what = Std(opened[i].status.message());
    Log(LogLevel::kError, "store_failed")
        .Field("shard", static_cast<uint64_t>(i))
        .Field("what", what);
    Fail(ExitCode::kStore, what);
  }
  if (!good) co_return false;
  const auto secret = co_await LoadAuthSecret(boot_.config->data_dir);
  if (!secret.ok()) {
    const std::string what = "auth_secret: " + std::string(Std(secret.status().message()));
    Log(LogLevel::kError, "store_failed").Field("what", what);
    Fail(ExitCode::kStore, what);
    co_return false;
  }
  std::vector<ServicesWork> made(boot_.servers.size(), ServicesWork{&*secret, boot_.stamp_file});
  co_await RunOnEach<ServicesWork>(boot_.servers, made);
  co_return true;
}

io::Task<void> Director::HandOut(BoundListener& bound) {
  std::vector<ListenWork> works(boot_.servers.size());
  for (size_t i = 0; i < works.size(); ++i) {
    works[i].config = bound.config;
    if (i < bound.sockets.size()) works[i].listener = std::move(bound.sockets[i]);
  }
  bound.sockets.clear();
  co_await RunOnEach<ListenWork>(boot_.servers, works);
  Log(LogLevel::kInfo, "listening")
      .Field("address", bound.local.ToString())
      .Field("listener", bound.config.options.name);
}

io::Task<void> Director::Start() {
  std::vector<agent::MailDoor*> doors;
  std::vector<agent::Transfer*> peers;
  uint64_t messages = 0;
  std::vector<agent::Authenticator*> authenticators;
  for (ShardServer* server : boot_.servers) {
    doors.push_back(&server->door());
    peers.push_back(&server->transfer());
    authenticators.push_back(&server->authenticator());
  }
  std::vector<StartWork> starts(boot_.servers.size(), StartWork{doors, peers, authenticators});
  PublishWork publish;
  for (ShardServer* server : boot_.servers) {
    publish.directories.push_back(&server->directory());
    publish.accounts.push_back(&server->accounts());
  }
  co_await RunOn(*boot_.servers.front(), publish);
  co_await RunOnEach<StartWork>(boot_.servers, starts);
  // Before anybody listens: what is shown is the certificate that the store has.
  keeper_ = std::make_unique<CertificateKeeper>(boot_.servers.front()->directory(),
                                                &Director::Install, this);
  keeper_->Configure(boot_.config->acme);
  keeper_->Load();
  if (boot_.config->acme.on) co_await Install(this);
  for (BoundListener& one : boot_.listeners) co_await HandOut(one);
  control_ = std::make_unique<ControlService>(boot_.servers);
  if (boot_.control.open()) control_->Listen(std::move(boot_.control));
  messages = co_await CountMessages(boot_.servers);
  Log(LogLevel::kInfo, "ready")
      .Field("shards", static_cast<uint64_t>(boot_.servers.size()))
      .Field("messages", messages);
  keeper_->Start();
}

io::Task<void> Director::Lock() {
  if (busy_) {
    io::Event turn;
    waiting_.push_back(&turn);
    (void)co_await turn.Wait(kNever);  // busy_ stays: it was handed over
  }
  busy_ = true;
}

void Director::Unlock() {
  if (waiting_.empty()) {
    busy_ = false;
    return;
  }
  io::Event* next = waiting_.front();
  waiting_.pop_front();
  next->Notify();
}

// What runs, with what the keeper has now.
io::Task<void> Director::Install(void* self) {
  auto& director = *static_cast<Director*>(self);
  co_await director.Lock();
  auto wanted = std::make_unique<Config>(*director.boot_.config);
  director.keeper_->Compose(*wanted);
  co_await director.ReloadTunnels(ListenersOf(*wanted));
  co_await director.Use(std::move(wanted));
  director.Unlock();
}

// Every shard looks at `wanted` when this returns, and nobody at what was before.
io::Task<void> Director::Use(std::unique_ptr<Config> wanted) {
  std::vector<ReconfigureWork> works(boot_.servers.size(), ReconfigureWork{wanted.get()});
  co_await RunOnEach<ReconfigureWork>(boot_.servers, works);
  boot_.config = std::move(wanted);
}

io::Task<void> Director::TakeBack(const BoundListener& bound) {
  std::vector<UnlistenWork> works(boot_.servers.size(), UnlistenWork{bound.local});
  co_await RunOnEach<UnlistenWork>(boot_.servers, works);
  Log(LogLevel::kInfo, "unlistening").Field("address", bound.local.ToString());
}

bool SameOptions(const smtp::SmtpListenerOptions& a, const smtp::SmtpListenerOptions& b) {
  return a.name == b.name && a.bare_newline == b.bare_newline && a.path_spacing == b.path_spacing &&
         a.helo_syntax == b.helo_syntax && a.greeting_delay == b.greeting_delay && a.tls == b.tls &&
         a.protocol == b.protocol && a.auth == b.auth && a.proxies == b.proxies;
}

io::Task<void> Director::ReloadListener(BoundListener& bound, const ListenerConfig& wanted) {
  const bool tunnel = bound.config.tunnel.has_value();
  if (tunnel && wanted.tunnel) {
    std::vector<ConfigureTunnelWork> works(boot_.servers.size(),
                                           ConfigureTunnelWork{bound.local, &*wanted.tunnel});
    co_await RunOnEach<ConfigureTunnelWork>(boot_.servers, works);
    bound.config = wanted;
  } else if (tunnel || wanted.tunnel || !SameOptions(wanted.options, bound.config.options)) {
    Log(LogLevel::kWarning, "reload_needs_restart")
        .Field("key", "[[listener]] options of " + bound.config.endpoint.ToString());
  }
}

// What they show, of ports that stay as they are.
io::Task<void> Director::ReloadTunnels(const std::vector<ListenerConfig>& wanted) {
  for (const ListenerConfig& one : wanted) {
    if (!one.tunnel) continue;
    for (BoundListener& bound : boot_.listeners) {
      if (bound.config.endpoint == one.endpoint) co_await ReloadListener(bound, one);
    }
  }
}

// Opens what is new before it closes what is gone, so that a port that is taken leaves everything
// as it was.
io::Task<bool> Director::ReloadListeners(const std::vector<ListenerConfig>& wanted) {
  const auto find = [this](const io::Endpoint& endpoint) {
    return std::find_if(boot_.listeners.begin(), boot_.listeners.end(),
                        [&](const BoundListener& one) { return one.config.endpoint == endpoint; });
  };
  std::vector<BoundListener> added;
  for (const ListenerConfig& one : wanted) {
    if (find(one.endpoint) != boot_.listeners.end()) continue;
    StatusOr<std::vector<io::Listener>> opened =
        io::OpenListeners(ListenOptionsOf(one), boot_.shard_count);
    if (!opened.ok()) {
      Log(LogLevel::kError, "reload_failed").Field("what", Std(opened.status().message()));
      co_return false;
    }
    const io::Endpoint local = opened->front().local();
    added.push_back({one, local, *std::move(opened)});
  }
  std::vector<BoundListener> kept;
  for (BoundListener& bound : boot_.listeners) {
    const auto still = std::find_if(wanted.begin(), wanted.end(), [&](const ListenerConfig& one) {
      return one.endpoint == bound.config.endpoint;
    });
    if (still == wanted.end()) {
      co_await TakeBack(bound);
      continue;
    }
    co_await ReloadListener(bound, *still);
    kept.push_back(std::move(bound));
  }
  boot_.listeners = std::move(kept);
  for (BoundListener& one : added) {
    co_await HandOut(one);
    boot_.listeners.push_back(std::move(one));
  }
  co_return true;
}

io::Task<void> Director::Reload() {
  // The log may have been rotated, whatever the file says.
  io::ReopenLog();
  ReadWork read{.boot = &boot_, .now = io::WallNow(), .result = {}};
  co_await io::RunBlocking(&ReadWork::Call, &read);
  for (const Diagnostic& one : read.result.diagnostics) {
    const bool error = one.severity == Diagnostic::Severity::kError;
    Log(error ? LogLevel::kError : LogLevel::kWarning, "configuration")
        .Field("file", boot_.config_path)
        .Field("line", one.line)
        .Field("column", one.column)
        .Field("what", one.text);
  }
  if (!read.result.ok()) {
    Log(LogLevel::kError, "reload_failed")
        .Field("what", "the configuration is wrong; the one before stays");
    co_return;
  }
  auto wanted = std::make_unique<Config>(std::move(read.result.config));
  keeper_->Compose(*wanted);
  if (!co_await ReloadListeners(ListenersOf(*wanted))) co_return;
  keeper_->Configure(wanted->acme);
  for (const std::string& key : NeedsRestart(*boot_.config, *wanted)) {
    Log(LogLevel::kWarning, "reload_needs_restart").Field("key", key);
  }
  co_await Use(std::move(wanted));
  Log(LogLevel::kInfo, "reloaded").Field("config", boot_.config_path);
}

io::Task<void> Director::Stop() {
  const MonotonicTime deadline = io::Now() + boot_.config->shutdown_timeout;
  Log(LogLevel::kInfo, "stopping").Field("timeout", Nanoseconds(boot_.config->shutdown_timeout));
  keeper_->Cancel();
  std::vector<StopSessionsWork> sessions(boot_.servers.size(), StopSessionsWork{deadline});
  co_await RunOnEach<StopSessionsWork>(boot_.servers, sessions);
  co_await keeper_->Stop();
  // The operator's commands speak to the transfers: none comes in any more once they stop.
  co_await control_->Stop(std::min(deadline, io::Now() + std::chrono::seconds(1)));
  std::vector<StopTransferWork> transfers(boot_.servers.size(), StopTransferWork{deadline});
  co_await RunOnEach<StopTransferWork>(boot_.servers, transfers);
  std::vector<StopAccountsWork> accounts(boot_.servers.size());
  co_await RunOnEach<StopAccountsWork>(boot_.servers, accounts);
  std::vector<StopBackendsWork> backends(boot_.servers.size());
  co_await RunOnEach<StopBackendsWork>(boot_.servers, backends);
  std::vector<StopAuthenticatorWork> authenticators(boot_.servers.size());
  co_await RunOnEach<StopAuthenticatorWork>(boot_.servers, authenticators);
}

io::Task<void> Director::Close() {
  control_.reset();
  keeper_.reset();
  std::vector<CloseWork> closed(boot_.servers.size());
  co_await RunOnEach<CloseWork>(boot_.servers, closed);
  for (const CloseWork& one : closed) {
    if (one.status.ok()) continue;
    Log(LogLevel::kError, "close_failed").Field("what", Std(one.status.message()));
    Fail(ExitCode::kFailed, Std(one.status.message()));
  }
  Log(LogLevel::kInfo, "stopped").Field("exit_code", Number(boot_.code));
}

// On shard 0, from each shard.
void Arrive(io::ShardMessage& message) {
  Boot& boot = *message.Pointer<Boot>(0);
  ShardServer& server = *message.Pointer<ShardServer>(1);
  boot.servers.resize(boot.shard_count);
  boot.servers[server.index().value] = &server;
  ++boot.arrived;
  if (!boot.all_arrived) boot.all_arrived.emplace();
  if (boot.arrived == boot.shard_count) boot.all_arrived->Notify();
}

}  // namespace

io::Task<void> ServerMain(void* context) {
  Boot& boot = *static_cast<Boot*>(context);
  ShardServer server(*boot.config, boot.sessions_per_shard, io::ThisShard());
  io::ShardMessage arrive{.run = Arrive};
  arrive.SetPointer(0, &boot);
  arrive.SetPointer(1, &server);
  co_await io::Post(ShardIndex(0), arrive);
  if (io::ThisShard() == ShardIndex(0)) {
    if (!boot.all_arrived) boot.all_arrived.emplace();
    (void)co_await boot.all_arrived->Wait(kNever);
    Director director(boot);
    co_await director.Run();
    boot.all_arrived.reset();
  }
  co_await server.WaitForEnd();
}

}  // namespace ringmail::server
