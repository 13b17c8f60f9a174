// AUTH (RFC 5034 §4): who the client is, by SASL.

#include <algorithm>
#include <utility>

#include "protocol/pop3/session.h"

namespace ringmail::pop3 {
namespace {

using session::SaslLine;

class AuthFrame final : public agent::AuthWire {
 public:
  explicit AuthFrame(Session& session) : session_(session) {}
  void SendChallenge(std::string_view base64) override {
    session_.Write("+ ");
    session_.Write(base64);
    session_.Write("\r\n");
  }
  io::Task<agent::AuthLine> ReadLine() override { return session_.ReadResponse(); }

 private:
  Session& session_;
};

std::string_view Refusal(SaslLine line) {
  if (line == SaslLine::kAbort) return "Authentication cancelled";
  if (line == SaslLine::kTooLong) return "That is too long for a response";
  return "That is no base64";
}

}  // namespace

io::Task<void> RunAuth(Session& session, std::string_view argument) {
  const size_t space = std::min(argument.find(' '), argument.size());
  std::optional<codec::Secret> word;
  // A space that ends the line begins no response.
  if (space + 1 < argument.size()) word.emplace(std::string(argument.substr(space + 1)));
  const std::optional<session::SaslMechanism> mechanism =
      session::FindSaslMechanism(argument.substr(0, space));
  const Channel channel = session.MakeChannel();
  const session::SaslMechanismSet offered = session.Mechanisms(channel);
  if (!mechanism || !offered.Has(*mechanism)) {
    session.Err("That mechanism is not offered here: CAPA lists those that are");
    co_return;
  }
  const std::unique_ptr<agent::AuthExchange> exchange = session.shared().authenticator.Begin(
      *mechanism, offered, channel.view(), session.auth_client());
  AuthFrame frame(session);
  std::optional<std::string_view> initial;
  if (word) initial = word->view();
  agent::AuthEnd end = co_await agent::RunAuthExchange(*exchange, frame, initial);
  if (end.lost) co_return;
  if (end.line != SaslLine::kResponse) {
    session.Err(Refusal(end.line));
    co_return;
  }
  co_await session.LogIn(std::move(end.step));
}

}  // namespace ringmail::pop3
