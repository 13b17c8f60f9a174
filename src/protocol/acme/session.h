// Drives an order: signs and sends what order.h says, and waits.
#pragma once

#include <memory>
#include <string>

#include "protocol/acme/order.h"
#include "ringmail/io/task.h"
#include "ringmail/io/timer.h"
#include "ringmail/protocol/acme.h"
#include "ringmail/session/http_client.h"

namespace ringmail::acme {

class Client final : public AcmeClient {
 public:
  Client(AcmeOptions options, AcmeHost& host, std::unique_ptr<session::HttpClient> http)
      : options_(std::move(options)), host_(host), http_(std::move(http)) {}

  io::Task<AcmeResult> Obtain(AcmeState state) override;
  void Stop() override;

 private:
  io::Task<AcmeResult> Run(AcmeState* state, bool* answering);
  io::Task<AcmeResult> Send(const Request* request, const AcmeState* state, Order* order);
  io::Task<bool> Wait(std::chrono::seconds time);
  Status Prepare(AcmeState& state) const;
  StatusOr<OrderOptions> OptionsOf(const AcmeState& state) const;
  AcmeResult Judge(const AcmeState& state, std::string certificate_pem) const;

  const AcmeOptions options_;
  AcmeHost& host_;
  const std::unique_ptr<session::HttpClient> http_;
  io::Event woken_;
  bool stopped_ = false;
};

}  // namespace ringmail::acme
