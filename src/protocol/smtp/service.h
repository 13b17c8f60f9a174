// The SMTP service of a shard: accepts, admits or turns away, counts by network, reloads, drains.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "protocol/smtp/session.h"
#include "protocol/smtp/settings.h"
#include "ringmail/base/intrusive_list.h"
#include "ringmail/io/gate.h"
#include "ringmail/protocol/smtp.h"
#include "ringmail/session/proxy_entrance.h"

namespace ringmail::smtp {

class Service final : public SmtpService {
 public:
  Service(agent::MailDoor& door, SmtpOptions options);
  ~Service() override;

  void Listen(io::Listener listener, SmtpListenerOptions options) override;
  bool Unlisten(const io::Endpoint& endpoint) override;
  void Reconfigure(SmtpOptions options) override;
  void RegisterMetrics(MetricRegistry& registry) override;
  uint32_t session_count() const override { return session_count_; }
  io::Task<void> Stop(MonotonicTime deadline) override;

 private:
  // One listener and what its sessions need of it. Lives as long as the service, since sessions
  // refer to its options.
  struct Port {
    io::Listener listener;
    SmtpListenerOptions options;
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

  io::Task<void> Accept(Port* port);
  void Admit(const Port& port, io::Stream stream);
  io::Task<void> AdmitProxied(const Port* port, io::Stream stream);
  // Empty where there is room.
  std::string_view Full(const IpAddress& client);
  void TurnAway(io::Stream stream, std::string_view why);
  io::Task<void> SayFull(io::Stream stream);
  io::Task<void> Serve(std::unique_ptr<Session> session, IpNetwork network);
  IpNetwork NetworkOf(const IpAddress& client) const;
  bool Trusted(const IpAddress& client) const;
  void ForgetOldSettings();

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

}  // namespace ringmail::smtp
