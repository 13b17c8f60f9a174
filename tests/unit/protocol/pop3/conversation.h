// One session over a scripted stream, for tests: what the client sends in pieces, and what comes
// back in turns.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/pop3/session.h"
#include "tests/support/io/still_io.h"
#include "tests/support/pop3/house.h"

namespace ringmail::pop3 {

class Conversation {
 public:
  Conversation();
  ~Conversation();

  House house;
  Pop3Options options;
  Pop3ListenerOptions listener;
  std::string timestamp;
  // Called with this at each wait of a session.
  void (*at_wait)(void* conversation) = nullptr;
  uint32_t waits = 0;

  // Runs a session to its end; each string arrives by itself. Returns what was answered in each
  // turn: [0] is the greeting, [i] the answer to piece i.
  std::vector<std::string> Talk(const std::vector<std::string>& pieces);
  std::vector<std::string> Play(std::vector<io::Happening> script);
  // As Talk, after a login in one piece: [0] is the answer to what follows the login.
  std::vector<std::string> TalkLoggedIn(const std::vector<std::string>& pieces);
  // All the answers, one after the other.
  std::string TalkWhole(const std::vector<std::string>& pieces);
  // Goes on with a session that has moved here.
  std::vector<std::string> GoOn(io::StillMove move);

  Shared& shared() { return *shared_; }
  const Pop3Metrics& metrics() const { return shared_->metrics; }
  const std::string& log() const { return log_; }

 private:
  const std::unique_ptr<Maildrops> maildrops_;
  const std::unique_ptr<Shared> shared_;
  std::vector<std::unique_ptr<io::Connection>> connections_;
  std::string log_;
};

inline constexpr std::string_view kGreeting = "+OK ringmail ready\r\n";
inline constexpr std::string_view kLogin = "USER ann\r\nPASS secret word\r\n";

}  // namespace ringmail::pop3
