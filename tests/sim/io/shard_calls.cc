// The rest of io: randomness, messages between shards, blocking calls, names, signals.
#include <algorithm>
#include <cstdlib>

#include "ringmail/base/check.h"
#include "ringmail/io/blocking.h"
#include "ringmail/io/file.h"
#include "ringmail/io/runtime.h"
#include "ringmail/io/shard.h"
#include "tests/sim/io/shard.h"
#include "tests/sim/io/world.h"

namespace ringmail::io {
namespace {

// How long a call on the blocking pool takes.
constexpr Nanoseconds kBlockingTime = std::chrono::microseconds(50);

sim::Shard& Here() {
  sim::Shard* shard = sim::World::CurrentShard();
  CHECK(shard != nullptr);
  return *shard;
}

}  // namespace

uint64_t RandomUint64() { return Here().world().RandomUint64(); }

bool TryPost(ShardIndex to, const ShardMessage& message) { return Here().TryPost(to, message); }

void PostOp::await_suspend(std::coroutine_handle<> handle) {
  waiter = handle;
  Here().WaitToPost(*this);
}

void BlockingOp::await_suspend(std::coroutine_handle<> handle) {
  waiter = handle;
  const auto here = Here().shared_from_this();
  // No shard is current while the call runs, as on a thread of the pool.
  here->world().At(here->world().now() + kBlockingTime, nullptr, [here, this] {
    if (here->dead()) return;
    Run();
    here->MakeReady(waiter);
  });
}

Task<StatusOr<std::vector<IpAddress>>> ResolveHost(std::string name, MonotonicTime deadline) {
  sim::Shard& here = Here();
  const sim::World::Host host = here.world().FindHost(here.node(), name);
  co_await sim::Delay(std::min(deadline, here.world().now() + host.latency));
  if (Now() >= deadline) co_return absl::DeadlineExceededError("resolve " + name);
  co_return host.answer;
}

Task<Signal> NextSignal(MonotonicTime deadline) {
  sim::Shard& here = Here();
  CHECK_EQ(ThisShard().value, 0u);
  for (;;) {
    const Signal signal = here.node().TakeSignal();
    if (signal != Signal::kNone) co_return signal;
    if (co_await here.signal_event().Wait(deadline) == Wake::kTimedOut) co_return Signal::kNone;
  }
}

void ReopenLog() {}

}  // namespace ringmail::io
