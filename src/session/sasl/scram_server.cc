#include <utility>
#include <vector>

#include "ringmail/base/check.h"
#include "session/sasl/sasl_server.h"
#include "session/sasl/scram_text.h"

namespace ringmail::session {
namespace {

using credential::CredentialAnswer;
using credential::CredentialKind;
using credential::CredentialVerdict;

// RFC 5802 §5: client-first, server-first, client-final, server-final, and an empty response to it,
// since SMTP, POP3 and IMAP say nothing with success (RFC 4422 §5.3 of protocol profiles).
class ScramServer : public SaslServer {
 public:
  ScramServer(SaslMechanism mechanism, const SaslServerOptions& options)
      : SaslServer(options), plus_(ScramPlus(mechanism)), kind_(ScramDigest(mechanism)) {
    CHECK(ScramPrintable(options.nonce));
  }

 private:
  enum class State : uint8_t { kFirst, kFinal, kAcknowledge };

  SaslStep OnBegin() override { return SaslChallenge(""); }
  SaslStep OnResponse(std::string_view response) override {
    switch (state_) {
      case State::kFirst:
        return First(response);
      case State::kFinal:
        return Final(response);
      case State::kAcknowledge:
        break;
    }
    if (!response.empty()) return SaslFailed(SaslFailure::kMalformed);
    return Succeed(answer_);
  }

  SaslStep First(std::string_view message) {
    const auto first = ParseScramClientFirst(message);
    if (!first) return SaslFailed(SaslFailure::kMalformed);
    if (plus_ != (first->binding == Gs2Binding::kUsed)) return SaslFailed(SaslFailure::kMalformed);
    // RFC 5802 §6: a client that could bind and was told that we cannot was told so by another.
    const bool offered = options_.offered.Has(SaslMechanism::kScramSha256Plus) ||
                         options_.offered.Has(SaslMechanism::kScramSha1Plus);
    if (first->binding == Gs2Binding::kClientOnly && offered) {
      return SaslFailed(SaslFailure::kRefused);
    }
    // What "c=" of the last message has to be: the header, and with -PLUS the channel's bytes.
    expected_binding_ = first->gs2_header;
    if (plus_) {
      const std::string_view bytes = ChannelBinding(options_.channel, first->binding_name);
      if (bytes.empty()) return SaslFailed(SaslFailure::kRefused);
      expected_binding_ += bytes;
    }
    if (!SetName(first->name) || !SetAuthorization(first->authorization_id)) {
      return SaslFailed(SaslFailure::kRefused);
    }
    nonce_ = std::string(first->nonce) + options_.nonce;
    auth_message_ = std::string(first->bare);
    question_.scram_kind = kind_;
    return Ask(CredentialKind::kScramKeys);
  }

  SaslStep OnAnswer(const CredentialAnswer& answer) override {
    if (answer.verdict == CredentialVerdict::kUnavailable) return SaslFailed(answer.verdict);
    answer_ = answer;
    const credential::ScramKeys fake = credential::FakeScramKeys(
        kind_, options_.server_secret, question_.authentication_id, options_.unknown_iterations);
    known_ = answer.verdict == CredentialVerdict::kAccepted && !answer.scram_keys.empty();
    for (const credential::ScramKeys& keys : answer.scram_keys) {
      known_ = known_ && keys.kind == kind_;
    }
    if (!known_) answer_.scram_keys.assign(1, fake);
    const credential::ScramKeys& keys = answer_.scram_keys.front();
    const std::string server_first =
        "r=" + nonce_ + ",s=" + EncodeSasl(keys.salt) + ",i=" + std::to_string(keys.iterations);
    auth_message_ += "," + server_first;
    state_ = State::kFinal;
    return SaslChallenge(server_first);
  }

  SaslStep Final(std::string_view message) {
    const auto last = ParseScramClientFinal(message);
    if (!last) return SaslFailed(SaslFailure::kMalformed);
    const bool bound =
        codec::ConstantTimeEqual(last->binding, expected_binding_) && last->nonce == nonce_;
    auth_message_ += "," + std::string(last->without_proof);
    const credential::ScramKeys* match = nullptr;
    for (const credential::ScramKeys& keys : answer_.scram_keys) {
      if (credential::ScramProofHolds(keys, auth_message_, last->proof)) match = &keys;
    }
    if (match == nullptr || !bound || !known_) return SaslFailed(SaslFailure::kRefused);
    state_ = State::kAcknowledge;
    return SaslChallenge("v=" + EncodeSasl(credential::ScramServerSignature(
                                    kind_, match->server_key.view(), auth_message_)));
  }

  const bool plus_;
  const codec::DigestKind kind_;
  State state_ = State::kFirst;
  bool known_ = false;
  std::string expected_binding_, nonce_, auth_message_;
  CredentialAnswer answer_;
};

}  // namespace

std::unique_ptr<SaslServer> MakeScramServer(SaslMechanism mechanism,
                                            const SaslServerOptions& options) {
  return std::make_unique<ScramServer>(mechanism, options);
}

}  // namespace ringmail::session
