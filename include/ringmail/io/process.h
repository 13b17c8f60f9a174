// What the process asks of its system outside the shards: rights, limits, locks, and small files.
// Main thread, may block.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringmail/base/status.h"
#include "ringmail/base/time.h"

namespace ringmail::io {

// The whole of a small file. Errors: over `bytes_max` is kOutOfRange. "-" reads standard input.
StatusOr<std::string> ReadWholeFile(const std::string& path, size_t bytes_max);
// The one name that the file has from the root on, links resolved. It must be there.
StatusOr<std::string> AbsolutePath(const std::string& path);
// What tells one state of a file from another.
struct FileStamp {
  uint64_t device = 0, inode = 0, bytes = 0;
  int64_t modified_ns = 0;
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};
StatusOr<FileStamp> StampOfFile(const std::string& path);
// Puts `text` in the place of the file, whole or not at all; nobody but the owner can read it.
Status WriteSecretFile(const std::string& path, std::string_view text);
enum class FileReaders : uint8_t { kOwner, kEverybody };
// Makes the file, durably, with `text` in it. kAlreadyExists: it is there, and stays as it is.
Status CreateFile(const std::string& path, std::string_view text, FileReaders readers);
// Makes the directory and those above it where they are missing.
Status MakeDirectories(const std::string& path);
std::string HostName();
std::optional<std::string> Environment(const char* name);

// An exclusive lock on DIR/lock, kept until destruction (or the process's end, however it ends).
// Given to the shards (RuntimeOptions::lock) it lasts until the kernel has also let go of their
// requests: a write that a killed process left in flight still reaches the disk, and nobody may
// read or write the directory before it has.
class DirectoryLock {
 public:
  DirectoryLock() = default;
  DirectoryLock(DirectoryLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  DirectoryLock& operator=(DirectoryLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~DirectoryLock();
  // Creates DIR (0700, owned by `owner` if given and we are root) where it is missing, and makes
  // its name durable. kAlreadyExists: held by another process, whose pid the message names. Where
  // that process has ended and only its requests have not, blocks until they have, for some seconds
  // at most: before the shards run.
  static StatusOr<DirectoryLock> Acquire(const std::string& directory, const std::string& owner);
  int descriptor() const { return fd_; }  // the implementation's

 private:
  int fd_ = -1;
};

// Where the running program lies: "/usr/sbin".
std::string ProgramDirectory();

// Another program that runs beside this one, and ends itself when its standard input does: with
// this object, or with this process, however it ends.
class Companion {
 public:
  // `input` is what it reads first, kCompanionInputBytesMax at most. Its other descriptors but
  // standard output and error are closed. Errors: ErrnoStatus, naming the program.
  static StatusOr<Companion> Start(const std::string& program,
                                   const std::vector<std::string>& arguments,
                                   std::string_view input);
  Companion(Companion&& other) noexcept : input_(std::exchange(other.input_, -1)) {}
  Companion& operator=(Companion&& other) noexcept {
    std::swap(input_, other.input_);
    return *this;
  }
  ~Companion();

 private:
  explicit Companion(int input) : input_(input) {}
  int input_ = -1;
};
// What a pipe holds while nobody reads.
inline constexpr size_t kCompanionInputBytesMax = 32u << 10;

// The time, before there are shards.
WallTime SystemTime();

bool RunningAsRoot();
// Becomes `user` (and its groups), keeping only the right to bind low ports at reload. No-op "" or
// when not root.
Status DropPrivileges(const std::string& user);

// Raises the soft descriptor limit to the hard one; returns it.
uint64_t RaiseDescriptorLimit();
// Resident bytes of this process, and its CPU time so far.
uint64_t ResidentBytes();
uint64_t CpuMicroseconds();

}  // namespace ringmail::io
