// Octets of a stranger in a server's handshake, in the simulator: whatever they are, the handshake
// ends, and nothing that was not inside TLS is read.
//
// The first octet says how they are cut.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "ringmail/base/check.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/tls.h"
#include "tests/sim/io/world.h"
#include "tests/support/io/tls_identities.h"

namespace ringmail::io {
namespace {

struct Input {
  std::shared_ptr<const TlsContext> context;
  std::string_view octets;
  size_t cut = 1;
};

Task<void> Serve(Stream* stream, std::shared_ptr<const TlsContext> context) {
  const TlsResult result =
      co_await stream->StartTlsServer(std::move(context), Now() + std::chrono::seconds(5));
  // Nobody signs for a key that he has not, so that no input gets through.
  CHECK(!result.ok());
  CHECK(stream->input().empty());
  if (stream->tls()) CHECK(co_await stream->Receive(Now()) != StreamStatus::kOk);
  co_await stream->Close(Now() + std::chrono::seconds(1));
}

Task<void> Main(void* context) {
  Input& input = *static_cast<Input*>(context);
  auto listeners = OpenListeners({.endpoint = *Endpoint::Parse("127.0.0.1:0")}, 1);
  ConnectResult connected = co_await Connect(listeners->front().local(), {}, kNever);
  AcceptResult accepted = co_await listeners->front().Accept();
  Gate gate;
  gate.Spawn(Serve(&accepted.stream, input.context));
  while (!input.octets.empty()) {
    const std::string_view piece = input.octets.substr(0, input.cut);
    connected.stream.Write(piece);
    input.octets.remove_prefix(piece.size());
    if (co_await connected.stream.Flush(Now() + std::chrono::seconds(5)) != StreamStatus::kOk)
      break;
  }
  co_await connected.stream.Close(Now() + std::chrono::seconds(10));
  co_await gate.Close();
}

}  // namespace
}  // namespace ringmail::io

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ringmail;
  static const std::shared_ptr<const io::TlsContext> context = [] {
    io::TlsServerOptions options;
    options.identities = {{.certificate_pem = std::string(testing_tls::kEcdsaCertificate),
                           .private_key_pem = std::string(testing_tls::kEcdsaKey)}};
    options.client_certificates = io::TlsClientCertificates::kRequired;
    options.client_authorities_pem = testing_tls::kAuthority;
    options.ticket_keys = io::TlsTicketKeys::Make(std::chrono::hours(1));
    return *io::TlsContext::MakeServer(options);
  }();
  if (size < 1) return 0;
  io::Input input{
      context, {reinterpret_cast<const char*>(data) + 1, size - 1}, data[0] + size_t{1}};
  sim::World world({});
  sim::Node& node = world.AddNode({});
  node.Start(&io::Main, &input);
  CHECK(world.RunUntil([&] { return !node.running(); }));
  return 0;
}
