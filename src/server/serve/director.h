// Runs a whole server: brings the shards up in order, answers signals, and takes them down in
// order.
//
// Made by: main, which has opened what needs its rights; ServerMain runs on each shard, and shard 0
//   directs.
// Order: every store is open before any transfer starts; at the end every session is over before
//   any transfer stops, and every transfer is stopped before any store closes, since shards lend
//   each other content.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ringmail/io/listener.h"
#include "ringmail/io/runtime.h"
#include "ringmail/io/task.h"
#include "ringmail/io/timer.h"
#include "server/commands/exit_code.h"
#include "server/config/config.h"
#include "server/config/tls.h"
#include "server/serve/shard_server.h"

namespace ringmail::server {

// A listener as configured, and where it really listens.
struct BoundListener {
  ListenerConfig config;
  io::Endpoint local;
  std::vector<io::Listener> sockets;  // one for each shard, until the shards have them
};

// What main hands to the shards. Outlives them.
struct Boot {
  std::string config_path;
  std::unique_ptr<const Config> config;
  uint16_t shard_count = 1;
  uint32_t sessions_per_shard = 0;
  std::vector<BoundListener> listeners;
  io::Listener control;
  // Reads the configuration again, on the blocking pool; main's way to files, the tests' own.
  ConfigResult (*read_config)(const std::string& path) = nullptr;

  // To the files that the configuration names; null: there are none.
  ReadFile read_file = nullptr;
  StatusOr<io::FileStamp> (*stamp_file)(const std::string& path) = nullptr;
  // Of all shards and reloads. Null: no resumption.
  std::shared_ptr<io::TlsTicketKeys> ticket_keys;

  // Written on shard 0 alone.
  std::vector<ShardServer*> servers;
  uint16_t arrived = 0;
  std::optional<io::Event> all_arrived;

  // How it ended, for main.
  ExitCode code = ExitCode::kOk;
  std::string problem;
};

// The main of each shard; `context` is the Boot.
io::Task<void> ServerMain(void* context);

}  // namespace ringmail::server
