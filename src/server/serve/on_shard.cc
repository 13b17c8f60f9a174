#include "server/serve/on_shard.h"

namespace ringmail::server {
namespace {

void Finish(io::ShardMessage& message) { message.Pointer<ShardCall>(0)->done.Notify(); }

io::Task<void> Serve(ShardCall* call) {
  co_await call->body(*call->server, call->work);
  io::ShardMessage answer{.run = Finish};
  answer.SetPointer(0, call);
  co_await io::Post(call->from, answer);
  // The caller may be gone now: `call` is its.
}

void Begin(io::ShardMessage& message) {
  ShardCall* call = message.Pointer<ShardCall>(0);
  call->server->calls().Spawn(Serve(call));
}

}  // namespace

io::Task<void> MakeShardCall(ShardServer& server,
                             io::Task<void> (*body)(ShardServer& server, void* work), void* work) {
  if (server.index() == io::ThisShard()) {
    co_await body(server, work);
    co_return;
  }
  ShardCall call{.server = &server, .body = body, .work = work, .from = io::ThisShard()};
  io::ShardMessage message{.run = Begin};
  message.SetPointer(0, &call);
  co_await io::Post(server.index(), message);
  (void)co_await call.done.Wait(kNever);
}

}  // namespace ringmail::server
