// io/listener.h and Connect over a simulated network.
#include "ringmail/io/listener.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "tests/sim/io/network.h"
#include "tests/sim/io/shard.h"

namespace ringmail::io {

// --- ListenSocket

ListenSocket::~ListenSocket() { Cancel(); }

void ListenSocket::WaitOp::await_suspend(std::coroutine_handle<> waiter) {
  CHECK(!socket.waiter_);
  socket.waiter_ = waiter;
  socket.waiting_shard_ = sim::World::CurrentShard();
}

void ListenSocket::Wake() {
  if (waiter_) waiting_shard_->scheduler().MakeReady(std::exchange(waiter_, nullptr));
}

void ListenSocket::Add(Connection* connection) {
  backlog_.push_back(connection);
  Wake();
}

Connection* ListenSocket::Take() {
  if (backlog_.empty()) return nullptr;
  Connection* connection = backlog_.front();
  backlog_.pop_front();
  return connection;
}

void ListenSocket::Cancel() {
  cancelled_ = true;
  Unlink();
  while (Connection* connection = Take()) connection->Release();
  if (node_ != nullptr) Wake();
}

void ListenSocket::EndOfRun() {
  waiter_ = nullptr;
  Cancel();
  node_ = nullptr;
}

// --- Listener

Listener::~Listener() { delete socket_; }
const Endpoint& Listener::local() const { return socket_->local(); }
void Listener::Cancel() { socket_->Cancel(); }

Task<AcceptResult> Listener::Accept() {
  CHECK(OnShard());
  for (;;) {
    if (socket_->cancelled()) co_return AcceptResult{.status = StreamStatus::kCancelled};
    if (Connection* connection = socket_->Take(); connection != nullptr) {
      connection->Attach(sim::World::CurrentShard());
      co_return AcceptResult{.status = StreamStatus::kOk, .stream = Stream(connection)};
    }
    co_await socket_->Wait();
  }
}

namespace {

bool Wildcard(const IpAddress& ip) { return ip == IpAddress{.family = ip.family, .bytes = {}}; }

bool Ours(const sim::Node& node, const IpAddress& ip) {
  return Wildcard(ip) || ip.loopback() || ip == node.ip();
}

}  // namespace

StatusOr<std::vector<Listener>> OpenListeners(const ListenOptions& options, uint16_t shard_count) {
  sim::Node* node = sim::World::CurrentNode();
  CHECK(node != nullptr);
  sim::Network& network = node->world().network();
  Endpoint local = options.endpoint;
  const std::string what = "listen on " + local.ToString();
  if (local.unix_path.empty()) {
    if (!Ours(*node, local.ip)) return ErrnoStatus(EADDRNOTAVAIL, what);
    if (local.port == 0) local.port = network.ChoosePort(*node);
  }
  if (network.Listening(*node, local)) return ErrnoStatus(EADDRINUSE, what);
  std::vector<Listener> listeners(shard_count);
  for (uint16_t i = 0; i < shard_count; ++i) {
    if (i > 0 && !local.unix_path.empty()) break;
    auto* socket = new ListenSocket(*node, local, options.backlog);
    network.Register(*socket);
    listeners[i] = Listener(socket);
  }
  return listeners;
}

// --- Connect

namespace {

// How long a kernel tries before it gives up by itself (tcp_syn_retries).
constexpr Nanoseconds kConnectPatience = std::chrono::seconds(127);
constexpr Nanoseconds kRetry = std::chrono::seconds(1);

Task<ConnectResult> GiveUp(MonotonicTime deadline) {
  const MonotonicTime patience = Now() + kConnectPatience;
  co_await SleepUntil(std::min(deadline, patience));
  if (deadline <= patience) co_return ConnectResult{.status = StreamStatus::kTimedOut};
  co_return ConnectResult{.status = StreamStatus::kFailed, .error = ETIMEDOUT};
}

// Both ends exist from here on; the far one waits in `socket`'s backlog.
Stream MakeLink(sim::Node& node, ListenSocket& socket, const Endpoint& to, const IpAddress& from) {
  sim::Network& network = node.world().network();
  auto link = std::make_shared<sim::Link>();
  link->unix_socket = !to.unix_path.empty();
  Endpoint local = to;
  if (!link->unix_socket) {
    local.port = network.ChoosePort(node);
    local.ip = from;
    if (from.family == IpAddress::Family::kNone) local.ip = to.ip.loopback() ? to.ip : node.ip();
  }
  auto* near = new Connection(node, link, 0, local, to);
  near->Attach(sim::World::CurrentShard());
  socket.Add(new Connection(*socket.node(), link, 1, to, local));
  return Stream(near);
}

}  // namespace

Task<ConnectResult> Connect(Endpoint to, IpAddress from, MonotonicTime deadline) {
  sim::Node& node = *sim::World::CurrentNode();
  sim::World& world = node.world();
  sim::Network& network = world.network();
  const bool unix_socket = !to.unix_path.empty();
  if (from.family != IpAddress::Family::kNone && !Ours(node, from)) {
    co_return ConnectResult{.status = StreamStatus::kFailed, .error = EADDRNOTAVAIL};
  }
  if (!unix_socket && network.Unreachable(to.ip)) co_return co_await GiveUp(deadline);
  const MonotonicTime patience = Now() + kConnectPatience;
  const auto one_way = [&] {
    return world.now() + (unix_socket ? Nanoseconds(0) : world.network_options().latency);
  };
  for (;;) {
    co_await sim::Delay(std::min(deadline, one_way()));
    if (Now() >= deadline) co_return ConnectResult{.status = StreamStatus::kTimedOut};
    sim::Node* far = unix_socket ? &node : network.FindNode(node, to.ip);
    if (far == nullptr) {
      co_return ConnectResult{.status = StreamStatus::kFailed, .error = EHOSTUNREACH};
    }
    bool full = false;
    ListenSocket* socket = network.FindListener(*far, to, full);
    if (socket != nullptr) {
      Stream stream = MakeLink(node, *socket, to, from);
      co_await sim::Delay(std::min(deadline, one_way()));
      if (Now() >= deadline) co_return ConnectResult{.status = StreamStatus::kTimedOut};
      co_return ConnectResult{.status = StreamStatus::kOk, .stream = std::move(stream)};
    }
    if (!full) {
      co_await sim::Delay(std::min(deadline, one_way()));
      const int refused = unix_socket ? ENOENT : ECONNREFUSED;
      co_return ConnectResult{.status = StreamStatus::kFailed, .error = refused};
    }
    if (Now() >= patience) {
      co_return ConnectResult{.status = StreamStatus::kFailed, .error = ETIMEDOUT};
    }
    // The segment that asks is dropped, and sent again later.
    co_await sim::Delay(std::min(deadline, world.now() + kRetry));
  }
}

}  // namespace ringmail::io

namespace ringmail::sim {

void Network::SetUnreachable(const IpAddress& ip, bool unreachable) {
  std::erase(unreachable_, ip);
  if (unreachable) unreachable_.push_back(ip);
}

bool Network::Unreachable(const IpAddress& ip) const {
  return std::find(unreachable_.begin(), unreachable_.end(), ip) != unreachable_.end();
}

Node* Network::FindNode(Node& from, const IpAddress& ip) {
  if (ip.loopback()) return &from;
  for (auto& node : world_.nodes_) {
    if (node->ip() == ip) return node.get();
  }
  return nullptr;
}

io::ListenSocket* Network::FindListener(Node& node, const io::Endpoint& to, bool& full) {
  std::vector<io::ListenSocket*> found;
  for (io::ListenSocket& socket : listeners_) {
    if (socket.node() != &node) continue;
    const io::Endpoint& at = socket.local();
    const bool here =
        at.unix_path == to.unix_path &&
        (!to.unix_path.empty() || (at.port == to.port && (at.ip == to.ip || io::Wildcard(at.ip))));
    if (!here) continue;
    if (socket.full()) {
      full = true;
    } else {
      found.push_back(&socket);
    }
  }
  if (found.empty()) return nullptr;
  full = false;
  // The kernel spreads connections over the sockets of one port by their hash.
  return found[world_.Random(found.size())];
}

bool Network::Listening(Node& node, const io::Endpoint& endpoint) {
  for (io::ListenSocket& socket : listeners_) {
    if (socket.node() != &node) continue;
    const io::Endpoint& at = socket.local();
    if (!endpoint.unix_path.empty() || !at.unix_path.empty()) {
      if (at.unix_path == endpoint.unix_path) return true;
    } else if (at.port == endpoint.port &&
               (at.ip == endpoint.ip || io::Wildcard(at.ip) || io::Wildcard(endpoint.ip))) {
      return true;
    }
  }
  return false;
}

uint16_t Network::ChoosePort(Node& node) {
  for (;;) {
    const uint16_t port = next_port_;
    next_port_ = next_port_ == 60999 ? uint16_t{32768} : static_cast<uint16_t>(next_port_ + 1);
    bool taken = false;
    for (io::Connection& connection : connections_) {
      taken = taken || (connection.node() == &node && connection.local().port == port);
    }
    for (io::ListenSocket& socket : listeners_) {
      taken = taken || (socket.node() == &node && socket.local().port == port);
    }
    if (!taken) return port;
  }
}

io::Connection& Network::FindConnection(const io::Stream& stream) {
  for (io::Connection& connection : connections_) {
    if (&connection.local() == &stream.local()) return connection;
  }
  CheckFailed("a stream of this world", __FILE__, __LINE__);
}

void Network::FinishEnd(Node& node) {
  for (auto it = listeners_.begin(); it != listeners_.end();) {
    io::ListenSocket& socket = *it;
    ++it;
    if (socket.node() == &node) socket.EndOfRun();
  }
  for (auto it = connections_.begin(); it != connections_.end();) {
    io::Connection& connection = *it;
    ++it;
    if (connection.node() != &node) continue;
    const bool orphan = connection.orphan();
    connection.EndOfRun(silent_);
    if (orphan) delete &connection;
  }
  silent_ = false;
}

void Network::Orphan() {
  CHECK(connections_.empty());
  CHECK(listeners_.empty());
}

}  // namespace ringmail::sim
