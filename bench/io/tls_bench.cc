// What TLS costs: handshakes, octets sealed, and memory of a connection that is idle.
//
// Shard 0 is the server, shard 1 its clients; what is reported is CPU time of the server's thread
// alone, so that it holds on a busy machine, and it includes accepting, closing and the sockets.
// RSA signatures are made on the blocking pool and reported with the whole process's time.
#include <fmt/format.h>
#include <time.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "ringmail/io/gate.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/process.h"
#include "ringmail/io/runtime.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/tls.h"
#include "tests/support/io/tls_identities.h"

namespace ringmail::io {
namespace {

using Context = std::shared_ptr<const TlsContext>;

constexpr size_t kChunkBytes = 1u << 20;

struct Bench {
  std::vector<Listener> listeners;
  Context server, client;  // null: without TLS
  bool resume = false;
  uint32_t connections = 0;
  uint32_t at_once = 32;
  uint64_t bytes = 0;  // that the server sends on each
  bool hold = false;   // until all are there, to weigh them
  std::string session;
  uint64_t cpu_ns = 0, resident_bytes = 0;
  Event held, release;
  uint32_t holding = 0;
};

uint64_t ThreadCpu() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

MonotonicTime Soon() { return Now() + std::chrono::minutes(5); }

Task<void> ServeOne(Bench* bench, Stream stream) {
  if (bench->server != nullptr) {
    const TlsResult result = co_await stream.StartTlsServer(bench->server, Soon());
    CHECK(result.ok());
    CHECK_EQ(result.resumed, bench->resume && !bench->session.empty());
  }
  static const std::string chunk(kChunkBytes, 'x');
  for (uint64_t sent = 0; sent < bench->bytes; sent += chunk.size()) {
    stream.WriteReference(chunk);
    CHECK(co_await stream.Flush(Soon()) == StreamStatus::kOk);
  }
  stream.Write("end");
  (void)co_await stream.Receive(Soon());
  co_await stream.Close(Soon());
}

Task<void> ConnectOne(Bench* bench, Endpoint to) {
  ConnectResult connected = co_await Connect(to, {}, Soon());
  CHECK(connected.status == StreamStatus::kOk);
  Stream& stream = connected.stream;
  if (bench->client != nullptr) {
    TlsClientRequest request{.server_name = "mx.example.org"};
    request.session = bench->session;
    request.keep_session = bench->resume && bench->session.empty();
    const TlsResult result = co_await stream.StartTlsClient(bench->client, request, Soon());
    CHECK(result.ok());
  }
  uint64_t read = 0;
  while (read < bench->bytes + 3) {
    CHECK(co_await stream.Receive(Soon()) == StreamStatus::kOk);
    read += stream.input().size();
    stream.Consume(stream.input().size());
  }
  if (bench->resume && bench->session.empty()) bench->session = stream.TakeTlsSession();
  if (bench->hold) {
    if (++bench->holding == bench->connections) bench->held.Notify();
    while (bench->resident_bytes == 0) co_await SleepUntil(Now() + std::chrono::milliseconds(20));
  }
  co_await stream.Close(Soon());
}

Task<void> Clients(Bench* bench, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    co_await ConnectOne(bench, bench->listeners[0].local());
  }
}

Task<void> Main(void* context) {
  Bench& bench = *static_cast<Bench*>(context);
  Gate gate;
  if (ThisShard() == ShardIndex(0)) {
    const uint64_t before = ThreadCpu();
    for (uint32_t i = 0; i < bench.connections; ++i) {
      AcceptResult accepted = co_await bench.listeners[0].Accept();
      CHECK(accepted.status == StreamStatus::kOk);
      gate.Spawn(ServeOne(&bench, std::move(accepted.stream)));
    }
    co_await gate.Close();
    bench.cpu_ns = ThreadCpu() - before;
    co_return;
  }
  if (bench.resume) {
    co_await ConnectOne(&bench, bench.listeners[0].local());
    CHECK(!bench.session.empty());
  }
  if (bench.hold) {
    for (uint32_t i = 0; i < bench.connections; ++i) {
      gate.Spawn(ConnectOne(&bench, bench.listeners[0].local()));
      if (i % 32 == 31) co_await SleepUntil(Now() + std::chrono::milliseconds(5));
    }
    co_await bench.held.Wait(kNever);
    bench.resident_bytes = ResidentBytes();
  } else {
    for (uint32_t i = 0; i < bench.at_once; ++i) {
      // The one that is resumed came before them.
      gate.Spawn(Clients(&bench, bench.connections / bench.at_once));
    }
  }
  co_await gate.Close();
}

void Run(Bench& bench) {
  // One listener for shard 0 alone: SO_REUSEPORT would give half to the clients' shard.
  auto listeners = OpenListeners({.endpoint = *Endpoint::Parse("127.0.0.1:0")}, 1);
  CHECK(listeners.ok());
  bench.listeners = *std::move(listeners);
  RuntimeOptions options;
  options.shard_count = 2;
  options.log_path = "/dev/null";
  const Status status = RunShards(options, Main, &bench);
  CHECK(status.ok());
}

TlsIdentity Identity(std::string_view certificate, std::string_view key) {
  return {.certificate_pem = std::string(certificate), .private_key_pem = std::string(key)};
}

Context Server(const TlsIdentity& identity, TlsVersion version) {
  TlsServerOptions options;
  options.identities = {identity};
  options.version_max = version;
  options.ticket_keys = TlsTicketKeys::Make(std::chrono::hours(1));
  return *TlsContext::MakeServer(options);
}
Context Client() {
  TlsClientOptions options;
  options.authorities_pem = testing_tls::kAuthority;
  return *TlsContext::MakeClient(options);
}

void Handshakes(const char* name, Context server, bool resume, uint32_t count) {
  Bench bench{.server = std::move(server), .resume = resume, .connections = count};
  if (bench.server != nullptr) bench.client = Client();
  if (resume) ++bench.connections;
  std::fflush(stdout);
  const uint64_t process_before = CpuMicroseconds();
  Run(bench);
  const double each = static_cast<double>(bench.cpu_ns) / 1000 / count;
  fmt::print("{:<34} {:8.1f} us of the shard  {:8.0f} a second  ({:.0f} us of the process)\n", name,
             each, 1e6 / each, static_cast<double>(CpuMicroseconds() - process_before) / count);
}

void Bytes(const char* name, Context server) {
  constexpr uint64_t kBytes = 1u << 30;
  Bench bench{.server = std::move(server), .connections = 1, .at_once = 1, .bytes = kBytes};
  if (bench.server != nullptr) bench.client = Client();
  Run(bench);
  fmt::print("{:<34} {:8.2f} GB for each second of the shard\n", name,
             static_cast<double>(kBytes) / static_cast<double>(bench.cpu_ns));
}

uint64_t Idle(Context server, uint32_t count) {
  Bench bench{.server = std::move(server), .connections = count, .hold = true};
  if (bench.server != nullptr) bench.client = Client();
  Run(bench);
  return bench.resident_bytes;
}

}  // namespace
}  // namespace ringmail::io

int main(int argc, char** argv) {
  using namespace ringmail::io;
  using namespace ringmail::testing_tls;
  (void)RaiseDescriptorLimit();
  if (argc > 2 && std::string_view(argv[1]) == "--idle") {
    // In a process of its own each, since memory that was used once stays.
    const bool tls = std::string_view(argv[2]) == "tls";
    constexpr uint32_t kFew = 100, kMany = 4100;
    const uint32_t count = argc > 3 ? kMany : kFew;
    fmt::print("{}\n",
               Idle(tls ? Server(Identity(kEcdsaCertificate, kEcdsaKey), TlsVersion::k13) : nullptr,
                    count));
    return 0;
  }
  const TlsIdentity ecdsa = Identity(kEcdsaCertificate, kEcdsaKey);
  const TlsIdentity rsa = Identity(kRsaCertificate, kRsaKey);
  Handshakes("no TLS", nullptr, false, 3200);
  Handshakes("TLS 1.3, ECDSA, full", Server(ecdsa, TlsVersion::k13), false, 3200);
  Handshakes("TLS 1.3, ECDSA, resumed", Server(ecdsa, TlsVersion::k13), true, 3200);
  Handshakes("TLS 1.2, ECDSA, full", Server(ecdsa, TlsVersion::k12), false, 3200);
  Handshakes("TLS 1.2, ECDSA, resumed", Server(ecdsa, TlsVersion::k12), true, 3200);
  Handshakes("TLS 1.3, RSA 2048, full", Server(rsa, TlsVersion::k13), false, 1600);
  Bytes("sent, no TLS", nullptr);
  Bytes("sent, TLS 1.3 AES-128-GCM", Server(ecdsa, TlsVersion::k13));
  return 0;
}
