// One shard, for as long as a command needs it: the way of commands to sockets, files and timers.
#pragma once

#include "ringmail/base/status.h"
#include "ringmail/io/task.h"

namespace ringmail::server {

// Runs `task(context)` on one shard and returns when it has ended. Errors: as io::RunShards.
Status RunOnOneShard(io::Task<void> (*task)(void* context), void* context);

}  // namespace ringmail::server
