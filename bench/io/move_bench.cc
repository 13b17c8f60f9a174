// What it costs to move a connection to another shard (io/move.h), and what a moved one weighs.
//
// Connections are made on shard 0; their server's ends go to shard 1 and back. What is reported is
// CPU time of the whole process for each move: both shards, with the messages and the wake-ups.
#include <fmt/format.h>
#include <time.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ringmail/io/gate.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/move.h"
#include "ringmail/io/process.h"
#include "ringmail/io/runtime.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/io/tls.h"
#include "tests/support/io/tls_identities.h"

namespace ringmail::io {
namespace {

constexpr uint16_t kPlace = 0;

struct Bench {
  bool tls = false;
  uint32_t connections = 64;
  uint32_t moves = 0;   // of each connection
  uint32_t unread = 0;  // octets that wait in each
  uint64_t cpu_ns = 0;  // for all moves
  uint64_t resident_bytes = 0;
  // Shard 0's.
  uint32_t at_rest = 0;
  Event changed, ended;
};

struct State : MovedState {
  Bench* bench = nullptr;
  uint32_t left = 0;
};

MonotonicTime Soon() { return Now() + std::chrono::minutes(5); }

uint64_t ProcessCpu() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

void AtRest(ShardMessage& message) {
  auto& bench = *message.Pointer<Bench>(0);
  ++bench.at_rest;
  bench.changed.Notify();
}

Task<void> Travel(Stream stream, std::unique_ptr<State> state) {
  if (state->left > 0) {
    --state->left;
    const MoveResult moved = co_await MoveSession(stream, ShardIndex(ThisShard().value ^ 1), kPlace,
                                                  std::move(state), Soon());
    CHECK(moved.outcome == MoveOutcome::kMoved);
    co_return;
  }
  ShardMessage message;
  message.run = &AtRest;
  message.SetPointer(0, state->bench);
  state.reset();
  co_await Post(ShardIndex(0), message);
  do {
    stream.Consume(stream.input().size());
  } while (co_await stream.Receive(Soon()) == StreamStatus::kOk);
}

class Service : public Arrivals {
 public:
  Service() : Arrivals(kPlace) {}
  bool Admits(const MovedConnection&, const MovedState&) override { return true; }
  void Arrive(Stream stream, std::unique_ptr<MovedState> state) override {
    gate_.Spawn(
        Travel(std::move(stream), std::unique_ptr<State>(static_cast<State*>(state.release()))));
  }
  Task<void> Close() { return gate_.Close(); }
  Event& stop() { return stop_; }

 private:
  Gate gate_;
  Event stop_;
};

Service* other_service = nullptr;  // shard 1's, told to shard 0

void Told(ShardMessage& message) {
  other_service = message.Pointer<Service>(1);
  message.Pointer<Bench>(0)->changed.Notify();
}
void StopAsked(ShardMessage& message) { message.Pointer<Service>(0)->stop().Notify(); }

Task<void> Shake(Stream* stream, std::shared_ptr<const TlsContext> context) {
  const TlsResult result = co_await stream->StartTlsServer(std::move(context), Soon());
  CHECK(result.ok());
}

struct Pair {
  Stream client, server;
};

Task<Pair> Connected(Bench& bench, Listener& listener) {
  static const auto server_context = *TlsContext::MakeServer(
      {.identities = {{.certificate_pem = std::string(testing_tls::kEcdsaCertificate),
                       .private_key_pem = std::string(testing_tls::kEcdsaKey)}}});
  static const auto client_context = *TlsContext::MakeClient({});
  ConnectResult connected = co_await Connect(listener.local(), {}, Soon());
  CHECK(connected.status == StreamStatus::kOk);
  AcceptResult accepted = co_await listener.Accept();
  CHECK(accepted.status == StreamStatus::kOk);
  Pair pair{std::move(connected.stream), std::move(accepted.stream)};
  if (bench.tls) {
    Gate gate;
    gate.Spawn(Shake(&pair.server, server_context));
    const TlsResult result =
        co_await pair.client.StartTlsClient(client_context, {.trust = TlsTrust::kAnybody}, Soon());
    CHECK(result.ok());
    co_await gate.Close();
  }
  if (bench.unread > 0) {
    pair.client.Write(std::string(bench.unread, 'x'));
    CHECK(co_await pair.client.Flush(Soon()) == StreamStatus::kOk);
    CHECK(co_await pair.server.Receive(Soon()) == StreamStatus::kOk);
  }
  co_return pair;
}

Task<void> PlayFirst(Bench& bench, Service& service) {
  while (other_service == nullptr) (void)co_await bench.changed.Wait(kNever);
  auto listeners = OpenListeners({.endpoint = *Endpoint::Parse("127.0.0.1:0")}, 1);
  CHECK(listeners.ok());
  std::vector<Pair> pairs;
  for (uint32_t i = 0; i < bench.connections; ++i) {
    pairs.push_back(co_await Connected(bench, listeners->front()));
  }
  const uint64_t before = ProcessCpu();
  for (Pair& pair : pairs) {
    auto state = std::make_unique<State>();
    state->bench = &bench;
    state->left = bench.moves;
    service.Arrive(std::move(pair.server), std::move(state));
  }
  while (bench.at_rest < bench.connections) (void)co_await bench.changed.Wait(kNever);
  bench.cpu_ns = ProcessCpu() - before;
  bench.resident_bytes = ResidentBytes();
}

Task<void> Main(void* context) {
  Bench& bench = *static_cast<Bench*>(context);
  Service service;
  ShardMessage message;
  if (ThisShard().value == 1) {
    message.run = &Told;
    message.SetPointer(0, &bench);
    message.SetPointer(1, &service);
    co_await Post(ShardIndex(0), message);
    (void)co_await service.stop().Wait(kNever);
  } else {
    co_await PlayFirst(bench, service);
    message.run = &StopAsked;
    message.SetPointer(0, std::exchange(other_service, nullptr));
    co_await Post(ShardIndex(1), message);
  }
  co_await service.Close();
}

void Run(Bench& bench) {
  RuntimeOptions options;
  options.shard_count = 2;
  options.log_path = "/dev/null";
  const Status status = RunShards(options, &Main, &bench);
  CHECK(status.ok());
}

void Moves(const char* what, bool tls, uint32_t unread) {
  Bench bench;
  bench.tls = tls;
  bench.unread = unread;
  bench.moves = 2000;
  Run(bench);
  const double moves = static_cast<double>(bench.moves) * bench.connections;
  fmt::print("{:<32} {:6.2f} us a move\n", what, static_cast<double>(bench.cpu_ns) / moves / 1000);
}

}  // namespace
}  // namespace ringmail::io

// move_bench; or move_bench --idle plain|tls CONNECTIONS MOVES: resident bytes, with all at rest.
int main(int argc, char** argv) {
  using namespace ringmail::io;
  (void)RaiseDescriptorLimit();
  if (argc > 4 && std::string_view(argv[1]) == "--idle") {
    Bench bench;
    bench.tls = std::string_view(argv[2]) == "tls";
    bench.connections = static_cast<uint32_t>(std::stoul(argv[3]));
    bench.moves = static_cast<uint32_t>(std::stoul(argv[4]));
    Run(bench);
    fmt::print("{}\n", bench.resident_bytes);
    return 0;
  }
  Moves("in the clear", false, 0);
  Moves("in the clear, 4 KiB unread", false, 4096);
  Moves("TLS 1.3", true, 0);
  Moves("TLS 1.3, 4 KiB unread", true, 4096);
  return 0;
}
