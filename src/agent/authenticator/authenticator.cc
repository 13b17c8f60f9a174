#include <algorithm>
#include <bit>
#include <utility>

#include "agent/authenticator/core.h"
#include "ringmail/base/check.h"
#include "ringmail/base/log.h"
#include "ringmail/io/blocking.h"

namespace ringmail::agent {
namespace {

using credential::CredentialAnswer;
using credential::CredentialQuestion;
using credential::CredentialVerdict;
using storage::Credential;
using storage::CredentialKind;

constexpr uint32_t kUpgradesMax = 16;

constexpr FixedLimit kLimits[] = {
    {"password hashes being replaced", kUpgradesMax, "of one shard", "",
     "the account keeps its old hash until a later login"},
    {"passwords found right that are remembered", 2 * kPasswordCacheMax, "of one shard", "",
     "the next login takes a check"},
    {"response of an authentication exchange", session::kSaslLineBytesMax, "octets of base64",
     "RFC 4954 §4", "500 5.5.6"},
    {"name in an authentication exchange", session::kSaslNameBytesMax, "octets", "", "refused"},
    {"password in an authentication exchange", credential::kPasswordBytesMax, "octets", "",
     "refused"},
    {"access token", credential::kTokenBytesMax, "octets", "", "refused"},
    {"key set of tokens by URL", credential::kTokenKeySetBytesMax, "octets", "RFC 7517 §5",
     "the keys before stay"},
    {"pause between fetches of a key set", kTokenKeysPause.count(), "seconds, of one shard", "",
     "a token of an unknown key is refused"},
    {"age of a key set that cannot be fetched", kTokenKeysAgeMax.count(), "seconds", "",
     "454 4.7.0"},
    {"answer of an introspection", credential::kTokenIntrospectionBytesMax, "octets",
     "RFC 7662 §2.2", "454 4.7.0"},
    {"introspections at once", kTokenCallsMax, "of one shard", "", "the others wait in order"},
    {"introspections that wait", kTokenCallsWaitingMax, "of one shard", "", "454 4.7.0"},
    {"introspections that are kept", kTokensKept, "tokens of one shard", "",
     "the oldest is forgotten"},
};

constexpr std::string_view kReasonNames[kAuthReasons] = {
    "none",          "name",  "no_account",    "disabled",       "no_credential", "wrong",
    "unusable_hash", "token", "authorization", "network_banned", "name_banned",   "directory",
    "memory",        "busy",  "token_server",  "client_network",
};

// The limiter's key: of the secret, but not it.
std::array<uint64_t, 2> LimiterKey(std::string_view secret) {
  CHECK(!secret.empty());
  const codec::DigestValue digest =
      codec::Hmac(codec::DigestKind::kSha256, secret, {"auth limiter"});
  std::array<uint64_t, 2> key{};
  for (size_t i = 0; i < 16; ++i) {
    key[i / 8] = key[i / 8] << 8 | static_cast<uint8_t>(digest.octets[i]);
  }
  return key;
}

bool IsReadable(const Credential& one) {
  return credential::PlainPassword(one.secret).has_value() ||
         credential::StoredCramMd5(one.secret).has_value();
}

}  // namespace

std::span<const FixedLimit> AuthenticatorLimits() { return kLimits; }

std::string_view AuthReasonName(AuthReason reason) {
  return kReasonNames[static_cast<size_t>(reason)];
}

std::string RandomOctets(size_t count) {
  std::string octets;
  while (octets.size() < count) {
    const uint64_t word = io::RandomUint64();
    for (unsigned shift = 0; shift < 64 && octets.size() < count; shift += 8) {
      octets += static_cast<char>(static_cast<uint8_t>(word >> shift));
    }
  }
  return octets;
}

std::unique_ptr<Authenticator> Authenticator::Make(storage::Directory& directory,
                                                   AuthenticatorOptions options) {
  return std::make_unique<AuthenticatorCore>(directory, std::move(options));
}

AuthenticatorCore::AuthenticatorCore(storage::Directory& directory, AuthenticatorOptions options)
    : directory_(directory),
      options_(std::move(options)),
      limiter_(options_.limiter, LimiterKey(options_.server_secret.view())),
      passwords_(options_.password_cache),
      token_source_(TokenSource::Make(options_.tokens, options_.token_server, metrics_.tokens)) {}

AuthenticatorCore::~AuthenticatorCore() { CHECK(running_ == 0 && waiting_ == 0); }

void AuthenticatorCore::Start(std::vector<Authenticator*> peers) {
  for (Authenticator* const one : peers) peers_.push_back(static_cast<AuthenticatorCore*>(one));
}

session::SaslMechanismSet AuthenticatorCore::Offered(const session::SaslChannel& channel,
                                                     session::SaslPlaintext plaintext) const {
  return session::OfferedMechanisms({.plaintext = plaintext,
                                     .cram_md5 = options_.readable_passwords,
                                     .oauth = options_.tokens != nullptr,
                                     .scram = options_.scram,
                                     .channel_binding = options_.channel_binding,
                                     .certificates = options_.certificates},
                                    channel);
}

bool AuthenticatorCore::Banned(const IpAddress& client) const {
  return limiter_.Banned(client, io::Now());
}

void AuthenticatorCore::Reconfigure(AuthenticatorOptions options) {
  // The secret is that of the start: salts of unknown names stay as they are.
  options.server_secret = options_.server_secret;
  options.backends = options_.backends;
  const bool other =
      options.tokens != options_.tokens || options.token_server != options_.token_server;
  options_ = std::move(options);
  if (other && !ending_)
    token_source_ = TokenSource::Make(options_.tokens, options_.token_server, metrics_.tokens);
  limiter_.Reconfigure(options_.limiter);
  passwords_.set_time(options_.password_cache);
}

// --- look-ups ---

std::string AuthenticatorCore::AddressOf(std::string_view name) const {
  std::string text(name);
  if (text.find('@') == std::string::npos && !options_.default_domain.empty()) {
    text += "@" + options_.default_domain;
  }
  return storage::DirectoryAddress(text).value_or("");
}

AuthenticatorCore::Found AuthenticatorCore::Find(std::string_view name) const {
  Found found;
  found.address = AddressOf(name);
  if (found.address.empty()) {
    found.reason = AuthReason::kName;
    return found;
  }
  const auto row = directory_.Find(found.address);
  if (!row) {
    // What damage took away may have been this account.
    found.reason = directory_.complete() ? AuthReason::kNoAccount : AuthReason::kDirectory;
    return found;
  }
  if (storage::EncodedKind(row->value) != storage::DirectoryKind::kAccount) {
    found.reason =
        storage::EncodedKind(row->value) ? AuthReason::kNoAccount : AuthReason::kDirectory;
    return found;
  }
  const auto view = storage::AccountView::Parse(found.address, row->value);
  if (!view || view->id() == 0) {
    found.reason = AuthReason::kDirectory;
    return found;
  }
  found.id = AccountId(view->id());
  found.version = row->version;
  found.backend = view->backend();
  if (!view->enabled()) found.reason = AuthReason::kDisabled;
  view->VisitCredentials(
      [](void* context, const storage::AccountView::CredentialView& one) {
        static_cast<Found*>(context)->credentials.push_back(
            {one.kind, std::string(one.name), std::string(one.secret), one.created});
        return true;
      },
      &found);
  return found;
}

io::Task<AuthenticatorCore::Found> AuthenticatorCore::FindAnywhere(std::string name,
                                                                   IpAddress client,
                                                                   BackendFreshness freshness) {
  Found found = Find(name);
  AccountBackends* const backends = options_.backends;
  if (backends == nullptr || found.address.empty() ||
      !backends->Covers(storage::DomainOfName(found.address))) {
    // A backend that is no longer configured names nobody.
    if (!found.backend.empty() && found.reason == AuthReason::kNone)
      found.reason = AuthReason::kNoAccount;
    co_return found;
  }
  const std::string address = found.address;
  const BackendFinding finding = co_await backends->Find(address, freshness);
  // Waiting may have changed the directory, and an account is made there.
  found = Find(address);
  switch (finding.kind) {
    case BackendFinding::Kind::kNoPart:
      co_return found;
    case BackendFinding::Kind::kUnknown:
      found.reason = AuthReason::kNoAccount;
      found.credentials.clear();
      co_return found;
    case BackendFinding::Kind::kUnavailable:
      found.reason = AuthReason::kDirectory;
      found.credentials.clear();
      co_return found;
    case BackendFinding::Kind::kFound:
      break;
  }
  found.asked = true;
  found.verify = finding.account.verify;
  found.cached = finding.cached;
  // App passwords are made here; the account's own is the backend's.
  std::erase_if(found.credentials,
                [](const Credential& one) { return one.kind != CredentialKind::kAppPassword; });
  if (const std::string& stored = finding.account.password; !stored.empty()) {
    const bool scram = credential::StoredScramKeys(stored, codec::DigestKind::kSha256) ||
                       credential::StoredScramKeys(stored, codec::DigestKind::kSha1);
    found.credentials.insert(
        found.credentials.begin(),
        {scram ? CredentialKind::kScram : CredentialKind::kPassword, "", stored, {}});
  }
  if (!finding.account.enabled && found.reason == AuthReason::kNone)
    found.reason = AuthReason::kDisabled;
  const auto& networks = finding.account.networks;
  const bool allowed = !finding.account.restricted || std::any_of(networks.begin(), networks.end(),
                                                                  [&client](const IpNetwork& one) {
                                                                    return one.Contains(client);
                                                                  });
  if (!allowed && found.reason == AuthReason::kNone) found.reason = AuthReason::kClientNetwork;
  co_return found;
}

session::SaslFailure AuthenticatorCore::FailureOf(AuthReason reason) const {
  switch (reason) {
    case AuthReason::kNetworkBanned:
    case AuthReason::kNameBanned:
    case AuthReason::kDirectory:
    case AuthReason::kMemory:
    case AuthReason::kBusy:
    case AuthReason::kTokenServer:
      return session::SaslFailure::kUnavailable;
    default:
      // Where names were lost, a refusal of those that are left would tell which these are.
      return directory_.complete() ? session::SaslFailure::kRefused
                                   : session::SaslFailure::kUnavailable;
  }
}

bool AuthenticatorCore::Admit(AuthTrial& trial) {
  const std::string address = trial.name_counts ? AddressOf(trial.name) : "";
  switch (limiter_.Admit(trial.client.address, address, io::Now())) {
    case session::AuthAdmission::kAdmitted:
      return true;
    case session::AuthAdmission::kNetworkBanned:
      trial.reason = AuthReason::kNetworkBanned;
      return false;
    case session::AuthAdmission::kNameBanned:
      trial.reason = AuthReason::kNameBanned;
      return false;
  }
  return false;
}

// --- answers ---

io::Task<CredentialAnswer> AuthenticatorCore::Answer(const CredentialQuestion& question,
                                                     AuthTrial& trial) {
  CredentialAnswer answer;
  trial.name = question.authentication_id;
  trial.name_counts = question.kind != credential::CredentialKind::kToken;
  if (!Admit(trial)) {
    answer.verdict = CredentialVerdict::kUnavailable;
    co_return answer;
  }
  if (question.kind == credential::CredentialKind::kToken) {
    co_await AnswerToken(question, trial, answer);
    co_return answer;
  }
  Found found = co_await FindAnywhere(std::string(question.authentication_id), trial.client.address,
                                      BackendFreshness::kCached);
  trial.reason = found.reason;
  if (found.reason != AuthReason::kNone) found.credentials.clear();
  answer.account = found.address;
  switch (question.kind) {
    case credential::CredentialKind::kPassword:
      co_return co_await AnswerPassword(question, std::move(found), trial);
    case credential::CredentialKind::kScramKeys:
      AnswerScram(found, question.scram_kind, answer);
      break;
    case credential::CredentialKind::kCramMd5:
      for (const Credential& one : found.credentials) {
        if (one.kind == CredentialKind::kScram) continue;
        if (const auto contexts = credential::StoredCramMd5(one.secret)) {
          answer.cram_md5.push_back(*contexts);
        }
      }
      break;
    case credential::CredentialKind::kIdentity:
    case credential::CredentialKind::kToken:
      break;
  }
  if (trial.reason == AuthReason::kDirectory) {
    answer.verdict = CredentialVerdict::kUnavailable;
  } else if (trial.reason == AuthReason::kNone) {
    const bool nothing = question.kind != credential::CredentialKind::kIdentity &&
                         answer.scram_keys.empty() && answer.cram_md5.empty();
    if (nothing) {
      trial.reason = AuthReason::kNoCredential;
    } else {
      answer.verdict = CredentialVerdict::kAccepted;
    }
  }
  co_return answer;
}

// One exchange has one salt: that of the account's own keys, or else of its first app password.
void AuthenticatorCore::AnswerScram(const Found& found, codec::DigestKind kind,
                                    CredentialAnswer& answer) {
  for (const CredentialKind wanted : {CredentialKind::kScram, CredentialKind::kAppPassword}) {
    for (const Credential& one : found.credentials) {
      if (one.kind != wanted) continue;
      auto keys = credential::StoredScramKeys(one.secret, kind);
      if (!keys || keys->iterations > credential::kScramIterationsMax) continue;
      if (!answer.scram_keys.empty() && (answer.scram_keys[0].salt != keys->salt ||
                                         answer.scram_keys[0].iterations != keys->iterations)) {
        continue;
      }
      answer.scram_keys.push_back(*std::move(keys));
    }
  }
}

io::Task<void> AuthenticatorCore::AnswerToken(const CredentialQuestion& question, AuthTrial& trial,
                                              CredentialAnswer& answer) {
  const auto tokens = options_.tokens;
  if (tokens == nullptr) {
    trial.reason = AuthReason::kNoCredential;
    co_return;
  }
  answer.oauth_scope = tokens->scope;
  answer.oauth_configuration_url = tokens->configuration_url;
  const auto source = token_source_;
  credential::TokenResult result;
  if (source == nullptr) {
    result = credential::VerifyToken(*tokens, question.token.view(), io::WallNow());
  } else {
    TokenAnswer asked = co_await source->Check(question.token);
    result = std::move(asked.result);
    if (!asked.told) {
      trial.reason = AuthReason::kTokenServer;
      trial.detail = result.why;
      answer.verdict = CredentialVerdict::kUnavailable;
      co_return;
    }
  }
  if (!result.accepted) {
    trial.reason = AuthReason::kToken;
    trial.detail = result.why;
    co_return;
  }
  const Found found = co_await FindAnywhere(std::string(result.account), trial.client.address,
                                            BackendFreshness::kCached);
  trial.reason = found.reason;
  if (trial.name.empty()) trial.name = result.account;
  if (found.reason == AuthReason::kDirectory) answer.verdict = CredentialVerdict::kUnavailable;
  if (found.reason != AuthReason::kNone) co_return;
  answer.account = found.address;
  answer.verdict = CredentialVerdict::kAccepted;
}

io::Task<CredentialAnswer> AuthenticatorCore::AnswerPassword(const CredentialQuestion& question,
                                                             Found found, AuthTrial& trial) {
  CredentialAnswer answer;
  answer.account = found.address;
  trial.password = question.password_as_sent;
  if (trial.reason == AuthReason::kNone && Knows(found, question.password_as_sent)) {
    metrics_.cached.Add();
    answer.verdict = CredentialVerdict::kAccepted;
    co_return answer;
  }
  PasswordCheck check;
  check.stored = found.credentials;
  check.password = question.password;
  check.password_as_sent = question.password_as_sent;
  check.user = found.address;
  check.cost = options_.cost;
  check.limits = options_.limits;
  if (!co_await RunCheck(check)) {
    trial.reason = AuthReason::kBusy;
    answer.verdict = CredentialVerdict::kUnavailable;
    co_return answer;
  }
  if (!check.unusable.empty()) {
    LogLine(io::ShardLog(), LogLevel::kError, "stored_password_unusable")
        .Field("account", found.address)
        .Field("what", check.unusable);
  }
  if (!check.match && found.asked && trial.reason == AuthReason::kNone &&
      co_await AskBackend(question, found, check, trial)) {
    answer.verdict = CredentialVerdict::kAccepted;
    co_return answer;
  }
  if (check.match && trial.reason == AuthReason::kNone) {
    // The account may have been changed meanwhile: what matched has to be there still.
    Found now = Find(found.address);
    const Credential& matched = check.stored[check.which];
    trial.reason = now.reason;
    const bool still =
        std::find(now.credentials.begin(), now.credentials.end(), matched) != now.credentials.end();
    const bool theirs = found.asked && matched.kind != CredentialKind::kAppPassword;
    if (trial.reason == AuthReason::kNone && !still && !theirs) trial.reason = AuthReason::kWrong;
    if (trial.reason == AuthReason::kNone) {
      answer.verdict = CredentialVerdict::kAccepted;
      passwords_.Learn(found.address, matched, question.password_as_sent.view(), io::Now());
      if (!found.asked) MayUpgrade(now, matched, question.password);
    }
    co_return answer;
  }
  if (trial.reason == AuthReason::kNone) {
    trial.reason = check.no_memory          ? AuthReason::kMemory
                   : check.stored.empty()   ? AuthReason::kNoCredential
                   : check.unusable.empty() ? AuthReason::kWrong
                                            : AuthReason::kUnusable;
  }
  if (FailureOf(trial.reason) == session::SaslFailure::kUnavailable) {
    answer.verdict = CredentialVerdict::kUnavailable;
  }
  co_return answer;
}

bool AuthenticatorCore::Knows(const Found& found, const codec::Secret& password_as_sent) {
  const MonotonicTime now = io::Now();
  return std::any_of(found.credentials.begin(), found.credentials.end(),
                     [&](const Credential& one) {
                       return passwords_.Knows(found.address, one, password_as_sent.view(), now);
                     });
}

io::Task<bool> AuthenticatorCore::AskBackend(const CredentialQuestion& question, const Found& found,
                                             PasswordCheck& check, AuthTrial& trial) {
  using Verdict = backend::BackendVerdict::Kind;
  if (found.verify) {
    const Verdict verdict =
        co_await options_.backends->Verify(found.address, question.password_as_sent);
    if (verdict == Verdict::kUnavailable) trial.reason = AuthReason::kDirectory;
    if (verdict == Verdict::kMismatch) trial.reason = AuthReason::kWrong;
  } else {
    if (!found.cached) co_return false;
    // What was kept may be the password of yesterday.
    const Found now =
        co_await FindAnywhere(found.address, trial.client.address, BackendFreshness::kAskAgain);
    trial.reason = now.reason;
    if (now.reason != AuthReason::kNone || now.credentials == found.credentials) co_return false;
    check.stored = now.credentials;
    check.unusable.clear();
    if (!co_await RunCheck(check)) trial.reason = AuthReason::kBusy;
    if (!check.match || trial.reason != AuthReason::kNone) co_return false;
  }
  // Waiting may have changed the directory.
  if (trial.reason == AuthReason::kNone) trial.reason = Find(found.address).reason;
  co_return trial.reason == AuthReason::kNone;
}

io::Task<bool> AuthenticatorCore::RunCheck(PasswordCheck& check) {
  Counted place;
  if (running_ >= std::max(options_.checks_max, 1u)) {
    if (waiting_ >= options_.checks_waiting_max) co_return false;
    Waiter waiter;
    queue_.PushBack(waiter);
    Counted waits(waiting_);
    metrics_.checks_waiting.Set(waiting_);
    // Whoever ends a check hands its place over.
    (void)co_await waiter.event.Wait(kNever);
    place = std::move(waiter.place);
    waits = {};
    metrics_.checks_waiting.Set(waiting_);
  } else {
    place = Counted(running_);
  }
  metrics_.checks_running.Set(running_);
  co_await io::RunBlocking(&PasswordCheck::Call, &check);
  if (queue_.empty()) {
    place = {};
    metrics_.checks_running.Set(running_);
  } else {
    Waiter& next = queue_.PopFront();
    next.place = std::move(place);
    next.event.Notify();
  }
  co_return true;
}

// RFC 1939 §7. The digest is what a password would be: made of nothing where there is none.
io::Task<AuthStep> AuthenticatorCore::Apop(std::string_view timestamp, std::string_view name,
                                           std::string_view digest, AuthClient client) {
  AuthTrial trial{
      .client = client, .mechanism = "APOP", .name = std::string(name), .began = io::Now()};
  AuthStep step;
  if (!options_.readable_passwords) {
    trial.reason = AuthReason::kNoCredential;
  } else if (Admit(trial)) {
    Found found =
        co_await FindAnywhere(std::string(name), client.address, BackendFreshness::kCached);
    trial.reason = found.reason;
    if (trial.reason != AuthReason::kNone) found.credentials.clear();
    bool match = false, readable = false;
    found.credentials.push_back({CredentialKind::kScram, "", "", {}});
    for (const Credential& one : found.credentials) {
      const auto plain = credential::PlainPassword(one.secret);
      readable |= plain.has_value();
      const codec::DigestValue made = codec::Digest(
          codec::DigestKind::kMd5, {timestamp, plain ? plain->view() : std::string_view()});
      std::string hex(32, '\0');
      for (size_t i = 0; i < 16; ++i) {
        const auto octet = static_cast<uint8_t>(made.octets[i]);
        hex[2 * i] = "0123456789abcdef"[octet >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[octet & 15];
      }
      match |= plain.has_value() && codec::ConstantTimeEqual(hex, digest);
    }
    if (trial.reason == AuthReason::kNone && !match) {
      trial.reason = readable ? AuthReason::kWrong : AuthReason::kNoCredential;
    }
    if (trial.reason == AuthReason::kNone) {
      step.kind = session::SaslStepKind::kSuccess;
      step.account = found.address;
    }
  }
  co_return co_await Conclude(std::move(step), trial);
}

// --- ends ---

io::Task<AuthStep> AuthenticatorCore::Conclude(AuthStep step, AuthTrial& trial) {
  if (step.kind == session::SaslStepKind::kSuccess) {
    // An exchange of several steps may have outlived its account.
    const Found found = Find(step.account);
    if (found.reason == AuthReason::kNone) {
      step.account_id = found.id;
      metrics_.accepted.Add();
      if (const auto news = limiter_.Succeed(trial.client.address, found.address, io::Now())) {
        Tell(*news);
      }
      co_return step;
    }
    trial.reason = found.reason;
    step = {};
    step.failure = session::SaslFailure::kRefused;
  }
  if (step.failure == session::SaslFailure::kMalformed) {
    metrics_.malformed.Add();
    co_return step;
  }
  if (trial.reason == AuthReason::kNone) trial.reason = AuthReason::kWrong;
  step.failure = FailureOf(trial.reason);
  co_await Penalize(trial);
  co_return step;
}

io::Task<void> AuthenticatorCore::Penalize(AuthTrial& trial) {
  switch (trial.reason) {
    case AuthReason::kNetworkBanned:
    case AuthReason::kNameBanned: {
      // No check was made: an answer at once would have them ask all the more.
      const Nanoseconds delay = options_.limiter.delay_max;
      Refuse(trial, delay);
      co_await Wait(trial.began + delay);
      co_return;
    }
    case AuthReason::kDirectory:
    case AuthReason::kMemory:
    case AuthReason::kBusy:
    case AuthReason::kTokenServer:
      Refuse(trial, options_.limiter.delay_min);
      co_await Wait(trial.began + options_.limiter.delay_min);
      co_return;
    default:
      break;
  }
  const std::string address = trial.name_counts ? AddressOf(trial.name) : "";
  session::AuthPenalty penalty =
      limiter_.Fail(trial.client.address, address, trial.password.view(), io::Now());
  trial.password = {};
  NoteFailure(trial, penalty);
  co_await Wait(trial.began + penalty.delay);
}

void AuthenticatorCore::NoteFailure(AuthTrial& trial, session::AuthPenalty& penalty) {
  Refuse(trial, penalty.delay);
  Tell(penalty.news);
  const auto banned = [&](std::string_view what, std::string_view who) {
    LogLine(io::ShardLog(), LogLevel::kWarning, "auth_ban")
        .Field("what", what)
        .Field("who", who)
        .Field("client", trial.client.address.ToString());
  };
  if (penalty.network_banned) {
    metrics_.network_bans.Add();
    banned("network", trial.client.address.ToString());
  }
  if (penalty.name_banned) {
    metrics_.name_bans.Add();
    banned("name", trial.name);
  }
}

void AuthenticatorCore::Refuse(AuthTrial& trial, Nanoseconds delay) {
  metrics_.refused[static_cast<size_t>(trial.reason)].Add();
  LogLine line(io::ShardLog(), LogLevel::kInfo, "auth_failed");
  line.Field("service", trial.client.service)
      .Field("client", trial.client.address.ToString())
      .Field("mechanism", trial.mechanism)
      .Field("name", trial.name)
      .Field("why", AuthReasonName(trial.reason))
      .Field("delay", delay);
  if (!trial.detail.empty()) line.Field("detail", trial.detail);
}

io::Task<void> AuthenticatorCore::Wait(MonotonicTime until) {
  if (ending_ || until <= io::Now()) co_return;
  Waiter waiter;
  penalties_.PushBack(waiter);
  (void)co_await waiter.event.Wait(until);
}

void AuthenticatorCore::EndPenalties() {
  ending_ = true;
  if (token_source_ != nullptr) token_source_->Stop();
  while (!penalties_.empty()) penalties_.PopFront().event.Notify();
}

// --- other shards ---

void AuthenticatorCore::Hear(io::ShardMessage& message) {
  auto& self = *message.Pointer<AuthenticatorCore>(0);
  self.limiter_.Learn({.network = message.words[1],
                       .name = message.words[2],
                       .attempt = message.words[3],
                       .success = message.words[4] != 0},
                      io::Now());
}

void AuthenticatorCore::Tell(const session::AuthNews& news) {
  for (size_t i = 0; i < peers_.size(); ++i) {
    if (peers_[i] == this) continue;
    io::ShardMessage message{.run = &Hear};
    message.SetPointer(0, peers_[i]);
    message.words[1] = news.network;
    message.words[2] = news.name;
    message.words[3] = news.attempt;
    message.words[4] = news.success ? 1 : 0;
    if (!io::TryPost(ShardIndex(static_cast<uint16_t>(i)), message)) metrics_.news_lost.Add();
  }
}

void AuthenticatorCore::EndFlush(io::ShardMessage& message) {
  message.Pointer<io::Event>(0)->Notify();
}

io::Task<void> AuthenticatorCore::AnswerFlush(ShardIndex from, io::Event* done) {
  io::ShardMessage answer{.run = &EndFlush};
  answer.SetPointer(0, done);
  co_await io::Post(from, answer);
}

void AuthenticatorCore::BeginFlush(io::ShardMessage& message) {
  auto& self = *message.Pointer<AuthenticatorCore>(0);
  self.flushes_.Spawn(AnswerFlush(ShardIndex(static_cast<uint16_t>(message.words[2])),
                                  message.Pointer<io::Event>(1)));
}

// Messages between two shards keep their order: what comes back from another shard has everything
// that was told to it behind it.
io::Task<void> AuthenticatorCore::Stop() {
  EndPenalties();
  co_await upgrades_.Close();
  for (size_t i = 0; i < peers_.size(); ++i) {
    if (peers_[i] == this) continue;
    io::Event done;
    io::ShardMessage message{.run = &BeginFlush};
    message.SetPointer(0, peers_[i]);
    message.SetPointer(1, &done);
    message.words[2] = io::ThisShard().value;
    co_await io::Post(ShardIndex(static_cast<uint16_t>(i)), message);
    (void)co_await done.Wait(kNever);
  }
}

// --- better hashes ---

void AuthenticatorCore::MayUpgrade(const Found& found, const Credential& matched,
                                   const codec::Secret& password) {
  if (!options_.upgrade || matched.kind != CredentialKind::kPassword) return;
  if (ending_ || upgrading_ >= kUpgradesMax) return;
  // Where a password is being replaced by another, its holder knows which is to stay.
  const auto own = [](const Credential& one) { return one.kind == CredentialKind::kPassword; };
  if (std::count_if(found.credentials.begin(), found.credentials.end(), own) != 1) return;
  bool sha256 = false, sha1 = false;
  std::vector<std::string> apps;
  for (const Credential& one : found.credentials) {
    if (one.kind == CredentialKind::kAppPassword) apps.push_back(one.secret);
    if (one.kind != CredentialKind::kScram) continue;
    sha256 |= credential::StoredScramKeys(one.secret, codec::DigestKind::kSha256).has_value();
    sha1 |= credential::StoredScramKeys(one.secret, codec::DigestKind::kSha1).has_value();
  }
  const bool kept = options_.readable_passwords && IsReadable(matched);
  const bool hash = !kept && credential::PasswordNeedsUpgrade(matched.secret, options_.cost);
  const bool keys = options_.scram && !(sha256 && sha1);
  if (!hash && !keys) return;
  ++upgrading_;
  upgrades_.Spawn(
      Upgrade(found.address, found.version, matched, password, credential::SharedScramSalt(apps)));
}

io::Task<void> AuthenticatorCore::Upgrade(std::string address, uint64_t version, Credential matched,
                                          codec::Secret password,
                                          std::optional<credential::ScramSalt> shared) {
  const bool kept = options_.readable_passwords && IsReadable(matched);
  UpgradeWork work{
      .password = std::move(password),
      .random = RandomOctets(credential::kNewPasswordRandomBytes),
      .cost = options_.cost,
      .scram_iterations = std::max(options_.scram_iterations, credential::kScramIterationsMin),
      .shared = std::move(shared)};
  co_await io::RunBlocking(&UpgradeWork::Call, &work);
  Status status = work.made.status();
  const auto row = directory_.Find(address);
  // Somebody changed the account meanwhile: the next login upgrades it.
  if (status.ok() && (!row || row->version != version)) status = absl::AbortedError("changed");
  if (status.ok()) {
    auto entry = storage::DecodeEntry(address, row->value);
    auto* const account = entry ? std::get_if<storage::AccountEntry>(&*entry) : nullptr;
    if (account == nullptr) {
      status = absl::DataLossError("unreadable");
    } else {
      std::erase_if(account->credentials, [&](const Credential& one) {
        return one.kind == CredentialKind::kScram || (!kept && one == matched);
      });
      const WallTime now = io::WallNow();
      auto at = account->credentials.begin();
      if (!kept) {
        at = account->credentials.insert(
                 at, {CredentialKind::kPassword, "", work.made->hash, matched.created}) +
             1;
      }
      account->credentials.push_back({CredentialKind::kScram, "", work.made->scram_sha256, now});
      account->credentials.push_back({CredentialKind::kScram, "", work.made->scram_sha1, now});
      storage::DirectoryTransaction transaction;
      transaction.changes.push_back(
          storage::DirectoryChange::Put(*entry, storage::DirectoryChange::Expect::kVersion));
      transaction.changes.back().version = version;
      status = (co_await directory_.Apply(std::move(transaction))).status();
    }
  }
  --upgrading_;
  (status.ok() ? metrics_.upgraded : metrics_.upgrade_failed).Add();
  LogLine line(io::ShardLog(), status.ok() ? LogLevel::kInfo : LogLevel::kWarning,
               status.ok() ? "password_upgraded" : "password_upgrade_failed");
  line.Field("account", address);
  if (!status.ok()) line.Field("why", Std(status.message()));
}

void AuthenticatorCore::RegisterMetrics(MetricRegistry& registry) {
  AuthMetrics& m = metrics_;
  registry.Add("ringmail_auth_accepted_total", "Logins that were let in", &m.accepted);
  registry.Add("ringmail_auth_malformed_total", "Exchanges that were no exchanges", &m.malformed);
  for (size_t i = 1; i < kAuthReasons; ++i) {
    const std::string label =
        "reason=\"" + std::string(AuthReasonName(static_cast<AuthReason>(i))) + "\"";
    registry.Add("ringmail_auth_refused_total", "Logins that were refused, by reason",
                 &m.refused[i], label);
  }
  registry.Add("ringmail_auth_bans_total", "Bans that began", &m.network_bans, "of=\"network\"");
  registry.Add("ringmail_auth_bans_total", "Bans that began", &m.name_bans, "of=\"name\"");
  registry.Add("ringmail_auth_passwords_known_total",
               "Passwords that were found right a moment before", &m.cached);
  registry.Add("ringmail_auth_upgraded_total", "Stored passwords replaced at a login", &m.upgraded);
  registry.Add("ringmail_auth_upgrade_failed_total", "Stored passwords that could not be",
               &m.upgrade_failed);
  registry.Add("ringmail_auth_news_lost_total", "Failures that another shard was not told of",
               &m.news_lost);
  registry.Add("ringmail_auth_token_calls_total", "Calls to the server of tokens", &m.tokens.calls);
  registry.Add("ringmail_auth_token_call_failures_total", "Calls that brought no answer",
               &m.tokens.failures);
  registry.Add("ringmail_auth_tokens_kept_total", "Tokens whose introspection was still known",
               &m.tokens.kept);
  registry.Add("ringmail_auth_checks_running", "Passwords being checked", &m.checks_running);
  registry.Add("ringmail_auth_checks_waiting", "Passwords that wait to be", &m.checks_waiting);
}

}  // namespace ringmail::agent
