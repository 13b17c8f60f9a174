// io/listener.h and Connect over a simulated network.
#include "ringmail/io/listener.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"
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
  if (waiter_) waiting_shard_->MakeReady(std::exchange(waiter_, nullptr));
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
    // With as many connections as it may have, a shard leaves the others where they wait.
    sim::Shard* shard = sim::World::CurrentShard();
    Connection* connection = shard->connections_full() ? nullptr : socket_->Take();
    if (connection != nullptr) {
      connection->Attach(shard);
      co_return AcceptResult{.status = StreamStatus::kOk, .stream = Stream(connection)};
    }
    co_await socket_->Wait();
  }
}

StatusOr<std::vector<Listener>> OpenListeners(const ListenOptions& options, uint16_t shard_count) {
  sim::Node* node = sim::World::CurrentNode();
  CHECK(node != nullptr);
  sim::Network& network = node->world().network();
  Endpoint local = options.endpoint;
  const std::string what = "listen on " + local.ToString();
  if (local.unix_path.empty()) {
    if (!sim::Network::Ours(*node, local.ip)) return ErrnoStatus(EADDRNOTAVAIL, what);
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

// How long a kernel tries before it gives up by itself (tcp_syn_retries), and how long it waits
// before it asks again, twice as long each time.
constexpr Nanoseconds kConnectPatience = std::chrono::seconds(127);
constexpr Nanoseconds kRetry = std::chrono::seconds(1);

// Both ends exist from here on; the far one waits in `socket`'s backlog.
Connection* MakeConnections(sim::Node& node, ListenSocket& socket, const Endpoint& to,
                            const IpAddress& from) {
  sim::Network& network = node.world().network();
  auto link = network.MakeLink(node, *socket.node(), to);
  Endpoint local = to;
  if (!link->unix_socket) {
    local.port = network.ChoosePort(node);
    local.ip = from;
    if (from.family == IpAddress::Family::kNone) local.ip = to.ip.loopback() ? to.ip : node.ip();
  }
  auto* near = new Connection(node, link, 0, local, to);
  near->Attach(sim::World::CurrentShard());
  socket.Add(new Connection(*socket.node(), link, 1, to, local));
  return near;
}

// To the far end, or `back` from it.
MonotonicTime Arrival(sim::Node& node, const Endpoint& to, bool back) {
  sim::World& world = node.world();
  if (!to.unix_path.empty()) return world.now();
  const sim::Node* far = world.network().FindNode(node, to.ip);
  const MonotonicTime when = world.now() + world.network_options().latency;
  if (far == nullptr) return when;
  return when + (back ? world.Path(*far, node) : world.Path(node, *far)).delay;
}

// Room for one connection more, from the first segment on.
struct Reservation {
  explicit Reservation(sim::Shard& s) : shard(s) { shard.AddConnection(); }
  ~Reservation() { shard.RemoveConnection(); }
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  sim::Shard& shard;
};

ConnectResult Failed(int error) {
  return ConnectResult{.status = StreamStatus::kFailed, .error = error};
}

}  // namespace

Task<ConnectResult> Connect(Endpoint to, IpAddress from, MonotonicTime deadline) {
  sim::Shard& shard = *sim::World::CurrentShard();
  sim::Node& node = shard.node();
  sim::World& world = node.world();
  if (from.family != IpAddress::Family::kNone && !sim::Network::Ours(node, from)) {
    co_return Failed(EADDRNOTAVAIL);
  }
  if (shard.connections_full()) co_return Failed(EMFILE);
  std::optional<Reservation> reservation(std::in_place, shard);
  const MonotonicTime patience = Now() + kConnectPatience;
  for (Nanoseconds retry = kRetry;; retry *= 2) {
    co_await sim::Delay(std::min(deadline, Arrival(node, to, false)));
    if (Now() >= deadline) co_return ConnectResult{.status = StreamStatus::kTimedOut};
    ListenSocket* socket = nullptr;
    const sim::Welcome welcome = world.network().Ask(node, to, socket);
    if (welcome == sim::Welcome::kNoHost) co_return Failed(EHOSTUNREACH);
    if (welcome == sim::Welcome::kAccepted) {
      reservation.reset();
      Stream stream(MakeConnections(node, *socket, to, from));
      co_await sim::Delay(std::min(deadline, Arrival(node, to, true)));
      if (Now() >= deadline) co_return ConnectResult{.status = StreamStatus::kTimedOut};
      co_return ConnectResult{.status = StreamStatus::kOk, .stream = std::move(stream)};
    }
    if (welcome == sim::Welcome::kRefused) {
      co_await sim::Delay(std::min(deadline, Arrival(node, to, true)));
      co_return Failed(to.unix_path.empty() ? ECONNREFUSED : ENOENT);
    }
    // The segment that asks is lost, and sent again later.
    co_await sim::Delay(std::min({deadline, patience, world.now() + retry}));
    if (Now() >= deadline) co_return ConnectResult{.status = StreamStatus::kTimedOut};
    if (Now() >= patience) co_return Failed(ETIMEDOUT);
  }
}

}  // namespace ringmail::io
