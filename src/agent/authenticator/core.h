// The authenticator of one shard; exchange.cc has the exchanges that it drives.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/authenticator/check.h"
#include "agent/authenticator/password_cache.h"
#include "agent/authenticator/token_source.h"
#include "ringmail/agent/account_backends.h"
#include "ringmail/agent/authenticator.h"
#include "ringmail/base/intrusive_list.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/storage/directory.h"

namespace ringmail::agent {

// Why somebody was not let in: a word of the log, and a label.
enum class AuthReason : uint8_t {
  kNone,
  kName,           // no name that an account could have
  kNoAccount,      // nobody has it
  kDisabled,       // an account that is
  kNoCredential,   // the account has nothing that this mechanism could be checked with
  kWrong,          // password, proof or digest
  kUnusable,       // what is stored cannot be checked
  kToken,          // the token was not accepted
  kAuthorization,  // another identity than its own
  kNetworkBanned,
  kNameBanned,
  kDirectory,  // it cannot tell
  kMemory,
  kBusy,           // too many checks wait
  kTokenServer,    // who is asked about tokens cannot tell
  kClientNetwork,  // the account's backend lets nobody in from there
};
inline constexpr size_t kAuthReasons = 16;
std::string_view AuthReasonName(AuthReason reason);

struct AuthMetrics {
  Counter accepted, malformed, cached, upgraded, upgrade_failed, news_lost, network_bans, name_bans;
  Counter refused[kAuthReasons];
  Gauge checks_waiting, checks_running;
  TokenMetrics tokens;
};

// A failure, as the log tells it.
struct AuthTrial {
  AuthClient client;
  std::string_view mechanism;
  std::string name;         // as prepared
  codec::Secret password;   // as sent, for the limiter alone
  bool name_counts = true;  // false: the name is a mere claim (tokens)
  MonotonicTime began{};
  AuthReason reason = AuthReason::kNone;
  std::string detail;  // of the reason
};

class AuthenticatorCore final : public Authenticator {
 public:
  AuthenticatorCore(storage::Directory& directory, AuthenticatorOptions options);
  ~AuthenticatorCore() override;

  void Start(std::vector<Authenticator*> peers) override;
  session::SaslMechanismSet Offered(const session::SaslChannel& channel,
                                    session::SaslPlaintext plaintext) const override;
  std::unique_ptr<AuthExchange> Begin(session::SaslMechanism mechanism,
                                      session::SaslMechanismSet offered,
                                      const session::SaslChannel& channel,
                                      const AuthClient& client) override;
  io::Task<AuthStep> LogIn(std::string_view name, std::string_view password,
                           AuthClient client) override;
  bool KnowsApop() const override { return options_.readable_passwords; }
  io::Task<AuthStep> Apop(std::string_view timestamp, std::string_view name,
                          std::string_view digest, AuthClient client) override;
  bool Banned(const IpAddress& client) const override;
  void Reconfigure(AuthenticatorOptions options) override;
  void RegisterMetrics(MetricRegistry& registry) override;
  void EndPenalties() override;
  io::Task<void> Stop() override;

  // --- for exchanges ---

  const AuthenticatorOptions& options() const { return options_; }
  io::Task<credential::CredentialAnswer> Answer(const credential::CredentialQuestion& question,
                                                AuthTrial& trial);
  // The end of a trial: what is counted, logged and waited for. `step` is kSuccess with the account
  // that the exchange ended with, or kFailure.
  io::Task<AuthStep> Conclude(AuthStep step, AuthTrial& trial);
  // A refusal that goes on as an exchange (RFC 7628 §3.2.3): counted and waited for already now.
  io::Task<void> Penalize(AuthTrial& trial);

 private:
  struct Found {
    AuthReason reason = AuthReason::kNone;  // kNone: here it is
    std::string address;
    AccountId id;
    uint64_t version = 0;
    std::vector<storage::Credential> credentials;
    std::string backend;  // who named the account; "": the directory alone
    // Of one that a backend has been asked for: it is who knows the password, which is not in
    // `credentials` but for app passwords where it checks them itself.
    bool asked = false, verify = false, cached = false;
  };
  // One more in a count, however it ends: a simulated crash destroys tasks where they stand.
  class Counted {
   public:
    Counted() = default;
    explicit Counted(uint32_t& count) : count_(&++count) {}
    Counted(Counted&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
    Counted& operator=(Counted&& other) noexcept {
      std::swap(count_, other.count_);
      return *this;
    }
    ~Counted() {
      if (count_ != nullptr) --*count_;
    }

   private:
    uint32_t* count_ = nullptr;
  };
  struct Waiter : ListHook<struct AuthWaiterTag> {
    io::Event event;
    Counted place;  // of one who waits for it: among the checks that run
  };

  // The account's address that a name means; "": none could.
  std::string AddressOf(std::string_view name) const;
  Found Find(std::string_view name) const;
  // As Find, and asks the backends.
  io::Task<Found> FindAnywhere(std::string name, IpAddress client, BackendFreshness freshness);
  // What a failure of this reason is to the client.
  session::SaslFailure FailureOf(AuthReason reason) const;
  bool Admit(AuthTrial& trial);
  io::Task<credential::CredentialAnswer> AnswerPassword(
      const credential::CredentialQuestion& question, Found found, AuthTrial& trial);
  // Whether this very password was found right of this very account a moment ago.
  bool Knows(const Found& found, const codec::Secret& password_as_sent);
  static void AnswerScram(const Found& found, codec::DigestKind kind,
                          credential::CredentialAnswer& answer);
  io::Task<void> AnswerToken(const credential::CredentialQuestion& question, AuthTrial& trial,
                             credential::CredentialAnswer& answer);
  // What follows where nothing that is stored has matched: the backend is asked to check it, or
  // whether it has another password by now. True: it matched.
  io::Task<bool> AskBackend(const credential::CredentialQuestion& question, const Found& found,
                            PasswordCheck& check, AuthTrial& trial);
  io::Task<bool> RunCheck(PasswordCheck& check);
  void Refuse(AuthTrial& trial, Nanoseconds delay);
  void NoteFailure(AuthTrial& trial, session::AuthPenalty& penalty);
  io::Task<void> Wait(MonotonicTime until);
  void Tell(const session::AuthNews& news);
  static void Hear(io::ShardMessage& message);
  void MayUpgrade(const Found& found, const storage::Credential& matched,
                  const codec::Secret& password);
  io::Task<void> Upgrade(std::string address, uint64_t version, storage::Credential matched,
                         codec::Secret password, std::optional<credential::ScramSalt> shared);
  static void BeginFlush(io::ShardMessage& message);
  static void EndFlush(io::ShardMessage& message);
  static io::Task<void> AnswerFlush(ShardIndex from, io::Event* done);

  storage::Directory& directory_;
  AuthenticatorOptions options_;
  session::AuthLimiter limiter_;
  PasswordCache passwords_;
  AuthMetrics metrics_;
  // Null: the policy has all keys. shared_ptr: a reload replaces it while exchanges wait for it.
  std::shared_ptr<TokenSource> token_source_;
  std::vector<AuthenticatorCore*> peers_;
  IntrusiveList<Waiter, struct AuthWaiterTag> penalties_, queue_;
  uint32_t running_ = 0, waiting_ = 0, upgrading_ = 0;
  bool ending_ = false;
  io::Gate upgrades_, flushes_;
};

std::string RandomOctets(size_t count);

}  // namespace ringmail::agent
