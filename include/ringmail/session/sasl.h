// SASL (RFC 4422), both sides, as machines without I/O: PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC
// 2195), SCRAM with and without channel binding (RFC 5802, 7677), OAUTHBEARER (RFC 7628), XOAUTH2,
// EXTERNAL (RFC 4422 Appendix A).
//
// Made by: a session for each AUTH. Order, server: Begin once, then what the step says: Respond
//   after kChallenge, Answer after kAsk, until kSuccess or kFailure. Client: InitialResponse, then
//   Respond for each challenge; at the server's success, success_is_proved().
// Promise: an unknown name takes the same steps as a known one. Every failure of credentials looks
//   alike. Secrets are wiped.
// Shard: pure. A client's step of SCRAM derives keys (some ms at 4,096 iterations, up to
//   kSaslClientIterationsMax): through io's blocking pool where that matters.
// Limits: kSaslResponseBytesMax, kSaslNameBytesMax, credential::kPasswordBytesMax.
// Errors: SaslFailure; the caller waits (session/auth_limiter.h) and makes a reply of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ringmail/codec/digest.h"
#include "ringmail/credential/question.h"

namespace ringmail::session {

inline constexpr size_t kSaslLineBytesMax = 12288;  // RFC 4954 §4, of base64
inline constexpr size_t kSaslResponseBytesMax = kSaslLineBytesMax / 4 * 3;
inline constexpr size_t kSaslNameBytesMax = 512;
inline constexpr uint32_t kSaslClientIterationsMax = 600'000;

enum class SaslMechanism : uint8_t {
  kScramSha256Plus,  // from the best on
  kScramSha1Plus,
  kScramSha256,
  kScramSha1,
  kExternal,
  kOauthBearer,
  kXoauth2,
  kPlain,
  kLogin,
  kCramMd5,
};
inline constexpr size_t kSaslMechanisms = 10;

std::string_view SaslMechanismName(SaslMechanism mechanism);
// In any case (RFC 4422 §3.1 has capitals; clients write others).
std::optional<SaslMechanism> FindSaslMechanism(std::string_view name);

class SaslMechanismSet {
 public:
  void Add(SaslMechanism mechanism) { bits_ |= Bit(mechanism); }
  void Remove(SaslMechanism mechanism) { bits_ &= static_cast<uint16_t>(~Bit(mechanism)); }
  bool Has(SaslMechanism mechanism) const { return (bits_ & Bit(mechanism)) != 0; }
  bool empty() const { return bits_ == 0; }
  // "SCRAM-SHA-256 PLAIN", the best first.
  std::string Names() const;

 private:
  static uint16_t Bit(SaslMechanism m) {
    return static_cast<uint16_t>(1u << static_cast<uint8_t>(m));
  }
  uint16_t bits_ = 0;
};

// What the connection brings. The views outlive the machine.
struct SaslChannel {
  bool encrypted = false;
  std::string_view tls_exporter;          // RFC 9266; "" where there is none
  std::string_view tls_server_end_point;  // RFC 5929 §4
  std::string_view certificate_identity;  // of a client certificate that was verified
};

enum class SaslPlaintext : uint8_t { kEncryptedOnly, kAlways };

struct SaslPolicy {
  SaslPlaintext plaintext = SaslPlaintext::kEncryptedOnly;  // PLAIN, LOGIN and tokens
  bool cram_md5 = false;                                    // needs passwords that can be read
  bool oauth = false;                                       // somebody can check tokens
  bool scram = true;
  bool channel_binding = true;  // the -PLUS of SCRAM
  bool certificates = false;    // EXTERNAL
};
SaslMechanismSet OfferedMechanisms(const SaslPolicy& policy, const SaslChannel& channel);

// --- The wire (RFC 4954 §4, RFC 5034 §4, RFC 9051 §6.2.2) ---

enum class SaslLine : uint8_t { kResponse, kAbort, kMalformed, kTooLong };
// A line of the client; "*" aborts.
SaslLine DecodeSaslResponse(std::string_view line, std::string& octets);
// What stands behind the mechanism; "=" is an empty response.
SaslLine DecodeSaslInitialResponse(std::string_view word, std::string& octets);
std::string EncodeSasl(std::string_view octets);

// --- The server ---

enum class SaslFailure : uint8_t {
  kNone,
  kMalformed,    // 501 5.5.2: not what the mechanism says
  kRefused,      // 535 5.7.8
  kUnavailable,  // 454 4.7.0
};

enum class SaslStepKind : uint8_t { kChallenge, kAsk, kSuccess, kFailure };
struct SaslStep {
  SaslStepKind kind = SaslStepKind::kFailure;
  std::string challenge;  // octets; the caller encodes them
  SaslFailure failure = SaslFailure::kNone;
};

enum class SaslAuthorization : uint8_t {
  kSameOnly,  // an authorization identity has to be the account itself
  kAskedFor,  // the answer's account is the decision
};

struct SaslServerOptions {
  SaslChannel channel;
  SaslMechanismSet offered;  // what the client was told: SCRAM finds a downgrade by it
  SaslAuthorization authorization = SaslAuthorization::kSameOnly;
  std::string_view hostname;
  // Printable, of 120 random bits at least, new for each exchange: SCRAM's and CRAM-MD5's nonce.
  std::string nonce;
  std::string_view server_secret;      // for the salts of unknown names (FakeScramKeys)
  uint32_t unknown_iterations = 4096;  // what most accounts have
};

class SaslServer {
 public:
  static std::unique_ptr<SaslServer> Make(SaslMechanism mechanism,
                                          const SaslServerOptions& options);
  virtual ~SaslServer() = default;
  SaslServer(const SaslServer&) = delete;
  SaslServer& operator=(const SaslServer&) = delete;

  SaslStep Begin(std::optional<std::string_view> initial_response);
  SaslStep Respond(std::string_view response);
  SaslStep Answer(const credential::CredentialAnswer& answer);

  // Of kAsk, until it is answered.
  const credential::CredentialQuestion& question() const { return question_; }
  // Of kSuccess.
  const std::string& account() const { return account_; }
  // The name that was tried, for limiter and log; "" where none was understood.
  const std::string& authentication_id() const { return question_.authentication_id; }

 protected:
  explicit SaslServer(const SaslServerOptions& options) : options_(options) {}
  virtual SaslStep OnBegin() = 0;
  virtual SaslStep OnResponse(std::string_view response) = 0;
  virtual SaslStep OnAnswer(const credential::CredentialAnswer& answer) = 0;

  // The prepared name as authentication_id; false: no name.
  bool SetName(std::string_view name);
  bool SetAuthorization(std::string_view name);
  bool SetPassword(std::string_view password);
  SaslStep Ask(credential::CredentialKind kind);
  // Success, where the authorization identity is allowed.
  SaslStep Succeed(const credential::CredentialAnswer& answer);

  const SaslServerOptions options_;
  credential::CredentialQuestion question_;
  std::string account_;

 private:
  enum class Turn : uint8_t { kBegin, kRespond, kAnswer, kEnd };
  SaslStep Note(SaslStep step);
  Turn turn_ = Turn::kBegin;
};

// --- The client ---

struct SaslClientOptions {
  std::string authentication_id, authorization_id;
  codec::Secret password;  // of OAUTHBEARER and XOAUTH2 the token
  std::string nonce;       // as SaslServerOptions::nonce
  SaslChannel channel;
  bool server_offers_plus = false;  // of this SCRAM
  std::string host;                 // OAUTHBEARER
  uint16_t port = 0;
};

class SaslClient {
 public:
  // Nothing where the options do not do for the mechanism: a name or password that SASLprep
  // refuses, -PLUS without a channel binding.
  static std::unique_ptr<SaslClient> Make(SaslMechanism mechanism,
                                          const SaslClientOptions& options);
  virtual ~SaslClient() = default;
  SaslClient(const SaslClient&) = delete;
  SaslClient& operator=(const SaslClient&) = delete;

  // Nothing where the server speaks first.
  virtual std::optional<std::string> InitialResponse() = 0;
  // The response to a challenge; nothing: the server is wrong, abort with "*".
  virtual std::optional<std::string> Respond(std::string_view challenge) = 0;
  // Whether a success may be believed: SCRAM's server has to prove that it knows the keys.
  virtual bool success_is_proved() const { return true; }

 protected:
  SaslClient() = default;
};

// The best that both sides can: -PLUS only with a channel binding, plaintext only if allowed.
std::optional<SaslMechanism> ChooseSaslMechanism(const SaslMechanismSet& offered,
                                                 const SaslChannel& channel,
                                                 SaslPlaintext plaintext);

}  // namespace ringmail::session
