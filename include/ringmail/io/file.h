// Files and directories, as the log needs them: aligned, direct, durable when asked.
//
// Promise: Write with Durability::kDurable returns OK only when the bytes are on stable storage. A
//   write or sync that failed says nothing about what is on the disk, and a later success does not
//   mend it: the caller must treat the range as lost. Rename, create and remove are durable after
//   SyncDirectory.
// Shard: one; a File is used by any number of tasks of its shard. Paths are copied.
// Limits: kDirect needs offset, length and memory in multiples of kBlockBytes (DmaBuffer). Where
//   the file system refuses direct access (tmpfs), Open falls back to buffered access and direct()
//   says so; kDurable stays durable where it can be.
// Errors: Status by ErrnoStatus, naming the file. kResourceExhausted is disk full or quota.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringmail/base/status.h"
#include "ringmail/base/time.h"
#include "ringmail/io/task.h"

namespace ringmail::io {

inline constexpr size_t kBlockBytes = 4096;

// Memory aligned to kBlockBytes, zeroed, and registered with the ring where that is possible.
class DmaBuffer {
 public:
  DmaBuffer() = default;
  // REQUIRES: bytes is a multiple of kBlockBytes.
  explicit DmaBuffer(size_t bytes);
  DmaBuffer(DmaBuffer&& other) noexcept { Swap(other); }
  DmaBuffer& operator=(DmaBuffer&& other) noexcept {
    Swap(other);
    return *this;
  }
  ~DmaBuffer();
  char* data() { return data_; }
  const char* data() const { return data_; }
  size_t size() const { return size_; }
  int registered_index() const { return registered_index_; }  // for the implementation

 private:
  void Swap(DmaBuffer& other) {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(registered_index_, other.registered_index_);
  }
  char* data_ = nullptr;
  size_t size_ = 0;
  int registered_index_ = -1;
};

enum class OpenMode : uint8_t {
  kRead,            // must exist
  kReadWrite,       // must exist
  kCreate,          // read and write; must not exist
  kCreateOrReplace  // read and write; emptied if it exists
};
enum class Access : uint8_t { kBuffered, kDirect };
enum class Durability : uint8_t { kNone, kDurable };

class FileHandle;  // the implementation's half

class File {
 public:
  File() = default;
  explicit File(FileHandle* handle) : handle_(handle) {}
  File(File&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  File& operator=(File&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  // Closes in the background. REQUIRES: no operation is under way.
  ~File();

  static Task<StatusOr<File>> Open(std::string path, OpenMode mode, Access access);
  bool open() const { return handle_ != nullptr; }
  bool direct() const;

  // Writes all of `bytes` at `offset`, or fails. `buffer`, where not null, is the registered memory
  // that `bytes` lies in.
  Task<Status> Write(uint64_t offset, std::string_view bytes, Durability durability,
                     const DmaBuffer* buffer = nullptr);
  // Reads up to out.size() bytes; fewer only at the end of the file.
  Task<StatusOr<size_t>> Read(uint64_t offset, std::span<char> out);
  // fdatasync.
  Task<Status> Sync();
  Task<StatusOr<uint64_t>> Size();
  Task<Status> Truncate(uint64_t bytes);
  Task<void> Close();

 private:
  FileHandle* handle_ = nullptr;
};

// Directories. Created with mode 0700; kAlreadyExists is OK for CreateDirectory.
Task<Status> CreateDirectory(std::string path);
Task<StatusOr<std::vector<std::string>>> ListDirectory(
    std::string path);  // names, sorted, without "." and ".."
// What stands at a path; a symbolic link is followed.
struct FileFacts {
  enum class Kind : uint8_t { kFile, kDirectory, kOther };
  Kind kind = Kind::kOther;
  uint64_t bytes = 0;
  WallTime modified{};
};
Task<StatusOr<FileFacts>> Examine(std::string path);
Task<Status> SetModified(std::string path, WallTime when);
Task<Status> Rename(std::string from, std::string to);
Task<Status> Remove(std::string path);
Task<Status> SyncDirectory(std::string path);
// Bytes that an unprivileged process may still write to the file system of `path`.
Task<StatusOr<uint64_t>> FreeBytes(std::string path);

}  // namespace ringmail::io
