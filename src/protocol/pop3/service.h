// The POP3 service of a shard: accepts, admits or turns away, takes in what moves here from other
// shards, counts by network, reloads, drains.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "protocol/pop3/session.h"
#include "protocol/pop3/settings.h"
#include "ringmail/base/intrusive_list.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/move.h"
#include "ringmail/protocol/pop3.h"
#include "ringmail/session/proxy_entrance.h"

namespace ringmail::pop3 {

class Service final : public Pop3Service, private io::Arrivals {
 public:
  Service(std::unique_ptr<Maildrops> maildrops, agent::Authenticator& authenticator,
          Pop3Options options);
  ~Service() override;

  void Listen(io::Listener listener, Pop3ListenerOptions options) override;
  bool Unlisten(const io::Endpoint& endpoint) override;
  void Reconfigure(Pop3Options options) override;
  void RegisterMetrics(MetricRegistry& registry) override;
  uint32_t session_count() const override { return session_count_; }
  io::Task<void> Stop(MonotonicTime deadline) override;

 private:
  struct Port {
    io::Listener listener;
    std::shared_ptr<const Pop3ListenerOptions> options;
    io::Event cancelled;
    bool open = true;
  };

  // That a session is there, counted from its making to its end, whatever ends it.
  class Admission {
   public:
    Admission(Service& service, const IpNetwork& network);
    Admission(const Admission&) = delete;
    Admission& operator=(const Admission&) = delete;
    ~Admission();

   private:
    Service& service_;
    const IpNetwork network_;  // kNone: of a trusted client
  };

  bool Admits(const io::MovedConnection& connection, const io::MovedState& state) override;
  void Arrive(io::Stream stream, std::unique_ptr<io::MovedState> state) override;

  io::Task<void> Accept(Port* port);
  void Admit(const Port& port, io::Stream stream);
  io::Task<void> AdmitProxied(const Port* port, io::Stream stream);
  void Begin(std::unique_ptr<Baggage> baggage, io::Stream stream);
  // Empty where there is room.
  std::string_view Full(const IpAddress& client);
  void TurnAway(io::Stream stream, std::string_view why);
  io::Task<void> SayFull(io::Stream stream);
  io::Task<void> Serve(std::unique_ptr<Session> session, IpNetwork network);
  IpNetwork NetworkOf(const IpAddress& client) const;
  bool Trusted(const IpAddress& client) const;
  std::unique_ptr<std::string> MakeTimestamp() const;

  const std::unique_ptr<Maildrops> maildrops_;
  Shared shared_;
  std::vector<std::unique_ptr<Settings>> settings_;  // the last is current
  std::vector<std::unique_ptr<Port>> ports_;
  IntrusiveList<Session, struct SessionTag> sessions_;
  // Of clients that are not trusted; as many entries as they have sessions, at most.
  absl::flat_hash_map<IpNetwork, uint32_t> networks_;
  uint32_t session_count_ = 0, refusals_ = 0;
  session::ProxyEntrance entrance_;
  io::Gate gate_;
};

}  // namespace ringmail::pop3
