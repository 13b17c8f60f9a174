#include <gtest/gtest.h>

#include <cstdlib>

#include "ringmail/io/runtime.h"
#include "tests/unit/io/run_on_shards.h"

namespace ringmail::io {

void RunContract(uint16_t shards, Task<void> (*shard_main)(void* context), void* context) {
  RuntimeOptions options;
  options.shard_count = shards;
  options.pin_threads = false;
  options.ring_entries = 256;
  options.log_path = "/dev/null";
  const Status status = RunShards(options, shard_main, context);
  ASSERT_TRUE(status.ok()) << status;
}

Task<std::string> MakeFolder() {
  std::string folder = testing::TempDir() + "ringmail-io-XXXXXX";
  CHECK(::mkdtemp(folder.data()) != nullptr);
  co_return folder;
}

}  // namespace ringmail::io
