// The store of one shard: its log, the content in it and the queue on top, opened and recovered as
// one.
//
// Made by: Open, on the shard.
// Ends in: Close, after which every file is closed; destruction without Close is what a crash is.
// Promise: see Queue and ContentWriter. Space comes back without stopping: dead segments are
//   recycled, mostly dead ones are compacted while running.
// Limits: StoreOptions.
// Errors: at Open, one Status that names file and offset of what is wrong.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ringmail/base/ids.h"
#include "ringmail/base/metrics.h"
#include "ringmail/base/status.h"
#include "ringmail/io/task.h"
#include "ringmail/storage/account.h"
#include "ringmail/storage/directory.h"
#include "ringmail/storage/queue.h"

namespace ringmail::storage {

struct StoreOptions {
  std::string data_dir;                 // exists, and its lock is held
  uint64_t segment_bytes = 64u << 20;   // a multiple of 1 MiB
  uint64_t quota_bytes = 0;             // of one shard's log on disk; 0: what the file system has
  uint64_t reserve_bytes = 128u << 20;  // kept free for outcomes and compaction when the disk fills
  uint64_t content_cache_bytes = 64u << 20;  // accepted content kept in memory until delivered
  uint32_t batch_bytes_max = 4u << 20;       // one group commit
  uint64_t message_bytes_max = 50u << 20;
  DirectoryOptions directory;
};

// What recovery found, for the log and for `ringmail fsck`.
struct Damage {
  std::string file;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  std::string what;
};
struct RecoveryReport {
  uint64_t segments = 0, bytes_read = 0, messages = 0, records = 0;
  uint64_t torn_tail_bytes = 0;    // never acknowledged, dropped
  uint64_t directory_entries = 0;  // on shard 0, and for fsck
  uint64_t accounts = 0;           // with anything in the log
  // Segments of which the summary was read in their place; for fsck, summaries that agree.
  uint64_t summaries = 0;
  std::vector<Damage> damages;            // quarantined; everything else was kept
  std::vector<Damage> ignored_summaries;  // for fsck: a start reads the segment instead; no damage
};

class ShardStore {
 public:
  // Opens all logs that fall to this shard (log id modulo shard count), recovers them, and makes
  // one of them its own.
  static io::Task<StatusOr<std::unique_ptr<ShardStore>>> Open(StoreOptions options);
  virtual ~ShardStore() = default;

  virtual Queue& queue() = 0;
  virtual Directory& directory() = 0;
  virtual Accounts& accounts() = 0;
  virtual const RecoveryReport& recovery() const = 0;
  virtual void RegisterMetrics(MetricRegistry& registry) = 0;
  // Waits for what is in flight, stops background work, closes files. REQUIRES: no writer or reader
  // is alive.
  virtual io::Task<Status> Close() = 0;
};

struct FsckReport {
  RecoveryReport recovery;
  uint64_t contents = 0, content_bytes = 0;
  uint64_t pending_recipients = 0;
  uint64_t orphan_contents = 0;  // complete, but no message refers to them: normal after a crash
  std::vector<Damage> missing_references;  // a message whose content is not there
  bool clean() const { return recovery.damages.empty() && missing_references.empty(); }
};
// Reads a store that nobody serves, on a shard: every checksum, every reference. Writes nothing.
io::Task<StatusOr<FsckReport>> Fsck(std::string data_dir);

}  // namespace ringmail::storage
