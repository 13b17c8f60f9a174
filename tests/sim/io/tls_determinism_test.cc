#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "ringmail/io/gate.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/tls.h"
#include "tests/sim/io/world.h"
#include "tests/support/io/tls_identities.h"

namespace ringmail::sim {
namespace {

io::Task<void> Serve(io::Stream* stream) {
  io::TlsServerOptions options;
  options.identities = {{.certificate_pem = std::string(testing_tls::kEd25519Certificate),
                         .private_key_pem = std::string(testing_tls::kEd25519Key)}};
  options.ticket_keys = io::TlsTicketKeys::Make(std::chrono::hours(1));
  const io::TlsResult result =
      co_await stream->StartTlsServer(*io::TlsContext::MakeServer(options), kNever);
  EXPECT_TRUE(result.ok());
  stream->Write("220 hello\r\n");
  co_await stream->Close(io::Now() + std::chrono::seconds(5));
}

io::Task<void> Main(void*) {
  auto listeners = io::OpenListeners({.endpoint = *io::Endpoint::Parse("127.0.0.1:0")}, 1);
  io::ConnectResult connected = co_await io::Connect(listeners->front().local(), {}, kNever);
  io::AcceptResult accepted = co_await listeners->front().Accept();
  io::Gate gate;
  gate.Spawn(Serve(&accepted.stream));
  const io::TlsResult result = co_await connected.stream.StartTlsClient(
      *io::TlsContext::MakeClient({}), {.trust = io::TlsTrust::kAnybody}, kNever);
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(co_await connected.stream.Receive(kNever), io::StreamStatus::kOk);
  co_await connected.stream.Close(io::Now() + std::chrono::seconds(5));
  co_await gate.Close();
}

uint64_t HashOfRun(uint64_t seed) {
  World world({.seed = seed});
  Node& node = world.AddNode({});
  node.Start(&Main, nullptr);
  EXPECT_TRUE(world.RunUntil([&] { return !node.running(); }));
  return world.trace_hash();
}

// The trace hashes every octet that crosses the network.
TEST(SimTlsTest, OneSeedIsOneRunAlsoWhereTlsIsSpoken) {
  EXPECT_EQ(HashOfRun(7), HashOfRun(7));
  EXPECT_NE(HashOfRun(7), HashOfRun(8));
}

}  // namespace
}  // namespace ringmail::sim
