#include "server/serve/shard_server.h"

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
  door_ = std::make_unique<agent::MailDoor>(store_->queue(), OptionsOfDoor());
  transport_ = smtp::MakeSmtpTransport(ClientOptions(*config_), &metrics_);
  transfer_ = agent::Transfer::Make(*store_, *door_, *transport_, config_->transfer);
  smtp::SmtpOptions smtp_options = ServerOptions(*config_);
  smtp_options.sessions_max = sessions_max_;
  authenticator_ = std::make_unique<DirectoryAuthenticator>(store_->directory(), config_->hostname,
                                                            OfferScram::kNo);
  smtp_options.authenticator = authenticator_.get();
  smtp_ = smtp::SmtpService::Make(*door_, std::move(smtp_options));
  store_->RegisterMetrics(metrics_);
  door_->RegisterMetrics(metrics_);
  transfer_->RegisterMetrics(metrics_);
  smtp_->RegisterMetrics(metrics_);
  co_return absl::OkStatus();
}

agent::MailDoor::Options ShardServer::OptionsOfDoor() const {
  agent::MailDoor::Options options = DoorOptions(*config_, io::ShardCount());
  options.identity_directory = &store_->directory();
  return options;
}

void ShardServer::LogRecovery(const storage::RecoveryReport& report) const {
  LogLine(io::ShardLog(), LogLevel::kInfo, "recovered")
      .Field("shard", index_.value)
      .Field("segments", report.segments)
      .Field("bytes", report.bytes_read)
      .Field("records", report.records)
      .Field("messages", report.messages)
      .Field("torn_tail_bytes", report.torn_tail_bytes);
  for (const storage::Damage& damage : report.damages) {
    LogLine(io::ShardLog(), LogLevel::kError, "damaged")
        .Field("file", damage.file)
        .Field("offset", damage.offset)
        .Field("bytes", damage.bytes)
        .Field("what", damage.what);
  }
}

void ShardServer::Listen(io::Listener listener, smtp::SmtpListenerOptions options) {
  if (listener.open()) smtp_->Listen(std::move(listener), std::move(options));
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
  transfer_->Reconfigure(config.transfer);
  store_->directory().Reconfigure(config.directory);
}

io::Task<Status> ShardServer::Close() {
  if (store_ == nullptr) co_return absl::OkStatus();
  smtp_.reset();
  authenticator_.reset();
  transfer_.reset();
  transport_.reset();
  door_.reset();
  const Status status = co_await store_->Close();
  store_.reset();
  co_return status;
}

io::Task<void> ShardServer::WaitForEnd() {
  (void)co_await end_.Wait(kNever);
  co_await calls_.Close();
}

}  // namespace ringmail::server
