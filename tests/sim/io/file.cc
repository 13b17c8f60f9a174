// io/file.h over a simulated disk: what takes time, and what a process may not do with its memory
// meanwhile.
#include "ringmail/io/file.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"
#include "tests/sim/io/disk.h"
#include "tests/sim/io/shard.h"
#include "tests/sim/io/trace.h"
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
MonotonicTime Completion(Durability durability, Nanoseconds added = Nanoseconds(0)) {
  sim::Shard& here = Here();
  const sim::DiskOptions& options = here.node().disk().options();
  const Nanoseconds base =
      durability == Durability::kDurable ? options.durable_latency : options.latency;
  if (base.count() == 0) return here.world().now() + added;
  return here.world().now() + base + added +
         Nanoseconds(here.world().Random(static_cast<uint64_t>(base.count()) + 1));
}

// The request reaches the disk, or fails there, or never does. `hash` is of what it writes.
sim::Node::Verdict Ask(const sim::DiskRequest& request, uint64_t hash = 0) {
  return Here().node().Ask(request, hash);
}

// A request that never ends: its node ends with this turn.
using Never = std::suspend_always;

// co_await Done{...}: resumes when the request is done, at `when`. What it made durable is so then,
// whether or not the process still runs: the disk goes on where a process ends.
struct [[nodiscard]] Done {
  enum class Effect : uint8_t { kNone, kWrite, kSync, kNames };
  MonotonicTime when;
  bool ends = false;  // the node, in place of hearing of it
  Effect effect = Effect::kNone;
  std::shared_ptr<sim::Inode> inode;
  uint64_t sequence = 0;

  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    sim::Shard& here = Here();
    here.world().At(when, nullptr,
                    [shard = here.shared_from_this(), file = std::move(inode), upto = sequence,
                     waiter, what = effect, end = ends] {
                      if (what == Effect::kWrite) file->MakeDurable(upto);
                      if (what == Effect::kSync) file->MakeDurableUpTo(upto);
                      if (what == Effect::kNames) file->MakeNamesDurableUpTo(upto);
                      if (shard->dead()) return;
                      shard->world().Note(shard->node(), sim::TraceKind::kDiskDone,
                                          static_cast<uint64_t>(what), upto);
                      if (end) {
                        shard->node().EndPlanned();
                      } else {
                        shard->MakeReady(waiter);
                      }
                    });
  }
  void await_resume() const {}
};

// Of requests that are done when their time is over, and only then do what they do.
Done AtLeisure(const sim::Node::Verdict& verdict) {
  return {.when = Completion(Durability::kNone, verdict.fault.latency)};
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

namespace {

// Larger ones come from the kernel: pages of zeros that cost nothing until they are touched, where
// a recovery of a small log touches few of its large buffers.
constexpr size_t kMappedBytesMin = 256u << 10;

#ifndef RINGMAIL_SANITIZED
// Large buffers of this thread that nobody uses, zeros throughout. Every start of a server asks for
// the same few, and the faults of fresh pages would cost more than all that it does with them.
class FreeBuffers {
 public:
  ~FreeBuffers() {
    for (const auto& [bytes, data] : buffers_) ::munmap(data, bytes);
  }
  // Null: there is none of this size.
  char* Take(size_t bytes) {
    const auto found = buffers_.find(bytes);
    if (found == buffers_.end()) return nullptr;
    char* const data = found->second;
    buffers_.erase(found);
    kept_bytes_ -= bytes;
    return data;
  }
  // False: too much is kept already.
  bool Keep(char* data, size_t bytes) {
    if (kept_bytes_ + bytes > kKeptBytesMax) return false;
    // Most of it was never touched, and is not looked at; what was only read stays the kernel's
    // page of zeros. (What was used a moment ago is not swapped out yet.)
    static_assert(kBlockBytes == 4096, "a page");
    pages_.resize(bytes / kBlockBytes);
    CHECK_EQ(::mincore(data, bytes, pages_.data()), 0);
    for (size_t i = 0; i < pages_.size(); ++i) {
      char* const page = data + i * kBlockBytes;
      if ((pages_[i] & 1) != 0 && !sim::AllZero({page, kBlockBytes}))
        std::memset(page, 0, kBlockBytes);
    }
    buffers_.emplace(bytes, data);
    kept_bytes_ += bytes;
    return true;
  }

 private:
  static constexpr size_t kKeptBytesMax = 64u << 20;
  std::multimap<size_t, char*> buffers_;
  std::vector<unsigned char> pages_;
  size_t kept_bytes_ = 0;
};
FreeBuffers& Free() {
  static thread_local FreeBuffers free;
  return free;
}
#endif

char* MapBuffer(size_t bytes) {
#ifndef RINGMAIL_SANITIZED
  if (char* const kept = Free().Take(bytes)) return kept;
#endif
  void* pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) CheckFailed("memory for a buffer", __FILE__, __LINE__);
  // A huge page would be zeroed whole.
  (void)::madvise(pages, bytes, MADV_NOHUGEPAGE);
  return static_cast<char*>(pages);
}

void UnmapBuffer(char* data, size_t bytes) {
#ifndef RINGMAIL_SANITIZED
  if (Free().Keep(data, bytes)) return;
#endif
  ::munmap(data, bytes);
}

}  // namespace

DmaBuffer::DmaBuffer(size_t bytes) : size_(bytes) {
  CHECK(bytes > 0 && bytes % kBlockBytes == 0);
  if (bytes >= kMappedBytesMin) {
    data_ = MapBuffer(bytes);
    return;
  }
  data_ = static_cast<char*>(std::aligned_alloc(kBlockBytes, bytes));
  if (data_ == nullptr) CheckFailed("memory for a buffer", __FILE__, __LINE__);
  std::memset(data_, 0, bytes);
}
DmaBuffer::~DmaBuffer() {
  if (size_ >= kMappedBytesMin) {
    UnmapBuffer(data_, size_);
  } else {
    std::free(data_);
  }
}

File::~File() {
  if (handle_ == nullptr) return;
  CHECK(*handle_->under_way == 0 || handle_->shard->dead());
  Release(std::exchange(handle_, nullptr));
}

Task<StatusOr<File>> File::Open(std::string path, OpenMode mode, Access access) {
  sim::Shard& here = Here();
  const auto verdict = Ask({.operation = sim::DiskOperation::kOpen, .path = path});
  if (verdict.never) co_await Never();
  co_await AtLeisure(verdict);
  int error = verdict.fault.error;
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
  const bool zeros = sim::AllZero(bytes);
  const uint64_t before = zeros ? bytes.size() : sim::HashBytes(bytes);
  const auto verdict = Ask({.operation = sim::DiskOperation::kWrite,
                            .path = handle_->path,
                            .offset = offset,
                            .bytes = bytes.size(),
                            .durability = durability},
                           before);
  if (verdict.never) co_await Never();
  const sim::DiskFault& fault = verdict.fault;
  int error = fault.error;
  std::string_view written = bytes;
  if (error != 0) {
    written = bytes.substr(
        0,
        static_cast<size_t>(std::min<uint64_t>(
            fault.lands == sim::DiskFault::kHalf ? bytes.size() / 2 : fault.lands, bytes.size())));
  }
  sim::Inode& inode = *handle_->inode;
  Done done{.when = Completion(durability, fault.latency), .ends = verdict.ends_completed};
  const int disk_error = handle_->disk().Write(inode, offset, written, zeros, done.sequence);
  if (error == 0) error = disk_error;
  if (disk_error == 0 && durability == Durability::kDurable && !fault.lies) {
    if (error == 0) {
      done.effect = Done::Effect::kWrite;
      done.inode = handle_->inode;
    } else {
      inode.Abandon(done.sequence);
    }
  }
  if (verdict.ends_applied) {
    here.node().EndPlanned();
    co_await Never();
  }
  co_await done;
  // The memory was the disk's until now.
  if (here.world().options().check_buffers) {
    CHECK_EQ(zeros ? (sim::AllZero(bytes) ? bytes.size() : ~before) : sim::HashBytes(bytes),
             before);
  }
  co_return Result(error, "write", handle_->path);
}

Task<StatusOr<size_t>> File::Read(uint64_t offset, std::span<char> out) {
  UnderWay under_way(handle_);
  if (handle_->direct) {
    CHECK_EQ(offset % kBlockBytes, 0u);
    CHECK_EQ(out.size() % kBlockBytes, 0u);
    CHECK_EQ(reinterpret_cast<uintptr_t>(out.data()) % kBlockBytes, 0u);
  }
  const auto verdict = Ask({.operation = sim::DiskOperation::kRead,
                            .path = handle_->path,
                            .offset = offset,
                            .bytes = out.size()});
  if (verdict.never) co_await Never();
  co_await AtLeisure(verdict);
  if (verdict.fault.error != 0) {
    co_return ErrnoStatus(verdict.fault.error, "read " + handle_->path);
  }
  const size_t count = handle_->inode->content.Read(offset, out);
  if (verdict.fault.flip_bit != sim::DiskFault::kNone && count > 0) {
    const uint64_t bit = verdict.fault.flip_bit % (count * 8);
    char& octet = out[static_cast<size_t>(bit / 8)];
    octet = static_cast<char>(octet ^ (1 << bit % 8));
  }
  co_return count;
}

Task<Status> File::Sync() {
  UnderWay under_way(handle_);
  const auto verdict = Ask({.operation = sim::DiskOperation::kSync, .path = handle_->path});
  if (verdict.never) co_await Never();
  Done done{.when = Completion(Durability::kDurable, verdict.fault.latency),
            .ends = verdict.ends_completed,
            .sequence = handle_->inode->next_sequence - 1};
  if (verdict.fault.error != 0) {
    handle_->inode->AbandonUpTo(done.sequence);
  } else if (!verdict.fault.lies) {
    done.effect = Done::Effect::kSync;
    done.inode = handle_->inode;
  }
  if (verdict.ends_applied) {
    Here().node().EndPlanned();
    co_await Never();
  }
  co_await done;
  co_return Result(verdict.fault.error, "sync", handle_->path);
}

Task<StatusOr<uint64_t>> File::Size() {
  UnderWay under_way(handle_);
  const auto verdict = Ask({.operation = sim::DiskOperation::kSize, .path = handle_->path});
  if (verdict.never) co_await Never();
  co_await AtLeisure(verdict);
  if (verdict.fault.error != 0) {
    co_return ErrnoStatus(verdict.fault.error, "size of " + handle_->path);
  }
  co_return handle_->inode->content.size();
}

Task<Status> File::Truncate(uint64_t bytes) {
  UnderWay under_way(handle_);
  const auto verdict =
      Ask({.operation = sim::DiskOperation::kTruncate, .path = handle_->path, .offset = bytes});
  if (verdict.never) co_await Never();
  int error = verdict.fault.error;
  if (error == 0) error = handle_->disk().Truncate(*handle_->inode, bytes);
  co_await AtLeisure(verdict);
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
  const auto verdict = Ask({.operation = sim::DiskOperation::kCreateDirectory, .path = path});
  if (verdict.never) co_await Never();
  co_await AtLeisure(verdict);
  int error = verdict.fault.error;
  if (error == 0) error = here.node().disk().CreateDirectory(path);
  co_return Result(error, "create directory", path);
}

Task<StatusOr<std::vector<std::string>>> ListDirectory(std::string path) {
  sim::Shard& here = Here();
  const auto verdict = Ask({.operation = sim::DiskOperation::kList, .path = path});
  if (verdict.never) co_await Never();
  co_await AtLeisure(verdict);
  int error = verdict.fault.error;
  std::vector<std::string> names;
  if (error == 0) error = here.node().disk().List(path, names);
  if (error != 0) co_return ErrnoStatus(error, "list " + path);
  co_return names;
}

Task<StatusOr<FileFacts>> Examine(std::string path) {
  sim::Shard& here = Here();
  const auto verdict = Ask({.operation = sim::DiskOperation::kExamine, .path = path});
  if (verdict.never) co_await Never();
  co_await AtLeisure(verdict);
  if (verdict.fault.error != 0) co_return ErrnoStatus(verdict.fault.error, "examine " + path);
  const auto inode = here.node().disk().FindAny(path);
  if (inode == nullptr) co_return ErrnoStatus(ENOENT, "examine " + path);
  co_return FileFacts{
      .kind = inode->directory ? FileFacts::Kind::kDirectory : FileFacts::Kind::kFile,
      .bytes = inode->content.size(),
      .modified = inode->modified};
}

Task<Status> SetModified(std::string path, WallTime when) {
  sim::Shard& here = Here();
  const auto verdict = Ask({.operation = sim::DiskOperation::kSetModified, .path = path});
  if (verdict.never) co_await Never();
  co_await AtLeisure(verdict);
  const auto inode = here.node().disk().FindAny(path);
  int error = verdict.fault.error;
  if (error == 0 && inode == nullptr) error = ENOENT;
  if (error == 0) inode->modified = when;
  co_return Result(error, "date", path);
}

Task<Status> Rename(std::string from, std::string to) {
  sim::Shard& here = Here();
  const auto verdict = Ask({.operation = sim::DiskOperation::kRename, .path = from});
  if (verdict.never) co_await Never();
  co_await AtLeisure(verdict);
  int error = verdict.fault.error;
  if (error == 0) error = here.node().disk().Rename(from, to);
  co_return Result(error, "rename", from + " to " + to);
}

Task<Status> Remove(std::string path) {
  sim::Shard& here = Here();
  const auto verdict = Ask({.operation = sim::DiskOperation::kRemove, .path = path});
  if (verdict.never) co_await Never();
  co_await AtLeisure(verdict);
  int error = verdict.fault.error;
  if (error == 0) error = here.node().disk().Remove(path);
  co_return Result(error, "remove", path);
}

Task<Status> SyncDirectory(std::string path) {
  sim::Shard& here = Here();
  const auto verdict = Ask({.operation = sim::DiskOperation::kSyncDirectory, .path = path});
  if (verdict.never) co_await Never();
  int error = verdict.fault.error;
  Done done{.when = Completion(Durability::kDurable, verdict.fault.latency),
            .ends = verdict.ends_completed};
  auto directory = here.node().disk().FindDirectory(path);
  if (error == 0 && directory == nullptr) error = ENOENT;
  if (error == 0 && !verdict.fault.lies) {
    done.effect = Done::Effect::kNames;
    done.inode = std::move(directory);
    done.sequence = here.node().disk().last_name_sequence();
  }
  if (verdict.ends_applied) {
    here.node().EndPlanned();
    co_await Never();
  }
  co_await done;
  co_return Result(error, "sync directory", path);
}

Task<StatusOr<uint64_t>> FreeBytes(std::string path) {
  sim::Shard& here = Here();
  co_await sim::Delay(Completion(Durability::kNone));
  co_return here.node().disk().free_bytes();
}

}  // namespace ringmail::io
