#include "tests/unit/protocol/pop3/conversation.h"

#include <utility>

#include "absl/strings/str_join.h"
#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"

namespace ringmail::pop3 {

Conversation::Conversation()
    : maildrops_(house.MakeMaildrops()),
      shared_(new Shared{.maildrops = *maildrops_, .authenticator = house}) {
  io::ResetStillIo();
  options.hostname = "pop.example.org";
  listener.plaintext = session::SaslPlaintext::kAlways;
}

Conversation::~Conversation() = default;

std::vector<std::string> Conversation::Play(std::vector<io::Happening> script) {
  Settings settings(options);
  connections_.push_back(std::make_unique<io::Connection>(std::move(script)));
  io::Connection& connection = *connections_.back();
  connection.at_wait = at_wait;
  connection.context = this;
  auto baggage = std::make_unique<Baggage>();
  baggage->listener = std::make_shared<const Pop3ListenerOptions>(listener);
  baggage->began = io::Now();
  if (!timestamp.empty()) baggage->timestamp = std::make_unique<std::string>(timestamp);
  {
    Session session(*shared_, settings, std::move(baggage), io::Stream(&connection));
    io::RunStill(session.Run());
  }
  CHECK_EQ(settings.sessions, 0u);
  log_ = io::TakeStillLog();
  return connection.turns;
}

std::vector<std::string> Conversation::GoOn(io::StillMove move) {
  Settings settings(options);
  move.connection->turns.clear();
  {
    Session session(*shared_, settings,
                    std::unique_ptr<Baggage>(static_cast<Baggage*>(move.state.release())),
                    io::Stream(move.connection));
    io::RunStill(session.Run());
  }
  CHECK(move.connection->closed);
  log_ = io::TakeStillLog();
  return move.connection->turns;
}

std::vector<std::string> Conversation::Talk(const std::vector<std::string>& pieces) {
  std::vector<io::Happening> script;
  for (const std::string& piece : pieces) script.push_back({.bytes = piece});
  return Play(std::move(script));
}

std::vector<std::string> Conversation::TalkLoggedIn(const std::vector<std::string>& pieces) {
  std::vector<std::string> all = {std::string(kLogin)};
  all.insert(all.end(), pieces.begin(), pieces.end());
  std::vector<std::string> turns = Talk(all);
  CHECK_LE(2u, turns.size());
  turns.erase(turns.begin(), turns.begin() + 2);
  return turns;
}

std::string Conversation::TalkWhole(const std::vector<std::string>& pieces) {
  return absl::StrJoin(Talk(pieces), "");
}

}  // namespace ringmail::pop3
