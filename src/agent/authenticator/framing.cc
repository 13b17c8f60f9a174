// An exchange in the lines of a protocol: the same for SMTP, POP3 and whatever comes.
#include <string>
#include <utility>

#include "ringmail/agent/authenticator.h"

namespace ringmail::agent {

using session::SaslLine;
using session::SaslStepKind;

io::Task<AuthEnd> RunAuthExchange(AuthExchange& exchange, AuthWire& wire,
                                  std::optional<std::string_view> initial_word) {
  AuthEnd end;
  std::string octets;
  if (initial_word) {
    end.line = session::DecodeSaslInitialResponse(*initial_word, octets);
    // Only a line of its own cancels: here "*" is no base64.
    if (end.line == SaslLine::kAbort) end.line = SaslLine::kMalformed;
  }
  codec::Secret response(std::move(octets));
  if (end.line != SaslLine::kResponse) co_return end;
  std::optional<std::string_view> begun;
  if (initial_word) begun = response.view();
  end.step = co_await exchange.Begin(begun);
  while (end.step.kind == SaslStepKind::kChallenge) {
    wire.SendChallenge(session::EncodeSasl(end.step.challenge));
    const AuthLine line = co_await wire.ReadLine();
    std::string decoded;
    switch (line.status) {
      case AuthLine::Status::kLine:
        end.line = session::DecodeSaslResponse(line.text.view(), decoded);
        break;
      case AuthLine::Status::kTooLong:
        end.line = SaslLine::kTooLong;
        break;
      case AuthLine::Status::kMalformed:
        end.line = SaslLine::kMalformed;
        break;
      case AuthLine::Status::kLost:
        end.lost = true;
        break;
    }
    response = codec::Secret(std::move(decoded));
    if (end.lost || end.line != SaslLine::kResponse) co_return end;
    end.step = co_await exchange.Respond(response.view());
  }
  co_return end;
}

}  // namespace ringmail::agent
