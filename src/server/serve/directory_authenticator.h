// Answers AUTH from the directory: the passwords, app passwords and SCRAM keys of its accounts.
//
// Promise: an unknown name, a wrong password and a disabled account take the same steps and the
//   same time; a refusal is told kAuthFailureDelay later. Passwords are checked on the blocking
//   pool.
// Shard: the directory's.
#pragma once

#include <memory>
#include <string>

#include "ringmail/base/time.h"
#include "ringmail/protocol/smtp.h"
#include "ringmail/storage/directory.h"

namespace ringmail::server {

inline constexpr Nanoseconds kAuthFailureDelay = std::chrono::seconds(2);

enum class OfferScram : uint8_t { kNo, kYes };

class DirectoryAuthenticator final : public smtp::SmtpAuthenticator {
 public:
  // SCRAM is for directories whose accounts have keys; a client that is offered it does not fall
  // back on its own. `directory` outlives this.
  DirectoryAuthenticator(const storage::Directory& directory, std::string hostname,
                         OfferScram scram);

  session::SaslMechanismSet Offered(const session::SaslChannel& channel,
                                    session::SaslPlaintext plaintext) const override;
  std::unique_ptr<smtp::SmtpAuthExchange> Begin(session::SaslMechanism mechanism,
                                                session::SaslMechanismSet offered,
                                                const session::SaslChannel& channel,
                                                const IpAddress& client) override;

 private:
  const storage::Directory& directory_;
  const std::string hostname_;
  const OfferScram scram_;
  std::string secret_;  // for the salts of unknown names
};

}  // namespace ringmail::server
