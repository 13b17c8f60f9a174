// A mail server and its clients in a simulated world, for tests of the service and the sink: real
// streams, real time limits.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ringmail/protocol/smtp.h"
#include "ringmail/protocol/smtp_sink.h"
#include "tests/sim/io/world.h"

namespace ringmail::smtp {

// What a client sends, each piece after the answers to the one before have stopped coming.
struct ClientScript {
  Nanoseconds start{0};
  std::vector<std::string> pieces;
  Nanoseconds pause{0};  // before each piece
  // What came back: [0] before the first piece. Shorter than pieces where the connection ended.
  std::vector<std::string> answers;
  bool connected = false, ended = false, done = false;
};

class Town {
 public:
  Town();
  ~Town();

  sim::World world;
  sim::Node& server;
  SmtpOptions options;
  SmtpListenerOptions listener_options;
  agent::MailLimits limits;
  // Between SIGTERM and the end of patience.
  Nanoseconds grace = std::chrono::seconds(30);
  // On the server's shard, at SIGHUP.
  std::function<void(SmtpService& service)> at_reload;
  std::unique_ptr<SmtpService> service;
  bool stopped = false;

  bool sink_instead = false;
  SinkOptions sink_options;
  std::unique_ptr<Sink> sink;

  void StartServer();
  // One machine for each script. Runs until all are done.
  void RunClients(std::vector<ClientScript*> clients);
  // As RunClients, but returns at once; the world must run.
  void StartClients(std::vector<ClientScript*> clients, sim::Node* from = nullptr);
  void RunFor(Nanoseconds time) { world.RunFor(time); }

  std::vector<io::Listener> listeners;
  std::unique_ptr<agent::MailDoor> door;

 private:
  struct ClientContext {
    Town* town;
    std::vector<ClientScript*> scripts;
  };
  static io::Task<void> ServerMain(void* context);
  static io::Task<void> ClientMain(void* context);
  static io::Task<void> RunClient(Town* town, ClientScript* script);

  std::vector<std::unique_ptr<ClientContext>> contexts_;
};

}  // namespace ringmail::smtp
