// Every mechanism of the server but SCRAM.
#include <utility>

#include "ringmail/codec/ascii.h"
#include "ringmail/codec/hex.h"
#include "session/sasl/sasl_server.h"
#include "session/sasl/scram_text.h"

namespace ringmail::session {
namespace {

using credential::CredentialAnswer;
using credential::CredentialKind;
using credential::CredentialVerdict;

// RFC 4616 §2: [authzid] NUL authcid NUL passwd.
class PlainServer : public SaslServer {
 public:
  explicit PlainServer(const SaslServerOptions& options) : SaslServer(options) {}

 private:
  SaslStep OnBegin() override { return SaslChallenge(""); }
  SaslStep OnResponse(std::string_view response) override {
    const size_t first = response.find('\0');
    const size_t second = first == std::string_view::npos ? first : response.find('\0', first + 1);
    if (second == std::string_view::npos ||
        response.find('\0', second + 1) != std::string_view::npos) {
      return SaslFailed(SaslFailure::kMalformed);
    }
    if (!SetAuthorization(response.substr(0, first)) ||
        !SetName(response.substr(first + 1, second - first - 1)) ||
        !SetPassword(response.substr(second + 1))) {
      return SaslFailed(SaslFailure::kRefused);
    }
    return Ask(CredentialKind::kPassword);
  }
  SaslStep OnAnswer(const CredentialAnswer& answer) override {
    return answer.verdict == CredentialVerdict::kAccepted ? Succeed(answer)
                                                          : SaslFailed(answer.verdict);
  }
};

// draft-murchison-sasl-login: the words of the challenges are what clients look for.
class LoginServer : public SaslServer {
 public:
  explicit LoginServer(const SaslServerOptions& options) : SaslServer(options) {}

 private:
  SaslStep OnBegin() override { return SaslChallenge("Username:"); }
  SaslStep OnResponse(std::string_view response) override {
    if (!named_) {
      named_ = true;
      name_good_ = SetName(response);
      return SaslChallenge("Password:");
    }
    if (!name_good_ || !SetPassword(response)) return SaslFailed(SaslFailure::kRefused);
    return Ask(CredentialKind::kPassword);
  }
  SaslStep OnAnswer(const CredentialAnswer& answer) override {
    return answer.verdict == CredentialVerdict::kAccepted ? Succeed(answer)
                                                          : SaslFailed(answer.verdict);
  }
  bool named_ = false, name_good_ = false;
};

// RFC 2195 §2.
class CramMd5Server : public SaslServer {
 public:
  explicit CramMd5Server(const SaslServerOptions& options)
      : SaslServer(options),
        challenge_("<" + options.nonce + "@" + std::string(options.hostname) + ">") {}

 private:
  SaslStep OnBegin() override {
    challenged_ = true;
    return SaslChallenge(challenge_);
  }
  SaslStep OnResponse(std::string_view response) override {
    // The server speaks first: there is nothing that a client could have answered.
    if (!challenged_) return SaslFailed(SaslFailure::kMalformed);
    const size_t space = response.rfind(' ');
    if (space == std::string_view::npos || response.size() - space - 1 != 32) {
      return SaslFailed(SaslFailure::kMalformed);
    }
    digest_.resize(16);
    if (!codec::HexDecode(response.substr(space + 1), digest_.data())) {
      return SaslFailed(SaslFailure::kMalformed);
    }
    if (!SetName(response.substr(0, space))) return SaslFailed(SaslFailure::kRefused);
    return Ask(CredentialKind::kCramMd5);
  }
  SaslStep OnAnswer(const CredentialAnswer& answer) override {
    if (answer.verdict == CredentialVerdict::kUnavailable) return SaslFailed(answer.verdict);
    const bool known = answer.verdict == CredentialVerdict::kAccepted && !answer.cram_md5.empty();
    // Of an unknown name a digest is made too.
    std::vector<codec::HmacMd5Contexts> contexts = answer.cram_md5;
    if (!known) contexts.assign(1, codec::HmacMd5Contexts{});
    bool match = false;
    for (codec::HmacMd5Contexts& one : contexts) {
      match |= codec::ConstantTimeEqual(codec::HmacMd5(one, challenge_).view(), digest_);
      codec::Wipe(one.data(), one.size());
    }
    return known && match ? Succeed(answer) : SaslFailed(SaslFailure::kRefused);
  }
  const std::string challenge_;
  std::string digest_;
  bool challenged_ = false;
};

// RFC 4422 Appendix A.
class ExternalServer : public SaslServer {
 public:
  explicit ExternalServer(const SaslServerOptions& options) : SaslServer(options) {}

 private:
  SaslStep OnBegin() override { return SaslChallenge(""); }
  SaslStep OnResponse(std::string_view response) override {
    if (response.find('\0') != std::string_view::npos) return SaslFailed(SaslFailure::kMalformed);
    if (!SetAuthorization(response) || !SetName(options_.channel.certificate_identity)) {
      return SaslFailed(SaslFailure::kRefused);
    }
    return Ask(CredentialKind::kIdentity);
  }
  SaslStep OnAnswer(const CredentialAnswer& answer) override {
    return answer.verdict == CredentialVerdict::kAccepted ? Succeed(answer)
                                                          : SaslFailed(answer.verdict);
  }
};

std::string JsonString(std::string_view text) {
  std::string out = "\"";
  for (const char octet : text) {
    if (octet == '"' || octet == '\\') out += '\\';
    if (static_cast<uint8_t>(octet) >= 0x20) out += octet;
  }
  return out + '"';
}

// RFC 6750 §2.1: b64token.
bool IsToken(std::string_view token) {
  const size_t end = token.find_last_not_of('=') + 1;
  if (end == 0) return false;
  for (const char octet : token.substr(0, end)) {
    const bool good = (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') ||
                      (octet >= '0' && octet <= '9') ||
                      std::string_view("-._~+/").find(octet) != std::string_view::npos;
    if (!good) return false;
  }
  return true;
}

class OauthServer : public SaslServer {
 public:
  OauthServer(SaslMechanism mechanism, const SaslServerOptions& options)
      : SaslServer(options), bearer_(mechanism == SaslMechanism::kOauthBearer) {}

 private:
  SaslStep OnBegin() override { return SaslChallenge(""); }
  SaslStep OnResponse(std::string_view response) override {
    // RFC 7628 §3.2.3: the client has seen the error, and says so with whatever it likes.
    if (refused_) return SaslFailed(SaslFailure::kRefused);
    if (bearer_) {
      const auto header = TakeGs2Header(response);
      if (!header || header->binding == Gs2Binding::kUsed || !response.starts_with('\x01')) {
        return SaslFailed(SaslFailure::kMalformed);
      }
      response.remove_prefix(1);
      // RFC 7628 §3.1: whom the token is for, if the client says it.
      if (!header->authorization_id.empty() &&
          (!SetName(header->authorization_id) || !SetAuthorization(header->authorization_id))) {
        return SaslFailed(SaslFailure::kRefused);
      }
    }
    return ReadPairs(response) ? Ask(CredentialKind::kToken) : SaslFailed(SaslFailure::kMalformed);
  }

  // RFC 7628 §3.1: key=value, each ended by ^A, and another ^A at the end.
  bool ReadPairs(std::string_view pairs) {
    bool token = false, user = bearer_;
    while (!pairs.empty() && pairs[0] != '\x01') {
      const size_t end = pairs.find('\x01'), equals = pairs.find('=');
      if (end == std::string_view::npos || equals > end) return false;
      const std::string_view key = pairs.substr(0, equals);
      const std::string_view value = pairs.substr(equals + 1, end - equals - 1);
      pairs.remove_prefix(end + 1);
      if (key == "auth") {
        if (token || !codec::AsciiStartsWithNoCase(value, "Bearer ")) return false;
        const size_t at = value.find_first_not_of(' ', 6);
        if (at == std::string_view::npos || !IsToken(value.substr(at))) return false;
        question_.token.Set(value.substr(at));
        token = true;
      } else if (key == "user" && !bearer_) {
        if (user || !SetName(value) || !SetAuthorization(value)) return false;
        user = true;
      }
    }
    return pairs == "\x01" && token && user;
  }

  SaslStep OnAnswer(const CredentialAnswer& answer) override {
    if (answer.verdict == CredentialVerdict::kUnavailable) return SaslFailed(answer.verdict);
    if (answer.verdict == CredentialVerdict::kAccepted) {
      // The name is the client's word; the token's account is what counts.
      question_.authentication_id = answer.account;
      SaslStep step = Succeed(answer);
      if (step.kind == SaslStepKind::kSuccess) return step;
    }
    refused_ = true;
    // RFC 7628 §3.2.2.
    std::string json = "{\"status\":" + JsonString(answer.oauth_status);
    if (!answer.oauth_scope.empty()) json += ",\"scope\":" + JsonString(answer.oauth_scope);
    if (!answer.oauth_configuration_url.empty()) {
      json += ",\"openid-configuration\":" + JsonString(answer.oauth_configuration_url);
    }
    return SaslChallenge(json + "}");
  }

  const bool bearer_;
  bool refused_ = false;
};

}  // namespace

std::unique_ptr<SaslServer> MakePlainServer(const SaslServerOptions& options) {
  return std::make_unique<PlainServer>(options);
}
std::unique_ptr<SaslServer> MakeLoginServer(const SaslServerOptions& options) {
  return std::make_unique<LoginServer>(options);
}
std::unique_ptr<SaslServer> MakeCramMd5Server(const SaslServerOptions& options) {
  return std::make_unique<CramMd5Server>(options);
}
std::unique_ptr<SaslServer> MakeOauthServer(SaslMechanism mechanism,
                                            const SaslServerOptions& options) {
  return std::make_unique<OauthServer>(mechanism, options);
}
std::unique_ptr<SaslServer> MakeExternalServer(const SaslServerOptions& options) {
  return std::make_unique<ExternalServer>(options);
}

}  // namespace ringmail::session
