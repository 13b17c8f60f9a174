// A next hop that does as it is told, and a client that carries mail to it, on two machines of a
// simulated world: for tests of the SMTP client.
//
//   Carriage carriage;
//   carriage.peer.Say("RCPT TO:<b", "550 5.1.1 unknown\r\n");
//   ASSERT_TRUE(carriage.Run([](Carriage& c) -> io::Task<void> { … }));
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/agent/transport.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/stream.h"
#include "ringmail/protocol/smtp_client.h"
#include "tests/sim/io/world.h"

namespace ringmail::smtp {

// Instead of a reply.
inline constexpr std::string_view kSilence = "(silence)";
inline constexpr std::string_view kHangUp = "(hang up)";

// The peer. What it has no rule for it answers as a plain good server does.
struct ScriptedPeer {
  struct Rule {
    std::string command;  // what the command begins with; "(greeting)", "(end)" of content by DATA
    std::string reply;
    int skip = 0;   // lets this many pass first
    int times = 0;  // applies so often; 0: always
  };
  void Say(std::string command, std::string_view reply, int skip = 0, int times = 0) {
    rules.push_back({std::move(command), std::string(reply), skip, times});
  }

  std::vector<std::string> extensions = {"PIPELINING", "SIZE 10000000", "8BITMIME",  "SMTPUTF8",
                                         "DSN",        "CHUNKING",      "BINARYMIME"};
  // BDAT is unknown, and its octets are read as commands.
  bool no_bdat = false;
  std::vector<Rule> rules;

  // The books.
  uint32_t connections = 0;
  std::vector<std::string> commands;
  std::vector<std::string> messages;  // with BDAT as sent, with DATA as sent, dots and all
  // Commands that came before the reply to the one before was sent.
  uint32_t ahead = 0;
  bool Heard(std::string_view start) const;
  size_t Count(std::string_view start) const;
};

// Content in pieces; each piece's memory is spoilt when the next is asked for.
class PieceContent final : public storage::ContentSource {
 public:
  PieceContent(std::string bytes, size_t piece_bytes)
      : bytes_(std::move(bytes)), piece_bytes_(piece_bytes) {}
  io::Task<StatusOr<storage::ContentPiece>> Next() override;
  void Rewind() override { at_ = 0; }
  // The piece that begins at or behind this cannot be read.
  size_t unreadable_from = SIZE_MAX;

 private:
  const std::string bytes_;
  const size_t piece_bytes_;
  size_t at_ = 0;
  std::string piece_;
  std::vector<uint32_t> dots_;
};

struct Parcel {
  std::string from = "a@sender.example";
  std::vector<message::Recipient> to = {{.path = "b@rcpt.example"}};
  message::MailParameters parameters;
  std::string content = "Subject: x\r\n\r\nbody\r\n";
  size_t piece_bytes = 256 << 10;
  uint8_t flags = 0;
  size_t unreadable_from = SIZE_MAX;
  uint64_t missing_bytes = 0;  // the store thinks that the content is so much longer

  // What came of it.
  std::vector<agent::RecipientResult> results;
  bool ambiguous = false;
  Nanoseconds took{0};
  agent::Outcome outcome(size_t i = 0) const { return results.at(i).outcome; }
};

class Carriage {
 public:
  using Body = io::Task<void> (*)(Carriage& carriage);

  explicit Carriage(Nanoseconds latency = std::chrono::milliseconds(10));
  ~Carriage();

  sim::World world;
  sim::Node& host;
  sim::Node& client;
  ScriptedPeer peer;
  SmtpClientOptions options;
  agent::HopProtocol protocol = agent::HopProtocol::kSmtp;
  bool listening = true;
  std::unique_ptr<agent::Transport> transport;
  MetricRegistry metrics;

  // Runs the body to its end, on the client's machine.
  [[nodiscard]] bool Run(Body body);
  io::Task<agent::SessionResult> Open();
  // REQUIRES: the peer lets us in.
  io::Task<std::unique_ptr<agent::TransportSession>> OpenSession();
  static io::Task<void> Deliver(agent::TransportSession& session, Parcel& parcel);
  // On a session of its own.
  io::Task<void> Send(Parcel& parcel);

 private:
  static io::Task<void> PeerMain(void* context);
  static io::Task<void> ClientMain(void* context);

  Body body_ = nullptr;
  bool done_ = false;
};

std::vector<message::Recipient> Recipients(std::vector<std::string> paths);

}  // namespace ringmail::smtp
