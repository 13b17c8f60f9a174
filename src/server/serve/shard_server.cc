#include "server/serve/shard_server.h"

#include <algorithm>

#include "ringmail/base/check.h"
#include "ringmail/base/log.h"
#include "ringmail/io/shard.h"
#include "ringmail/protocol/smtp_client.h"

namespace ringmail::server {

ShardServer::ShardServer(const Config& config, uint32_t sessions_max, ShardIndex index)
    : config_(&config), sessions_max_(sessions_max), index_(index) {
  io::ShardLog().set_level(config.log.level);
}

io::Task<Status> ShardServer::Open() {
  const storage::StoreOptions options = PerShard(*config_, io::ShardCount());
  ASSIGN_OR_CO_RETURN(store_, co_await storage::ShardStore::Open(options));
  LogRecovery(store_->recovery());
  backends_ = agent::AccountBackends::Make(store_->directory());
  backends_->SetSeparators(config_->directory.subaddress_separators);
  door_ = std::make_unique<agent::MailDoor>(store_->queue(), OptionsOfDoor());
  transport_ = smtp::MakeSmtpTransport(ClientOptions(*config_), &metrics_);
  local_ = agent::MakeLocalTransport(store_->accounts(), store_->directory(), config_->delivery);
  transfer_ = agent::Transfer::Make(*store_, *door_, *transport_, config_->transfer,
                                    {.transport = local_.get(),
                                     .directory = &store_->directory(),
                                     .accounts = &store_->accounts()});
  store_->RegisterMetrics(metrics_);
  door_->RegisterMetrics(metrics_);
  transfer_->RegisterMetrics(metrics_);
  local_->RegisterMetrics(metrics_);
  co_return absl::OkStatus();
}

agent::MailDoor::Options ShardServer::OptionsOfDoor() const {
  agent::MailDoor::Options options = DoorOptions(*config_);
  options.directory = options.identity_directory = &store_->directory();
  options.accounts = &store_->accounts();
  options.backends = backends_.get();
  return options;
}

pop3::Pop3Options ShardServer::OptionsOfPop3() const {
  pop3::Pop3Options options = Pop3ServerOptions(*config_);
  options.sessions_max = std::min(options.sessions_max, sessions_max_);
  return options;
}

agent::AuthenticatorOptions ShardServer::OptionsOfAuthenticator() const {
  agent::AuthenticatorOptions options = AuthenticatorOptionsOf(*config_, secret_);
  options.backends = backends_.get();
  return options;
}

void ShardServer::MakeServices(const codec::Secret& secret,
                               StatusOr<io::FileStamp> (*stamp_file)(const std::string&)) {
  secret_ = secret;
  for (const BackendConfig& one : config_->backends)
    backends_->Add(one.options, MakeBackend(*config_, one, stamp_file));
  backends_->RegisterMetrics(metrics_);
  authenticator_ = agent::Authenticator::Make(store_->directory(), OptionsOfAuthenticator());
  smtp::SmtpOptions options = ServerOptions(*config_);
  options.sessions_max = sessions_max_;
  options.authenticator = authenticator_.get();
  smtp_ = smtp::SmtpService::Make(*door_, std::move(options));
  pop3_ = pop3::Pop3Service::Make(store_->accounts(), *store_, *authenticator_, OptionsOfPop3());
  responder_ = acme::AcmeResponder::Make(ResponderOptionsOf(*config_));
  tunnel_ = tunnel::TunnelService::Make();
  authenticator_->RegisterMetrics(metrics_);
  smtp_->RegisterMetrics(metrics_);
  pop3_->RegisterMetrics(metrics_);
  responder_->RegisterMetrics(metrics_);
  tunnel_->RegisterMetrics(metrics_);
}

void ShardServer::LogRecovery(const storage::RecoveryReport& report) const {
  LogLine(io::ShardLog(), LogLevel::kInfo, "recovered")
      .Field("shard", index_.value)
      .Field("segments", report.segments)
      .Field("bytes", report.bytes_read)
      .Field("records", report.records)
      .Field("messages", report.messages)
      .Field("accounts", report.accounts)
      .Field("torn_tail_bytes", report.torn_tail_bytes);
  for (const storage::Damage& damage : report.damages) {
    LogLine(io::ShardLog(), LogLevel::kError, "damaged")
        .Field("file", damage.file)
        .Field("offset", damage.offset)
        .Field("bytes", damage.bytes)
        .Field("what", damage.what);
  }
}

void ShardServer::Listen(io::Listener listener, const ListenerConfig& config) {
  if (!listener.open()) return;
  if (config.tunnel) {
    // Without files there is nothing that it could do.
    if (config.tunnel->tls != nullptr) tunnel_->Listen(std::move(listener), *config.tunnel);
  } else if (config.options.protocol == session::ListenerProtocol::kPop3) {
    pop3_->Listen(std::move(listener), Pop3Listener(config));
  } else if (config.options.protocol == session::ListenerProtocol::kAcme) {
    responder_->Listen(std::move(listener), ResponderListener(config));
  } else {
    smtp_->Listen(std::move(listener), config.options);
  }
}

void ShardServer::Unlisten(const io::Endpoint& local) {
  if (smtp_->Unlisten(local) || pop3_->Unlisten(local)) return;
  if (responder_->Unlisten(local)) return;
  (void)tunnel_->Unlisten(local);
}

void ShardServer::Configure(const io::Endpoint& local, const tunnel::TunnelOptions& options) {
  if (options.tls != nullptr) (void)tunnel_->Configure(local, options);
}

uint32_t ShardServer::session_count() const {
  if (smtp_ == nullptr) return 0;
  return smtp_->session_count() + pop3_->session_count() + responder_->session_count() +
         tunnel_->connection_count();
}

// All at once: each has until the deadline.
io::Task<void> ShardServer::StopSessions(MonotonicTime deadline) {
  // Sessions wait for them.
  authenticator_->EndPenalties();
  io::Gate gate;
  gate.Spawn(smtp_->Stop(deadline));
  gate.Spawn(pop3_->Stop(deadline));
  gate.Spawn(responder_->Stop(deadline));
  gate.Spawn(tunnel_->Stop(deadline));
  co_await gate.Close();
}

void ShardServer::Reconfigure(const Config& config) {
  config_ = &config;
  io::ShardLog().set_level(config.log.level);
  // The door first: EHLO announces its limits.
  door_->Reconfigure(OptionsOfDoor());
  smtp::SmtpOptions options = ServerOptions(config);
  options.sessions_max = std::min(options.sessions_max, sessions_max_);
  options.authenticator = authenticator_.get();
  smtp_->Reconfigure(std::move(options));
  pop3_->Reconfigure(OptionsOfPop3());
  responder_->Reconfigure(ResponderOptionsOf(config));
  transfer_->Reconfigure(config.transfer);
  local_->Reconfigure(config.delivery);
  store_->directory().Reconfigure(config.directory);
  backends_->SetSeparators(config.directory.subaddress_separators);
  authenticator_->Reconfigure(OptionsOfAuthenticator());
}

io::Task<Status> ShardServer::Close() {
  if (store_ == nullptr) co_return absl::OkStatus();
  tunnel_.reset();
  responder_.reset();
  pop3_.reset();
  smtp_.reset();
  authenticator_.reset();
  transfer_.reset();
  local_.reset();
  transport_.reset();
  door_.reset();
  backends_.reset();
  const Status status = co_await store_->Close();
  store_.reset();
  co_return status;
}

io::Task<void> ShardServer::WaitForEnd() {
  (void)co_await end_.Wait(kNever);
  co_await calls_.Close();
}

}  // namespace ringmail::server
