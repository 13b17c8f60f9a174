// How a protocol uses the authenticator: the example of its contract, whole.
#include <gtest/gtest.h>

#include <deque>

#include "tests/unit/agent/authenticator_world.h"

namespace ringmail::agent {
namespace {

using io::Task;

// SMTP's framing; a real one writes to a stream and reads by a LineReader.
class Wire final : public AuthWire {
 public:
  explicit Wire(std::deque<std::string> lines) : lines_(std::move(lines)) {}
  void SendChallenge(std::string_view base64) override {
    sent += "334 " + std::string(base64) + "\r\n";
  }
  Task<AuthLine> ReadLine() override {
    AuthLine line;
    if (!lines_.empty()) {
      line.status = lines_.front() == "(long)"  ? AuthLine::Status::kTooLong
                    : lines_.front() == "(nul)" ? AuthLine::Status::kMalformed
                                                : AuthLine::Status::kLine;
      line.text.Set(lines_.front());
      lines_.pop_front();
    }
    co_return line;
  }
  std::string sent;

 private:
  std::deque<std::string> lines_;
};

// AUTH (RFC 4954 §4), as a command of a session.
Task<std::string> Auth(Authenticator& authenticator, std::string_view mechanism_name,
                       std::optional<std::string_view> initial_word, Wire& wire) {
  const session::SaslChannel channel = {.encrypted = true};
  const AuthClient client = {.address = kHome, .service = "smtp"};
  const auto mechanism = session::FindSaslMechanism(mechanism_name);
  const auto offered = authenticator.Offered(channel, session::SaslPlaintext::kEncryptedOnly);
  if (!mechanism || !offered.Has(*mechanism)) co_return "504 5.5.4";
  const auto exchange = authenticator.Begin(*mechanism, offered, channel, client);
  const AuthEnd end = co_await RunAuthExchange(*exchange, wire, initial_word);
  if (end.lost) co_return "";
  if (end.line == session::SaslLine::kTooLong) co_return "500 5.5.6";
  if (end.line != session::SaslLine::kResponse) co_return "501 5.5.2";
  if (end.step.kind == session::SaslStepKind::kSuccess) co_return "235 " + end.step.account;
  switch (end.step.failure) {
    case session::SaslFailure::kMalformed:
      co_return "501 5.5.2";
    case session::SaslFailure::kUnavailable:
      co_return "454 4.7.0";
    case session::SaslFailure::kRefused:
    case session::SaslFailure::kNone:
      break;
  }
  co_return "535 5.7.8";
}

TEST(AuthenticatorExample, AnAuthCommandIsItsFramingAndItsReplies) {
  AuthWorld w;
  w.options_of_all.default_domain = "example.org";
  ASSERT_TRUE(w.Do(1, [](AuthWorld& world, Authenticator& a) -> Task<void> {
    co_await world.Add("tim@example.org", "tanstaaftanstaaf");
    // RFC 4616 §4: NUL tim NUL tanstaaftanstaaf.
    const std::string_view plain = "AHRpbQB0YW5zdGFhZnRhbnN0YWFm";
    Wire initial({});
    EXPECT_EQ(co_await Auth(a, "PLAIN", plain, initial), "235 tim@example.org");
    EXPECT_EQ(initial.sent, "");
    Wire asked({std::string(plain)});
    EXPECT_EQ(co_await Auth(a, "plain", std::nullopt, asked), "235 tim@example.org");
    EXPECT_EQ(asked.sent, "334 \r\n");
    Wire login({"dGlt", "dGFuc3RhYWZ0YW5zdGFhZg=="});
    EXPECT_EQ(co_await Auth(a, "LOGIN", std::nullopt, login), "235 tim@example.org");
    EXPECT_EQ(login.sent, "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n");
    Wire wrong({"dGlt", "dGlt"});
    EXPECT_EQ(co_await Auth(a, "LOGIN", std::nullopt, wrong), "535 5.7.8");
  }));
}

TEST(AuthenticatorExample, LinesThatAreNoResponsesEndTheExchange) {
  AuthWorld w;
  ASSERT_TRUE(w.Do(1, [](AuthWorld&, Authenticator& a) -> Task<void> {
    const auto run = [](Authenticator& by, std::deque<std::string> lines) -> Task<std::string> {
      Wire wire(std::move(lines));
      co_return co_await Auth(by, "LOGIN", std::nullopt, wire);
    };
    EXPECT_EQ(co_await run(a, {"*"}), "501 5.5.2");
    EXPECT_EQ(co_await run(a, {"dGlt", "*"}), "501 5.5.2");
    EXPECT_EQ(co_await run(a, {"="}), "501 5.5.2");
    EXPECT_EQ(co_await run(a, {"(nul)"}), "501 5.5.2");
    EXPECT_EQ(co_await run(a, {"(long)"}), "500 5.5.6");
    EXPECT_EQ(co_await run(a, {std::string(session::kSaslLineBytesMax + 4, 'A')}), "500 5.5.6");
    EXPECT_EQ(co_await run(a, {}), "");
    Wire unused({});
    EXPECT_EQ(co_await Auth(a, "PLAIN", "*", unused), "501 5.5.2");
    EXPECT_EQ(co_await Auth(a, "PLAIN", "", unused), "501 5.5.2");
    EXPECT_EQ(co_await Auth(a, "PLAIN", "=", unused), "501 5.5.2") << "an empty message";
    EXPECT_EQ(co_await Auth(a, "GSSAPI", std::nullopt, unused), "504 5.5.4");
    EXPECT_EQ(co_await Auth(a, "EXTERNAL", std::nullopt, unused), "504 5.5.4");
  }));
}

}  // namespace
}  // namespace ringmail::agent
