// The exchanges of the authenticator: a machine of session/sasl.h each, and who answers it.
#include <utility>

#include "agent/authenticator/core.h"
#include "ringmail/base/check.h"
#include "ringmail/codec/base64_text.h"

namespace ringmail::agent {
namespace {

using session::SaslFailure;
using session::SaslStep;
using session::SaslStepKind;

// RFC 5802 §5.1 and RFC 2195 §2 ask for a nonce that nobody can guess: 144 bits.
std::string MakeNonce() {
  return codec::ToBase64(RandomOctets(18), codec::Base64Form::kUrl, codec::Base64Padding::kNone);
}

class Exchange final : public AuthExchange {
 public:
  Exchange(AuthenticatorCore& core, session::SaslMechanism mechanism,
           session::SaslMechanismSet offered, const session::SaslChannel& channel,
           const AuthClient& client)
      : core_(core),
        hostname_(core.options().hostname),
        exporter_(channel.tls_exporter),
        end_point_(channel.tls_server_end_point),
        identity_(channel.certificate_identity) {
    trial_.client = client;
    trial_.mechanism = session::SaslMechanismName(mechanism);
    session::SaslServerOptions options;
    // The machine looks at what this keeps: whoever gave the channel may be gone.
    options.channel = {.encrypted = channel.encrypted,
                       .tls_exporter = exporter_,
                       .tls_server_end_point = end_point_,
                       .certificate_identity = identity_};
    options.offered = offered;
    options.hostname = hostname_;
    options.nonce = MakeNonce();
    options.server_secret = core.options().server_secret.view();
    options.unknown_iterations = core.options().scram_iterations;
    server_ = session::SaslServer::Make(mechanism, options);
  }

  io::Task<AuthStep> Begin(std::optional<std::string_view> initial_response) override {
    trial_.began = io::Now();
    return Go(server_->Begin(initial_response));
  }
  io::Task<AuthStep> Respond(std::string_view response) override {
    trial_.began = io::Now();
    return Go(server_->Respond(response));
  }

 private:
  io::Task<AuthStep> Go(SaslStep step);

  AuthenticatorCore& core_;
  const std::string hostname_, exporter_, end_point_, identity_;
  AuthTrial trial_;
  bool penalized_ = false;
  std::unique_ptr<session::SaslServer> server_;
};

io::Task<AuthStep> Exchange::Go(SaslStep step) {
  while (step.kind == SaslStepKind::kAsk) {
    const bool token = server_->question().kind == credential::CredentialKind::kToken;
    const credential::CredentialAnswer answer = co_await core_.Answer(server_->question(), trial_);
    const bool accepted = answer.verdict == credential::CredentialVerdict::kAccepted;
    step = server_->Answer(answer);
    if (step.kind == SaslStepKind::kFailure && accepted && trial_.reason == AuthReason::kNone &&
        step.failure == SaslFailure::kRefused) {
      trial_.reason = server_->question().authorization_id.empty() ? AuthReason::kWrong
                                                                   : AuthReason::kAuthorization;
    }
    if (token && step.kind == SaslStepKind::kChallenge) {
      // The refusal is told by a challenge, and nothing that the client says to it matters.
      if (trial_.reason == AuthReason::kNone) trial_.reason = AuthReason::kAuthorization;
      penalized_ = true;
      co_await core_.Penalize(trial_);
    }
  }
  AuthStep out;
  out.kind = step.kind;
  out.challenge = std::move(step.challenge);
  out.failure = step.failure;
  if (step.kind == SaslStepKind::kChallenge) co_return out;
  if (step.kind == SaslStepKind::kSuccess) out.account = server_->account();
  if (trial_.name.empty()) trial_.name = server_->authentication_id();
  if (penalized_) co_return out;
  co_return co_await core_.Conclude(std::move(out), trial_);
}

std::string_view NameOfPlain() {
  return session::SaslMechanismName(session::SaslMechanism::kPlain);
}

}  // namespace

std::unique_ptr<AuthExchange> AuthenticatorCore::Begin(session::SaslMechanism mechanism,
                                                       session::SaslMechanismSet offered,
                                                       const session::SaslChannel& channel,
                                                       const AuthClient& client) {
  CHECK(offered.Has(mechanism));
  return std::make_unique<Exchange>(*this, mechanism, offered, channel, client);
}

// As PLAIN (RFC 4616), but that a NUL in a name or password is refused with it, not taken apart.
io::Task<AuthStep> AuthenticatorCore::LogIn(std::string_view name, std::string_view password,
                                            AuthClient client) {
  if (name.find('\0') != name.npos || password.find('\0') != password.npos) {
    AuthTrial trial{.client = client,
                    .mechanism = NameOfPlain(),
                    .began = io::Now(),
                    .reason = AuthReason::kName};
    co_return co_await Conclude({}, trial);
  }
  std::string message;
  message.reserve(name.size() + password.size() + 2);  // so that no copy of it is left behind
  message.append(1, '\0').append(name).append(1, '\0').append(password);
  const codec::Secret plain(std::move(message));
  session::SaslMechanismSet offered;
  offered.Add(session::SaslMechanism::kPlain);
  Exchange exchange(*this, session::SaslMechanism::kPlain, offered, {.encrypted = true}, client);
  co_return co_await exchange.Begin(plain.view());
}

}  // namespace ringmail::agent
