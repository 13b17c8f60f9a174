// Who answers AUTH in a test: one account with one password, by the machines of session/sasl.h.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ringmail/agent/authenticator.h"
#include "ringmail/base/check.h"
#include "ringmail/credential/question.h"
#include "ringmail/credential/scram_keys.h"
#include "ringmail/session/sasl.h"

namespace ringmail::smtp {

class OneAccount final : public agent::Authenticator {
 public:
  std::string account = "bob@example.org", password = "secret";
  bool available = true;

  session::SaslMechanismSet Offered(const session::SaslChannel& channel,
                                    session::SaslPlaintext plaintext) const override {
    return session::OfferedMechanisms({.plaintext = plaintext}, channel);
  }
  std::unique_ptr<agent::AuthExchange> Begin(session::SaslMechanism mechanism,
                                             session::SaslMechanismSet offered,
                                             const session::SaslChannel& channel,
                                             const agent::AuthClient& client) override {
    CHECK(client.service == "smtp");
    CHECK(offered.Has(mechanism));
    return std::make_unique<Exchange>(*this, mechanism, offered, channel);
  }
  // Nothing of what follows is SMTP's.
  void Start(std::vector<agent::Authenticator*>) override {}
  io::Task<agent::AuthStep> LogIn(std::string_view, std::string_view, agent::AuthClient) override {
    co_return agent::AuthStep{};
  }
  bool KnowsApop() const override { return false; }
  io::Task<agent::AuthStep> Apop(std::string_view, std::string_view, std::string_view,
                                 agent::AuthClient) override {
    co_return agent::AuthStep{};
  }
  bool Banned(const IpAddress&) const override { return false; }
  void Reconfigure(agent::AuthenticatorOptions) override {}
  void RegisterMetrics(MetricRegistry&) override {}
  void EndPenalties() override {}
  io::Task<void> Stop() override { co_return; }

 private:
  class Exchange final : public agent::AuthExchange {
   public:
    Exchange(OneAccount& owner, session::SaslMechanism mechanism, session::SaslMechanismSet offered,
             const session::SaslChannel& channel)
        : owner_(owner),
          server_(session::SaslServer::Make(mechanism, {.channel = channel,
                                                        .offered = offered,
                                                        .hostname = "mx.example.org",
                                                        .nonce = "nonce-of-a-test",
                                                        .server_secret = "secret of a test"})) {}
    io::Task<agent::AuthStep> Begin(std::optional<std::string_view> initial) override {
      co_return Answered(server_->Begin(initial));
    }
    io::Task<agent::AuthStep> Respond(std::string_view response) override {
      co_return Answered(server_->Respond(response));
    }

   private:
    agent::AuthStep Answered(session::SaslStep step) {
      if (step.kind == session::SaslStepKind::kAsk) step = Answer();
      agent::AuthStep out{.kind = step.kind, .challenge = step.challenge, .failure = step.failure};
      if (step.kind == session::SaslStepKind::kSuccess) out.account = server_->account();
      return out;
    }
    session::SaslStep Answer() {
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
