// What the tunnels of one shard count.
#pragma once

#include "ringmail/base/metrics.h"

namespace ringmail::tunnel {

struct TunnelMetrics {
  Counter connections_begun, refused_full, refused_network;
  Gauge connections;
  Counter tls_failed, client_refused, connect_failed;
  Counter ends_idle, ends_lost, ends_stop;
  Counter octets_to_target, octets_to_client;
};

void RegisterMetrics(TunnelMetrics& metrics, MetricRegistry& registry);

}  // namespace ringmail::tunnel
