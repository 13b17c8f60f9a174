// io/file.h over a simulated disk: what takes time, and what a process may not do with its memory
// meanwhile.
#include "ringmail/io/file.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"
#include "tests/sim/io/disk.h"
#include "tests/sim/io/shard.h"
#include "tests/sim/io/world.h"

namespace ringmail::io {

// Survives the run it was opened in where a test holds the File: then it only closes.
class FileHandle {
 public:
  FileHandle(sim::Shard& owner, std::string name, std::shared_ptr<sim::Inode> file, bool is_direct)
      : shard(owner.shared_from_this()),
        path(std::move(name)),
        inode(std::move(file)),
        direct(is_direct) {}
  sim::Disk& disk() const { return shard->node().disk(); }

  const std::shared_ptr<sim::Shard> shard;
  const std::string path;
  const std::shared_ptr<sim::Inode> inode;
  const bool direct;
  // Shared with the requests, whose frames a crash may destroy after the file's owner.
  const std::shared_ptr<uint32_t> under_way = std::make_shared<uint32_t>(0);
};

namespace {

sim::Shard& Here() {
  sim::Shard* shard = sim::World::CurrentShard();
  CHECK(shard != nullptr);
  return *shard;
}

// When a request made now is done.
MonotonicTime Completion(Durability durability) {
  sim::Shard& here = Here();
  const sim::DiskOptions& options = here.node().disk().options();
  const Nanoseconds base =
      durability == Durability::kDurable ? options.durable_latency : options.latency;
  if (base.count() == 0) return here.world().now();
  return here.world().now() + base +
         Nanoseconds(here.world().Random(static_cast<uint64_t>(base.count()) + 1));
}

int Fault(const sim::DiskRequest& request) {
  sim::Disk& disk = Here().node().disk();
  return disk.fault ? disk.fault(request) : 0;
}

Status Result(int error, std::string_view verb, const std::string& path) {
  if (error == 0) return absl::OkStatus();
  return ErrnoStatus(error, std::string(verb) + " " + path);
}

struct UnderWay {
  explicit UnderWay(FileHandle* handle) : count(handle->under_way) { ++*count; }
  ~UnderWay() { --*count; }
  const std::shared_ptr<uint32_t> count;
};

void Release(FileHandle* handle) {
  // A crash has closed everything already.
  if (!handle->shard->dead()) {
    handle->disk().Release(*handle->inode);
  }
  delete handle;
}

}  // namespace

DmaBuffer::DmaBuffer(size_t bytes) : size_(bytes) {
  CHECK(bytes > 0 && bytes % kBlockBytes == 0);
  data_ = static_cast<char*>(std::aligned_alloc(kBlockBytes, bytes));
  if (data_ == nullptr) CheckFailed("memory for a buffer", __FILE__, __LINE__);
  std::memset(data_, 0, bytes);
}
DmaBuffer::~DmaBuffer() { std::free(data_); }

File::~File() {
  if (handle_ == nullptr) return;
  CHECK(*handle_->under_way == 0 || handle_->shard->dead());
  Release(std::exchange(handle_, nullptr));
}

Task<StatusOr<File>> File::Open(std::string path, OpenMode mode, Access access) {
  sim::Shard& here = Here();
  co_await sim::Delay(Completion(Durability::kNone));
  int error = Fault({.operation = sim::DiskOperation::kOpen, .path = path});
  std::shared_ptr<sim::Inode> inode;
  if (error == 0) error = here.node().disk().Open(path, mode, inode);
  if (error != 0) co_return ErrnoStatus(error, "open " + path);
  const bool direct = access == Access::kDirect && here.node().disk().options().direct;
  co_return File(new FileHandle(here, std::move(path), std::move(inode), direct));
}

bool File::direct() const { return handle_->direct; }

Task<Status> File::Write(uint64_t offset, std::string_view bytes, Durability durability,
                         const DmaBuffer* buffer) {
  UnderWay under_way(handle_);
  sim::Shard& here = Here();
  CHECK(here.shared_from_this() == handle_->shard);
  if (handle_->direct) {
    CHECK_EQ(offset % kBlockBytes, 0u);
    CHECK_EQ(bytes.size() % kBlockBytes, 0u);
    CHECK_EQ(reinterpret_cast<uintptr_t>(bytes.data()) % kBlockBytes, 0u);
  }
  if (buffer != nullptr) {
    CHECK(bytes.data() >= buffer->data() &&
          bytes.data() + bytes.size() <= buffer->data() + buffer->size());
  }
  const size_t before = std::hash<std::string_view>()(bytes);
  int error = Fault({.operation = sim::DiskOperation::kWrite,
                     .path = handle_->path,
                     .offset = offset,
                     .bytes = bytes.size(),
                     .durability = durability});
  uint64_t sequence = 0;
  const std::string_view written = error == 0 ? bytes : bytes.substr(0, bytes.size() / 2);
  const int disk_error = handle_->disk().Write(*handle_->inode, offset, written, sequence);
  if (error == 0) error = disk_error;
  const MonotonicTime when = Completion(durability);
  if (error == 0 && durability == Durability::kDurable) {
    // The disk goes on where the process ends meanwhile.
    here.world().At(when, nullptr,
                    [inode = handle_->inode, sequence] { inode->MakeDurable(sequence); });
  }
  co_await sim::Delay(when);
  // The memory was the disk's until now.
  CHECK_EQ(std::hash<std::string_view>()(bytes), before);
  co_return Result(error, "write", handle_->path);
}

Task<StatusOr<size_t>> File::Read(uint64_t offset, std::span<char> out) {
  UnderWay under_way(handle_);
  if (handle_->direct) {
    CHECK_EQ(offset % kBlockBytes, 0u);
    CHECK_EQ(out.size() % kBlockBytes, 0u);
    CHECK_EQ(reinterpret_cast<uintptr_t>(out.data()) % kBlockBytes, 0u);
  }
  const int error = Fault({.operation = sim::DiskOperation::kRead,
                           .path = handle_->path,
                           .offset = offset,
                           .bytes = out.size()});
  co_await sim::Delay(Completion(Durability::kNone));
  if (error != 0) co_return ErrnoStatus(error, "read " + handle_->path);
  co_return handle_->inode->content.Read(offset, out);
}

Task<Status> File::Sync() {
  UnderWay under_way(handle_);
  const int error = Fault({.operation = sim::DiskOperation::kSync, .path = handle_->path});
  const MonotonicTime when = Completion(Durability::kDurable);
  if (error == 0) {
    Here().world().At(when, nullptr,
                      [inode = handle_->inode, upto = handle_->inode->next_sequence - 1] {
                        inode->MakeDurableUpTo(upto);
                      });
  }
  co_await sim::Delay(when);
  co_return Result(error, "sync", handle_->path);
}

Task<StatusOr<uint64_t>> File::Size() {
  UnderWay under_way(handle_);
  const int error = Fault({.operation = sim::DiskOperation::kSize, .path = handle_->path});
  co_await sim::Delay(Completion(Durability::kNone));
  if (error != 0) co_return ErrnoStatus(error, "size of " + handle_->path);
  co_return handle_->inode->content.size();
}

Task<Status> File::Truncate(uint64_t bytes) {
  UnderWay under_way(handle_);
  int error =
      Fault({.operation = sim::DiskOperation::kTruncate, .path = handle_->path, .offset = bytes});
  if (error == 0) error = handle_->disk().Truncate(*handle_->inode, bytes);
  co_await sim::Delay(Completion(Durability::kNone));
  co_return Result(error, "truncate", handle_->path);
}

Task<void> File::Close() {
  if (handle_ == nullptr) co_return;
  CHECK_EQ(*handle_->under_way, 0u);
  FileHandle* handle = std::exchange(handle_, nullptr);
  const MonotonicTime when = Completion(Durability::kNone);
  Release(handle);
  co_await sim::Delay(when);
}

Task<Status> CreateDirectory(std::string path) {
  sim::Shard& here = Here();
  co_await sim::Delay(Completion(Durability::kNone));
  int error = Fault({.operation = sim::DiskOperation::kCreateDirectory, .path = path});
  if (error == 0) error = here.node().disk().CreateDirectory(path);
  co_return Result(error, "create directory", path);
}

Task<StatusOr<std::vector<std::string>>> ListDirectory(std::string path) {
  sim::Shard& here = Here();
  co_await sim::Delay(Completion(Durability::kNone));
  int error = Fault({.operation = sim::DiskOperation::kList, .path = path});
  std::vector<std::string> names;
  if (error == 0) error = here.node().disk().List(path, names);
  if (error != 0) co_return ErrnoStatus(error, "list " + path);
  co_return names;
}

Task<Status> Rename(std::string from, std::string to) {
  sim::Shard& here = Here();
  co_await sim::Delay(Completion(Durability::kNone));
  int error = Fault({.operation = sim::DiskOperation::kRename, .path = from});
  if (error == 0) error = here.node().disk().Rename(from, to);
  co_return Result(error, "rename", from + " to " + to);
}

Task<Status> Remove(std::string path) {
  sim::Shard& here = Here();
  co_await sim::Delay(Completion(Durability::kNone));
  int error = Fault({.operation = sim::DiskOperation::kRemove, .path = path});
  if (error == 0) error = here.node().disk().Remove(path);
  co_return Result(error, "remove", path);
}

Task<Status> SyncDirectory(std::string path) {
  sim::Shard& here = Here();
  co_await sim::Delay(Completion(Durability::kDurable));
  int error = Fault({.operation = sim::DiskOperation::kSyncDirectory, .path = path});
  const auto directory = here.node().disk().FindDirectory(path);
  if (error == 0 && directory == nullptr) error = ENOENT;
  if (error == 0) directory->MakeNamesDurable();
  co_return Result(error, "sync directory", path);
}

Task<StatusOr<uint64_t>> FreeBytes(std::string path) {
  sim::Shard& here = Here();
  co_await sim::Delay(Completion(Durability::kNone));
  co_return here.node().disk().free_bytes();
}

}  // namespace ringmail::io
