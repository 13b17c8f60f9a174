// Starting and ending the shards, from main. The simulator has its own way in
// (tests/sim/io/world.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ringmail/base/status.h"
#include "ringmail/base/time.h"
#include "ringmail/io/task.h"

namespace ringmail::io {

class DirectoryLock;

struct RuntimeOptions {
  uint16_t shard_count = 1;
  bool pin_threads =
      true;  // shard i on the i-th allowed CPU; not where there are more shards than CPUs
  uint32_t ring_entries = 1024;     // submission queue; the completion queue is four times that
  uint32_t receive_buffers = 1024;  // per shard, a power of two
  uint32_t receive_buffer_bytes = 8192;
  uint32_t connections_max = 65536;  // per shard
  uint16_t blocking_threads = 4;
  std::string log_path;      // "" is standard error; reopened by ReopenLog
  std::string features_off;  // for tests: comma-separated feature names to do without, as an older
                             // kernel would
  const DirectoryLock* lock = nullptr;  // of the directory that the shards write; outlives them
};

// Runs `shard_main(context)` on each shard and returns when all have returned.
// Errors: the kernel or container forbids io_uring, no memory, no descriptors: one message that
//   says which and what to do.
Status RunShards(const RuntimeOptions& options, Task<void> (*shard_main)(void* context),
                 void* context);

// CPUs this process may use.
uint16_t AllowedCpuCount();

// What the running kernel offers, by probe and not by version.
struct KernelFeature {
  std::string name;  // "multishot-receive"
  bool on = false;
  std::string without;  // what is done instead when off
};
struct KernelReport {
  Status usable;        // not OK: ringmail cannot run here, and why, and what to do
  std::string release;  // "6.18.44", for the reader only
  std::vector<KernelFeature> features;
};
KernelReport ProbeKernel();

enum class Signal : uint8_t { kNone, kReload, kTerminate };
// Call once in main before RunShards: SIGHUP, SIGTERM and SIGINT become values, SIGPIPE is ignored.
void CaptureSignals();
// On shard 0: the next signal, or kNone at `deadline`. A second terminate signal while the first is
// handled ends the process at once with exit code 130: the log makes that safe.
Task<Signal> NextSignal(MonotonicTime deadline);

// Opens log_path again (after a rotation); takes effect with the next line.
void ReopenLog();

}  // namespace ringmail::io
