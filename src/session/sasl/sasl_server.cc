#include "session/sasl/sasl_server.h"

#include <array>
#include <utility>

#include "ringmail/base/check.h"
#include "ringmail/codec/ascii.h"
#include "ringmail/codec/base64_text.h"
#include "ringmail/credential/password.h"
#include "ringmail/credential/saslprep.h"

namespace ringmail::session {
namespace {

using credential::CredentialAnswer;
using credential::CredentialKind;
using credential::CredentialVerdict;

constexpr std::array<std::string_view, kSaslMechanisms> kNames = {
    "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "EXTERNAL",
    "OAUTHBEARER",        "XOAUTH2",          "PLAIN",         "LOGIN",       "CRAM-MD5",
};

}  // namespace

std::string_view SaslMechanismName(SaslMechanism mechanism) {
  return kNames[static_cast<size_t>(mechanism)];
}

std::optional<SaslMechanism> FindSaslMechanism(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (codec::AsciiEqualNoCase(kNames[i], name)) return static_cast<SaslMechanism>(i);
  }
  return std::nullopt;
}

std::string SaslMechanismSet::Names() const {
  std::string names;
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (!Has(static_cast<SaslMechanism>(i))) continue;
    if (!names.empty()) names += ' ';
    names += kNames[i];
  }
  return names;
}

SaslMechanismSet OfferedMechanisms(const SaslPolicy& policy, const SaslChannel& channel) {
  SaslMechanismSet set;
  const bool bound = !channel.tls_exporter.empty() || !channel.tls_server_end_point.empty();
  if (policy.scram) {
    set.Add(SaslMechanism::kScramSha256);
    set.Add(SaslMechanism::kScramSha1);
  }
  if (policy.scram && policy.channel_binding && channel.encrypted && bound) {
    set.Add(SaslMechanism::kScramSha256Plus);
    set.Add(SaslMechanism::kScramSha1Plus);
  }
  if (policy.certificates && channel.encrypted && !channel.certificate_identity.empty())
    set.Add(SaslMechanism::kExternal);
  if (policy.cram_md5) set.Add(SaslMechanism::kCramMd5);
  if (channel.encrypted || policy.plaintext == SaslPlaintext::kAlways) {
    set.Add(SaslMechanism::kPlain);
    set.Add(SaslMechanism::kLogin);
  }
  // RFC 6750 §5.3: a bearer token never goes in the clear.
  if (channel.encrypted && policy.oauth) {
    set.Add(SaslMechanism::kOauthBearer);
    set.Add(SaslMechanism::kXoauth2);
  }
  return set;
}

SaslLine DecodeSaslResponse(std::string_view line, std::string& octets) {
  octets.clear();
  if (line == "*") return SaslLine::kAbort;
  if (line.size() > kSaslLineBytesMax) return SaslLine::kTooLong;
  auto decoded = codec::FromBase64(line, codec::Base64Form::kFlat, codec::Base64Padding::kRequired);
  if (!decoded) return SaslLine::kMalformed;
  octets = *std::move(decoded);
  return SaslLine::kResponse;
}

SaslLine DecodeSaslInitialResponse(std::string_view word, std::string& octets) {
  octets.clear();
  if (word == "=") return SaslLine::kResponse;  // RFC 4954 §4
  if (word.empty()) return SaslLine::kMalformed;
  return DecodeSaslResponse(word, octets);
}

std::string EncodeSasl(std::string_view octets) {
  return codec::ToBase64(octets, codec::Base64Form::kFlat, codec::Base64Padding::kRequired);
}

SaslStep SaslChallenge(std::string challenge) {
  return {SaslStepKind::kChallenge, std::move(challenge), SaslFailure::kNone};
}
SaslStep SaslFailed(SaslFailure failure) { return {SaslStepKind::kFailure, "", failure}; }
SaslStep SaslFailed(CredentialVerdict verdict) {
  CHECK(verdict != CredentialVerdict::kAccepted);
  return SaslFailed(verdict == CredentialVerdict::kUnavailable ? SaslFailure::kUnavailable
                                                               : SaslFailure::kRefused);
}

std::unique_ptr<SaslServer> SaslServer::Make(SaslMechanism mechanism,
                                             const SaslServerOptions& options) {
  switch (mechanism) {
    case SaslMechanism::kPlain:
      return MakePlainServer(options);
    case SaslMechanism::kLogin:
      return MakeLoginServer(options);
    case SaslMechanism::kCramMd5:
      return MakeCramMd5Server(options);
    case SaslMechanism::kExternal:
      return MakeExternalServer(options);
    case SaslMechanism::kOauthBearer:
    case SaslMechanism::kXoauth2:
      return MakeOauthServer(mechanism, options);
    case SaslMechanism::kScramSha256Plus:
    case SaslMechanism::kScramSha1Plus:
    case SaslMechanism::kScramSha256:
    case SaslMechanism::kScramSha1:
      return MakeScramServer(mechanism, options);
  }
  return nullptr;
}

SaslStep SaslServer::Begin(std::optional<std::string_view> initial_response) {
  CHECK(turn_ == Turn::kBegin);
  turn_ = Turn::kRespond;
  return initial_response ? Respond(*initial_response) : Note(OnBegin());
}

SaslStep SaslServer::Respond(std::string_view response) {
  CHECK(turn_ == Turn::kRespond);
  if (response.size() > kSaslResponseBytesMax) return Note(SaslFailed(SaslFailure::kMalformed));
  return Note(OnResponse(response));
}

SaslStep SaslServer::Answer(const CredentialAnswer& answer) {
  CHECK(turn_ == Turn::kAnswer);
  question_.password.Set("");
  question_.password_as_sent.Set("");
  question_.token.Set("");
  return Note(OnAnswer(answer));
}

SaslStep SaslServer::Note(SaslStep step) {
  switch (step.kind) {
    case SaslStepKind::kChallenge:
      turn_ = Turn::kRespond;
      break;
    case SaslStepKind::kAsk:
      turn_ = Turn::kAnswer;
      break;
    case SaslStepKind::kSuccess:
      CHECK(!account_.empty());
      turn_ = Turn::kEnd;
      break;
    case SaslStepKind::kFailure:
      account_.clear();
      turn_ = Turn::kEnd;
      break;
  }
  return step;
}

bool SaslServer::SetName(std::string_view name) {
  if (name.empty() || name.size() > kSaslNameBytesMax) return false;
  auto prepared = credential::Saslprep(name, credential::SaslprepUse::kQuery);
  if (!prepared || prepared->empty()) return false;
  question_.authentication_id = *std::move(prepared);
  return true;
}

bool SaslServer::SetAuthorization(std::string_view name) {
  if (name.empty()) return true;
  if (name.size() > kSaslNameBytesMax) return false;
  auto prepared = credential::Saslprep(name, credential::SaslprepUse::kQuery);
  if (!prepared || prepared->empty()) return false;
  question_.authorization_id = *std::move(prepared);
  return true;
}

bool SaslServer::SetPassword(std::string_view password) {
  if (password.empty() || password.size() > credential::kPasswordBytesMax) return false;
  auto prepared = credential::Saslprep(password, credential::SaslprepUse::kQuery);
  if (!prepared || prepared->empty()) return false;
  question_.password = codec::Secret(*std::move(prepared));
  question_.password_as_sent.Set(password);
  return true;
}

SaslStep SaslServer::Ask(CredentialKind kind) {
  question_.kind = kind;
  return {SaslStepKind::kAsk, "", SaslFailure::kNone};
}

SaslStep SaslServer::Succeed(const CredentialAnswer& answer) {
  if (answer.account.empty()) return SaslFailed(SaslFailure::kUnavailable);
  const std::string& wanted = question_.authorization_id;
  const bool same =
      wanted.empty() || wanted == question_.authentication_id ||
      codec::AsciiEqualNoCase(wanted, answer.account);  // "Bob" and "bob" are one account
  // As a wrong password is refused: what an account may do is nobody's business.
  if (!same && options_.authorization == SaslAuthorization::kSameOnly) {
    return SaslFailed(SaslFailure::kRefused);
  }
  account_ = answer.account;
  return {SaslStepKind::kSuccess, "", SaslFailure::kNone};
}

}  // namespace ringmail::session
