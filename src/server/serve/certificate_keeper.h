// Keeps the certificate of [acme]: orders it, renews it in time, and has all listeners show it.
//
// What it must not lose is in the directory of the store, under names that no text file shows: the
// account's key and the order under way, the certificate and its key.
//
// Made by: the director, once all stores are open. Order: Configure, Load, Compose for every
//   configuration before it is used, Start; Configure again at each reload; Stop.
// Shard: 0.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ringmail/base/metrics.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/timer.h"
#include "ringmail/protocol/acme.h"
#include "ringmail/storage/directory.h"
#include "server/config/config.h"

namespace ringmail::server {

// After the authority or the way to it failed: twice as long each time.
inline constexpr std::chrono::seconds kAcmeLaterPauseMin{60};
inline constexpr std::chrono::seconds kAcmeLaterPauseMax{3600};
// After the authority said no: some allow five failures an hour, and fewer is polite.
inline constexpr std::chrono::seconds kAcmeRefusedPauseMin{15 * 60};
inline constexpr std::chrono::seconds kAcmeRefusedPauseMax{12 * 3600};

// When a certificate is to be renewed: at two thirds of its life, and up to a twentieth of it
// later, so that what was ordered together is not renewed together. `chance` is any number. Pure.
WallTime RenewalTime(WallTime not_before, WallTime not_after, uint64_t chance);
// How long to wait after `failures` of them. Pure.
std::chrono::seconds RetryPause(acme::AcmeResult::Outcome outcome, uint32_t failures,
                                std::chrono::seconds retry_after, uint64_t chance);

class CertificateKeeper final : public acme::AcmeHost {
 public:
  // `install(context)` composes the running configuration again and gives it to every shard.
  CertificateKeeper(storage::Directory& directory, io::Task<void> (*install)(void* context),
                    void* context)
      : directory_(directory), install_(install), context_(context) {}
  ~CertificateKeeper() override;

  // Copies what it needs. A keeper that waits looks again.
  void Configure(const AcmeConfig& config);
  // What the store has.
  void Load();
  // Puts what [acme] shows beside what the files of `config` hold.
  void Compose(Config& config);
  void Start() { gate_.Spawn(Run()); }
  // Ends the order under way; it is gone on with at the next start.
  void Cancel();
  io::Task<void> Stop();

  // acme::AcmeHost.
  io::Task<Status> Save(const acme::AcmeState& state) override;
  io::Task<void> Answer(std::vector<acme::ChallengeAnswer> answers) override;

 private:
  io::Task<void> Run();
  io::Task<void> Order();
  io::Task<void> Keep(acme::AcmeCertificate certificate);
  WallTime Due() const;
  void TakeCertificate(acme::AcmeCertificate certificate);
  acme::AcmeOptions OptionsOf() const;

  storage::Directory& directory_;
  io::Task<void> (*const install_)(void* context);
  void* const context_;
  AcmeConfig config_;
  acme::AcmeState state_;
  acme::AcmeCertificate certificate_;  // empty: none
  std::optional<io::TlsIdentityFacts> facts_;
  WallTime renew_at_{}, retry_at_{};
  std::optional<io::TlsIdentity> stand_in_;
  std::vector<acme::ChallengeAnswer> answers_;
  std::unique_ptr<acme::AcmeClient> client_;
  uint32_t failures_ = 0;
  bool stopping_ = false, reconfigured_ = false;
  io::Event woken_;
  io::Gate gate_;
};

}  // namespace ringmail::server
