// What the contract's tests need of an implementation of io: a way to run shards, and a folder for
// files.
#pragma once

#include <cstdint>
#include <string>

#include "ringmail/io/task.h"

namespace ringmail::io {

// Runs `shard_main(context)` on each of `shards` shards, until all have returned. Fails the test
// where they do not.
void RunContract(uint16_t shards, Task<void> (*shard_main)(void* context), void* context);

// An empty folder of this test's own. On a shard.
Task<std::string> MakeFolder();

}  // namespace ringmail::io
