#include "server/commands/one_shard.h"

#include "ringmail/io/runtime.h"

namespace ringmail::server {

Status RunOnOneShard(io::Task<void> (*task)(void* context), void* context) {
  io::RuntimeOptions options;
  options.pin_threads = false;
  options.ring_entries = 128;
  options.receive_buffers = 64;
  options.connections_max = 256;
  options.blocking_threads = 1;
  return io::RunShards(options, task, context);
}

}  // namespace ringmail::server
