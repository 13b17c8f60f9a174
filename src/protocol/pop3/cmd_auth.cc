// AUTH (RFC 5034 §4): who the client is, by SASL.

#include <algorithm>
#include <utility>

#include "protocol/pop3/session.h"

namespace ringmail::pop3 {

using session::SaslLine;

io::Task<void> RunAuth(Session& session, std::string_view argument) {
  const size_t space = std::min(argument.find(' '), argument.size());
  const std::string_view response = argument.substr(std::min(space + 1, argument.size()));
  const std::optional<session::SaslMechanism> mechanism =
      session::FindSaslMechanism(argument.substr(0, space));
  const Channel channel = session.MakeChannel();
  const session::SaslMechanismSet offered = session.Mechanisms(channel);
  if (!mechanism || !offered.Has(*mechanism)) {
    session.Err("That mechanism is not offered here: CAPA lists those that are");
    co_return;
  }
  std::optional<codec::Secret> initial;
  if (!response.empty()) {
    std::string octets;
    const SaslLine line = session::DecodeSaslInitialResponse(response, octets);
    initial.emplace(std::move(octets));
    if (line != SaslLine::kResponse) {
      session.Err("The initial response is no base64");
      co_return;
    }
  }
  const std::unique_ptr<agent::AuthExchange> exchange = session.shared().authenticator.Begin(
      *mechanism, offered, channel.view(), session.auth_client());
  std::optional<std::string_view> begun;
  if (initial) begun = initial->view();
  agent::AuthStep step = co_await exchange->Begin(begun);
  while (step.kind == session::SaslStepKind::kChallenge) {
    session.Write("+ " + session::EncodeSasl(step.challenge) + "\r\n");
    const Response answer = co_await session.ReadResponse();
    if (answer.ended) co_return;
    if (!answer.refusal.empty()) {
      session.Err(answer.refusal);
      co_return;
    }
    step = co_await exchange->Respond(answer.octets.view());
  }
  co_await session.LogIn(std::move(step));
}

}  // namespace ringmail::pop3
