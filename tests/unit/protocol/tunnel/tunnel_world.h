// Three machines of a simulated world: a client, a tunnel and the target behind it, each with a
// script.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "protocol/tunnel/service.h"
#include "ringmail/base/check.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/runtime.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/io/tls.h"
#include "tests/sim/io/world.h"
#include "tests/support/io/tls_identities.h"

namespace ringmail::tunnel {

using std::chrono::milliseconds;
using std::chrono::seconds;

// One end of a relay, what it says and when it stops.
struct End {
  std::string says;
  int times = 1;
  Nanoseconds pause{0};     // behind each of them
  bool says_first = true;   // else it reads to the end of the other's first
  bool ends_output = true;  // says that it is done, once it has said everything
  Nanoseconds deaf{0};      // reads nothing for so long
  bool aborts = false;      // in place of Close
  bool drops_tls = false;   // ends TCP without close_notify
  std::string header;       // of the client, in front of TLS
  // What happened.
  std::string heard;
  io::StreamStatus status = io::StreamStatus::kOk;
  int error = 0;
  io::TlsResult tls;
  bool done = false;
};

class TunnelWorld : public testing::Test {
 protected:
  TunnelWorld()
      : tunnel_(world_.AddNode({.name = "tunnel"})), target_(world_.AddNode({.name = "target"})) {
    options_.target = {.ip = target_.ip(), .port = 80, .unix_path = {}};
    options_.name = "web";
  }
  ~TunnelWorld() override {
    for (sim::Node* one : {&tunnel_, &target_}) {
      if (one->running()) one->Kill();
    }
  }

  static io::TlsIdentity Identity(std::string_view certificate, std::string_view key) {
    return {.certificate_pem = std::string(certificate), .private_key_pem = std::string(key)};
  }
  static io::TlsIdentity Mx() {
    return Identity(testing_tls::kEcdsaCertificate, testing_tls::kEcdsaKey);
  }
  static std::shared_ptr<const io::TlsContext> Server(io::TlsServerOptions options) {
    if (options.identities.empty()) options.identities = {Mx()};
    auto context = io::TlsContext::MakeServer(options);
    CHECK(context.ok());
    return *std::move(context);
  }
  static std::shared_ptr<const io::TlsContext> Client(io::TlsClientOptions options) {
    if (options.authorities_pem.empty()) options.authorities_pem = testing_tls::kAuthority;
    auto context = io::TlsContext::MakeClient(options);
    CHECK(context.ok());
    return *std::move(context);
  }
  void Wrap() {
    options_.mode = TunnelMode::kWrap;
    options_.tls = Server({});
    client_tls_ = Client({});
  }
  void Unwrap() {
    options_.mode = TunnelMode::kUnwrap;
    options_.tls = Client({});
    options_.server_name = "mx.example.org";
    target_tls_ = Server({});
  }

  void StartTunnel() {
    {
      sim::Node::MainThread main(tunnel_);
      auto opened = io::OpenListeners({.endpoint = {.ip = tunnel_.ip(), .port = 443}}, 1);
      CHECK(opened.ok());
      listener_ = std::move(opened->front());
    }
    tunnel_.Start(&TunnelWorld::TunnelMain, this);
  }
  // `ends` are served in the order of the connections.
  void StartTarget(std::vector<End*> ends) {
    target_ends_ = std::move(ends);
    {
      sim::Node::MainThread main(target_);
      auto opened = io::OpenListeners({.endpoint = {.ip = target_.ip(), .port = 80}}, 1);
      CHECK(opened.ok());
      target_listener_ = std::move(opened->front());
    }
    target_.Start(&TunnelWorld::TargetMain, this);
  }
  void StartClient(End* end, std::string server_name = "mx.example.org") {
    clients_.push_back(std::make_unique<Caller>(Caller{this, end, std::move(server_name)}));
    world_.AddNode({.name = "client"}).Start(&TunnelWorld::ClientMain, clients_.back().get());
  }
  // Until both have ended, and the tunnel has nothing left.
  void RunToEnd(std::vector<End*> ends, Nanoseconds at_most = seconds(3600)) {
    ASSERT_TRUE(world_.RunUntil(
        [&] {
          return std::all_of(ends.begin(), ends.end(), [](const End* one) { return one->done; }) &&
                 service_->connection_count() == 0;
        },
        at_most));
  }
  std::string Log() {
    // Lines are gathered behind a turn.
    if (tunnel_.running()) tunnel_.Send(io::Signal::kReload);
    world_.RunFor(milliseconds(10));
    return tunnel_.log();
  }
  uint64_t Count(std::string_view line) {
    MetricRegistry registry;
    service_->RegisterMetrics(registry);
    const std::string text = MetricRegistry::Render({&registry});
    const size_t at = text.find("\n" + std::string(line) + " ");
    CHECK(at != std::string::npos);
    return std::stoull(text.substr(at + line.size() + 2));
  }

  struct Caller {
    TunnelWorld* world;
    End* end;
    std::string server_name;
  };
  static io::Task<void> TunnelMain(void* context) {
    auto& self = *static_cast<TunnelWorld*>(context);
    Service service;
    self.service_ = &service;
    service.Listen(std::move(self.listener_), self.options_);
    while (co_await io::NextSignal(kNever) != io::Signal::kTerminate) {
      CHECK(service.Configure({.ip = self.tunnel_.ip(), .port = 443}, self.options_));
    }
    self.stopping_at_ = io::Now();
    co_await service.Stop(io::Now() + self.grace_);
    self.stopped_at_ = io::Now();
    self.stopped_ = true;
  }
  static io::Task<void> TargetMain(void* context) {
    auto& self = *static_cast<TunnelWorld*>(context);
    io::Gate gate;
    for (End* one : self.target_ends_) {
      io::AcceptResult accepted = co_await self.target_listener_.Accept();
      CHECK(accepted.status == io::StreamStatus::kOk);
      gate.Spawn(Serve(&self, std::move(accepted.stream), one));
    }
    co_await gate.Close();
  }
  static io::Task<void> Serve(TunnelWorld* self, io::Stream stream, End* end) {
    if (self->target_tls_ != nullptr) {
      end->tls = co_await stream.StartTlsServer(self->target_tls_, io::Now() + seconds(60));
      if (!end->tls.ok()) {
        end->done = true;
        co_return;
      }
    }
    co_await Play(stream, *end);
  }
  static io::Task<void> ClientMain(void* context) {
    auto& [self, end, name] = *static_cast<Caller*>(context);
    io::ConnectResult connected =
        co_await io::Connect({.ip = self->tunnel_.ip(), .port = 443}, {}, io::Now() + seconds(10));
    CHECK(connected.status == io::StreamStatus::kOk);
    io::Stream stream = std::move(connected.stream);
    stream.Write(end->header);
    if (self->client_tls_ != nullptr) {
      end->tls = co_await stream.StartTlsClient(self->client_tls_, {.server_name = name},
                                                io::Now() + seconds(60));
      if (!end->tls.ok()) {
        end->done = true;
        co_return;
      }
    }
    co_await Play(stream, *end);
  }
  static io::Task<void> Hear(io::Stream* stream, End* end) {
    if (end->deaf > Nanoseconds(0)) co_await io::SleepUntil(io::Now() + end->deaf);
    while (end->status == io::StreamStatus::kOk) {
      end->heard += stream->input();
      stream->Consume(stream->input().size());
      end->status = co_await stream->Receive(io::Now() + seconds(7200));
    }
    end->error = stream->error();
  }
  // While Hear waits, as the contract of Stream allows.
  static io::Task<void> Say(io::Stream& stream, End& end) {
    io::Event drained;
    stream.WatchOutput(&drained);
    for (int i = 0; i < end.times; ++i) {
      stream.Write(end.says);
      stream.SendSoon();
      while (stream.output_bytes() > 0 && stream.error() == 0) (void)co_await drained.Wait(kNever);
      if (end.pause > Nanoseconds(0)) co_await io::SleepUntil(io::Now() + end.pause);
    }
    stream.WatchOutput(nullptr);
  }
  static io::Task<void> Play(io::Stream& stream, End& end) {
    io::Gate gate;
    if (!end.says_first) {
      co_await Hear(&stream, &end);
    } else if (!end.aborts && !end.drops_tls) {
      gate.Spawn(Hear(&stream, &end));
    }
    co_await Say(stream, end);
    if (end.drops_tls) {
      sim::ShutdownWrite(stream);
      co_await io::SleepUntil(io::Now() + seconds(1));
    }
    if (end.aborts || end.drops_tls) {
      stream.Abort();
    } else if (end.ends_output) {
      stream.EndOutput();
    }
    co_await gate.Close();
    if (stream.open()) co_await stream.Close(io::Now() + seconds(10));
    end.done = true;
  }

  sim::World world_;
  sim::Node& tunnel_;
  sim::Node& target_;
  TunnelOptions options_;
  std::shared_ptr<const io::TlsContext> client_tls_, target_tls_;
  io::Listener listener_, target_listener_;
  std::vector<End*> target_ends_;
  std::vector<std::unique_ptr<Caller>> clients_;
  Service* service_ = nullptr;
  Nanoseconds grace_ = seconds(30);
  MonotonicTime stopping_at_, stopped_at_;
  bool stopped_ = false;
};

}  // namespace ringmail::tunnel
