#include "tests/dialog/toy_server.h"

#include <cstdlib>
#include <utility>

#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"

namespace ringmail::dialog {

bool ToyServer::Configure(const std::string& key, const std::string& value) {
  if (key != "greeting") return false;
  greeting_ = value;
  return true;
}

io::Endpoint ToyServer::Start(sim::World&, sim::Node& node) {
  const io::Endpoint endpoint{.ip = node.ip(), .port = 7};
  {
    sim::Node::MainThread main(node);
    auto listeners = io::OpenListeners({.endpoint = endpoint}, 1);
    CHECK(listeners.ok());
    listener_ = std::move(listeners->front());
  }
  node.Start(&ToyServer::Main, this);
  return endpoint;
}

std::string ToyServer::Expect(const std::string& key, const std::string& value) {
  if (key != "echoes") return "nothing is known of " + key;
  return std::to_string(echoes_) == value ? ""
                                          : "there were " + std::to_string(echoes_) + " echoes";
}

io::Task<void> ToyServer::Main(void* self) {
  auto& server = *static_cast<ToyServer*>(self);
  for (;;) {
    io::AcceptResult accepted = co_await server.listener_.Accept();
    if (accepted.status != io::StreamStatus::kOk) co_return;
    server.gate_.Spawn(server.Serve(std::move(accepted.stream)));
  }
}

io::Task<void> ToyServer::Serve(io::Stream stream) {
  ++connections_;
  stream.Write("220 toy.example at your service, " + greeting_ + "\r\n");
  std::string pending;
  bool going_on = true;
  while (going_on) {
    if (co_await stream.Receive(kNever) != io::StreamStatus::kOk) break;
    pending += stream.input();
    stream.Consume(stream.input().size());
    for (size_t end = pending.find("\r\n"); going_on && end != std::string::npos;
         end = pending.find("\r\n")) {
      const std::string line = pending.substr(0, end);
      pending.erase(0, end + 2);
      going_on = co_await Answer(stream, line);
    }
  }
  co_await stream.Close(io::Now() + std::chrono::seconds(1));
}

io::Task<bool> ToyServer::Answer(io::Stream& stream, const std::string& line) {
  const size_t space = line.find(' ');
  const std::string verb = line.substr(0, space);
  const std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
  if (verb == "ECHO") {
    ++echoes_;
    stream.Write("250 " + rest + "\r\n");
  } else if (verb == "LINES") {
    const int count = std::atoi(rest.c_str());
    for (int i = 1; i <= count; ++i)
      stream.Write((i < count ? "250-line " : "250 line ") + std::to_string(i) + "\r\n");
  } else if (verb == "COUNT") {
    stream.Write("250 " + std::to_string(connections_) + "\r\n");
  } else if (verb == "SLEEP") {
    co_await io::SleepUntil(io::Now() + std::chrono::seconds(std::atoi(rest.c_str())));
    stream.Write("250 slept\r\n");
  } else if (verb == "QUIT") {
    stream.Write("221 bye\r\n");
    co_return false;
  } else {
    stream.Write("500 what?\r\n");
  }
  co_return true;
}

}  // namespace ringmail::dialog
