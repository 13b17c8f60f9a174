// Answers an authority's challenges on one shard: accepts, reads one request, answers, closes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/io/gate.h"
#include "ringmail/io/timer.h"
#include "ringmail/protocol/acme.h"
#include "ringmail/session/proxy_entrance.h"

namespace ringmail::acme {

// The token that a request asks for; "" where it asks for anything else (RFC 8555 §8.3). Pure.
std::string_view TokenOf(std::string_view target);

class Responder final : public AcmeResponder {
 public:
  explicit Responder(ResponderOptions options) : options_(std::move(options)) {}
  ~Responder() override;

  void Listen(io::Listener listener, ResponderListenerOptions options) override;
  bool Unlisten(const io::Endpoint& endpoint) override;
  void Reconfigure(ResponderOptions options) override { options_ = std::move(options); }
  void RegisterMetrics(MetricRegistry& registry) override;
  uint32_t session_count() const override { return sessions_; }
  io::Task<void> Stop(MonotonicTime deadline) override;

 private:
  struct Port {
    io::Listener listener;
    ResponderListenerOptions options;
    io::Event cancelled;
    bool open = true;
  };
  io::Task<void> Accept(Port* port);
  io::Task<void> Serve(io::Stream stream, const Port* port);
  io::Task<void> Speak(io::Stream* stream, const Port& port);
  io::Task<void> Handshake(io::Stream* stream, MonotonicTime deadline);
  io::Task<void> Respond(io::Stream* stream, MonotonicTime deadline);
  void StopAccepting();

  ResponderOptions options_;
  std::vector<std::unique_ptr<Port>> ports_;
  MonotonicTime stop_deadline_ = kNever;
  uint32_t sessions_ = 0;
  Counter answered_, unknown_, handshakes_, refused_;
  session::ProxyEntrance entrance_;
  io::Gate gate_;
};

}  // namespace ringmail::acme
