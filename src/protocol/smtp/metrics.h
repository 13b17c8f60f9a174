// What the SMTP server of one shard counts.
#pragma once

#include <array>

#include "protocol/smtp/commands.h"
#include "ringmail/base/metrics.h"

namespace ringmail::smtp {

struct SmtpMetrics {
  Counter sessions_begun, sessions_refused_full, sessions_refused_network;
  Gauge sessions;
  std::array<Counter, kCommandCount> commands;
  Counter unknown_commands;
  Counter replies_positive, replies_transient, replies_permanent;
  Counter messages_accepted, messages_refused;
  Histogram message_bytes;  // of those accepted
  Counter tls_begun, tls_resumed, tls_failed;
  Counter auth_accepted, auth_refused, auth_unavailable, auth_given_up;
  // Ends of sessions that are not QUIT.
  Counter ends_timeout, ends_lost, ends_abuse, ends_unsynchronized, ends_shutdown;
};

void RegisterMetrics(SmtpMetrics& metrics, MetricRegistry& registry);

}  // namespace ringmail::smtp
