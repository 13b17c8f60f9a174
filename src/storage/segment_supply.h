// Segment files ahead of need: written full of zeros, or taken from dropped segments, named and
// ready before a commit wants one, so that no commit ever waits for a file to be made, as long as
// the disk keeps up.
//
// Made by: the store, after recovery.
// Order: Start; Take; DropSegment; Stop. Space: what is ready, what could still be made (quota and
//   file system) and the rest of the active segment are the headroom. New mail is taken while it
//   exceeds the reserve; outcomes and compaction live on the reserve (StoreOptions).
// Errors: that no file can be made is no failure of the log: `status()` says why, and it is tried
//   again every second.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "ringmail/base/status.h"
#include "ringmail/io/file.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/task.h"
#include "storage/metrics.h"
#include "storage/segment.h"

namespace ringmail::storage {

struct ReadySegment {
  uint64_t sequence = 0;
  io::File file;
};

class SegmentSupply {
 public:
  struct Options {
    std::string data_dir;
    LogId log;
    uint64_t segment_bytes = 0;
    uint64_t quota_bytes = 0;
    uint64_t reserve_bytes = 0;
    uint64_t next_sequence = 1;  // of the next segment
    uint64_t held_segments = 0;  // that hold records already, foreign ones too
    uint64_t held_bytes = 0;
    std::vector<uint64_t> spares;  // numbers of spare files found, each segment_bytes long
  };
  SegmentSupply(Options options, StorageMetrics& metrics);
  SegmentSupply(const SegmentSupply&) = delete;
  SegmentSupply& operator=(const SegmentSupply&) = delete;

  // Told when a segment became ready or could not be made.
  void set_on_change(void (*call)(void* context), void* context) {
    on_change_ = call;
    on_change_context_ = context;
  }
  // Makes the first segment ready, then goes on in the background.
  io::Task<Status> Start();
  io::Task<void> Stop();

  bool has_ready() const { return !ready_.empty(); }
  // REQUIRES: has_ready().
  ReadySegment Take();
  // OK, or why the last attempt to make a segment ready failed.
  const Status& status() const { return prepared_; }
  uint64_t segment_bytes() const { return options_.segment_bytes; }
  // Bytes of ready and spare segments, and of those that could still be made.
  uint64_t Headroom() const;
  uint64_t reserve_bytes() const { return options_.reserve_bytes; }
  uint64_t disk_bytes() const { return disk_bytes_; }
  uint64_t held_segments() const { return held_segments_; }

  // The file of a segment that nothing needs: kept as a spare, or removed. Durable when it returns
  // OK.
  io::Task<Status> DropSegment(LogId log, uint64_t sequence, uint64_t bytes);

 private:
  static io::Task<void> Run(SegmentSupply* self);
  io::Task<Status> PrepareOne();
  io::Task<Status> MakeSpare();
  io::Task<Status> WriteZeros(std::string path);
  io::Task<void> RefreshFree();
  void Changed();
  std::string Path(std::string_view name) const { return directory_ + "/" + std::string(name); }

  // A segment whose name is gone, which may not be durable yet.
  struct Dropped {
    LogId log;
    uint64_t sequence = 0;
    std::optional<uint64_t> spare;  // its number; nothing: removed
  };

  const Options options_;
  const std::string directory_;
  StorageMetrics& metrics_;
  std::deque<ReadySegment> ready_;
  std::vector<uint64_t> spares_;
  uint64_t next_sequence_;
  bool named_ = false;  // the segment of next_sequence_ has its name, and is not open yet
  uint64_t next_spare_ = 1;
  std::optional<Dropped> dropped_;
  uint64_t held_segments_;
  uint64_t disk_bytes_;      // of all files, spare ones too
  uint64_t free_bytes_ = 0;  // of the file system, when last asked
  Status prepared_;
  io::Gate gate_;
  io::Event wake_;
  bool stopping_ = false;
  void (*on_change_)(void* context) = nullptr;
  void* on_change_context_ = nullptr;
};

}  // namespace ringmail::storage
