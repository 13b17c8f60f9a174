// One connection of a tunnel, from the handshake to the log line.
//
// Made by: the service. Order: Run once; Cut at any time.
// States: TLS of a client (kWrap) -> its name judged -> target chosen and connected -> PROXY header
//   -> TLS of the target (kUnwrap) -> relay -> closed.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "protocol/tunnel/metrics.h"
#include "protocol/tunnel/relay.h"
#include "ringmail/base/intrusive_list.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/task.h"
#include "ringmail/protocol/tunnel.h"
#include "ringmail/session/proxy_header.h"

namespace ringmail::tunnel {

// What the sessions of a shard have in common.
struct Shared {
  TunnelMetrics metrics;
  bool stopping = false;
  MonotonicTime stop_deadline = kNever;
};

class Session : public ListHook<struct SessionTag> {
 public:
  // `header` is what a proxy said, or nothing.
  Session(Shared& shared, std::shared_ptr<const TunnelOptions> options, io::Stream client,
          session::ProxyHeader header);
  ~Session();

  io::Task<void> Run();
  // Ends it as soon as its wait has ended.
  void Cut();
  MonotonicTime last_moved() const { return relay_ ? relay_->last_moved() : began_; }

 private:
  // What the log says of it.
  struct Facts {
    std::string client, target, server_name, certificate, version, cipher;
  };
  io::Task<bool> Open();
  io::Task<bool> AcceptTls();
  io::Task<bool> ConnectTls();
  io::Task<void> SayWhy(io::Stream& stream);
  bool Admits(const io::TlsResult& result);
  const io::Endpoint& Target() const;
  void Describe(const io::TlsResult& result);
  void WriteHeader();
  void Log(std::string_view end) const;
  void Refuse(Counter& counter, std::string why);

  Shared& shared_;
  const std::shared_ptr<const TunnelOptions> options_;
  io::Stream client_, target_;
  const MonotonicTime began_;
  // Only until the target is there.
  std::unique_ptr<session::ProxyHeader> header_;
  Facts facts_;
  std::optional<Relay> relay_;
  std::string problem_;
  bool cut_ = false;
  bool closing_ = false;
};

}  // namespace ringmail::tunnel
