#include "ringmail/io/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "io/kernel/shard.h"
#include "ringmail/base/check.h"
#include "ringmail/io/blocking.h"

namespace ringmail::io {

class FileHandle {
 public:
  FileHandle(int fd, bool direct, int slot, std::string path)
      : fd(fd), direct(direct), slot(slot), path(std::move(path)) {}
  // Makes a prepared request one for this file.
  void Name(io_uring_sqe* sqe) const {
    if (slot < 0) return;
    sqe->fd = slot;
    sqe->flags |= IOSQE_FIXED_FILE;
  }
  const int fd;
  const bool direct;
  const int slot;  // among the ring's registered files; -1: none
  const std::string path;
};

namespace {

constexpr size_t kTransferBytesMax = 1u << 30;

bool Again(int32_t result) { return result == -EINTR || result == -EAGAIN; }

// A place among the operations under way; taken in order.
class FileSlot {
 public:
  FileSlot() = default;
  FileSlot(const FileSlot&) = delete;
  FileSlot& operator=(const FileSlot&) = delete;
  ~FileSlot() {
    if (taken_) Shard::Here().GiveFileSlot();
  }
  bool await_ready() {
    taken_ = Shard::Here().TakeFileSlot();
    return taken_;
  }
  void await_suspend(std::coroutine_handle<> waiter) { Shard::Here().WaitFileSlot(waiter); }
  // Handed over by the one that went before.
  void await_resume() { taken_ = true; }

 private:
  bool taken_ = false;
};

int OpenFlags(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return O_RDONLY;
    case OpenMode::kReadWrite:
      return O_RDWR;
    case OpenMode::kCreate:
      return O_RDWR | O_CREAT | O_EXCL;
    case OpenMode::kCreateOrReplace:
      return O_RDWR | O_CREAT | O_TRUNC;
  }
  CheckFailed("a known mode", __FILE__, __LINE__);
}

struct BlockingStatus {
  std::string path;
  uint64_t number = 0;
  int fd = -1;
  int error = 0;
  std::vector<std::string> names;
  struct stat found {};
  WallTime time{};
};

void ExamineCall(void* context) {
  auto& call = *static_cast<BlockingStatus*>(context);
  if (stat(call.path.c_str(), &call.found) != 0) call.error = errno;
}

void SetModifiedCall(void* context) {
  auto& call = *static_cast<BlockingStatus*>(context);
  const auto since = call.time.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  const timespec when = {.tv_sec = seconds.count(), .tv_nsec = (since - seconds).count()};
  const timespec times[2] = {when, when};
  if (utimensat(AT_FDCWD, call.path.c_str(), times, 0) != 0) call.error = errno;
}

void TruncateCall(void* context) {
  auto& call = *static_cast<BlockingStatus*>(context);
  if (ftruncate(call.fd, static_cast<off_t>(call.number)) != 0) call.error = errno;
}

void ListCall(void* context) {
  auto& call = *static_cast<BlockingStatus*>(context);
  DIR* directory = opendir(call.path.c_str());
  if (directory == nullptr) {
    call.error = errno;
    return;
  }
  errno = 0;
  while (const dirent* entry = readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") call.names.emplace_back(name);
    errno = 0;
  }
  call.error = errno;
  closedir(directory);
  std::sort(call.names.begin(), call.names.end());
}

void SyncDirectoryCall(void* context) {
  auto& call = *static_cast<BlockingStatus*>(context);
  const int fd = open(call.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    call.error = errno;
    return;
  }
  if (fsync(fd) != 0) call.error = errno;
  close(fd);
}

void FreeBytesCall(void* context) {
  auto& call = *static_cast<BlockingStatus*>(context);
  struct statvfs found;
  if (statvfs(call.path.c_str(), &found) != 0) {
    call.error = errno;
    return;
  }
  call.number = uint64_t{found.f_bavail} * found.f_frsize;
}

}  // namespace

File::~File() {
  if (handle_ == nullptr) return;
  if (Shard* shard = Shard::Current(); shard != nullptr) {
    if (handle_->slot >= 0) shard->UnregisterFile(handle_->slot);
    shard->CloseDescriptor(handle_->fd);
  } else {
    // A ring that is gone has let go of its files by itself.
    close(handle_->fd);
  }
  delete handle_;
}

Task<StatusOr<File>> File::Open(std::string path, OpenMode mode, Access access) {
  Shard& shard = Shard::Here();
  FileSlot slot;
  co_await slot;
  int32_t result = -EINTR;
  while (result == -EINTR) {
    RingOp op;
    io_uring_sqe* sqe = shard.ring().Sqe();
    io_uring_prep_openat(sqe, AT_FDCWD, path.c_str(), OpenFlags(mode) | O_CLOEXEC | O_NOCTTY, 0600);
    op.Submit(sqe);
    result = co_await op;
  }
  if (result < 0) co_return ErrnoStatus(-result, path);
  // Asked for after opening: where it is refused, open(2) with O_DIRECT and O_EXCL would leave the
  // file behind.
  bool direct = false;
  if (access == Access::kDirect && shard.features().direct_files) {
    const int flags = fcntl(result, F_GETFL);
    direct = flags >= 0 && fcntl(result, F_SETFL, flags | O_DIRECT) == 0;
  }
  // The log's segments are what is asked for direct access: few, and used for each message.
  const int slot_of_ring = access == Access::kDirect ? shard.RegisterFile(result) : -1;
  co_return File(new FileHandle(result, direct, slot_of_ring, std::move(path)));
}

bool File::direct() const { return handle_->direct; }

Task<Status> File::Write(uint64_t offset, std::string_view bytes, Durability durability,
                         const DmaBuffer* buffer) {
  Shard& shard = Shard::Here();
  CHECK(!handle_->direct || (offset % kBlockBytes == 0 && bytes.size() % kBlockBytes == 0 &&
                             reinterpret_cast<uintptr_t>(bytes.data()) % kBlockBytes == 0));
  CHECK(buffer == nullptr || (bytes.data() >= buffer->data() &&
                              bytes.data() + bytes.size() <= buffer->data() + buffer->size()));
  const int registered = buffer == nullptr ? -1 : buffer->registered_index();
  FileSlot slot;
  co_await slot;
  while (!bytes.empty()) {
    const auto count = static_cast<unsigned>(std::min(bytes.size(), kTransferBytesMax));
    RingOp op;
    io_uring_sqe* sqe = shard.ring().Sqe();
    if (registered >= 0) {
      io_uring_prep_write_fixed(sqe, handle_->fd, bytes.data(), count, offset, registered);
    } else {
      io_uring_prep_write(sqe, handle_->fd, bytes.data(), count, offset);
    }
    handle_->Name(sqe);
    // P10: durable by the write itself; a separate fsync would go through a worker thread.
    if (durability == Durability::kDurable) sqe->rw_flags = RWF_DSYNC;
    op.Submit(sqe);
    const int32_t result = co_await op;
    if (Again(result)) continue;
    if (result < 0) co_return ErrnoStatus(-result, "writing " + handle_->path);
    if (result == 0) co_return ErrnoStatus(ENOSPC, "writing " + handle_->path);
    offset += static_cast<uint64_t>(result);
    bytes.remove_prefix(static_cast<size_t>(result));
  }
  co_return absl::OkStatus();
}

Task<StatusOr<size_t>> File::Read(uint64_t offset, std::span<char> out) {
  Shard& shard = Shard::Here();
  FileSlot slot;
  co_await slot;
  size_t total = 0;
  while (total < out.size()) {
    RingOp op;
    io_uring_sqe* sqe = shard.ring().Sqe();
    const auto count = static_cast<unsigned>(std::min(out.size() - total, kTransferBytesMax));
    io_uring_prep_read(sqe, handle_->fd, out.data() + total, count, offset + total);
    handle_->Name(sqe);
    op.Submit(sqe);
    const int32_t result = co_await op;
    if (Again(result)) continue;
    if (result < 0) co_return ErrnoStatus(-result, "reading " + handle_->path);
    if (result == 0) break;
    total += static_cast<size_t>(result);
    // The end of the file inside a block: reading on, direct, from there would not be aligned.
    if (handle_->direct && static_cast<size_t>(result) % kBlockBytes != 0) break;
  }
  co_return total;
}

Task<Status> File::Sync() {
  Shard& shard = Shard::Here();
  FileSlot slot;
  co_await slot;
  RingOp op;
  io_uring_sqe* sqe = shard.ring().Sqe();
  io_uring_prep_fsync(sqe, handle_->fd, IORING_FSYNC_DATASYNC);
  handle_->Name(sqe);
  op.Submit(sqe);
  const int32_t result = co_await op;
  // Never tried again: a second fsync may succeed over pages that the first one lost.
  if (result < 0) co_return ErrnoStatus(-result, "syncing " + handle_->path);
  co_return absl::OkStatus();
}

Task<StatusOr<uint64_t>> File::Size() {
  struct stat found;
  // Of an open file, from memory: it does not block.
  if (fstat(handle_->fd, &found) != 0) co_return ErrnoStatus(errno, handle_->path);
  co_return static_cast<uint64_t>(found.st_size);
}

Task<Status> File::Truncate(uint64_t bytes) {
  BlockingStatus call;
  call.fd = handle_->fd;
  call.number = bytes;
  co_await RunBlocking(&TruncateCall, &call);
  if (call.error != 0) co_return ErrnoStatus(call.error, "truncating " + handle_->path);
  co_return absl::OkStatus();
}

Task<void> File::Close() {
  FileHandle* handle = std::exchange(handle_, nullptr);
  if (handle == nullptr) co_return;
  Shard& shard = Shard::Here();
  if (handle->slot >= 0) shard.UnregisterFile(handle->slot);
  RingOp op;
  io_uring_sqe* sqe = shard.ring().Sqe();
  io_uring_prep_close(sqe, handle->fd);
  op.Submit(sqe);
  (void)co_await op;
  delete handle;
}

Task<Status> CreateDirectory(std::string path) {
  FileSlot slot;
  co_await slot;
  RingOp op;
  io_uring_sqe* sqe = Shard::Here().ring().Sqe();
  io_uring_prep_mkdirat(sqe, AT_FDCWD, path.c_str(), 0700);
  op.Submit(sqe);
  const int32_t result = co_await op;
  if (result == -EEXIST) {
    // OK only where it is a directory that is there.
    struct stat found;
    if (stat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode)) co_return absl::OkStatus();
  }
  if (result < 0) co_return ErrnoStatus(-result, path);
  co_return absl::OkStatus();
}

Task<StatusOr<std::vector<std::string>>> ListDirectory(std::string path) {
  BlockingStatus call;
  call.path = std::move(path);
  co_await RunBlocking(&ListCall, &call);
  if (call.error != 0) co_return ErrnoStatus(call.error, call.path);
  co_return std::move(call.names);
}

Task<StatusOr<FileFacts>> Examine(std::string path) {
  BlockingStatus call;
  call.path = std::move(path);
  co_await RunBlocking(&ExamineCall, &call);
  if (call.error != 0) co_return ErrnoStatus(call.error, call.path);
  FileFacts facts;
  if (S_ISREG(call.found.st_mode)) facts.kind = FileFacts::Kind::kFile;
  if (S_ISDIR(call.found.st_mode)) facts.kind = FileFacts::Kind::kDirectory;
  facts.bytes = static_cast<uint64_t>(call.found.st_size);
  facts.modified = FromUnixSeconds(call.found.st_mtim.tv_sec) +
                   std::chrono::nanoseconds(call.found.st_mtim.tv_nsec);
  co_return facts;
}

Task<Status> SetModified(std::string path, WallTime when) {
  BlockingStatus call;
  call.path = std::move(path);
  call.time = when;
  co_await RunBlocking(&SetModifiedCall, &call);
  if (call.error != 0) co_return ErrnoStatus(call.error, "dating " + call.path);
  co_return absl::OkStatus();
}

Task<Status> Rename(std::string from, std::string to) {
  FileSlot slot;
  co_await slot;
  RingOp op;
  io_uring_sqe* sqe = Shard::Here().ring().Sqe();
  io_uring_prep_renameat(sqe, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), 0);
  op.Submit(sqe);
  const int32_t result = co_await op;
  if (result < 0) co_return ErrnoStatus(-result, "renaming " + from + " to " + to);
  co_return absl::OkStatus();
}

Task<Status> Remove(std::string path) {
  FileSlot slot;
  co_await slot;
  int32_t result = -EISDIR;
  for (const int flags : {0, AT_REMOVEDIR}) {
    RingOp op;
    io_uring_sqe* sqe = Shard::Here().ring().Sqe();
    io_uring_prep_unlinkat(sqe, AT_FDCWD, path.c_str(), flags);
    op.Submit(sqe);
    result = co_await op;
    if (result != -EISDIR) break;
  }
  if (result < 0) co_return ErrnoStatus(-result, "removing " + path);
  co_return absl::OkStatus();
}

Task<Status> SyncDirectory(std::string path) {
  BlockingStatus call;
  call.path = std::move(path);
  co_await RunBlocking(&SyncDirectoryCall, &call);
  if (call.error != 0) co_return ErrnoStatus(call.error, "syncing " + call.path);
  co_return absl::OkStatus();
}

Task<StatusOr<uint64_t>> FreeBytes(std::string path) {
  BlockingStatus call;
  call.path = std::move(path);
  co_await RunBlocking(&FreeBytesCall, &call);
  if (call.error != 0) co_return ErrnoStatus(call.error, call.path);
  co_return call.number;
}

}  // namespace ringmail::io
