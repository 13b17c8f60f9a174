// What one shard of a running server holds: store, door, transport, transfer and the services of
// the protocols, made and ended in order.
//
// Made by: the shard's main, on that shard.
// Order: Open once; MakeServices and then Start once all shards are open; Listen, Unlisten and
//   Reconfigure at any time after; StopSessions, StopTransfer, StopAccounts, StopBackends,
//   StopAuthenticator, Close in this order, each on all shards before the next.
// Shard: its own; others reach it by RunOn (on_shard.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ringmail/agent/account_backends.h"
#include "ringmail/agent/authenticator.h"
#include "ringmail/agent/delivery.h"
#include "ringmail/agent/mail_transaction.h"
#include "ringmail/agent/transfer.h"
#include "ringmail/agent/transport.h"
#include "ringmail/base/metrics.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/timer.h"
#include "ringmail/protocol/acme.h"
#include "ringmail/protocol/pop3.h"
#include "ringmail/protocol/smtp.h"
#include "ringmail/protocol/tunnel.h"
#include "ringmail/storage/store.h"
#include "server/config/config.h"
#include "server/mailboxes/lane.h"

namespace ringmail::server {

class ShardServer {
 public:
  // `config` outlives this.
  ShardServer(const Config& config, uint32_t sessions_max, ShardIndex index);
  ShardServer(const ShardServer&) = delete;
  ShardServer& operator=(const ShardServer&) = delete;

  // Opens and recovers the store, logs what recovery found, and makes the rest on top of it.
  io::Task<Status> Open();
  // Once the store is open: who knows the accounts, and whom they talk to. `secret` is that of all
  // shards.
  void MakeServices(const codec::Secret& secret,
                    StatusOr<io::FileStamp> (*stamp_file)(const std::string&));
  // `peers[i]` is shard i's transfer, `authenticators[i]` its authenticator.
  void Start(std::vector<agent::MailDoor*> doors, std::vector<agent::Transfer*> peers,
             std::vector<agent::Authenticator*> authenticators) {
    door_->Start(std::move(doors));
    transfer_->Start(std::move(peers));
    authenticator_->Start(std::move(authenticators));
  }
  void Listen(io::Listener listener, const ListenerConfig& config);
  // What a tunnel that listens at `local` does from now on.
  void Configure(const io::Endpoint& local, const tunnel::TunnelOptions& options);
  void Unlisten(const io::Endpoint& local);
  // `config` outlives this. What needs a restart stays as it was.
  void Reconfigure(const Config& config);

  io::Task<void> StopSessions(MonotonicTime deadline);
  io::Task<void> StopTransfer(MonotonicTime deadline) { return transfer_->Stop(deadline); }
  // What accounts do between shards.
  io::Task<void> StopAccounts() { return store_->accounts().Stop(); }
  io::Task<void> StopBackends() { return backends_->Stop(); }
  io::Task<void> StopAuthenticator() { return authenticator_->Stop(); }
  io::Task<Status> Close();

  ShardIndex index() const { return index_; }
  // Until the next reload.
  const Config& config() const { return *config_; }
  bool open() const { return pop3_ != nullptr; }
  storage::Queue& queue() { return store_->queue(); }
  storage::Directory& directory() { return store_->directory(); }
  storage::ShardStore& store() { return *store_; }
  storage::Accounts& accounts() { return store_->accounts(); }
  LaneSet& lanes() { return lanes_; }
  agent::MailDoor& door() { return *door_; }
  agent::Transfer& transfer() { return *transfer_; }
  agent::Authenticator& authenticator() { return *authenticator_; }
  const MetricRegistry& metrics() const { return metrics_; }
  uint32_t session_count() const;

  // Calls from other shards run inside.
  io::Gate& calls() { return calls_; }
  // Ends WaitForEnd.
  void End() { end_.Notify(); }
  io::Task<void> WaitForEnd();

 private:
  agent::MailDoor::Options OptionsOfDoor() const;
  pop3::Pop3Options OptionsOfPop3() const;
  agent::AuthenticatorOptions OptionsOfAuthenticator() const;
  void LogRecovery(const storage::RecoveryReport& report) const;

  const Config* config_;
  const uint32_t sessions_max_;
  const ShardIndex index_;
  MetricRegistry metrics_;
  std::unique_ptr<storage::ShardStore> store_;
  std::unique_ptr<agent::AccountBackends> backends_;
  std::unique_ptr<agent::Authenticator> authenticator_;
  codec::Secret secret_;
  std::unique_ptr<agent::MailDoor> door_;
  std::unique_ptr<agent::Transport> transport_;
  std::unique_ptr<agent::LocalTransport> local_;
  std::unique_ptr<agent::Transfer> transfer_;
  std::unique_ptr<smtp::SmtpService> smtp_;
  std::unique_ptr<pop3::Pop3Service> pop3_;
  std::unique_ptr<acme::AcmeResponder> responder_;
  std::unique_ptr<tunnel::TunnelService> tunnel_;
  LaneSet lanes_;
  io::Gate calls_;
  io::Event end_;
};

}  // namespace ringmail::server
