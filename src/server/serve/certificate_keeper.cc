#include "server/serve/certificate_keeper.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "ringmail/base/check.h"
#include "ringmail/base/log.h"
#include "ringmail/io/certificate.h"
#include "ringmail/io/shard.h"
#include "server/config/tls.h"
#include "server/config/tunnel.h"

namespace ringmail::server {
namespace {

using Outcome = acme::AcmeResult::Outcome;

constexpr char kStateName[] = "=acme/state";
constexpr char kCertificateName[] = "=acme/certificate";

// The clock is looked at so often, whatever it is set to meanwhile.
constexpr std::chrono::seconds kLookPause{3600};
// A stand-in is for the minutes until the first certificate is there; a server may wait longer.
constexpr std::chrono::hours kStandInLife{365 * 24};

LogLine Log(LogLevel level, std::string_view event) {
  return LogLine(io::ShardLog(), level, event);
}

storage::DirectoryChange Put(std::string name, std::string value) {
  return storage::DirectoryChange::Put(
      storage::KeptEntry{
          .name = std::move(name), .value = std::move(value), .created = io::WallNow()},
      storage::DirectoryChange::Expect::kAny);
}

std::optional<std::string> FindKept(const storage::Directory& directory, std::string_view name) {
  const auto row = directory.Find(name);
  if (!row) return std::nullopt;
  const auto entry = storage::DecodeEntry(row->name, row->value);
  const auto* kept = entry ? std::get_if<storage::KeptEntry>(&*entry) : nullptr;
  return kept == nullptr ? std::nullopt : std::optional(kept->value);
}

}  // namespace

WallTime RenewalTime(WallTime not_before, WallTime not_after, uint64_t chance) {
  if (not_after <= not_before) return not_before;
  const Nanoseconds life = not_after - not_before;
  const int64_t spread = std::max<int64_t>((life / 20).count(), 1);
  return not_before + life / 3 * 2 +
         Nanoseconds(static_cast<int64_t>(chance % static_cast<uint64_t>(spread)));
}

std::chrono::seconds RetryPause(Outcome outcome, uint32_t failures,
                                std::chrono::seconds retry_after, uint64_t chance) {
  const bool refused = outcome == Outcome::kRefused;
  const std::chrono::seconds least = refused ? kAcmeRefusedPauseMin : kAcmeLaterPauseMin;
  const std::chrono::seconds most = refused ? kAcmeRefusedPauseMax : kAcmeLaterPauseMax;
  std::chrono::seconds pause = least;
  for (uint32_t i = 1; i < failures && pause < most; ++i) pause *= 2;
  pause = std::min(pause, most);
  // RFC 8555 §6.6: not before the authority says.
  pause = std::max(pause, retry_after);
  // Up to a fifth more: others failed at the same moment.
  return pause + std::chrono::seconds(static_cast<int64_t>(
                     chance % static_cast<uint64_t>(std::max<int64_t>(pause.count() / 5, 1))));
}

CertificateKeeper::~CertificateKeeper() = default;

void CertificateKeeper::Configure(const AcmeConfig& config) {
  config_ = config;
  reconfigured_ = true;
  // Who changes the configuration, or asks for it to be read again, has mended what was wrong.
  failures_ = 0;
  retry_at_ = {};
  if (stand_in_) stand_in_.reset();
  woken_.Notify();
}

void CertificateKeeper::Load() {
  if (const auto text = FindKept(directory_, kStateName)) {
    if (const auto state = acme::DecodeState(*text)) state_ = *state;
  }
  if (const auto text = FindKept(directory_, kCertificateName)) {
    if (auto certificate = acme::DecodeCertificate(*text)) TakeCertificate(*std::move(certificate));
  }
}

void CertificateKeeper::TakeCertificate(acme::AcmeCertificate certificate) {
  const auto facts = io::ExamineTlsIdentity({.certificate_pem = certificate.certificate_pem,
                                             .private_key_pem = certificate.private_key_pem,
                                             .ocsp_response = {}});
  if (!facts.ok()) {
    Log(LogLevel::kError, "certificate_unreadable").Field("what", Std(facts.status().message()));
    return;
  }
  facts_ = *facts;
  certificate_ = std::move(certificate);
  renew_at_ = RenewalTime(facts_->not_before, facts_->not_after, io::RandomUint64());
}

void CertificateKeeper::Compose(Config& config) {
  config.tls.answers = nullptr;
  if (!config.acme.on) return;
  io::TlsServerOptions options = config.tls.options;
  if (facts_) {
    options.identities.insert(options.identities.begin(),
                              {.certificate_pem = certificate_.certificate_pem,
                               .private_key_pem = certificate_.private_key_pem,
                               .ocsp_response = {}});
  } else if (options.identities.empty()) {
    // Something must be shown until the authority has spoken: encryption without a name is better
    // than none (RFC 7435).
    if (!stand_in_) {
      io::TlsIdentity made{
          .certificate_pem = {}, .private_key_pem = io::MakePrivateKey(), .ocsp_response = {}};
      const auto certificate = io::MakeSelfSignedCertificate(
          made.private_key_pem, {.names = config.acme.names,
                                 .not_before = io::WallNow() - std::chrono::hours(1),
                                 .not_after = io::WallNow() + kStandInLife,
                                 .acme_identifier = {}});
      if (certificate.ok()) {
        made.certificate_pem = *certificate;
        stand_in_ = std::move(made);
      }
    }
    if (stand_in_) options.identities.push_back(*stand_in_);
  }
  if (config.acme.challenge == acme::ChallengeKind::kTlsAlpn01) {
    for (const acme::ChallengeAnswer& one : answers_) {
      auto identity = acme::ChallengeIdentity(one, io::WallNow());
      if (identity.ok()) options.challenges.push_back(*std::move(identity));
    }
  } else if (!answers_.empty()) {
    config.tls.answers = std::make_shared<const std::vector<acme::ChallengeAnswer>>(answers_);
  }
  const auto judge = [](const Status& made) {
    if (!made.ok()) Log(LogLevel::kError, "certificate_failed").Field("what", Std(made.message()));
  };
  judge(MakeContext(config.tls, options));
  for (TunnelConfig& one : config.tunnels) {
    if (one.options.mode == tunnel::TunnelMode::kWrap)
      judge(MakeTunnelContext(one, options.identities));
  }
}

void CertificateKeeper::Cancel() {
  stopping_ = true;
  if (client_ != nullptr) client_->Stop();
  woken_.Notify();
}

io::Task<void> CertificateKeeper::Stop() {
  Cancel();
  co_await gate_.Close();
}

// Now, where there is none that fits.
WallTime CertificateKeeper::Due() const {
  const bool fits =
      facts_ && certificate_.directory_url == config_.directory_url &&
      std::all_of(config_.names.begin(), config_.names.end(), [&](const std::string& name) {
        return std::find(facts_->names.begin(), facts_->names.end(), name) != facts_->names.end();
      });
  return std::max(fits ? renew_at_ : WallTime{}, retry_at_);
}

io::Task<void> CertificateKeeper::Run() {
  while (!stopping_) {
    reconfigured_ = false;
    const WallTime now = io::WallNow(), due = Due();
    if (config_.on && due <= now) {
      co_await Order();
      continue;
    }
    Nanoseconds wait = kLookPause;
    if (config_.on) wait = std::min<Nanoseconds>(wait, due - now);
    (void)co_await woken_.Wait(io::Now() + wait);
  }
}

acme::AcmeOptions CertificateKeeper::OptionsOf() const {
  return {.directory_url = config_.directory_url,
          .contacts = config_.contacts,
          .names = config_.names,
          .challenge = config_.challenge,
          .authorities_pem = config_.authorities_pem,
          .user_agent = "ringmail/" RINGMAIL_VERSION};
}

io::Task<void> CertificateKeeper::Order() {
  Log(LogLevel::kInfo, "certificate_order")
      .Field("authority", config_.directory_url)
      .Field("names", absl::StrJoin(config_.names, " "))
      .Field("resumed", state_.order_url.empty() ? "no" : "yes");
  acme::AcmeResult result;
  auto client = acme::AcmeClient::Make(OptionsOf(), *this);
  if (client.ok()) {
    client_ = *std::move(client);
    result = co_await client_->Obtain(state_);
    client_.reset();
  } else {
    result.problem = Std(client.status().message());
  }
  if (result.outcome == Outcome::kStopped) co_return;
  if (result.outcome == Outcome::kOk) {
    co_await Keep(std::move(result.certificate));
    co_return;
  }
  // Whatever was asked for meanwhile is tried at once.
  if (reconfigured_) co_return;
  ++failures_;
  const std::chrono::seconds pause =
      RetryPause(result.outcome, failures_, result.retry_after, io::RandomUint64());
  retry_at_ = io::WallNow() + pause;
  const bool ends = facts_ && facts_->not_after < retry_at_;
  Log(ends || result.outcome == Outcome::kRefused ? LogLevel::kError : LogLevel::kWarning,
      "certificate_failed")
      .Field("authority", config_.directory_url)
      .Field("what", result.problem)
      .Field("next_try", Nanoseconds(pause));
}

// Durable before anybody sees it, and the order over with it.
io::Task<void> CertificateKeeper::Keep(acme::AcmeCertificate certificate) {
  acme::AcmeState state = state_;
  state.order_url.clear();
  state.certificate_key.clear();
  state.order_names.clear();
  storage::DirectoryTransaction transaction;
  transaction.changes.push_back(Put(kStateName, acme::EncodeState(state)));
  transaction.changes.push_back(Put(kCertificateName, acme::EncodeCertificate(certificate)));
  const Status kept = (co_await directory_.Apply(std::move(transaction))).status();
  if (!kept.ok()) {
    // The order stands as it was: it is taken up again, and gives the same certificate.
    retry_at_ = io::WallNow() + kAcmeLaterPauseMin;
    Log(LogLevel::kError, "certificate_failed").Field("what", Std(kept.message()));
    co_return;
  }
  state_ = std::move(state);
  failures_ = 0;
  retry_at_ = {};
  TakeCertificate(std::move(certificate));
  co_await install_(context_);
  Log(LogLevel::kInfo, "certificate_installed")
      .Field("certificate", facts_ ? DescribeCertificate(*facts_) : "");
}

io::Task<Status> CertificateKeeper::Save(const acme::AcmeState& state) {
  const acme::AcmeState wanted = state;
  if (wanted == state_) co_return absl::OkStatus();
  storage::DirectoryTransaction transaction;
  transaction.changes.push_back(Put(kStateName, acme::EncodeState(wanted)));
  const Status saved = (co_await directory_.Apply(std::move(transaction))).status();
  if (saved.ok()) state_ = wanted;
  co_return saved;
}

io::Task<void> CertificateKeeper::Answer(std::vector<acme::ChallengeAnswer> answers) {
  answers_ = std::move(answers);
  co_await install_(context_);
}

}  // namespace ringmail::server
