// What the store of one shard counts.
#pragma once

#include "ringmail/base/metrics.h"

namespace ringmail::storage {

struct StorageMetrics {
  Histogram batch_records, batch_bytes, commit_microseconds;
  Counter enqueued_messages, updates, commit_failures;
  Counter segments_created, segments_recycled, segments_dropped, segments_compacted;
  Counter compacted_records, compacted_bytes;
  Counter summaries_written, summaries_skipped;
  Counter cache_hits, cache_misses, cache_evictions, content_reads, damaged_pieces;
  Counter directory_changes;
  Counter account_changes, account_checkpoints, contents_released;
  Gauge segments, disk_bytes, live_bytes, messages, contents, cache_bytes, accepting;
  Gauge directory_entries, directory_damaged, accounts_open;

  void Register(MetricRegistry& registry) const;
};

}  // namespace ringmail::storage
