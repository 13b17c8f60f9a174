#include "storage/metrics.h"

namespace ringmail::storage {

void StorageMetrics::Register(MetricRegistry& registry) const {
  registry.Add("ringmail_storage_batch_records", "Records in one group commit", &batch_records);
  registry.Add("ringmail_storage_batch_bytes", "Bytes of one group commit", &batch_bytes);
  registry.Add("ringmail_storage_commit_seconds", "Time of one durable write", &commit_microseconds,
               1e6);
  registry.Add("ringmail_storage_enqueued_messages_total", "Messages made durable",
               &enqueued_messages);
  registry.Add("ringmail_storage_updates_total", "Updates of messages written", &updates);
  registry.Add("ringmail_storage_commit_failures_total", "Writes of the log that failed",
               &commit_failures);
  registry.Add("ringmail_storage_segments_created_total", "Segments written for the first time",
               &segments_created);
  registry.Add("ringmail_storage_segments_recycled_total", "Dropped segments used again",
               &segments_recycled);
  registry.Add("ringmail_storage_segments_dropped_total", "Segments that nothing needed any more",
               &segments_dropped);
  registry.Add("ringmail_storage_segments_compacted_total",
               "Segments whose live records were copied", &segments_compacted);
  registry.Add("ringmail_storage_compacted_records_total", "Records copied by compaction",
               &compacted_records);
  registry.Add("ringmail_storage_compacted_bytes_total", "Bytes copied by compaction",
               &compacted_bytes);
  registry.Add("ringmail_storage_summaries_written_total", "Summaries of segments written",
               &summaries_written);
  registry.Add("ringmail_storage_summaries_skipped_total",
               "Segments left without a summary: too much metadata, or too many waiting",
               &summaries_skipped);
  registry.Add("ringmail_storage_cache_hits_total", "Contents read from memory", &cache_hits);
  registry.Add("ringmail_storage_cache_misses_total", "Contents read from the log", &cache_misses);
  registry.Add("ringmail_storage_cache_evictions_total",
               "Contents put out of memory before they were delivered", &cache_evictions);
  registry.Add("ringmail_storage_content_reads_total",
               "Requests to the disk for contents; one may bring many", &content_reads);
  registry.Add("ringmail_storage_damaged_pieces_total",
               "Pieces of content whose checksum was wrong", &damaged_pieces);
  registry.Add("ringmail_storage_segments", "Segments that hold records", &segments);
  registry.Add("ringmail_storage_disk_bytes", "Bytes of all segment files, spare ones too",
               &disk_bytes);
  registry.Add("ringmail_storage_live_bytes", "Bytes of records that are still needed",
               &live_bytes);
  registry.Add("ringmail_storage_messages", "Messages in the queue", &messages);
  registry.Add("ringmail_storage_contents", "Contents referred to", &contents);
  registry.Add("ringmail_storage_cache_bytes", "Bytes of content kept in memory", &cache_bytes);
  registry.Add("ringmail_storage_accepting", "1 where new messages are taken", &accepting);
  registry.Add("ringmail_directory_changes_total", "Entries of the directory changed",
               &directory_changes);
  registry.Add("ringmail_account_changes_total", "Transactions of accounts that became durable",
               &account_changes);
  registry.Add("ringmail_account_checkpoints_total", "Checkpoints of accounts written",
               &account_checkpoints);
  registry.Add("ringmail_contents_released_total",
               "Contents that accounts refer to no more, given back to their logs",
               &contents_released);
  registry.Add("ringmail_accounts_open", "Accounts in memory", &accounts_open);
  registry.Add("ringmail_directory_entries", "Domains, accounts and aliases, on shard 0",
               &directory_entries);
  registry.Add("ringmail_directory_damaged",
               "1 where the directory lost entries and nobody has accepted it, on shard 0",
               &directory_damaged);
}

}  // namespace ringmail::storage
