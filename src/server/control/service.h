// The control interface of a running server: HTTP/1.1 and JSON on a Unix socket in the data
// directory.
//
// Made by: the director, on shard 0.
// Order: Listen once; Stop once.
// Limits: kControlConnectionsMax at one time, beyond which a connection is closed at once; a
//   request's head and body as http_message.h bounds them. Rights: whoever may open the socket
//   (mode 0600) may do everything.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ringmail/io/gate.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/task.h"
#include "server/serve/shard_server.h"

namespace ringmail::server {

inline constexpr size_t kControlConnectionsMax = 64;
inline constexpr Nanoseconds kControlTimeout = std::chrono::seconds(30);

class ControlService {
 public:
  explicit ControlService(std::span<ShardServer* const> servers) : servers_(servers) {}
  ControlService(const ControlService&) = delete;
  ControlService& operator=(const ControlService&) = delete;

  void Listen(io::Listener listener);
  // Ends what is under way at `deadline` at the latest.
  io::Task<void> Stop(MonotonicTime deadline);

 private:
  io::Task<void> Accept();
  io::Task<void> Serve(io::Stream stream);

  const std::span<ShardServer* const> servers_;
  io::Listener listener_;
  io::Gate gate_;
  std::vector<io::Stream*> streams_;  // of the conversations under way
};

}  // namespace ringmail::server
