#include "protocol/tunnel/metrics.h"

namespace ringmail::tunnel {

void RegisterMetrics(TunnelMetrics& metrics, MetricRegistry& registry) {
  registry.Add("ringmail_tunnel_connections_total", "Tunnel connections begun by clients.",
               &metrics.connections_begun);
  registry.Add("ringmail_tunnel_connections", "Tunnel connections open.", &metrics.connections);
  constexpr std::string_view kRefused = "ringmail_tunnel_connections_refused_total";
  constexpr std::string_view kRefusedHelp = "Tunnel connections closed at once.";
  registry.Add(kRefused, kRefusedHelp, &metrics.refused_full, "reason=\"tunnel\"");
  registry.Add(kRefused, kRefusedHelp, &metrics.refused_network, "reason=\"network\"");
  constexpr std::string_view kFailed = "ringmail_tunnel_connections_failed_total";
  constexpr std::string_view kFailedHelp =
      "Tunnel connections that did not come to be, or ended early.";
  registry.Add(kFailed, kFailedHelp, &metrics.tls_failed, "reason=\"tls\"");
  registry.Add(kFailed, kFailedHelp, &metrics.client_refused, "reason=\"client\"");
  registry.Add(kFailed, kFailedHelp, &metrics.connect_failed, "reason=\"connect\"");
  registry.Add(kFailed, kFailedHelp, &metrics.ends_idle, "reason=\"idle\"");
  registry.Add(kFailed, kFailedHelp, &metrics.ends_lost, "reason=\"lost\"");
  registry.Add(kFailed, kFailedHelp, &metrics.ends_stop, "reason=\"stop\"");
  constexpr std::string_view kOctets = "ringmail_tunnel_octets_total";
  constexpr std::string_view kOctetsHelp = "Octets relayed, without TLS.";
  registry.Add(kOctets, kOctetsHelp, &metrics.octets_to_target, "to=\"target\"");
  registry.Add(kOctets, kOctetsHelp, &metrics.octets_to_client, "to=\"client\"");
}

}  // namespace ringmail::tunnel
