// Who answers AUTH in a test: one account with one password, by the machines of session/sasl.h.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "ringmail/base/check.h"
#include "ringmail/credential/question.h"
#include "ringmail/credential/scram_keys.h"
#include "ringmail/protocol/smtp.h"
#include "ringmail/session/sasl.h"

namespace ringmail::smtp {

class OneAccount final : public SmtpAuthenticator {
 public:
  std::string account = "bob@example.org", password = "secret";
  bool available = true;

  session::SaslMechanismSet Offered(const session::SaslChannel& channel,
                                    session::SaslPlaintext plaintext) const override {
    return session::OfferedMechanisms({.plaintext = plaintext}, channel);
  }
  std::unique_ptr<SmtpAuthExchange> Begin(session::SaslMechanism mechanism,
                                          session::SaslMechanismSet offered,
                                          const session::SaslChannel& channel,
                                          const IpAddress&) override {
    CHECK(offered.Has(mechanism));
    return std::make_unique<Exchange>(*this, mechanism, offered, channel);
  }

 private:
  class Exchange final : public SmtpAuthExchange {
   public:
    Exchange(OneAccount& owner, session::SaslMechanism mechanism, session::SaslMechanismSet offered,
             const session::SaslChannel& channel)
        : owner_(owner),
          server_(session::SaslServer::Make(mechanism, {.channel = channel,
                                                        .offered = offered,
                                                        .hostname = "mx.example.org",
                                                        .nonce = "nonce-of-a-test",
                                                        .server_secret = "secret of a test"})) {}
    io::Task<session::SaslStep> Begin(std::optional<std::string_view> initial) override {
      co_return Answered(server_->Begin(initial));
    }
    io::Task<session::SaslStep> Respond(std::string_view response) override {
      co_return Answered(server_->Respond(response));
    }
    const std::string& account() const override { return server_->account(); }

   private:
    session::SaslStep Answered(session::SaslStep step) {
      if (step.kind != session::SaslStepKind::kAsk) return step;
      using credential::CredentialKind;
      using credential::CredentialVerdict;
      const credential::CredentialQuestion& asked = server_->question();
      credential::CredentialAnswer answer;
      const bool known = asked.authentication_id == owner_.account;
      const bool keys = asked.kind == CredentialKind::kScramKeys;
      if (!owner_.available) {
        answer.verdict = CredentialVerdict::kUnavailable;
      } else if (known && (keys || asked.password.view() == owner_.password)) {
        answer.verdict = CredentialVerdict::kAccepted;
        answer.account = owner_.account;
        if (keys) {
          answer.scram_keys = {credential::DeriveScramKeys(asked.scram_kind, owner_.password,
                                                           "salt of a test", 4096)};
        }
      }
      return server_->Answer(answer);
    }

    OneAccount& owner_;
    const std::unique_ptr<session::SaslServer> server_;
  };
};

}  // namespace ringmail::smtp
