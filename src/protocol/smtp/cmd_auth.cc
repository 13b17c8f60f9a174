// AUTH (RFC 4954 §4): who the client is, by SASL. The part of the session that holds the exchange
// is here too.

#include <algorithm>
#include <utility>

#include "protocol/smtp/limits.h"
#include "protocol/smtp/replies.h"
#include "protocol/smtp/session.h"
#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"
#include "ringmail/session/sasl.h"

namespace ringmail::smtp {
namespace {

using session::SaslFailure;
using session::SaslLine;
using session::SaslStepKind;

// The reply to a line that is no response; empty where it is one.
std::string_view LineRefusal(SaslLine line) {
  switch (line) {
    case SaslLine::kResponse:
      return {};
    case SaslLine::kAbort:
      return kAuthCancelled;
    case SaslLine::kMalformed:
      return kAuthEncoding;
    case SaslLine::kTooLong:
      return kAuthTooLong;
  }
  return kAuthEncoding;
}

// The refusal; empty where the exchange may begin.
std::string_view Judge(Session& session, std::string_view argument, AuthBegun& begun) {
  if (!session.KnowsAuth()) return kAuthNotOffered;
  if (!session.extended()) return kAuthNeedsEhlo;
  // RFC 4954 §4: after a success no other AUTH in this session.
  if (!session.account().empty()) return kAuthAlready;
  const size_t space = std::min(argument.find(' '), argument.size());
  const std::string_view name = argument.substr(0, space);
  std::string_view response = argument.substr(space);
  if (name.empty() || response.find(' ', 1) != std::string_view::npos) return kAuthSyntax;
  if (!session.OffersAuth()) return kAuthNeedsTls;
  const std::optional<session::SaslMechanism> mechanism = session::FindSaslMechanism(name);
  if (!mechanism || !session.Mechanisms().Has(*mechanism)) return kAuthMechanism;
  begun.mechanism = *mechanism;
  if (response.empty()) return {};
  response.remove_prefix(1);
  if (response.size() > kAuthResponseBytesMax) return kAuthTooLong;
  begun.initial_word.emplace(std::string(response));
  return {};
}

}  // namespace

Next RunAuth(Session& session, std::string_view argument) {
  AuthBegun begun;
  if (const std::string_view refusal = Judge(session, argument, begun); !refusal.empty()) {
    session.Reply(refusal);
    return Next::kCommand;
  }
  session.ExpectAuth(std::move(begun));
  return Next::kAuth;
}

bool Session::OffersAuth() const {
  return auth_ != nullptr && (listener_.auth == ListenerAuth::kAlways ||
                              (listener_.auth == ListenerAuth::kEncrypted && secure()));
}

session::SaslChannel Session::Channel() const {
  return {.encrypted = secure(),
          .tls_exporter = auth_->exporter,
          .tls_server_end_point = auth_->end_point,
          .certificate_identity = auth_->certificate};
}

session::SaslMechanismSet Session::Mechanisms() const {
  return settings_.options.authenticator->Offered(
      Channel(), listener_.auth == ListenerAuth::kAlways ? session::SaslPlaintext::kAlways
                                                         : session::SaslPlaintext::kEncryptedOnly);
}

io::Task<agent::AuthLine> Session::ReadAuthLine() {
  using Status = agent::AuthLine::Status;
  agent::AuthLine out;
  session::Line line = lines_.TryLine(stream_);
  if (line.status == session::LineStatus::kNeedMore) {
    waits_for_command_ = true;
    line = co_await lines_.ReadLine(stream_, io::Now() + settings_.options.command_timeout);
    waits_for_command_ = false;
  }
  switch (line.status) {
    case session::LineStatus::kLine:
      out.status = line.text.size() > kAuthResponseBytesMax ? Status::kTooLong : Status::kLine;
      out.text.Set(line.text);
      break;
    case session::LineStatus::kTooLong:
      out.status = Status::kTooLong;
      break;
    case session::LineStatus::kStream:
      // Heard is false of all but kOk, which is no status of a line that is none.
      CHECK(!Heard(line.stream, "a response"));
      out.status = Status::kLost;
      break;
    case session::LineStatus::kBareCr:
    case session::LineStatus::kBareLf:
    case session::LineStatus::kNul:
    case session::LineStatus::kNeedMore:
      out.status = Status::kMalformed;
      break;
  }
  co_return out;
}

// RFC 4954 §4: "334 " and the challenge, which may be empty.
class Session::AuthFrame final : public agent::AuthWire {
 public:
  explicit AuthFrame(Session& session) : session_(session) {}
  void SendChallenge(std::string_view base64) override {
    session_.stream_.Write("334 ");
    session_.stream_.Write(base64);
    session_.stream_.Write("\r\n");
  }
  io::Task<agent::AuthLine> ReadLine() override { return session_.ReadAuthLine(); }

 private:
  Session& session_;
};

// Not inline: its frame would become part of Run's, and lie there idle.
[[gnu::noinline]] io::Task<Next> Session::Authenticate() {
  const AuthBegun begun = *std::exchange(auth_->begun, std::nullopt);
  const std::unique_ptr<agent::AuthExchange> exchange = settings_.options.authenticator->Begin(
      begun.mechanism, Mechanisms(), Channel(), {.address = client(), .service = "smtp"});
  AuthFrame frame(*this);
  std::optional<std::string_view> word;
  if (begun.initial_word) word = begun.initial_word->view();
  const agent::AuthEnd end = co_await agent::RunAuthExchange(*exchange, frame, word);
  if (end.lost) co_return Next::kClose;
  if (end.line != SaslLine::kResponse) co_return GiveUpAuth(LineRefusal(end.line));
  co_return EndAuth(end.step);
}

Next Session::GiveUpAuth(std::string_view reply) {
  shared_.metrics.auth_given_up.Add();
  Reply(reply);
  return AfterCommand(Next::kCommand);
}

Next Session::EndAuth(const agent::AuthStep& step) {
  if (step.kind == SaslStepKind::kSuccess) {
    CHECK(!step.account.empty());
    auth_->account = step.account;
    shared_.metrics.auth_accepted.Add();
    LogLine(io::ShardLog(), LogLevel::kInfo, "authenticated")
        .Field("listener", listener_.name)
        .Field("client", client().ToString())
        .Field("account", account());
    Reply(kAuthDone);
    return AfterCommand(Next::kCommand);
  }
  switch (step.failure) {
    case SaslFailure::kMalformed:
      return GiveUpAuth(kAuthMalformed);
    case SaslFailure::kUnavailable:
      shared_.metrics.auth_unavailable.Add();
      Reply(kAuthUnavailable);
      break;
    case SaslFailure::kRefused:
    case SaslFailure::kNone:
      shared_.metrics.auth_refused.Add();
      Reply(kAuthRefused);
      break;
  }
  return AfterCommand(Next::kCommand);
}

}  // namespace ringmail::smtp
