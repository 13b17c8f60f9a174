// The SMTP client: what carries mail to the next hop (RFC 5321 §2.1, the sending side) behind
// agent/transport.h.
//
// Made by: MakeSmtpTransport, one per shard.
// Promise: a recipient is kDelivered only when the peer's 2yz to the end of content was read;
//   nothing is sent to a peer that it did not say it takes (8BITMIME, SMTPUTF8, BINARYMIME, SIZE).
// Limits: SmtpClientTimeouts, each at least what RFC 5321 §4.5.3.2 asks; replies as in
//   reply_wire.h.
// Errors: every one a Reply for each recipient it concerns (agent/transport.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ringmail/agent/transport.h"
#include "ringmail/base/ip_address.h"
#include "ringmail/base/metrics.h"

namespace ringmail::smtp {

struct SmtpClientTimeouts {
  std::chrono::seconds connect = std::chrono::seconds(30);  // for each address of a host
  std::chrono::seconds greeting = std::chrono::minutes(5);  // RFC 5321 §4.5.3.2.1
  std::chrono::seconds command =
      std::chrono::minutes(5);  // §4.5.3.2.2, §4.5.3.2.3: EHLO, MAIL, RCPT
  std::chrono::seconds data_start = std::chrono::minutes(2);  // §4.5.3.2.4
  std::chrono::seconds data_block = std::chrono::minutes(3);  // §4.5.3.2.5
  std::chrono::seconds data_end = std::chrono::minutes(10);   // §4.5.3.2.6
  std::chrono::seconds quit = std::chrono::seconds(5);        // ours: nothing depends on it
  friend bool operator==(const SmtpClientTimeouts&, const SmtpClientTimeouts&) = default;
};

enum class Use : uint8_t { kNever, kWhereOffered };

struct SmtpClientOptions {
  std::string hostname;  // what EHLO says
  IpAddress source;      // kNone: the kernel chooses
  SmtpClientTimeouts timeouts;
  Use pipelining = Use::kWhereOffered;
  Use chunking = Use::kWhereOffered;
  // A peer that greets with our own hostname is ourselves: the route is a loop (RFC 5321 §6.3), and
  // the mail is refused.
  bool refuse_own_hostname = true;
};

// `registry` may be null. What it registers lives as long as the transport.
std::unique_ptr<agent::Transport> MakeSmtpTransport(SmtpClientOptions options,
                                                    MetricRegistry* registry);

}  // namespace ringmail::smtp
