#include "server/serve/directory_authenticator.h"

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "ringmail/base/log.h"
#include "ringmail/credential/password.h"
#include "ringmail/credential/question.h"
#include "ringmail/io/blocking.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"

namespace ringmail::server {
namespace {

using agent::AuthStep;
using credential::CredentialAnswer;
using credential::CredentialKind;
using credential::CredentialVerdict;
using session::SaslStep;
using session::SaslStepKind;

std::string RandomWord() {
  return fmt::format("{:016x}{:016x}", io::RandomUint64(), io::RandomUint64());
}

// What the directory keeps of an account, copied, since a look-up is only good until the next wait.
struct Kept {
  bool unavailable = false;
  bool enabled = false;
  std::string account;
  AccountId account_id;
  std::vector<codec::Secret> passwords, scram;
};

Kept LookUp(const storage::Directory& directory, std::string_view name) {
  Kept kept;
  const std::optional<std::string> address = storage::DirectoryAddress(name);
  if (!address) return kept;
  const std::optional<storage::DirectoryRow> row = directory.Find(*address);
  if (!row) {
    // It may be among what damage took.
    kept.unavailable = !directory.complete();
    return kept;
  }
  const auto account = storage::AccountView::Parse(row->name, row->value);
  if (!account) return kept;
  kept.enabled = account->enabled();
  kept.account = *address;
  kept.account_id = AccountId(account->id());
  account->VisitCredentials(
      [](void* context, const storage::AccountView::CredentialView& one) {
        Kept& self = *static_cast<Kept*>(context);
        (one.kind == storage::CredentialKind::kScram ? self.scram : self.passwords)
            .emplace_back(one.secret);
        return true;
      },
      &kept);
  return kept;
}

// On the blocking pool.
struct PasswordWork {
  const Kept& kept;
  const credential::CredentialQuestion& question;
  bool matches = false, failed = false;

  static void Call(void* context) {
    auto& self = *static_cast<PasswordWork*>(context);
    for (const codec::Secret& stored : self.kept.passwords) {
      for (const codec::Secret* password :
           {&self.question.password, &self.question.password_as_sent}) {
        if (password == &self.question.password_as_sent &&
            self.question.password == self.question.password_as_sent)
          continue;
        const credential::PasswordResult result = credential::VerifyPassword(
            stored.view(), password->view(), self.question.authentication_id, {});
        self.failed |= result.verdict == credential::PasswordVerdict::kNoMemory;
        if (result.verdict != credential::PasswordVerdict::kMatch) continue;
        self.matches = true;
        return;
      }
    }
    if (self.kept.passwords.empty()) credential::VerifyNothing(self.question.password.view(), {});
  }
};

class Exchange final : public agent::AuthExchange {
 public:
  Exchange(const storage::Directory& directory, session::SaslMechanism mechanism,
           const session::SaslServerOptions& options, const IpAddress& client)
      : directory_(directory),
        server_(session::SaslServer::Make(mechanism, options)),
        client_(client) {}

  io::Task<AuthStep> Begin(std::optional<std::string_view> initial_response) override {
    return GoOn(server_->Begin(initial_response));
  }
  io::Task<AuthStep> Respond(std::string_view response) override {
    return GoOn(server_->Respond(response));
  }

 private:
  io::Task<AuthStep> GoOn(SaslStep step) {
    while (step.kind == SaslStepKind::kAsk) {
      const CredentialAnswer answer = co_await Answer();
      step = server_->Answer(answer);
    }
    if (step.kind == SaslStepKind::kFailure && step.failure == session::SaslFailure::kRefused) {
      LogLine(io::ShardLog(), LogLevel::kInfo, "authentication_refused")
          .Field("client", client_.ToString())
          .Field("name", server_->authentication_id());
      co_await io::SleepUntil(io::Now() + kAuthFailureDelay);
    }
    AuthStep out{
        .kind = step.kind, .challenge = std::move(step.challenge), .failure = step.failure};
    if (step.kind == SaslStepKind::kSuccess) {
      out.account = server_->account();
      out.account_id = account_id_;
    }
    co_return out;
  }

  io::Task<CredentialAnswer> Answer() {
    const credential::CredentialQuestion& question = server_->question();
    const Kept kept = LookUp(directory_, question.authentication_id);
    CredentialAnswer answer;
    answer.account = kept.account;
    account_id_ = kept.account_id;
    if (kept.unavailable) {
      answer.verdict = CredentialVerdict::kUnavailable;
    } else if (question.kind == CredentialKind::kPassword) {
      PasswordWork work{.kept = kept, .question = question};
      co_await io::RunBlocking(&PasswordWork::Call, &work);
      if (work.failed && !work.matches) {
        answer.verdict = CredentialVerdict::kUnavailable;
      } else if (work.matches && kept.enabled) {
        answer.verdict = CredentialVerdict::kAccepted;
      }
    } else if (question.kind == CredentialKind::kScramKeys && kept.enabled) {
      for (const codec::Secret& stored : kept.scram) {
        auto keys = credential::StoredScramKeys(stored.view(), question.scram_kind);
        if (keys) answer.scram_keys.push_back(*std::move(keys));
      }
      if (!answer.scram_keys.empty()) answer.verdict = CredentialVerdict::kAccepted;
    }
    co_return answer;
  }

  const storage::Directory& directory_;
  const std::unique_ptr<session::SaslServer> server_;
  AccountId account_id_;  // of the last answer
  const IpAddress client_;
};

}  // namespace

DirectoryAuthenticator::DirectoryAuthenticator(const storage::Directory& directory,
                                               std::string hostname, OfferScram scram)
    : directory_(directory), hostname_(std::move(hostname)), scram_(scram), secret_(RandomWord()) {}

session::SaslMechanismSet DirectoryAuthenticator::Offered(const session::SaslChannel& channel,
                                                          session::SaslPlaintext plaintext) const {
  session::SaslMechanismSet set = session::OfferedMechanisms(
      {.plaintext = plaintext, .scram = scram_ == OfferScram::kYes}, channel);
  set.Remove(session::SaslMechanism::kExternal);
  return set;
}

std::unique_ptr<agent::AuthExchange> DirectoryAuthenticator::Begin(
    session::SaslMechanism mechanism, session::SaslMechanismSet offered,
    const session::SaslChannel& channel, const agent::AuthClient& client) {
  return std::make_unique<Exchange>(directory_, mechanism,
                                    session::SaslServerOptions{.channel = channel,
                                                               .offered = offered,
                                                               .hostname = hostname_,
                                                               .nonce = RandomWord(),
                                                               .server_secret = secret_},
                                    client.address);
}

io::Task<agent::AuthStep> DirectoryAuthenticator::LogIn(std::string_view name,
                                                        std::string_view password,
                                                        agent::AuthClient client) {
  // RFC 4616 §2: neither has a NUL.
  if (name.find('\0') != name.npos || password.find('\0') != password.npos)
    co_return AuthStep{.kind = SaslStepKind::kFailure, .failure = session::SaslFailure::kMalformed};
  std::string plain("\0", 1);
  plain += name;
  plain += '\0';
  plain += password;
  const codec::Secret response(std::move(plain));
  session::SaslMechanismSet offered;
  offered.Add(session::SaslMechanism::kPlain);
  const auto exchange = Begin(session::SaslMechanism::kPlain, offered, {.encrypted = true}, client);
  co_return co_await exchange->Begin(response.view());
}

io::Task<agent::AuthStep> DirectoryAuthenticator::Apop(std::string_view, std::string_view,
                                                       std::string_view, agent::AuthClient) {
  co_await io::SleepUntil(io::Now() + kAuthFailureDelay);
  co_return AuthStep{.kind = SaslStepKind::kFailure, .failure = session::SaslFailure::kRefused};
}

}  // namespace ringmail::server
