#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

#include "io/kernel/shard.h"
#include "io/kernel/socket_address.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/timer.h"

namespace ringmail::io {
namespace {

void CancelConnect(void* op) { Shard::Here().ring().Cancel(static_cast<RingOp*>(op)->user_data()); }

// The socket, bound to `from` where that is given; or -errno.
int MakeSocket(const Endpoint& to, const IpAddress& from) {
  const bool is_unix = !to.unix_path.empty();
  if (is_unix && to.unix_path.size() >= sizeof(sockaddr_un::sun_path)) return -ENAMETOOLONG;
  if (!is_unix && to.ip.family == IpAddress::Family::kNone) return -EADDRNOTAVAIL;
  const int family = is_unix                                  ? AF_UNIX
                     : to.ip.family == IpAddress::Family::kV6 ? AF_INET6
                                                              : AF_INET;
  const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  if (is_unix) return fd;
  const int on = 1;
  bool ok = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0;
  if (from.family != IpAddress::Family::kNone) {
    // The port is chosen at connect, so that one source address serves more than 64 Ki
    // destinations' connections.
    ok = ok && setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) == 0;
    Endpoint source;
    source.ip = from;
    sockaddr_storage address;
    const socklen_t length = ToSockaddr(source, address);
    ok = ok && bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0;
  }
  if (ok) return fd;
  const int error = errno;
  close(fd);
  return -error;
}

}  // namespace

Task<ConnectResult> Connect(Endpoint to, IpAddress from, MonotonicTime deadline) {
  Shard& shard = Shard::Here();
  if (shard.connections().full()) co_return ConnectResult{StreamStatus::kFailed, EMFILE, {}};
  const int fd = MakeSocket(to, from);
  if (fd < 0) co_return ConnectResult{StreamStatus::kFailed, -fd, {}};
  sockaddr_storage address;
  const socklen_t length = ToSockaddr(to, address);
  RingOp op;
  Timer timer(&CancelConnect, &op);
  io_uring_sqe* sqe = shard.ring().Sqe();
  io_uring_prep_connect(sqe, fd, reinterpret_cast<sockaddr*>(&address), length);
  op.Submit(sqe);
  timer.Arm(deadline);
  const int32_t result = co_await op;
  const bool late = deadline != kNever && !timer.armed() && result == -ECANCELED;
  timer.Disarm();
  if (result < 0) {
    close(fd);
    if (late) co_return ConnectResult{StreamStatus::kTimedOut, 0, {}};
    co_return ConnectResult{StreamStatus::kFailed, -result, {}};
  }
  if (shard.connections().full()) {
    close(fd);
    co_return ConnectResult{StreamStatus::kFailed, EMFILE, {}};
  }
  Connection* connection = shard.connections().Make(shard, fd, to, LocalEndpoint(fd));
  connection->Start();
  co_return ConnectResult{StreamStatus::kOk, 0, Stream(connection)};
}

}  // namespace ringmail::io
