// What the POP3 server of one shard counts.
#pragma once

#include <array>

#include "protocol/pop3/commands.h"
#include "ringmail/base/metrics.h"

namespace ringmail::pop3 {

struct Pop3Metrics {
  Counter sessions_begun, sessions_refused_full, sessions_refused_network, sessions_refused_banned;
  Gauge sessions;
  std::array<Counter, kCommandCount> commands;
  Counter unknown_commands;
  Counter replies_positive, replies_negative;
  Counter logins_accepted, logins_refused, logins_malformed, logins_unavailable;
  Counter maildrops_in_use, maildrops_too_soon, maildrops_failed;
  Counter moved, move_refused;
  Counter messages_sent, messages_failed, messages_deleted, updates_failed;
  Histogram message_bytes;  // of those sent whole
  Counter tls_begun, tls_resumed, tls_failed;
  // Ends of sessions that are not QUIT.
  Counter ends_timeout, ends_lost, ends_abuse, ends_damage, ends_shutdown;
};

void RegisterMetrics(Pop3Metrics& metrics, MetricRegistry& registry);

}  // namespace ringmail::pop3
