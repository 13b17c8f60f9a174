// Reads a segment from front to back, batch by batch, telling what was never finished from what was
// damaged.
//
// Order: Open; Next until kEnd; Close.
// Limits: see kScanChunkBytes.
// Errors: the file cannot be read at all.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ringmail/base/status.h"
#include "ringmail/io/file.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/task.h"
#include "ringmail/io/timer.h"
#include "storage/format.h"
#include "storage/limits.h"

namespace ringmail::storage {

// A window that slides over a file, with reads in flight ahead of it.
class ReadWindow {
 public:
  ReadWindow();
  io::Task<Status> Open(std::string path);
  io::Task<void> Close();
  uint64_t file_bytes() const { return file_bytes_; }
  // `bytes` octets at `offset`, fewer at the end of the file; valid until the next View.
  // REQUIRES: offset never goes back; bytes <= kBatchBytesMax.
  io::Task<StatusOr<std::string_view>> View(uint64_t offset, size_t bytes);

 private:
  static constexpr size_t kCarryBytes = kBatchBytesMax + io::kBlockBytes;
  struct Slot {
    io::DmaBuffer buffer;
    uint64_t offset = 0;
    size_t bytes = 0;
    Status status;
    bool issued = false, done = false;
    io::Event finished;
  };
  static io::Task<void> Read(ReadWindow* self, Slot* slot);
  void Issue(Slot& slot);
  io::Task<Status> Slide(uint64_t offset);

  std::array<Slot, kScanReads + 1> slots_;
  size_t current_ = 0;
  uint64_t file_bytes_ = 0, next_read_ = 0;
  const char* data_ = nullptr;    // what is at begin_
  uint64_t begin_ = 0, end_ = 0;  // file offsets that the window holds
  io::File file_;
  std::optional<io::Gate> gate_;
};

class SegmentScan {
 public:
  struct Options {
    std::string path;
    uint64_t sequence = 0;
    SegmentSalt salt;
    uint64_t limit = 0;  // where valid bytes end, if something says so; 0: nobody knows
    // The last segment of its log: what cannot be read at its end was never finished, and is no
    // damage.
    bool last = false;
  };
  struct Step {
    enum Kind : uint8_t { kBatch, kDamage, kEnd } kind = kEnd;
    uint64_t offset = 0;
    uint64_t bytes = 0;
    BatchHeader header;      // kBatch
    std::string_view batch;  // kBatch, valid until the next Next
  };

  SegmentScan(ReadWindow& window, Options options)
      : window_(window), options_(std::move(options)) {}
  io::Task<Status> Open();
  io::Task<StatusOr<Step>> Next();
  io::Task<void> Close() { return window_.Close(); }

  // After kEnd: where valid bytes end, and how many after it belong to a batch that was never
  // finished.
  uint64_t end() const { return end_; }
  uint64_t torn_bytes() const { return torn_bytes_; }

 private:
  io::Task<StatusOr<Step>> BatchAt(uint64_t offset);
  // The first readable batch at or after `offset`: its place, or limit_.
  io::Task<StatusOr<uint64_t>> FindBatch(uint64_t offset);
  io::Task<StatusOr<Step>> JudgeDoubtful(Step doubtful);

  ReadWindow& window_;
  const Options options_;
  uint64_t limit_ = 0;
  uint64_t at_ = kSegmentHeaderBytes;
  uint64_t end_ = kSegmentHeaderBytes;
  uint64_t torn_bytes_ = 0;
  std::string held_;  // a doubtful batch, while looking for one after it
  std::optional<Step> queued_;
};

// Every record of the batch, and the bodies, are as they were written.
bool BatchIntact(std::string_view batch, const BatchHeader& header, SegmentSalt salt,
                 uint64_t offset);

}  // namespace ringmail::storage
