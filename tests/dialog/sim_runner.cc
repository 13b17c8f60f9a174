#include "tests/dialog/sim_runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/timer.h"

namespace ringmail::dialog {
namespace {

using io::StreamStatus;

constexpr Nanoseconds kPatience = std::chrono::seconds(10);
constexpr Nanoseconds kLast = std::chrono::milliseconds(100);
constexpr Nanoseconds kPoll = std::chrono::milliseconds(1);

struct Peer {
  io::Stream stream;
  std::string pending;  // received and not yet matched
  std::string unsent;
  bool ended = false;  // the server closed, or the connection failed
};

// The client's half of a conversation, as a task of its node.
struct Client {
  const Dialog* dialog;
  Variables variables;
  io::Endpoint endpoint;
  std::map<std::string, Peer> peers;
  std::string current = "1";
  Nanoseconds patience = kPatience;
  std::string transcript;
  std::string wrong;
  const Step* expecting = nullptr;  // for the driver, which takes it back to null
  bool done = false;

  bool Wrong(const Step& step, const std::string& what) {
    wrong = dialog->name + ":" + std::to_string(step.line) + ": " + what;
    return false;
  }
  io::Task<void> Receive(Peer& peer, MonotonicTime deadline);
  io::Task<bool> NextLine(Peer& peer, std::string& line);
  io::Task<bool> Connect();
  io::Task<bool> Send(Peer& peer);
  io::Task<bool> Heard(const Step& step, Peer& peer);
  io::Task<bool> Silent(const Step& step, Peer& peer);
  io::Task<bool> End(const Step& step, Peer& peer);
  io::Task<bool> Take(const Step& step);
  io::Task<void> Run();
};

io::Task<void> Client::Receive(Peer& peer, MonotonicTime deadline) {
  if (!peer.stream.open()) {
    peer.ended = true;
    co_return;
  }
  const StreamStatus status = co_await peer.stream.Receive(deadline);
  if (status == StreamStatus::kOk) {
    peer.pending += peer.stream.input();
    peer.stream.Consume(peer.stream.input().size());
  } else if (status != StreamStatus::kTimedOut) {
    peer.ended = true;
  }
}

// Without its CRLF; false: none came in time. A server that ends a line otherwise is seen as one
// that never ends it.
io::Task<bool> Client::NextLine(Peer& peer, std::string& line) {
  const MonotonicTime deadline = io::Now() + patience;
  for (;;) {
    const size_t end = peer.pending.find("\r\n");
    if (end != std::string::npos) {
      line = peer.pending.substr(0, end);
      co_return true;
    }
    if (peer.ended || io::Now() >= deadline) co_return false;
    co_await Receive(peer, deadline);
  }
}

io::Task<bool> Client::Connect() {
  auto connected = co_await io::Connect(endpoint, {}, io::Now() + kPatience);
  if (connected.status != StreamStatus::kOk) co_return false;
  peers[current].stream = std::move(connected.stream);
  co_return true;
}

io::Task<bool> Client::Send(Peer& peer) {
  if (peer.unsent.empty()) co_return true;
  if (!peer.stream.open()) co_return false;
  transcript += "C: " + peer.unsent + "\n";
  peer.stream.Write(std::exchange(peer.unsent, {}));
  // What a server that closed no longer takes is no fault of the conversation: the next S line
  // tells.
  (void)co_await peer.stream.Flush(io::Now() + patience);
  co_return true;
}

io::Task<bool> Client::Heard(const Step& step, Peer& peer) {
  for (;;) {
    std::string line;
    if (!co_await NextLine(peer, line)) {
      if (step.kind == Step::Kind::kLines) co_return true;
      co_return Wrong(step, (peer.ended ? "the server closed where it should say "
                                        : "no answer where it should say ") +
                                step.text +
                                (peer.pending.empty() ? "" : "; unfinished: " + peer.pending));
    }
    const auto matches = Matches(step.text, line, variables);
    if (!matches.ok()) co_return Wrong(step, std::string(Std(matches.status().message())));
    if (!*matches) {
      if (step.kind == Step::Kind::kLines) co_return true;
      co_return Wrong(step, "the server said: " + line + "\n  where it should say: " + step.text);
    }
    transcript += "S: " + line + "\n";
    peer.pending.erase(0, line.size() + 2);
    if (step.kind == Step::Kind::kLine) co_return true;
  }
}

io::Task<bool> Client::Silent(const Step& step, Peer& peer) {
  const MonotonicTime end = io::Now() + step.time;
  while (io::Now() < end && peer.pending.empty() && !peer.ended) co_await Receive(peer, end);
  if (peer.ended) co_return Wrong(step, "the server closed where it should be quiet");
  if (!peer.pending.empty())
    co_return Wrong(step, "the server said where it should be quiet: " + peer.pending);
  co_return true;
}

io::Task<bool> Client::End(const Step& step, Peer& peer) {
  const MonotonicTime deadline = io::Now() + patience;
  while (!peer.ended && peer.pending.empty() && io::Now() < deadline)
    co_await Receive(peer, deadline);
  if (!peer.pending.empty())
    co_return Wrong(step, "the server said where it should close: " + peer.pending);
  if (!peer.ended) co_return Wrong(step, "the server did not close");
  co_return true;
}

io::Task<bool> Client::Take(const Step& step) {
  if (step.kind == Step::Kind::kConnection) {
    if (!co_await Send(peers[current])) co_return Wrong(step, "not connected");
    current = step.text;
  }
  const bool reaches_server = step.kind != Step::Kind::kWait &&
                              step.kind != Step::Kind::kPatience &&
                              step.kind != Step::Kind::kExpect;
  if (reaches_server && !peers.contains(current) && !co_await Connect())
    co_return Wrong(step, "cannot connect");
  Peer& peer = peers[current];
  if (step.kind == Step::Kind::kSend) {
    const auto bytes = Expand(step.text, variables);
    if (!bytes.ok()) co_return Wrong(step, std::string(Std(bytes.status().message())));
    peer.unsent += *bytes;
    co_return true;
  }
  if (!co_await Send(peer)) co_return Wrong(step, "not connected");
  switch (step.kind) {
    case Step::Kind::kSend:
    case Step::Kind::kConnection:
      break;
    case Step::Kind::kPause:
      co_await io::SleepUntil(io::Now() + std::chrono::milliseconds(50));
      break;
    case Step::Kind::kLine:
    case Step::Kind::kLines:
      co_return co_await Heard(step, peer);
    case Step::Kind::kClosed:
      co_return co_await End(step, peer);
    case Step::Kind::kQuiet:
      co_return co_await Silent(step, peer);
    case Step::Kind::kWait:
      co_await io::SleepUntil(io::Now() + step.time);
      break;
    case Step::Kind::kPatience:
      patience = step.time;
      break;
    case Step::Kind::kShutdown:
      sim::ShutdownWrite(peer.stream);
      break;
    case Step::Kind::kClose:
      peer.stream.Abort();
      peer.ended = true;
      break;
    case Step::Kind::kExpect:
      expecting = &step;
      while (expecting != nullptr) co_await io::SleepUntil(io::Now() + kPoll);
      co_return wrong.empty();
  }
  co_return true;
}

io::Task<void> Client::Run() {
  for (const Step& step : dialog->steps) {
    if (!co_await Take(step)) break;
  }
  for (auto& [name, peer] : peers) {
    if (wrong.empty()) {
      (void)co_await Send(peer);
      // What the file does not say the server must not say either.
      const MonotonicTime end = io::Now() + kLast;
      while (!peer.ended && peer.pending.empty() && io::Now() < end) co_await Receive(peer, end);
    }
    if (wrong.empty() && !peer.pending.empty()) {
      Wrong(dialog->steps.back(),
            "the server said more on connection " + name + ": " + peer.pending);
    }
    peer.stream.Abort();
  }
  done = true;
}

io::Task<void> ClientMain(void* context) { return static_cast<Client*>(context)->Run(); }

}  // namespace

std::string Run(const Dialog& dialog, Server& server, sim::WorldOptions options) {
  sim::World world(options);
  sim::Node& server_node = world.AddNode({.name = "server", .shards = server.shards()});
  sim::Node& client_node = world.AddNode({.name = "client"});
  for (const Setting& setting : dialog.config) {
    if (!server.Configure(setting.key, setting.value)) {
      return dialog.name + ":" + std::to_string(setting.line) + ": the server does not take " +
             setting.key + " = " + setting.value;
    }
  }
  Client client{.dialog = &dialog,
                .variables = server.variables(),
                .endpoint = server.Start(world, server_node)};
  client_node.Start(&ClientMain, &client);
  while (!client.done) {
    if (!world.RunUntil([&] { return client.done || client.expecting != nullptr; },
                        std::chrono::hours(24 * 30))) {
      client.wrong = dialog.name + ": the conversation does not end";
      break;
    }
    if (client.expecting == nullptr) continue;
    const Step& step = *client.expecting;
    const std::string wrong = server.Expect(step.key, step.text);
    if (!wrong.empty()) client.Wrong(step, wrong);
    client.expecting = nullptr;
  }
  client_node.Kill();
  server_node.Kill();
  if (client.wrong.empty()) return {};
  return client.wrong + "\n--- what was said\n" + client.transcript + "--- the server's log\n" +
         server_node.log();
}

namespace {

class DialogTest : public testing::Test {
 public:
  DialogTest(std::string path, ServerFactory factory)
      : path_(std::move(path)), factory_(std::move(factory)) {}
  void TestBody() override {
    std::ifstream file(path_, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto dialog = Parse(path_, text);
    ASSERT_TRUE(dialog.ok()) << dialog.status().message();
    for (const size_t segment_bytes : {size_t{16384}, size_t{1}}) {
      const auto server = factory_();
      const std::string wrong =
          dialog::Run(*dialog, *server, {.network = {.segment_bytes = segment_bytes}});
      EXPECT_EQ(wrong, "") << "in segments of " << segment_bytes << " octets at most";
    }
  }

 private:
  const std::string path_;
  const ServerFactory factory_;
};

}  // namespace

void RegisterDialogs(const std::string& folder, ServerFactory factory) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".dialog") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  // An empty folder would be a test that cannot fail.
  CHECK(!paths.empty());
  for (const auto& path : paths) {
    testing::RegisterTest(
        "Dialog", path.lexically_relative(folder).c_str(), nullptr, nullptr, __FILE__, __LINE__,
        [path, factory]() -> testing::Test* { return new DialogTest(path.string(), factory); });
  }
}

}  // namespace ringmail::dialog
