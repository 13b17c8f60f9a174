// One session over a scripted stream, for tests: what the client sends in pieces, and what comes
// back in turns.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/smtp/session.h"
#include "tests/support/io/still_io.h"
#include "tests/unit/protocol/smtp/recording_door.h"

namespace ringmail::smtp {

class Conversation {
 public:
  Conversation();
  ~Conversation();

  agent::MailLimits limits{.message_bytes_max = 100'000, .recipients_max = 100};
  SmtpOptions options;
  SmtpListenerOptions listener;

  // Runs a session to its end; each string arrives by itself. Returns what was answered in each
  // turn: [0] is the greeting, [i] the answer to piece i.
  std::vector<std::string> Talk(const std::vector<std::string>& pieces);
  std::vector<std::string> Play(std::vector<io::Happening> script);
  // All the answers, one after the other.
  std::string TalkWhole(const std::vector<std::string>& pieces);

  DoorRecord& door() { return Record(); }
  const SmtpMetrics& metrics() const { return shared_->metrics; }
  Shared& shared() { return *shared_; }
  const std::string& log() const { return log_; }

 private:
  std::unique_ptr<agent::MailDoor> mail_door_;
  std::unique_ptr<Shared> shared_;
  std::string log_;
};

inline constexpr std::string_view kGreeting = "220 mx.example.org ESMTP ringmail\r\n";

}  // namespace ringmail::smtp
