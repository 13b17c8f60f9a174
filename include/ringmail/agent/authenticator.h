// Who a client is: drives the exchanges of SASL (session/sasl.h) against the directory, checks
// passwords on the blocking pool, and makes failures wait. Every protocol that logs people in does
// it here.
//
// Made by: Make, on each shard, over that shard's directory. Ends in: Stop on all shards, then
//   destruction.
// Order: Start once, when all shards have theirs. For an AUTH command: Offered, Begin, and
//   RunAuthExchange with the protocol's framing, as tests/unit/agent/authenticator_example_test.cc
//   does:
//
//     const auto offered = authenticator.Offered(channel, plaintext);
//     if (!mechanism || !offered.Has(*mechanism)) …                     // 504 5.5.4
//     const auto exchange = authenticator.Begin(*mechanism, offered, channel, client);
//     const AuthEnd end = co_await RunAuthExchange(*exchange, wire, initial_word);
//     if (end.lost) co_return;                                          // the connection is gone
//     if (end.line != session::SaslLine::kResponse) …                   // 501, 500 5.5.6
//     if (end.step.kind == session::SaslStepKind::kSuccess) …           // 235, end.step.account
//     …end.step.failure                                                 // 501, 535 5.7.8, 454
//
//   USER and PASS of POP3 and LOGIN of IMAP are LogIn, where Offered has kPlain; APOP is Apop.
// Promise: a name that nobody has, a wrong password, a disabled account and an account without such
//   a credential get one and the same answer, after the same time: the answer to a failure leaves
//   when its penalty is over, counted from the begin of the attempt, and a hash is made of every
//   password but one that was found right lately. Whoever is banned is told kUnavailable, whatever
//   name it says. A password that matches is never refused because a better hash of it could not be
//   stored.
// Shard: each its own; failures are told to the others by shard messages.
// Limits: AuthenticatorOptions; session/auth_limiter.h; session/sasl.h. A check of a password takes
//   PasswordCost of memory on a thread of the pool: checks_max of a shard at a time, of which the
//   others wait in order; checks_waiting_max of them, and beyond: kUnavailable.
// Errors: SaslFailure: kMalformed, the client's fault; kRefused; kUnavailable: the directory or the
//   server of tokens cannot tell, there is no memory, too many wait, or the client is banned.
//   Whatever is refused is a log line "auth_failed" with its reason, and never with a password.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/ids.h"
#include "ringmail/base/ip_address.h"
#include "ringmail/base/limit.h"
#include "ringmail/base/metrics.h"
#include "ringmail/credential/password.h"
#include "ringmail/credential/token.h"
#include "ringmail/io/task.h"
#include "ringmail/io/tls.h"
#include "ringmail/session/auth_limiter.h"
#include "ringmail/session/sasl.h"

namespace ringmail::storage {
class Directory;
}  // namespace ringmail::storage

namespace ringmail::agent {

// Who is asked about tokens: a URL of keys (RFC 7517 §5), or one that judges (RFC 7662). Each shard
// asks by itself, and keeps what it was told.
struct TokenServerOptions {
  // Fetched when the first token comes, again when it is older than `refresh`, and when a token is
  // of a key that is not in it, though no more often than every kTokenKeysPause (token_source.h).
  // "": none. REQUIRES: a URL of https, as the other.
  std::string key_set_url;
  // RFC 7662 §2.1, and how we prove who we are there (RFC 6749 §2.3.1).
  std::string introspection_url;
  std::string client_id;
  codec::Secret client_secret;
  std::shared_ptr<const io::TlsContext> tls;
  std::chrono::seconds timeout{10};  // of one answer, with all that it waits for
  std::chrono::seconds refresh{3600};
  // What introspection said of a token holds so long, and no longer than the token; 0: not at all.
  std::chrono::seconds cache_time{60};
  std::string user_agent = "ringmail";
};

struct AuthenticatorOptions {
  std::string hostname;  // in CRAM-MD5's challenge
  // 32 random octets, the same on all shards and from run to run (credential::FakeScramKeys).
  // REQUIRES: not empty.
  codec::Secret server_secret;
  // Of names without "@"; "": there are none.
  std::string default_domain;
  bool scram = true;
  bool channel_binding = true;  // with -PLUS, where TLS has one
  // CRAM-MD5 and APOP: accounts whose passwords are kept readable ({PLAIN}, {CRAM-MD5}).
  bool readable_passwords = false;
  // EXTERNAL: a client certificate logs in to the account of its mail address.
  bool certificates = false;
  // Hashes that PasswordNeedsUpgrade, and accounts without keys of SCRAM, get new ones at a login
  // that brought the password. Readable passwords stay where readable_passwords asks for them.
  bool upgrade = true;
  credential::PasswordCost cost;
  credential::PasswordLimits limits;
  uint32_t scram_iterations = 20'000;
  // A password that was found right is believed so long without a check; 0: never. What the account
  // keeps, and whether it may log in, is looked up each time.
  std::chrono::seconds password_cache{600};
  uint32_t checks_max = 4;
  uint32_t checks_waiting_max = 256;
  session::AuthLimiterOptions limiter;
  // Who is asked for accounts that the directory does not have by itself (account_backends.h).
  // Outlives the authenticator. Null: nobody. Passwords that they keep are theirs: no better hash
  // is stored for them.
  class AccountBackends* backends = nullptr;
  // Null: no tokens. Shared by all shards, replaced at reload.
  std::shared_ptr<const credential::TokenPolicy> tokens;
  // Null: nobody is asked, TokenPolicy::keys are all there are. Shared and replaced likewise; a new
  // one forgets what the one before had kept.
  std::shared_ptr<const TokenServerOptions> token_server;
};

// Who speaks.
struct AuthClient {
  IpAddress address;
  std::string_view service;  // "smtp", "pop3": ours, for the log; a literal
};

// What came of a step: kChallenge, kSuccess or kFailure, never kAsk.
struct AuthStep {
  session::SaslStepKind kind = session::SaslStepKind::kFailure;
  std::string challenge;  // octets
  session::SaslFailure failure = session::SaslFailure::kNone;
  // Of kSuccess: the account, which was enabled a moment ago.
  std::string account;
  AccountId account_id;
};

// One exchange. Begin once, Respond to each challenge, until kSuccess or kFailure. A step waits for
// the check, and after a failure until its penalty is over. What the views show outlives the task
// alone. One that is destroyed between steps is over, and counts as nothing, but for SCRAM and
// CRAM-MD5, where the client has learned nothing either.
class AuthExchange {
 public:
  virtual ~AuthExchange() = default;
  virtual io::Task<AuthStep> Begin(std::optional<std::string_view> initial_response) = 0;
  virtual io::Task<AuthStep> Respond(std::string_view response) = 0;
};

class Authenticator {
 public:
  static std::unique_ptr<Authenticator> Make(storage::Directory& directory,
                                             AuthenticatorOptions options);
  // REQUIRES: stopped on all shards, or never started.
  virtual ~Authenticator() = default;

  // `peers[i]` is shard i's.
  virtual void Start(std::vector<Authenticator*> peers) = 0;

  virtual session::SaslMechanismSet Offered(const session::SaslChannel& channel,
                                            session::SaslPlaintext plaintext) const = 0;
  // REQUIRES: `offered` has `mechanism`. Copies what the channel shows. The exchange ends before
  // the authenticator.
  virtual std::unique_ptr<AuthExchange> Begin(session::SaslMechanism mechanism,
                                              session::SaslMechanismSet offered,
                                              const session::SaslChannel& channel,
                                              const AuthClient& client) = 0;
  // A name and a password in plain words: kSuccess or kFailure. REQUIRES: the caller may take them,
  // as Offered's kPlain says. What the views show outlives the task.
  virtual io::Task<AuthStep> LogIn(std::string_view name, std::string_view password,
                                   AuthClient client) = 0;
  // Whether there may be passwords that APOP could be checked with.
  virtual bool KnowsApop() const = 0;
  // RFC 1939 §7: `digest` is MD5 of `timestamp` and the password, in hexadecimal.
  virtual io::Task<AuthStep> Apop(std::string_view timestamp, std::string_view name,
                                  std::string_view digest, AuthClient client) = 0;
  // Whether whatever this client tries will be kUnavailable: it may be sent away at once.
  virtual bool Banned(const IpAddress& client) const = 0;

  // For what begins from now on.
  virtual void Reconfigure(AuthenticatorOptions options) = 0;
  virtual void RegisterMetrics(MetricRegistry& registry) = 0;

  // Penalties end at once, and there are no more. Before the services stop, whose sessions wait for
  // them.
  virtual void EndPenalties() = 0;
  // After the services have stopped: returns when nothing of this shard's is under way, here or on
  // another shard. REQUIRES: no exchange is left here.
  virtual io::Task<void> Stop() = 0;
};

// --- The framing of a protocol ---

// A line of the client within an exchange.
struct AuthLine {
  enum class Status : uint8_t {
    kLine,
    kTooLong,    // longer than the protocol takes
    kMalformed,  // no line: a bare CR, LF or NUL
    kLost,       // the connection has ended, or the time has
  };
  Status status = Status::kLost;
  codec::Secret text;  // base64, or "*"; without what the protocol puts around it
};

// What differs among SMTP ("334 "), POP3 and IMAP ("+ ") and ManageSieve (a string).
class AuthWire {
 public:
  virtual ~AuthWire() = default;
  // Frames and writes a challenge.
  virtual void SendChallenge(std::string_view base64) = 0;
  virtual io::Task<AuthLine> ReadLine() = 0;
};

struct AuthEnd {
  // The connection is gone.
  bool lost = false;
  // Not kResponse: the exchange ended with a line that is none; `step` says nothing then.
  session::SaslLine line = session::SaslLine::kResponse;
  AuthStep step;
};

// The whole exchange. `initial_word` is what stood behind the mechanism (RFC 4954 §4, RFC 5034 §4,
// RFC 9051 §6.2.2), "=" an empty response. Takes references: awaited at once.
io::Task<AuthEnd> RunAuthExchange(AuthExchange& exchange, AuthWire& wire,
                                  std::optional<std::string_view> initial_word);

// What this room bounds whatever the configuration says.
std::span<const FixedLimit> AuthenticatorLimits();

}  // namespace ringmail::agent
