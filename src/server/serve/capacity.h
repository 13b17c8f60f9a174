// How many connections the limits of the system allow, before the first one is refused by surprise.
// Pure.
#pragma once

#include <cstdint>
#include <string>

#include "server/config/config.h"

namespace ringmail::server {

struct Capacity {
  bool enough = true;  // false: what was configured does not fit; `explanation` says what to do
  uint32_t sessions_per_shard = 0;
  uint32_t connections_per_shard =
      0;  // for the runtime: sessions of both kinds and the control interface
  std::string explanation;
};

// What `config` asks for on `shard_count` shards, within `descriptors`. A number of connections
// that nobody configured is lowered to what fits; one that somebody did is not.
Capacity PlanCapacity(const Config& config, uint16_t shard_count, uint64_t descriptors);

}  // namespace ringmail::server
