// Calls from one shard to the ShardServer of another: the only way across.
//
//   struct CountMessages {
//     uint64_t count = 0;
//     io::Task<void> Run(ShardServer& server) { count = server.queue().size(); co_return; }
//   };
//   CountMessages work;
//   co_await RunOn(server, work);
// `work` is lent to the other shard until RunOn returns; only Run touches it meanwhile.
#pragma once

#include <span>
#include <vector>

#include "ringmail/base/check.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/task.h"
#include "ringmail/io/timer.h"
#include "server/serve/shard_server.h"

namespace ringmail::server {

// One call under way, owned by the caller's frame.
struct ShardCall {
  ShardServer* server = nullptr;
  io::Task<void> (*body)(ShardServer& server, void* work) = nullptr;
  void* work = nullptr;
  ShardIndex from;
  io::Event done;
};

// Makes the call and waits for its end.
io::Task<void> MakeShardCall(ShardServer& server,
                             io::Task<void> (*body)(ShardServer& server, void* work), void* work);

template <typename Work>
io::Task<void> RunOn(ShardServer& server, Work& work) {
  struct Body {
    static io::Task<void> Run(ShardServer& on, void* lent) {
      return static_cast<Work*>(lent)->Run(on);
    }
  };
  return MakeShardCall(server, &Body::Run, &work);
}

// `works[i]` on `servers[i]`, all at once; returns when the last has ended.
template <typename Work>
io::Task<void> RunOnEach(std::span<ShardServer* const> servers, std::vector<Work>& works) {
  CHECK_EQ(servers.size(), works.size());
  io::Gate gate;
  for (size_t i = 0; i < servers.size(); ++i) gate.Spawn(RunOn(*servers[i], works[i]));
  co_await gate.Close();
}

}  // namespace ringmail::server
