// A session's part that finds out who the client is, and gets the maildrop.

#include <utility>

#include "absl/strings/str_cat.h"
#include "fmt/format.h"
#include "protocol/pop3/session.h"
#include "ringmail/base/canary.h"
#include "ringmail/base/check.h"
#include "ringmail/base/log.h"
#include "ringmail/base/status.h"
#include "ringmail/io/shard.h"

namespace ringmail::pop3 {

using session::SaslFailure;
using session::SaslStepKind;

Channel Session::MakeChannel() const {
  Channel channel;
  if (secure()) {
    channel.exporter = stream_.TlsChannelBinding(io::TlsBinding::kExporter);
    channel.end_point = stream_.TlsChannelBinding(io::TlsBinding::kServerEndPoint);
  }
  if (baggage_->certificate != nullptr) channel.certificate = *baggage_->certificate;
  channel.encrypted = secure();
  return channel;
}

session::SaslMechanismSet Session::Mechanisms(const Channel& channel) const {
  return shared_.authenticator.Offered(channel.view(), baggage_->listener->plaintext);
}

Offer Session::MakeOffer() const {
  const Pop3Options& options = settings_.options;
  Offer offer;
  offer.mechanisms = Mechanisms(MakeChannel());
  offer.user = offer.mechanisms.Has(session::SaslMechanism::kPlain);
  offer.login_delay = options.login_delay;
  offer.stls =
      !secure() && baggage_->listener->tls == ListenerTls::kStartTls && options.tls != nullptr;
  return offer;
}

// Not inline: its frame would become part of Run's, and lie there idle.
[[gnu::noinline]] io::Task<void> Session::StartTls() {
  baggage_->lines.Release(stream_);
  io::TlsResult result;
  result.problem = "no certificate is configured";
  if (settings_.options.tls != nullptr) {
    waits_for_command_ = true;
    const MonotonicTime deadline = io::Now() + kTlsHandshakeTimeout;
    if (baggage_->listener->tls == ListenerTls::kImplicit) {
      result = co_await stream_.StartImplicitTls(settings_.options.tls, deadline);
    } else {
      result = co_await stream_.StartTlsServer(settings_.options.tls, deadline);
    }
    waits_for_command_ = false;
  }
  if (!result.ok()) {
    shared_.metrics.tls_failed.Add();
    LogLine(io::ShardLog(), LogLevel::kInfo, "tls_failed")
        .Field("listener", baggage_->listener->name)
        .Field("client", client().ToString())
        .Field("how", io::ToString(result.outcome))
        .Field("why", result.problem);
    // There is nobody to tell: in the clear it would be taken for TLS, and TLS there is none.
    End(Ending::kTls);
    co_return;
  }
  (result.resumed ? shared_.metrics.tls_resumed : shared_.metrics.tls_begun).Add();
  baggage_->tls = absl::StrCat(Absl(io::ToString(result.version)), " cipher ", Absl(result.cipher));
  if (!result.peer_mailbox.empty())
    baggage_->certificate = std::make_unique<std::string>(std::move(result.peer_mailbox));
}

io::Task<agent::AuthLine> Session::ReadResponse() {
  using Status = agent::AuthLine::Status;
  session::Line line = baggage_->lines.TryLine(stream_);
  if (line.status == session::LineStatus::kNeedMore) {
    waits_for_command_ = true;
    line = co_await baggage_->lines.ReadLine(stream_, io::Now() + settings_.options.autologout);
    waits_for_command_ = false;
  }
  agent::AuthLine response{.status = Status::kMalformed, .text = {}};
  if (line.status == session::LineStatus::kStream) {
    CHECK(!Heard(line.stream));
    response.status = Status::kLost;
  } else if (line.status == session::LineStatus::kTooLong) {
    response.status = Status::kTooLong;
  } else if (line.status == session::LineStatus::kLine) {
    response.status = Status::kLine;
    response.text.Set(line.text);
  }
  co_return response;
}

io::Task<void> Session::LogIn(agent::AuthStep step) {
  CHECK(state() == kAuthorization);
  if (step.kind == SaslStepKind::kSuccess) {
    CHECK(step.account_id.value != 0);
    baggage_->account = step.account_id;
    baggage_->name = std::move(step.account);
    const ShardIndex home = shared_.maildrops.ShardOf(step.account_id);
    if (home == io::ThisShard()) {
      co_await OpenMaildrop();
    } else {
      co_await MoveHome(home);
    }
    co_return;
  }
  if (step.failure == SaslFailure::kUnavailable) {
    shared_.metrics.logins_unavailable.Add();
    Err("[SYS/TEMP] Passwords cannot be checked at present");
  } else if (step.failure == SaslFailure::kMalformed) {
    shared_.metrics.logins_malformed.Add();
    Err("That is not what the mechanism asks for");
  } else {
    shared_.metrics.logins_refused.Add();
    ++baggage_->login_failures;
    // RFC 3206 §5: the credentials are what is wrong. Which of them is not said.
    Err("[AUTH] Name or password is wrong");
  }
}

// What has been answered goes out first; what the client has sent ahead goes along.
io::Task<void> Session::MoveHome(ShardIndex home) {
  baggage_->lines.Release(stream_);
  io::MoveResult moved = co_await io::MoveSession(stream_, home, kMovePlace, std::move(baggage_),
                                                  io::Now() + kMoveTimeout);
  if (moved.outcome == io::MoveOutcome::kMoved) {
    shared_.metrics.moved.Add();
    End(Ending::kMoved);
    co_return;
  }
  baggage_.reset(static_cast<Baggage*>(moved.state.release()));
  CHECK(baggage_ != nullptr);
  baggage_->account = {};
  baggage_->name.clear();
  shared_.metrics.move_refused.Add();
  if (moved.outcome == io::MoveOutcome::kStream) {
    (void)Heard(moved.status);
  } else {
    Err("[SYS/TEMP] Your maildrop cannot take another session at present");
  }
}

io::Task<void> Session::OpenMaildrop() {
  const AccountId account = std::exchange(baggage_->account, {});
  const Nanoseconds delay = settings_.options.login_delay;
  Pop3Metrics& metrics = shared_.metrics;
  if (!shared_.locks.MayLogIn(account, io::Now(), delay)) {
    metrics.maildrops_too_soon.Add();
    Err(fmt::format("[LOGIN-DELAY] Wait {} seconds between two logins",
                    settings_.options.login_delay.count()));
    co_return;
  }
  lock_ = shared_.locks.Take(account);
  if (!lock_ && !Planted(Canary::kMaildropShared)) {
    metrics.maildrops_in_use.Add();
    Err("[IN-USE] Another session has the maildrop");
    co_return;
  }
  StatusOr<std::unique_ptr<Maildrop>> opened = co_await shared_.maildrops.Open(account);
  if (!opened.ok()) {
    lock_ = {};
    metrics.maildrops_failed.Add();
    LogLine(io::ShardLog(), LogLevel::kError, "maildrop_failed")
        .Field("account", baggage_->name)
        .Field("why", Std(opened.status().message()));
    Err("[SYS/TEMP] The maildrop cannot be opened at present");
    co_return;
  }
  maildrop_ = *std::move(opened);
  metrics.logins_accepted.Add();
  shared_.locks.NoteLogin(account, io::Now(), delay);
  LogLine line(io::ShardLog(), LogLevel::kInfo, "login");
  line.Field("listener", baggage_->listener->name)
      .Field("client", client().ToString())
      .Field("account", baggage_->name)
      .Field("messages", maildrop_->count());
  if (secure()) line.Field("tls", baggage_->tls);
  Ok(fmt::format("{} messages ({} octets)", count(), bytes()));
}

}  // namespace ringmail::pop3
