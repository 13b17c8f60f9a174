#include "tests/unit/protocol/smtp/town.h"

#include <algorithm>
#include <utility>

#include "ringmail/base/check.h"
#include "ringmail/io/file.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/runtime.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/timer.h"
#include "tests/unit/protocol/smtp/recording_door.h"

namespace ringmail::smtp {
namespace {

constexpr Nanoseconds kQuiet = std::chrono::milliseconds(20);

}  // namespace

Town::Town() : server(world.AddNode({.name = "mx"})) {
  NewRecord();
  options.hostname = "mx.example.org";
}

Town::~Town() {
  if (server.running()) server.Kill();
}

void Town::StartServer() {
  door = MakeDoor(limits);
  sim::Node::MainThread main(server);
  auto opened = io::OpenListeners({.endpoint = *io::Endpoint::Parse("0.0.0.0:25")}, 1);
  CHECK(opened.ok());
  listeners = *std::move(opened);
  server.Start(&ServerMain, this);
}

io::Task<void> Town::ServerMain(void* context) {
  Town& town = *static_cast<Town*>(context);
  if (town.sink_instead) {
    if (!town.sink_options.directory.empty()) {
      CHECK((co_await io::CreateDirectory(town.sink_options.directory)).ok());
    }
    town.sink = Sink::Make(town.sink_options);
    town.sink->Listen(std::move(town.listeners[0]));
  } else {
    town.service = SmtpService::Make(*town.door, town.options);
    town.service->Listen(std::move(town.listeners[0]), town.listener_options);
  }
  while (true) {
    const io::Signal signal = co_await io::NextSignal(kNever);
    if (signal == io::Signal::kTerminate) break;
    if (signal == io::Signal::kReload && town.at_reload) town.at_reload(*town.service);
  }
  const MonotonicTime deadline = io::Now() + town.grace;
  if (town.sink_instead) {
    co_await town.sink->Stop(deadline);
  } else {
    co_await town.service->Stop(deadline);
  }
  town.service.reset();
  town.stopped = true;
}

io::Task<void> Town::RunClient(Town* town, ClientScript* script) {
  co_await io::SleepUntil(io::Now() + script->start);
  io::ConnectResult result = co_await io::Connect({.ip = town->server.ip(), .port = 25}, {},
                                                  io::Now() + std::chrono::seconds(10));
  script->connected = result.status == io::StreamStatus::kOk;
  io::Stream stream = std::move(result.stream);
  for (size_t i = 0; script->connected && !script->ended && i <= script->pieces.size(); ++i) {
    if (i > 0) {
      co_await io::SleepUntil(io::Now() + script->pause);
      stream.Write(script->pieces[i - 1]);
    }
    std::string answer;
    while (true) {
      const io::StreamStatus status = co_await stream.Receive(io::Now() + kQuiet);
      if (status == io::StreamStatus::kTimedOut) break;
      if (status != io::StreamStatus::kOk) {
        script->ended = true;
        break;
      }
      answer += stream.input();
      stream.Consume(stream.input().size());
    }
    script->answers.push_back(std::move(answer));
  }
  // What the server says later, unasked.
  while (script->connected && !script->ended && !town->stopped) {
    const io::StreamStatus status = co_await stream.Receive(io::Now() + std::chrono::seconds(1));
    if (status == io::StreamStatus::kTimedOut) {
      if (script->pieces.empty() || script->pieces.back() != "wait") break;
      continue;
    }
    if (status != io::StreamStatus::kOk) {
      script->ended = true;
      break;
    }
    script->answers.back() += stream.input();
    stream.Consume(stream.input().size());
  }
  if (script->connected) co_await stream.Close(io::Now() + std::chrono::seconds(1));
  script->done = true;
}

io::Task<void> Town::ClientMain(void* context) {
  auto& client = *static_cast<ClientContext*>(context);
  io::Gate gate;
  for (ClientScript* script : client.scripts) gate.Spawn(RunClient(client.town, script));
  co_await gate.Close();
}

void Town::StartClients(std::vector<ClientScript*> clients, sim::Node* from) {
  sim::Node& node = from == nullptr ? world.AddNode({.name = "client"}) : *from;
  contexts_.push_back(std::make_unique<ClientContext>(ClientContext{this, std::move(clients)}));
  node.Start(&ClientMain, contexts_.back().get());
}

void Town::RunClients(std::vector<ClientScript*> clients) {
  for (ClientScript* client : clients) StartClients({client});
  CHECK(world.RunUntil([&clients] {
    return std::all_of(clients.begin(), clients.end(),
                       [](ClientScript* client) { return client->done; });
  }));
}

}  // namespace ringmail::smtp
