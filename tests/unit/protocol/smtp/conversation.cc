#include "tests/unit/protocol/smtp/conversation.h"

#include <utility>

#include "absl/strings/str_join.h"

namespace ringmail::smtp {

Conversation::Conversation() {
  NewRecord();
  io::ResetStillIo();
  options.hostname = "mx.example.org";
}

Conversation::~Conversation() = default;

std::vector<std::string> Conversation::Play(std::vector<io::Happening> script) {
  mail_door_ = MakeDoor(limits);
  const bool stopping = shared_ != nullptr && shared_->stopping;
  shared_ = std::unique_ptr<Shared>(new Shared{.door = *mail_door_});
  shared_->stopping = stopping;
  Settings settings(options, limits);
  io::Connection connection(std::move(script));
  {
    Session session(*shared_, settings, listener, io::Stream(&connection));
    io::RunStill(session.Run());
  }
  CHECK(connection.closed);
  CHECK_EQ(settings.sessions, 0u);
  CHECK_EQ(Record().begun, Record().ended);
  log_ = io::TakeStillLog();
  return connection.turns;
}

std::vector<std::string> Conversation::Talk(const std::vector<std::string>& pieces) {
  std::vector<io::Happening> script;
  for (const std::string& piece : pieces) script.push_back({.bytes = piece});
  return Play(std::move(script));
}

std::string Conversation::TalkWhole(const std::vector<std::string>& pieces) {
  return absl::StrJoin(Talk(pieces), "");
}

}  // namespace ringmail::smtp
