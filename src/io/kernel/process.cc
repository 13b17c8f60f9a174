#include "ringmail/io/process.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "ringmail/base/check.h"

namespace ringmail::io {
namespace {

constexpr size_t kLockFileBytesMax = 64;
// How long requests of a dead process may hold its lock, and how often we look.
constexpr timespec kLockPause = {.tv_sec = 0, .tv_nsec = 10'000'000};
constexpr int kLockTriesMax = 1000;

struct User {
  uid_t uid;
  gid_t gid;
};

StatusOr<User> FindUser(const std::string& name) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> text(16384);
  const int error = getpwnam_r(name.c_str(), &entry, text.data(), text.size(), &found);
  if (error != 0) return ErrnoStatus(error, "user " + name);
  if (found == nullptr) return absl::NotFoundError(Absl("there is no user " + name));
  return User{entry.pw_uid, entry.pw_gid};
}

// Only CAP_NET_BIND_SERVICE, so that a reload may listen on low ports.
bool KeepOnlyBindRight() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  data[0].effective = data[0].permitted = 1u << CAP_NET_BIND_SERVICE;
  return syscall(SYS_capset, &header, data) == 0;
}

StatusOr<std::string> ReadAll(int fd, const std::string& path, size_t bytes_max) {
  std::string out;
  char part[16384];
  while (true) {
    const ssize_t count = read(fd, part, sizeof(part));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(errno, path);
    if (count == 0) return out;
    out.append(part, static_cast<size_t>(count));
    if (out.size() > bytes_max) {
      return absl::OutOfRangeError(
          Absl(path + ": larger than " + std::to_string(bytes_max) + " bytes"));
    }
  }
}

}  // namespace

StatusOr<std::string> ReadWholeFile(const std::string& path, size_t bytes_max) {
  if (path == "-") return ReadAll(STDIN_FILENO, "standard input", bytes_max);
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, path);
  StatusOr<std::string> out = ReadAll(fd, path, bytes_max);
  close(fd);
  return out;
}

StatusOr<FileStamp> StampOfFile(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return ErrnoStatus(errno, path);
  return FileStamp{
      .device = found.st_dev,
      .inode = found.st_ino,
      .bytes = static_cast<uint64_t>(found.st_size),
      .modified_ns = int64_t{found.st_mtim.tv_sec} * 1'000'000'000 + found.st_mtim.tv_nsec};
}

std::string ProgramDirectory() {
  char path[4096];
  const ssize_t count = readlink("/proc/self/exe", path, sizeof(path));
  const std::string_view whole(path, count > 0 ? static_cast<size_t>(count) : 0);
  return std::string(whole.substr(0, std::min(whole.rfind('/'), whole.size())));
}

StatusOr<Companion> Companion::Start(const std::string& program,
                                     const std::vector<std::string>& arguments,
                                     std::string_view input) {
  CHECK(input.size() <= kCompanionInputBytesMax);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, program);
  Companion out(ends[1]);
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& one : words) pointers.push_back(one.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
  // A signal to the terminal's group is for the server, which then ends the companion by itself.
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t pid;
  const int error =
      posix_spawn(&pid, program.c_str(), &actions, &attributes, pointers.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[0]);
  if (error != 0) return ErrnoStatus(error, program);
  const ssize_t written = write(ends[1], input.data(), input.size());
  if (written != static_cast<ssize_t>(input.size())) return ErrnoStatus(errno, program);
  return out;
}

Companion::~Companion() {
  if (input_ >= 0) close(input_);
}

StatusOr<std::string> AbsolutePath(const std::string& path) {
  char* const found = realpath(path.c_str(), nullptr);
  if (found == nullptr) return ErrnoStatus(errno, path);
  std::string absolute(found);
  std::free(found);
  return absolute;
}

namespace {

// A file that was not there before.
Status WriteNew(const std::string& path, std::string_view text, mode_t mode) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd < 0) return ErrnoStatus(errno, path);
  Status status;
  while (status.ok() && !text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written > 0) text.remove_prefix(static_cast<size_t>(written));
    if (written < 0 && errno != EINTR) status = ErrnoStatus(errno, path);
  }
  if (status.ok() && fsync(fd) != 0) status = ErrnoStatus(errno, path);
  close(fd);
  return status;
}

}  // namespace

Status CreateFile(const std::string& path, std::string_view text, FileReaders readers) {
  // The name comes last, so that nobody finds half of it.
  const std::string made = path + ".new";
  unlink(made.c_str());
  Status status = WriteNew(made, text, readers == FileReaders::kOwner ? 0600 : 0644);
  if (status.ok() && link(made.c_str(), path.c_str()) != 0) status = ErrnoStatus(errno, path);
  unlink(made.c_str());
  return status;
}

Status MakeDirectories(const std::string& path) {
  for (size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string part = path.substr(0, at);
    if (mkdir(part.c_str(), 0755) != 0 && errno != EEXIST) return ErrnoStatus(errno, part);
    if (at == std::string::npos) return absl::OkStatus();
  }
}

Status WriteSecretFile(const std::string& path, std::string_view text) {
  const std::string made = path + ".tmp";
  unlink(made.c_str());
  Status status = WriteNew(made, text, 0600);
  if (status.ok() && rename(made.c_str(), path.c_str()) != 0) status = ErrnoStatus(errno, path);
  if (!status.ok()) unlink(made.c_str());
  return status;
}

WallTime SystemTime() {
  return WallTime(
      std::chrono::duration_cast<Nanoseconds>(std::chrono::system_clock::now().time_since_epoch()));
}

std::string HostName() {
  char name[256] = {};
  if (gethostname(name, sizeof(name) - 1) != 0) return "localhost";
  return name;
}

std::optional<std::string> Environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  return value;
}

namespace {

// Who holds the lock, as the file says: empty where it does not.
std::string Holder(int fd, const std::string& path) {
  if (lseek(fd, 0, SEEK_SET) != 0) return "";
  std::string holder = ReadAll(fd, path, kLockFileBytesMax).value_or("");
  while (!holder.empty() && holder.back() == '\n') holder.pop_back();
  return holder;
}

bool HasEnded(std::string_view holder) {
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(holder.data(), holder.data() + holder.size(), pid);
  if (error != std::errc() || end != holder.data() + holder.size() || pid <= 0) return false;
  return kill(pid, 0) != 0 && errno == ESRCH;
}

// Whether the lock is ours; false with errno EWOULDBLOCK: another's.
bool TakeLock(int fd, const std::string& path) {
  for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; ++i) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return false;
    if (i == kLockTriesMax || !HasEnded(Holder(fd, path))) {
      errno = EWOULDBLOCK;
      return false;
    }
    nanosleep(&kLockPause, nullptr);
  }
  return true;
}

}  // namespace

DirectoryLock::~DirectoryLock() {
  if (fd_ >= 0) close(fd_);
}

namespace {

// A directory's own name is durable once the directory above it is synced. Where an earlier start
// made `directory` and the sync did not come to pass, this one makes up for it; whoever made it for
// us, and keeps us from reading what is above it, has answered for it.
Status SyncParent(const std::string& directory, bool made) {
  const size_t end = directory.find_last_not_of('/');
  const size_t slash = end == directory.npos ? directory.npos : directory.find_last_of('/', end);
  const std::string parent = slash == directory.npos ? "."
                             : slash == 0            ? "/"
                                                     : directory.substr(0, slash);
  const int fd = open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return made ? ErrnoStatus(errno, parent) : absl::OkStatus();
  const int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  return error != 0 && made ? ErrnoStatus(error, "sync " + parent) : absl::OkStatus();
}

}  // namespace

StatusOr<DirectoryLock> DirectoryLock::Acquire(const std::string& directory,
                                               const std::string& owner) {
  const bool made = mkdir(directory.c_str(), 0700) == 0;
  if (made) {
    if (!owner.empty() && RunningAsRoot()) {
      const StatusOr<User> user = FindUser(owner);
      RETURN_IF_ERROR(user.status());
      if (chown(directory.c_str(), user->uid, user->gid) != 0) return ErrnoStatus(errno, directory);
    }
  } else if (errno != EEXIST) {
    return ErrnoStatus(errno, directory);
  }
  RETURN_IF_ERROR(SyncParent(directory, made));
  const std::string path = directory + "/lock";
  DirectoryLock lock;
  lock.fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock.fd_ < 0) return ErrnoStatus(errno, path);
  if (!TakeLock(lock.fd_, path)) {
    if (errno != EWOULDBLOCK) return ErrnoStatus(errno, path);
    const std::string holder = Holder(lock.fd_, path);
    return absl::AlreadyExistsError(
        Absl(directory + " is in use by process " + (holder.empty() ? "?" : holder)));
  }
  // The file stays the user's who runs after root is given up.
  if (!owner.empty() && RunningAsRoot()) {
    const StatusOr<User> user = FindUser(owner);
    RETURN_IF_ERROR(user.status());
    if (fchown(lock.fd_, user->uid, user->gid) != 0) return ErrnoStatus(errno, path);
  }
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(lock.fd_, 0) != 0 ||
      pwrite(lock.fd_, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return ErrnoStatus(errno, path);
  }
  return lock;
}

bool RunningAsRoot() { return geteuid() == 0; }

Status DropPrivileges(const std::string& user) {
  if (user.empty() || !RunningAsRoot()) return absl::OkStatus();
  const StatusOr<User> found = FindUser(user);
  RETURN_IF_ERROR(found.status());
  if (found->uid == 0) return absl::OkStatus();
  const std::string what = "becoming user " + user;
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return ErrnoStatus(errno, what);
  if (initgroups(user.c_str(), found->gid) != 0) return ErrnoStatus(errno, what);
  if (setresgid(found->gid, found->gid, found->gid) != 0) return ErrnoStatus(errno, what);
  if (setresuid(found->uid, found->uid, found->uid) != 0) return ErrnoStatus(errno, what);
  if (!KeepOnlyBindRight()) return ErrnoStatus(errno, what + ": keeping CAP_NET_BIND_SERVICE");
  (void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
  // The way back must be shut.
  CHECK(setuid(0) != 0);
  return absl::OkStatus();
}

uint64_t RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
  }
  return limit.rlim_cur;
}

uint64_t ResidentBytes() {
  const StatusOr<std::string> text = ReadWholeFile("/proc/self/statm", 4096);
  if (!text.ok()) return 0;
  const size_t space = text->find(' ');
  if (space == std::string::npos) return 0;
  uint64_t pages = 0;
  std::from_chars(text->data() + space + 1, text->data() + text->size(), pages);
  return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

uint64_t CpuMicroseconds() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  const auto micros = [](const timeval& t) {
    return static_cast<uint64_t>(t.tv_sec) * 1'000'000 + static_cast<uint64_t>(t.tv_usec);
  };
  return micros(usage.ru_utime) + micros(usage.ru_stime);
}

}  // namespace ringmail::io
