// The disk of one simulated machine: files in memory that know what of them is on stable storage
// and what would be lost.
//
// Every file and directory has two images: what processes see, and what is durable; between them
// the ordered list of changes not yet durable. A sync moves them over; a crash loses what it is
// told to lose. Pure: no time passes here; file.cc adds that. Errors: errno values, 0 for success.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ringmail/base/time.h"
#include "ringmail/io/file.h"
#include "tests/sim/io/faults.h"
#include "tests/sim/io/sparse_bytes.h"

namespace ringmail::sim {

enum class DiskOperation : uint8_t {
  kOpen,
  kRead,
  kWrite,
  kSync,
  kSize,
  kTruncate,
  kCreateDirectory,
  kList,
  kRename,
  kRemove,
  kSyncDirectory,
  kExamine,
  kSetModified
};

struct DiskRequest {
  DiskOperation operation;
  std::string_view path;
  uint64_t offset = 0;
  size_t bytes = 0;
  io::Durability durability = io::Durability::kNone;
};

struct DiskOptions {
  uint64_t capacity_bytes = uint64_t{1} << 40;
  bool direct = true;  // false: refuses direct access, as tmpfs does
  // Each request takes between once and twice this.
  Nanoseconds latency = std::chrono::microseconds(20);
  Nanoseconds durable_latency = std::chrono::microseconds(200);  // durable writes and syncs
};

struct Inode {
  // A write or a truncation that is not yet all durable.
  struct Change {
    uint64_t sequence = 0;
    bool truncate = false;
    bool durable = false;
    // A sync or the write itself failed: no later sync makes it durable.
    bool abandoned = false;
    uint64_t offset = 0;  // the new size, of a truncation
    uint64_t bytes = 0;
    std::vector<BlockRef> blocks;  // those it wrote in, as it left them
  };
  // Names that change together, as a rename within a directory does.
  struct NameChange {
    uint64_t sequence = 0;
    std::vector<std::pair<std::string, std::shared_ptr<Inode>>>
        names;  // null: no such name any more
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;

  bool directory = false;
  WallTime modified{};  // what SetModified said; nothing else changes it
  bool linked = true;
  uint32_t open_handles = 0;
  SparseBytes content, durable_content;
  std::deque<Change> changes;
  uint64_t next_sequence = 1;
  Names names, durable_names;
  std::deque<NameChange> name_changes;

  // Writes, and remembers the change. Returns its sequence.
  uint64_t Write(uint64_t offset, std::string_view bytes, bool zeros);
  // The change `sequence` alone, or all up to it, are on stable storage. Changes that a crash has
  // taken are not found.
  void MakeDurable(uint64_t sequence);
  void MakeDurableUpTo(uint64_t sequence);
  // No later sync makes it, or all up to it, durable: whether a disk has what it failed to write is
  // not known, and the kernel does not write it again.
  void Abandon(uint64_t sequence);
  void AbandonUpTo(uint64_t sequence);
  void MakeNamesDurable() { MakeNamesDurableUpTo(UINT64_MAX); }
  void MakeNamesDurableUpTo(uint64_t sequence);
  // The part [from, to) of a change, in octets from its beginning, comes into `content`.
  static void Apply(SparseBytes& content, const Change& change, uint64_t from, uint64_t to);
  static void Apply(SparseBytes& content, const Change& change);

 private:
  void Fold();
};

// A disk at one moment, with all that was not durable yet. A value that several disks may be
// restored from; cheap, as it shares every block.
class DiskImage {
 public:
  explicit DiskImage(std::shared_ptr<Inode> root) : root_(std::move(root)) {}
  const std::shared_ptr<Inode>& root() const { return root_; }

 private:
  const std::shared_ptr<Inode> root_;
};

struct DiskCounts {
  uint64_t requests = 0;  // of every kind
  uint64_t writes = 0;
  uint64_t syncs = 0;  // of files and directories
  uint64_t durable_writes = 0;
  uint64_t bytes_written = 0;
  uint64_t failed = 0;  // by a fault or a full disk
};

class Disk {
 public:
  explicit Disk(DiskOptions options);
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  DiskOptions& options() { return options_; }
  // Asked before each request: an errno makes it fail. A write that fails so leaves half of itself
  // behind, not durable, where the fault does not say otherwise.
  std::function<DiskFault(const DiskRequest&)> fault;
  // Since the disk was made; for an implementation of io to count.
  DiskCounts& counts() { return counts_; }
  uint32_t open_files() const { return open_files_; }
  uint64_t last_name_sequence() const { return next_name_sequence_ - 1; }

  int Open(const std::string& path, io::OpenMode mode, std::shared_ptr<Inode>& inode);
  // The handle's end: an unlinked file's space comes back with its last.
  void Release(Inode& inode);
  // `sequence` is what MakeDurable takes once the write is done.
  int Write(Inode& inode, uint64_t offset, std::string_view bytes, uint64_t& sequence) {
    return Write(inode, offset, bytes, AllZero(bytes), sequence);
  }
  // As Write; `zeros` is AllZero(bytes), where the caller knows.
  int Write(Inode& inode, uint64_t offset, std::string_view bytes, bool zeros, uint64_t& sequence);
  int Truncate(Inode& inode, uint64_t bytes);
  int CreateDirectory(const std::string& path);
  int List(const std::string& path, std::vector<std::string>& names);
  int Rename(const std::string& from, const std::string& to);
  int Remove(const std::string& path);
  // Null: there is none.
  std::shared_ptr<Inode> FindAny(const std::string& path) { return Find(path); }
  std::shared_ptr<Inode> FindDirectory(const std::string& path);
  uint64_t free_bytes() const;

  // For tests, without time: the content as processes see it, or as a crash that loses everything
  // would leave it.
  std::optional<std::string> Contents(const std::string& path);
  std::optional<std::string> DurableContents(const std::string& path);
  // Replaces octets in place, durably: a disk that rots.
  void Damage(const std::string& path, uint64_t offset, std::string_view bytes);
  // Turns one bit of a file over, durably. REQUIRES: the file has it.
  void FlipBit(const std::string& path, uint64_t bit);
  // Writes a whole file durably, with the directories above it.
  void Put(const std::string& path, std::string_view bytes);

  // The process has ended: its files are closed.
  void CloseAll();
  void Crash(DiskLoss loss, const std::function<uint64_t(uint64_t bound)>& random);

  // The disk as it is, durable or not; the image may be restored any number of times, on any disk.
  std::unique_ptr<DiskImage> Snapshot() const;
  // REQUIRES: no process uses the disk. Files are as processes saw them, closed; a Crash then takes
  // from what was not durable, as at the moment of the image.
  void Restore(const DiskImage& image);

 private:
  struct Place {
    std::shared_ptr<Inode> directory;
    std::string name;
  };
  std::shared_ptr<Inode> Find(const std::string& path);
  int FindPlace(const std::string& path, Place& place);
  void SetNames(Inode& directory,
                std::vector<std::pair<std::string, std::shared_ptr<Inode>>> names);
  void Unlink(Inode& inode);
  void CrashInode(Inode& inode, DiskLoss loss, const std::function<uint64_t(uint64_t)>& random);
  // Closes what is below `inode`; returns its blocks.
  uint64_t CloseBelow(Inode& inode);

  DiskOptions options_;
  std::shared_ptr<Inode> root_ = std::make_shared<Inode>();
  uint64_t used_blocks_ = 0;
  uint64_t next_name_sequence_ = 1;
  uint32_t open_files_ = 0;
  DiskCounts counts_;
};

}  // namespace ringmail::sim
