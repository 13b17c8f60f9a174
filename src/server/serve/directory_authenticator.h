// Answers AUTH from the directory: the passwords, app passwords and SCRAM keys of its accounts.
//
// Promise: an unknown name, a wrong password and a disabled account take the same steps and the
//   same time; a refusal is told kAuthFailureDelay later. Passwords are checked on the blocking
//   pool.
// Shard: the directory's.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/agent/authenticator.h"
#include "ringmail/base/time.h"
#include "ringmail/storage/directory.h"

namespace ringmail::server {

inline constexpr Nanoseconds kAuthFailureDelay = std::chrono::seconds(2);

enum class OfferScram : uint8_t { kNo, kYes };

class DirectoryAuthenticator final : public agent::Authenticator {
 public:
  // SCRAM is for directories whose accounts have keys; a client that is offered it does not fall
  // back on its own. `directory` outlives this.
  DirectoryAuthenticator(const storage::Directory& directory, std::string hostname,
                         OfferScram scram);

  session::SaslMechanismSet Offered(const session::SaslChannel& channel,
                                    session::SaslPlaintext plaintext) const override;
  std::unique_ptr<agent::AuthExchange> Begin(session::SaslMechanism mechanism,
                                             session::SaslMechanismSet offered,
                                             const session::SaslChannel& channel,
                                             const agent::AuthClient& client) override;
  io::Task<agent::AuthStep> LogIn(std::string_view name, std::string_view password,
                                  agent::AuthClient client) override;
  // Nothing here is shared, counted or configured, and no password is readable.
  void Start(std::vector<agent::Authenticator*>) override {}
  bool KnowsApop() const override { return false; }
  io::Task<agent::AuthStep> Apop(std::string_view timestamp, std::string_view name,
                                 std::string_view digest, agent::AuthClient client) override;
  bool Banned(const IpAddress&) const override { return false; }
  void Reconfigure(agent::AuthenticatorOptions) override {}
  void RegisterMetrics(MetricRegistry&) override {}
  void EndPenalties() override {}
  io::Task<void> Stop() override { co_return; }

 private:
  const storage::Directory& directory_;
  const std::string hostname_;
  const OfferScram scram_;
  std::string secret_;  // for the salts of unknown names
};

}  // namespace ringmail::server
