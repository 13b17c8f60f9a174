#include <gtest/gtest.h>

#include "ringmail/io/file.h"
#include "tests/sim/io/world.h"
#include "tests/unit/io/run_on_shards.h"

namespace ringmail::io {

void RunContract(uint16_t shards, Task<void> (*shard_main)(void* context), void* context) {
  // Once as a network mostly is, and once at its worst.
  for (const sim::NetworkOptions& network :
       {sim::NetworkOptions{},
        sim::NetworkOptions{
            .jitter = std::chrono::milliseconds(2), .segment_bytes = 1000, .window_bytes = 5000}}) {
    sim::World world({.network = network});
    sim::Node& node = world.AddNode({.shards = shards});
    node.Start(shard_main, context);
    ASSERT_TRUE(world.RunUntil([&] { return !node.running(); }));
  }
}

Task<std::string> MakeFolder() {
  CHECK((co_await CreateDirectory("/folder")).ok());
  co_return "/folder";
}

}  // namespace ringmail::io
