// The tunnels of a shard: accepts, counts, starts sessions, drains.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "protocol/tunnel/session.h"
#include "ringmail/base/intrusive_list.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/timer.h"
#include "ringmail/protocol/tunnel.h"
#include "ringmail/session/proxy_entrance.h"

namespace ringmail::tunnel {

class Service final : public TunnelService {
 public:
  Service() = default;
  ~Service() override;

  void Listen(io::Listener listener, TunnelOptions options) override;
  bool Configure(const io::Endpoint& endpoint, TunnelOptions options) override;
  bool Unlisten(const io::Endpoint& endpoint) override;
  void RegisterMetrics(MetricRegistry& registry) override;
  uint32_t connection_count() const override { return connection_count_; }
  io::Task<void> Stop(MonotonicTime deadline) override;

 private:
  struct Port {
    io::Listener listener;
    std::shared_ptr<const TunnelOptions> options;
    io::Event cancelled;
    bool open = true;
    uint32_t connections = 0;
    // As many entries as there are connections, at most.
    absl::flat_hash_map<IpNetwork, uint32_t> networks = {};
  };

  // That a connection is there, counted from its making to its end, whatever ends it.
  class Admission {
   public:
    Admission(Service& service, Port& port, const IpNetwork& network);
    Admission(const Admission&) = delete;
    Admission& operator=(const Admission&) = delete;
    ~Admission();

   private:
    Service& service_;
    Port& port_;
    const IpNetwork network_;
  };

  Port* Find(const io::Endpoint& endpoint);
  static void Shut(Port& port);
  io::Task<void> Accept(Port* port);
  io::Task<void> Serve(Port* port, io::Stream stream);
  io::Task<void> RunSession(Port& port, io::Stream stream, session::ProxyHeader header);
  // Empty where there is room.
  std::string_view Full(const Port& port, const IpNetwork& network);

  Shared shared_;
  std::vector<std::unique_ptr<Port>> ports_;
  IntrusiveList<Session, struct SessionTag> sessions_;
  uint32_t connection_count_ = 0;
  session::ProxyEntrance entrance_;
  io::Gate gate_;
};

}  // namespace ringmail::tunnel
