#include <utility>

#include "ringmail/codec/hex.h"
#include "ringmail/credential/saslprep.h"
#include "session/sasl/scram_text.h"

namespace ringmail::session {
namespace {

class PlainClient : public SaslClient {
 public:
  explicit PlainClient(const SaslClientOptions& options) : options_(options) {}
  std::optional<std::string> InitialResponse() override {
    std::string message = options_.authorization_id;
    message += '\0';
    message += options_.authentication_id;
    message += '\0';
    message += options_.password.view();
    return message;
  }
  std::optional<std::string> Respond(std::string_view) override { return std::nullopt; }

 private:
  const SaslClientOptions options_;
};

class LoginClient : public SaslClient {
 public:
  explicit LoginClient(const SaslClientOptions& options) : options_(options) {}
  std::optional<std::string> InitialResponse() override { return std::nullopt; }
  // Servers word their challenges differently: the order is what counts.
  std::optional<std::string> Respond(std::string_view) override {
    ++step_;
    if (step_ == 1) return options_.authentication_id;
    if (step_ == 2) return std::string(options_.password.view());
    return std::nullopt;
  }

 private:
  const SaslClientOptions options_;
  int step_ = 0;
};

class CramMd5Client : public SaslClient {
 public:
  explicit CramMd5Client(const SaslClientOptions& options) : options_(options) {}
  std::optional<std::string> InitialResponse() override { return std::nullopt; }
  std::optional<std::string> Respond(std::string_view challenge) override {
    if (std::exchange(answered_, true)) return std::nullopt;
    const codec::DigestValue digest =
        codec::Hmac(codec::DigestKind::kMd5, options_.password.view(), {challenge});
    std::string hex(32, '\0');
    codec::HexEncode(digest.view(), codec::HexCase::kLower, hex.data());
    return options_.authentication_id + " " + hex;
  }

 private:
  const SaslClientOptions options_;
  bool answered_ = false;
};

class ExternalClient : public SaslClient {
 public:
  explicit ExternalClient(const SaslClientOptions& options)
      : authorization_id_(options.authorization_id) {}
  std::optional<std::string> InitialResponse() override { return authorization_id_; }
  std::optional<std::string> Respond(std::string_view) override { return std::nullopt; }

 private:
  const std::string authorization_id_;
};

class OauthClient : public SaslClient {
 public:
  OauthClient(SaslMechanism mechanism, const SaslClientOptions& options)
      : options_(options), bearer_(mechanism == SaslMechanism::kOauthBearer) {}
  std::optional<std::string> InitialResponse() override {
    const std::string token = "auth=Bearer " + std::string(options_.password.view()) + "\x01\x01";
    if (!bearer_) return "user=" + options_.authentication_id + "\x01" + token;
    std::string message = "n,a=" + EscapeSaslName(options_.authentication_id) + ",\x01";
    if (!options_.host.empty()) message += "host=" + options_.host + "\x01";
    if (options_.port != 0) message += "port=" + std::to_string(options_.port) + "\x01";
    return message + token;
  }
  // The error; RFC 7628 §3.2.3 answers it with ^A, XOAUTH2 with nothing.
  std::optional<std::string> Respond(std::string_view) override {
    return std::string(bearer_ ? "\x01" : "");
  }

 private:
  const SaslClientOptions options_;
  const bool bearer_;
};

class ScramClient : public SaslClient {
 public:
  ScramClient(SaslMechanism mechanism, const SaslClientOptions& options)
      : options_(options), kind_(ScramDigest(mechanism)) {
    const bool exporter = !options.channel.tls_exporter.empty();
    const std::string_view name = exporter ? "tls-exporter" : "tls-server-end-point";
    const std::string_view bytes = ChannelBinding(options.channel, name);
    // RFC 5802 §6: "y" where we could, and the server seems not to.
    header_ = ScramPlus(mechanism)                            ? "p=" + std::string(name)
              : !bytes.empty() && !options.server_offers_plus ? "y"
                                                              : "n";
    header_ += ",";
    if (!options.authorization_id.empty()) {
      header_ += "a=" + EscapeSaslName(options.authorization_id);
    }
    header_ += ",";
    binding_ = header_;
    if (ScramPlus(mechanism)) binding_ += bytes;
    bare_ = "n=" + EscapeSaslName(options.authentication_id) + ",r=" + options.nonce;
  }

  std::optional<std::string> InitialResponse() override { return header_ + bare_; }

  std::optional<std::string> Respond(std::string_view challenge) override {
    ++step_;
    if (step_ == 1) return Final(challenge);
    if (step_ != 2 || !challenge.starts_with("v=")) return std::nullopt;
    const std::string_view verifier = challenge.substr(2, challenge.find(',') - 2);
    proved_ = codec::ConstantTimeEqual(verifier, EncodeSasl(server_signature_));
    if (!proved_) return std::nullopt;
    return "";
  }
  bool success_is_proved() const override { return proved_; }

 private:
  std::optional<std::string> Final(std::string_view challenge) {
    const auto first = ParseScramServerFirst(challenge);
    if (!first || !first->nonce.starts_with(options_.nonce) ||
        first->nonce.size() == options_.nonce.size()) {
      return std::nullopt;
    }
    // Fewer would give the password away (RFC 5802 §5.1, RFC 7677 §4); more take too long.
    if (first->iterations < credential::kScramIterationsMin ||
        first->iterations > kSaslClientIterationsMax) {
      return std::nullopt;
    }
    const auto keys = credential::DeriveScramClientKeys(kind_, options_.password.view(),
                                                        first->salt, first->iterations);
    const std::string without_proof =
        "c=" + EncodeSasl(binding_) + ",r=" + std::string(first->nonce);
    const std::string auth_message = bare_ + "," + std::string(challenge) + "," + without_proof;
    server_signature_ =
        credential::ScramServerSignature(kind_, keys.server_key.view(), auth_message);
    return without_proof +
           ",p=" + EncodeSasl(credential::ScramClientProof(kind_, keys, auth_message));
  }

  const SaslClientOptions options_;
  const codec::DigestKind kind_;
  std::string header_, binding_, bare_, server_signature_;
  int step_ = 0;
  bool proved_ = false;
};

// Both sides prepare; what SASLprep refuses cannot be sent.
bool Prepare(SaslClientOptions& options) {
  for (std::string* const name : {&options.authentication_id, &options.authorization_id}) {
    auto prepared = credential::Saslprep(*name, credential::SaslprepUse::kQuery);
    if (!prepared || prepared->size() > kSaslNameBytesMax) return false;
    *name = *std::move(prepared);
  }
  auto password = credential::Saslprep(options.password.view(), credential::SaslprepUse::kQuery);
  if (!password) return false;
  options.password = codec::Secret(*std::move(password));
  return true;
}

}  // namespace

std::unique_ptr<SaslClient> SaslClient::Make(SaslMechanism mechanism,
                                             const SaslClientOptions& given) {
  SaslClientOptions options = given;
  if (!Prepare(options)) return nullptr;
  if (mechanism == SaslMechanism::kExternal) return std::make_unique<ExternalClient>(options);
  if (options.authentication_id.empty() || options.password.empty()) return nullptr;
  switch (mechanism) {
    case SaslMechanism::kPlain:
      return std::make_unique<PlainClient>(options);
    case SaslMechanism::kLogin:
      return std::make_unique<LoginClient>(options);
    case SaslMechanism::kCramMd5:
      return std::make_unique<CramMd5Client>(options);
    case SaslMechanism::kOauthBearer:
    case SaslMechanism::kXoauth2:
      return std::make_unique<OauthClient>(mechanism, options);
    default:
      break;
  }
  const bool bound =
      !options.channel.tls_exporter.empty() || !options.channel.tls_server_end_point.empty();
  if (!ScramPrintable(options.nonce) || (ScramPlus(mechanism) && !bound)) return nullptr;
  return std::make_unique<ScramClient>(mechanism, options);
}

std::optional<SaslMechanism> ChooseSaslMechanism(const SaslMechanismSet& offered,
                                                 const SaslChannel& channel,
                                                 SaslPlaintext plaintext) {
  const bool bound = !channel.tls_exporter.empty() || !channel.tls_server_end_point.empty();
  for (const SaslMechanism mechanism :
       {SaslMechanism::kScramSha256Plus, SaslMechanism::kScramSha1Plus, SaslMechanism::kScramSha256,
        SaslMechanism::kScramSha1, SaslMechanism::kPlain, SaslMechanism::kLogin,
        SaslMechanism::kCramMd5}) {
    const bool bare = mechanism == SaslMechanism::kPlain || mechanism == SaslMechanism::kLogin;
    if (!offered.Has(mechanism) || (ScramPlus(mechanism) && !bound)) continue;
    if (bare && !channel.encrypted && plaintext == SaslPlaintext::kEncryptedOnly) continue;
    return mechanism;
  }
  return std::nullopt;
}

}  // namespace ringmail::session
