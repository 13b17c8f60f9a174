// The disk of one simulated machine: files in memory that know what of them is on stable storage
// and what would be lost.
//
// Every file and directory has two images: what processes see, and what is durable; between them
// the ordered list of changes not yet durable. A sync moves them over; a crash loses what it is
// told to lose. Pure: no time passes here; file.cc adds that. Errors: errno values, 0 for success.
#pragma once

#include <array>
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
  kSyncDirectory
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

// What a crash takes of the changes that are not durable.
enum class DiskLoss : uint8_t {
  kNothing,
  kEverything,
  kRandom  // each write by itself: kept, lost or torn at a sector; of each directory's changes a
           // prefix is kept
};

// Bytes of a file; blocks never written, or of zeros alone, take no memory.
class SparseBytes {
 public:
  SparseBytes() = default;
  SparseBytes(const SparseBytes&) = delete;
  SparseBytes& operator=(const SparseBytes&) = delete;
  void Write(uint64_t offset, std::string_view bytes);
  size_t Read(uint64_t offset, std::span<char> out) const;
  void Truncate(uint64_t bytes);
  void CopyFrom(const SparseBytes& other);
  uint64_t size() const { return size_; }
  uint64_t blocks() const { return blocks_.size(); }
  // Blocks that a write would add.
  uint64_t NewBlocks(uint64_t offset, size_t bytes) const;

 private:
  using Block = std::array<char, io::kBlockBytes>;
  std::map<uint64_t, std::unique_ptr<Block>> blocks_;  // null: zeros
  uint64_t size_ = 0;
};

struct Inode {
  struct Change {
    uint64_t sequence = 0;
    bool truncate = false;
    uint64_t offset = 0;  // the new size, of a truncation
    std::string bytes;
    bool durable = false;
  };
  // Names that change together, as a rename within a directory does.
  struct NameChange {
    std::vector<std::pair<std::string, std::shared_ptr<Inode>>>
        names;  // null: no such name any more
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;

  bool directory = false;
  bool linked = true;
  uint32_t open_handles = 0;
  SparseBytes content, durable_content;
  std::deque<Change> changes;
  uint64_t next_sequence = 1;
  Names names, durable_names;
  std::deque<NameChange> name_changes;

  // The change `sequence` alone, or all up to it, are on stable storage. Changes that a crash has
  // taken are not found.
  void MakeDurable(uint64_t sequence);
  void MakeDurableUpTo(uint64_t sequence);
  void MakeNamesDurable();

 private:
  void Fold();
};

class Disk {
 public:
  explicit Disk(DiskOptions options);
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  DiskOptions& options() { return options_; }
  // Asked before each request: an errno makes it fail. A write that fails so leaves half of itself
  // behind, not durable.
  std::function<int(const DiskRequest&)> fault;

  int Open(const std::string& path, io::OpenMode mode, std::shared_ptr<Inode>& inode);
  // The handle's end: an unlinked file's space comes back with its last.
  void Release(Inode& inode);
  // `sequence` is what MakeDurable takes once the write is done.
  int Write(Inode& inode, uint64_t offset, std::string_view bytes, uint64_t& sequence);
  int Truncate(Inode& inode, uint64_t bytes);
  int CreateDirectory(const std::string& path);
  int List(const std::string& path, std::vector<std::string>& names);
  int Rename(const std::string& from, const std::string& to);
  int Remove(const std::string& path);
  std::shared_ptr<Inode> FindDirectory(const std::string& path);
  uint64_t free_bytes() const;

  // For tests, without time: the content as processes see it, or as a crash that loses everything
  // would leave it.
  std::optional<std::string> Contents(const std::string& path);
  std::optional<std::string> DurableContents(const std::string& path);
  // Replaces octets in place, durably: a disk that rots.
  void Damage(const std::string& path, uint64_t offset, std::string_view bytes);
  // Writes a whole file durably, with the directories above it.
  void Put(const std::string& path, std::string_view bytes);

  // The process has ended: its files are closed.
  void CloseAll();
  void Crash(DiskLoss loss, const std::function<uint64_t(uint64_t bound)>& random);

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
};

}  // namespace ringmail::sim
