// What the log says of the directory: replayed record by record at a start, and kept up by the
// directory of shard 0 and by compaction afterwards.
//
// Pure bookkeeping: no input or output. Entries count for their segments while they are here.
// Promise: after EndReplay it holds what the last finished transaction left, and says so where it
//   cannot: complete() is false where a digest, or damage behind the last record of the directory,
//   shows that entries may be missing or older than they were.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "storage/directory/table.h"
#include "storage/format.h"
#include "storage/segment.h"

namespace ringmail::storage {

class DirectoryLedger {
 public:
  DirectoryLedger() = default;
  DirectoryLedger(const DirectoryLedger&) = delete;
  DirectoryLedger& operator=(const DirectoryLedger&) = delete;
  ~DirectoryLedger();

  // --- recovery ---

  // False: it says nothing that we understand.
  bool Replay(const RecordView& record, Segment& segment);
  // Records of log 0 could not be read, and may have been the directory's.
  void NoteLoss() { loss_after_state_ = any_loss_ = true; }
  // What is wrong, as sentences for the operator.
  std::vector<std::string> EndReplay();
  // The log does not say yet that entries were lost.
  bool newly_incomplete() const { return newly_incomplete_; }

  // --- the state ---

  DirectoryTable& table() { return table_; }
  const DirectoryTable& table() const { return table_; }
  const DirectoryState& state() const { return state_; }
  uint64_t version() const { return version_; }
  bool complete() const { return state_.complete; }
  // The next transaction's.
  uint64_t NextVersion() const { return last_version_ + 1; }
  void SkipVersion(uint64_t version) { last_version_ = std::max(last_version_, version); }
  // Addresses of a domain, the catch-all among them.
  uint64_t AddressCount(std::string_view domain) const;

  // The digest with `old` taken out of it and `made` put in; either may be null.
  static uint64_t Digest(uint64_t digest, const EntryNode* old, const EntryNode* made);

  // Takes part of a finished transaction into the table; the table is being edited.
  void Put(EntryNode* made);
  void Erase(std::string_view name);
  // Its state is on stable storage in `segment`.
  void Finished(uint64_t version, const DirectoryState& state, Segment* segment);

  // --- compaction ---

  // Whether the record lies where the ledger says that this entry, or the state, lies.
  bool Needs(const DirectoryMeta& meta, const Segment* segment) const;
  // The record was copied to `to`.
  void Moved(std::string_view name, uint64_t version, Segment* from, Segment* to);
  Segment* state_segment() const { return state_segment_; }

  static size_t RecordBytesOf(const EntryNode& entry) {
    return sizeof(RecordHeader) + kDirectoryMetaBytes + entry.name_bytes + entry.value_bytes;
  }
  static constexpr size_t kStateRecordBytes =
      sizeof(RecordHeader) + kDirectoryMetaBytes + kDirectoryStateBytes;

 private:
  struct Staged {
    std::string name;  // of a tombstone
    EntryNode* entry = nullptr;
  };
  void ReplayEntry(std::string_view name, EntryNode* made, uint64_t version);
  void ReplayState(uint64_t version, const DirectoryState& state, Segment& segment);
  void Uncount(const EntryNode& entry);
  void Count(const EntryNode& entry);

  DirectoryTable table_;
  DirectoryState state_;
  Segment* state_segment_ = nullptr;
  uint64_t version_ = 0;                                       // of the last finished transaction
  uint64_t last_version_ = 0;                                  // that a record was seen of
  absl::flat_hash_map<std::string, uint64_t> address_counts_;  // by domain
  absl::btree_map<uint64_t, std::vector<Staged>> staged_;      // while replaying, by version
  bool loss_after_state_ = false, any_loss_ = false;
  bool newly_incomplete_ = false;
};

}  // namespace ringmail::storage
