#include "server/serve/capacity.h"

#include <algorithm>

#include <fmt/format.h>

namespace ringmail::server {
namespace {

// Rings, listeners, segments, the log, the lock and what libraries open.
constexpr uint64_t kDescriptorsBesideConnections = 256;
constexpr uint64_t kDescriptorsPerShard = 128;
// Sessions to next hops, of all destinations of one shard, and connections of the control
// interface.
constexpr uint64_t kOutboundPerShard = 1024;
constexpr uint64_t kSessionsMin = 16;

// The services that have listeners: [limits] connections is for each.
uint64_t RoomsOf(const Config& config) {
  const auto is_pop3 = [](const ListenerConfig& one) {
    return one.options.protocol == session::ListenerProtocol::kPop3;
  };
  const auto pop3 = std::count_if(config.listeners.begin(), config.listeners.end(), is_pop3);
  const bool smtp = static_cast<size_t>(pop3) < config.listeners.size();
  return pop3 > 0 && smtp ? 2 : 1;
}

// Two for each connection, client and target.
uint64_t ForTunnels(const Config& config) {
  uint64_t sum = 0;
  for (const TunnelConfig& one : config.tunnels) sum += 2 * uint64_t{one.options.connections_max};
  return sum;
}

}  // namespace

Capacity PlanCapacity(const Config& config, uint16_t shard_count, uint64_t descriptors) {
  const uint64_t fixed = kDescriptorsBesideConnections + kDescriptorsPerShard * shard_count;
  const uint64_t for_all = descriptors > fixed ? (descriptors - fixed) / shard_count : 0;
  // Tunnels have their share, and refuse connections beyond it by themselves.
  const uint64_t tunnels = std::min(ForTunnels(config), for_all / 2);
  const uint64_t for_connections = for_all - tunnels;
  // A small limit is shared half and half between both directions.
  const uint64_t outbound = std::min(kOutboundPerShard, for_connections / 2);
  const uint64_t rooms = RoomsOf(config);
  const uint64_t inbound = (for_connections - outbound) / rooms;
  const uint64_t wanted = config.smtp.sessions_max;
  const bool configured = wanted != smtp::SmtpOptions{}.sessions_max;
  Capacity capacity;
  const uint64_t sessions = std::min(wanted, inbound);
  capacity.sessions_per_shard = static_cast<uint32_t>(sessions);
  capacity.connections_per_shard = static_cast<uint32_t>(sessions * rooms + outbound + tunnels);
  if (wanted <= inbound) {
    capacity.explanation = fmt::format("{} are enough for {} connections on each of {} shards",
                                       descriptors, wanted, shard_count);
    return capacity;
  }
  const uint64_t needed = fixed + (wanted * rooms + outbound + tunnels) * shard_count;
  capacity.enough = !configured && sessions >= kSessionsMin;
  capacity.explanation =
      capacity.enough
          ? fmt::format(
                "{} allow {} connections on each of {} shards; for all {} raise the limit to {} "
                "(LimitNOFILE= "
                "in the systemd unit, or ulimit -n)",
                descriptors, sessions, shard_count, wanted, needed)
          : fmt::format(
                "the limit of {} is too low for [limits] connections = {} on each of {} shards: "
                "raise it to "
                "{} (LimitNOFILE= in the systemd unit, or ulimit -n), or lower connections to {}",
                descriptors, wanted, shard_count, needed, inbound);
  return capacity;
}

}  // namespace ringmail::server
