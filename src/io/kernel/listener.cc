#include "ringmail/io/listener.h"

#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "io/kernel/shard.h"
#include "io/kernel/socket_address.h"
#include "ringmail/base/check.h"

namespace ringmail::io {
namespace {

// Connections taken from the kernel before anybody asks for them; beyond, they wait in the backlog.
constexpr size_t kAcceptedAheadMax = 64;
constexpr int kBindTriesMax = 16;

bool AnyAddress(const IpAddress& ip) {
  return std::all_of(ip.bytes.begin(), ip.bytes.end(), [](uint8_t octet) { return octet == 0; });
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

bool SetOption(int fd, int level, int name) {
  const int on = 1;
  return setsockopt(fd, level, name, &on, sizeof(on)) == 0;
}

// Which file a Unix socket made.
struct SocketFile {
  dev_t device = 0;
  ino_t inode = 0;
};

}  // namespace

class ListenSocket {
 public:
  ListenSocket(int fd, Endpoint local, SocketFile file)
      : fd_(fd), local_(std::move(local)), file_(file) {
    completion_.socket = this;
    completion_.done = &ListenSocket::Accepted;
    local_is_every_connections_ = !local_.unix_path.empty() || !AnyAddress(local_.ip);
  }
  ~ListenSocket() {
    CHECK(!armed_);
    CloseAll();
  }
  const Endpoint& local() const { return local_; }

  Task<AcceptResult> Accept() {
    Shard& shard = Shard::Here();
    while (true) {
      if (cancelled_) co_return AcceptResult{StreamStatus::kCancelled, 0, {}};
      if (!waiting_.empty() && !shard.connections().full()) {
        const Taken taken = waiting_.front();
        waiting_.erase(waiting_.begin());
        Connection* connection = MakeConnection(shard, taken);
        if (connection == nullptr) continue;
        co_return AcceptResult{StreamStatus::kOk, 0, Stream(connection)};
      }
      if (error_ != 0) co_return AcceptResult{StreamStatus::kFailed, std::exchange(error_, 0), {}};
      if (waiting_.empty()) {
        Arm(shard);
        (void)co_await changed_.Wait(kNever);
      } else {
        shard.AwaitConnectionRoom(changed_);
        (void)co_await changed_.Wait(kNever);
        shard.ForgetConnectionRoom(changed_);
      }
    }
  }

  void Cancel() {
    if (std::exchange(cancelled_, true)) return;
    if (armed_) {
      Shard::Here().ring().Cancel(user_data());
    } else {
      CloseAll();
    }
    changed_.Notify();
  }

  // Its owner is gone: ends at once, or with the last completion.
  void Orphan() {
    if (!armed_) {
      delete this;
      return;
    }
    orphaned_ = true;
    Shard::Here().ring().Cancel(user_data());
  }

 private:
  struct Taken {
    int fd;
    Endpoint peer;
    bool peer_known;
  };
  struct AcceptCompletion : Completion {
    ListenSocket* socket = nullptr;
  };

  uint64_t user_data() const {
    return UserData(Kind::kCompletion, static_cast<const Completion*>(&completion_));
  }

  void Arm(Shard& shard) {
    if (armed_) return;
    armed_ = true;
    io_uring_sqe* sqe = shard.ring().Sqe();
    // P7: before 6.8 a multishot accept may name a wrong descriptor, so the probe chooses
    // (kernel_features.h).
    if (shard.features().multishot_accept) {
      io_uring_prep_multishot_accept(sqe, fd_, nullptr, nullptr, SOCK_CLOEXEC);
    } else {
      address_length_ = sizeof(address_);
      io_uring_prep_accept(sqe, fd_, reinterpret_cast<sockaddr*>(&address_), &address_length_,
                           SOCK_CLOEXEC);
    }
    shard.ring().Mark(sqe, Kind::kCompletion, static_cast<Completion*>(&completion_));
  }

  static void Accepted(Completion& completion, int32_t result, uint32_t flags) {
    ListenSocket& self = *static_cast<AcceptCompletion&>(completion).socket;
    const bool multishot = Shard::Here().features().multishot_accept;
    if ((flags & IORING_CQE_F_MORE) == 0) self.armed_ = false;
    if (result >= 0) {
      if (self.cancelled_ || self.orphaned_) {
        close(result);
      } else if (multishot) {
        self.waiting_.push_back({result, {}, false});
      } else {
        self.waiting_.push_back({result, FromSockaddr(self.address_, self.address_length_), true});
      }
    } else if (result != -ECANCELED && result != -EINTR && result != -ECONNABORTED &&
               result != -EAGAIN) {
      self.error_ = -result;
    }
    if (self.orphaned_) {
      if (!self.armed_) delete &self;
      return;
    }
    if (self.cancelled_ && !self.armed_) self.CloseAll();
    if (self.armed_ && self.waiting_.size() == kAcceptedAheadMax)
      Shard::Here().ring().Cancel(self.user_data());
    self.changed_.Notify();
  }

  Connection* MakeConnection(Shard& shard, const Taken& taken) {
    const Endpoint peer = taken.peer_known ? taken.peer : PeerEndpoint(taken.fd);
    if (local_.unix_path.empty() && peer.ip.family == IpAddress::Family::kNone) {
      // Reset by its peer while it waited here.
      close(taken.fd);
      return nullptr;
    }
    Connection* connection = shard.connections().Make(
        shard, taken.fd, peer, local_is_every_connections_ ? local_ : LocalEndpoint(taken.fd));
    connection->Start();
    return connection;
  }

  void CloseAll() {
    for (const Taken& taken : waiting_) close(taken.fd);
    waiting_.clear();
    if (fd_ < 0) return;
    close(std::exchange(fd_, -1));
    // Whose place was taken by another process leaves that one's file alone.
    struct stat now;
    if (!local_.unix_path.empty() && lstat(local_.unix_path.c_str(), &now) == 0 &&
        now.st_dev == file_.device && now.st_ino == file_.inode)
      unlink(local_.unix_path.c_str());
  }

  int fd_;
  const Endpoint local_;
  const SocketFile file_;
  bool local_is_every_connections_ = false;
  AcceptCompletion completion_;
  sockaddr_storage address_{};
  socklen_t address_length_ = 0;
  bool armed_ = false;
  bool cancelled_ = false;
  bool orphaned_ = false;
  int error_ = 0;
  std::vector<Taken> waiting_;
  Event changed_;
};

Listener::~Listener() {
  if (socket_ != nullptr) std::exchange(socket_, nullptr)->Orphan();
}
const Endpoint& Listener::local() const { return socket_->local(); }
Task<AcceptResult> Listener::Accept() { return socket_->Accept(); }
void Listener::Cancel() { socket_->Cancel(); }

namespace {

StatusOr<Descriptor> BindTcp(const Endpoint& endpoint, bool shared) {
  const std::string what = "listening on " + endpoint.ToString();
  const int family = endpoint.ip.family == IpAddress::Family::kV6 ? AF_INET6 : AF_INET;
  // P6: blocking, as every socket that the ring drives.
  Descriptor fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return ErrnoStatus(errno, what);
  bool set = SetOption(fd.get(), SOL_SOCKET, SO_REUSEADDR);
  // What a connection inherits: a reply is one send and must not wait for the peer's
  // acknowledgement of another.
  set = set && SetOption(fd.get(), IPPROTO_TCP, TCP_NODELAY);
  if (shared) set = set && SetOption(fd.get(), SOL_SOCKET, SO_REUSEPORT);
  // Each listener is of one family, so that 0.0.0.0 and [::] may both be configured.
  if (family == AF_INET6) set = set && SetOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY);
  if (!set) return ErrnoStatus(errno, what);
  sockaddr_storage address;
  const socklen_t length = ToSockaddr(endpoint, address);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0)
    return ErrnoStatus(errno, what);
  return fd;
}

// As BindTcp for a port that nobody shares. A process that was killed a moment ago still holds its
// ports while the kernel takes its ring apart: before the shards run, a port in use is believed
// only when it stays so. A shard never waits.
StatusOr<Descriptor> ProbeTcp(const Endpoint& endpoint) {
  constexpr timespec kPause = {.tv_sec = 0, .tv_nsec = 50'000'000};
  const int tries = OnShard() ? 1 : 40;
  for (int i = 1;; ++i) {
    StatusOr<Descriptor> probe = BindTcp(endpoint, false);
    if (i >= tries || !absl::IsAlreadyExists(probe.status())) return probe;
    nanosleep(&kPause, nullptr);
  }
}

StatusOr<std::vector<Descriptor>> ListenTcp(const ListenOptions& options, Endpoint& chosen,
                                            uint16_t shard_count) {
  // A port that others share by SO_REUSEPORT would take part of our mail, or we of theirs: a plain
  // bind finds them out.
  StatusOr<Descriptor> probe = ProbeTcp(options.endpoint);
  RETURN_IF_ERROR(probe.status());
  chosen = LocalEndpoint(probe->get());
  { const Descriptor closed = *std::move(probe); }
  std::vector<Descriptor> sockets;
  for (uint16_t i = 0; i < shard_count; ++i) {
    StatusOr<Descriptor> fd = BindTcp(chosen, true);
    RETURN_IF_ERROR(fd.status());
    if (listen(fd->get(), static_cast<int>(options.backlog)) != 0) {
      return ErrnoStatus(errno, "listening on " + chosen.ToString());
    }
    sockets.push_back(*std::move(fd));
  }
  return sockets;
}

// Whether a process listens behind the socket file.
bool Live(const sockaddr_storage& address, socklen_t length) {
  const Descriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.get() < 0) return true;
  return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0 ||
         errno == EAGAIN;
}

StatusOr<gid_t> GroupNamed(const std::string& name, const std::string& what) {
  std::string text(16 << 10, '\0');
  group entry;
  group* found = nullptr;
  const int error = getgrnam_r(name.c_str(), &entry, text.data(), text.size(), &found);
  if (error != 0) return ErrnoStatus(error, what + ": group " + name);
  if (found == nullptr) return absl::NotFoundError(what + ": there is no group " + name);
  return found->gr_gid;
}

StatusOr<Descriptor> ListenUnix(const ListenOptions& options, SocketFile& file) {
  const std::string& path = options.endpoint.unix_path;
  const std::string what = "listening on " + options.endpoint.ToString();
  if (path.size() >= sizeof(sockaddr_un::sun_path)) return ErrnoStatus(ENAMETOOLONG, what);
  sockaddr_storage address;
  const socklen_t length = ToSockaddr(options.endpoint, address);
  gid_t group = static_cast<gid_t>(-1);  // as it is
  if (!options.unix_group.empty()) {
    ASSIGN_OR_RETURN(group, GroupNamed(options.unix_group, what));
  }
  struct stat found;
  if (lstat(path.c_str(), &found) == 0) {
    if (!S_ISSOCK(found.st_mode))
      return ErrnoStatus(EEXIST, what + ": there is a file that is no socket");
    if (Live(address, length)) return ErrnoStatus(EADDRINUSE, what);
    if (unlink(path.c_str()) != 0) return ErrnoStatus(errno, what);
  }
  Descriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return ErrnoStatus(errno, what);
  // The file is made with the mode of the socket, so that nobody can connect before it is what it
  // should be.
  if (fchmod(fd.get(), 0600) != 0 ||
      bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) {
    return ErrnoStatus(errno, what);
  }
  if (lchown(path.c_str(), static_cast<uid_t>(-1), group) != 0 ||
      chmod(path.c_str(), options.unix_mode) != 0 ||
      listen(fd.get(), static_cast<int>(options.backlog)) != 0 ||
      lstat(path.c_str(), &found) != 0) {
    const int error = errno;
    unlink(path.c_str());
    return ErrnoStatus(error, what);
  }
  file = {found.st_dev, found.st_ino};
  return fd;
}

}  // namespace

StatusOr<std::vector<Listener>> OpenListeners(const ListenOptions& options, uint16_t shard_count) {
  CHECK(shard_count > 0 && shard_count <= kShardCountMax);
  std::vector<Listener> listeners;
  if (!options.endpoint.unix_path.empty()) {
    SocketFile file;
    StatusOr<Descriptor> fd = ListenUnix(options, file);
    RETURN_IF_ERROR(fd.status());
    listeners.emplace_back(new ListenSocket(fd->Release(), options.endpoint, file));
    listeners.resize(shard_count);
    return listeners;
  }
  Endpoint chosen;
  StatusOr<std::vector<Descriptor>> sockets = ListenTcp(options, chosen, shard_count);
  // Where the kernel chose the port, another process may take it between the two binds: choose
  // again.
  for (int i = 0; options.endpoint.port == 0 && !sockets.ok() && i < kBindTriesMax; ++i) {
    sockets = ListenTcp(options, chosen, shard_count);
  }
  RETURN_IF_ERROR(sockets.status());
  for (Descriptor& fd : *sockets) {
    listeners.emplace_back(new ListenSocket(fd.Release(), chosen, SocketFile{}));
  }
  return listeners;
}

}  // namespace ringmail::io
