// The network between the nodes: who hears whom, when, and what faults take or keep back.
#include "tests/sim/io/network.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ringmail/base/check.h"
#include "tests/sim/io/shard.h"

namespace ringmail::sim {
namespace {

bool Wildcard(const IpAddress& ip) { return ip == IpAddress{.family = ip.family, .bytes = {}}; }

// When a segment that did not arrive is sent again: after kRetransmitFirst, then twice as long each
// time (RFC 6298).
constexpr Nanoseconds kRetransmitFirst = std::chrono::milliseconds(200);
constexpr Nanoseconds kRetransmitMax = std::chrono::seconds(120);

// Between segments whose size a PathOptions has set.
constexpr Nanoseconds kSpacing = std::chrono::microseconds(5);

// Octets received are cleared away once they are so many.
constexpr size_t kStaleBytesMax = 64u << 10;

bool Matches(const Node* wanted, const Node* node) { return wanted == nullptr || wanted == node; }

}  // namespace

bool Network::Ours(const Node& node, const IpAddress& ip) {
  return Wildcard(ip) || ip.loopback() || ip == node.ip();
}

// --- Pipe

void Pipe::Take(size_t count) {
  arrived -= count;
  head += count;
  if (head == bytes.size()) {
    bytes.clear();
    head = 0;
  } else if (head >= kStaleBytesMax) {
    bytes.erase(0, head);
    head = 0;
  }
}

void Pipe::DropHeld(size_t count) {
  held -= count;
  bytes.erase(head + arrived, count);
}

// --- Who is where

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

Welcome Network::Ask(Node& from, const io::Endpoint& to, io::ListenSocket*& socket) {
  const bool unix_socket = !to.unix_path.empty();
  Node* far = unix_socket ? &from : FindNode(from, to.ip);
  if (!unix_socket) {
    if (Unreachable(to.ip)) return Welcome::kSilence;
    if (far == nullptr) return Welcome::kNoHost;
    if (!far->powered() || Path(from, *far).lost || Path(*far, from).lost) {
      return Welcome::kSilence;
    }
    const PortState state = StateOf(*far, to.port);
    if (state == PortState::kFull) return Welcome::kSilence;
    if (state == PortState::kRefusing) return Welcome::kRefused;
  }
  bool full = false;
  socket = FindListener(*far, to, full);
  if (socket != nullptr) return Welcome::kAccepted;
  return full ? Welcome::kSilence : Welcome::kRefused;
}

io::ListenSocket* Network::FindListener(Node& node, const io::Endpoint& to, bool& full) {
  const auto serves = [&](io::ListenSocket& socket) {
    if (socket.node() != &node) return false;
    const io::Endpoint& at = socket.local();
    return to.unix_path.empty()
               ? at.port == to.port && at.unix_path.empty() && (at.ip == to.ip || Wildcard(at.ip))
               : at.unix_path == to.unix_path;
  };
  size_t free = 0;
  for (io::ListenSocket& socket : listeners_) {
    if (!serves(socket)) continue;
    full = full || socket.full();
    if (!socket.full()) ++free;
  }
  if (free == 0) return nullptr;
  full = false;
  // The kernel spreads connections over the sockets of one port by their hash.
  uint64_t chosen = world_.Random(free);
  for (io::ListenSocket& socket : listeners_) {
    if (serves(socket) && !socket.full() && chosen-- == 0) return &socket;
  }
  return nullptr;
}

bool Network::Listening(Node& node, const io::Endpoint& endpoint) {
  for (io::ListenSocket& socket : listeners_) {
    if (socket.node() != &node) continue;
    const io::Endpoint& at = socket.local();
    if (!endpoint.unix_path.empty() || !at.unix_path.empty()) {
      if (at.unix_path == endpoint.unix_path) return true;
    } else if (at.port == endpoint.port &&
               (at.ip == endpoint.ip || Wildcard(at.ip) || Wildcard(endpoint.ip))) {
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

void Network::RoomAt(const Shard& shard) {
  for (io::ListenSocket& socket : listeners_) socket.RoomAt(shard);
}

size_t Network::CountConnections(const Node& node) {
  size_t count = 0;
  for (io::Connection& connection : connections_) {
    if (connection.node() == &node && connection.live()) ++count;
  }
  return count;
}

size_t Network::CountListeners(const Node& node) {
  size_t count = 0;
  for (io::ListenSocket& socket : listeners_) {
    if (socket.node() == &node) ++count;
  }
  return count;
}

// --- Segments

std::shared_ptr<Link> Network::MakeLink(Node& from, Node& to, const io::Endpoint& at) {
  auto link = std::make_shared<Link>();
  link->id = next_link_++;
  link->nodes[0] = &from;
  link->nodes[1] = &to;
  link->port = at.port;
  link->unix_socket = !at.unix_path.empty();
  Note(TraceKind::kConnect, *link, 0, at.port, at.unix_path);
  for (auto plan = plans_.begin(); plan != plans_.end();) {
    const bool strikes = Matches(plan->connector, &from) && Matches(plan->acceptor, &to);
    if (!strikes || plan->left-- > 0) {
      ++plan;
      continue;
    }
    Apply(link, plan->fault);
    plan = plans_.erase(plan);
  }
  return link;
}

void Network::Note(TraceKind kind, const Link& link, int side, uint64_t b, std::string_view bytes,
                   std::string_view text) {
  world_.Note(*link.nodes[side], kind, link.id << 1 | static_cast<uint64_t>(side), b, bytes, text);
}

Nanoseconds Network::Latency(const Link& link, int side) {
  if (link.unix_socket) return Nanoseconds(0);
  const NetworkOptions& options = world_.network_options();
  const PathOptions& path = Path(*link.nodes[side], *link.nodes[1 - side]);
  Nanoseconds latency = options.latency + path.delay;
  const Nanoseconds jitter = options.jitter + path.jitter;
  if (jitter.count() > 0) {
    latency += Nanoseconds(world_.Random(static_cast<uint64_t>(jitter.count()) + 1));
  }
  return latency;
}

MonotonicTime Network::ArrivalTime(Link& link, int side) {
  MonotonicTime& last = link.pipes[side].last_arrival;
  last = std::max(last, world_.now() + Latency(link, side));
  return last;
}

bool Network::Lost(const Link& link, int side) const {
  if (link.pipes[side].stalled_until > world_.now()) return true;
  return has_paths_ && !link.unix_socket && Path(*link.nodes[side], *link.nodes[1 - side]).lost;
}

void Network::Send(const std::shared_ptr<Link>& link, int side, size_t count) {
  const NetworkOptions& options = world_.network_options();
  const PathOptions& path = Path(*link->nodes[side], *link->nodes[1 - side]);
  MonotonicTime& last = link->pipes[side].last_arrival;
  if (path.segment_bytes != 0 && !link->unix_socket) {
    // Small segments are seen one by one only where the reader has time for each.
    last += kSpacing;
    const MonotonicTime when = ArrivalTime(*link, side);
    const size_t segments = (count + path.segment_bytes - 1) / path.segment_bytes;
    last += kSpacing * static_cast<int64_t>(segments - 1);
    Depart(link, side, {when, count, path.segment_bytes, kSpacing});
    return;
  }
  const bool jitter = !link->unix_socket && (options.jitter + path.jitter).count() > 0;
  while (count > 0) {
    // Without jitter all segments come at one time.
    const size_t bytes = jitter ? std::min(count, options.segment_bytes) : count;
    Depart(link, side, {ArrivalTime(*link, side), bytes, bytes});
    count -= bytes;
  }
}

void Network::SendTail(const std::shared_ptr<Link>& link, int side, Flight::Tail tail) {
  Depart(link, side, {.when = ArrivalTime(*link, side), .tail = tail});
}

void Network::Depart(const std::shared_ptr<Link>& link, int side, const Flight& flight) {
  Pipe& pipe = link->pipes[side];
  pipe.flights.push_back(flight);
  if (std::exchange(pipe.landing, true)) return;
  world_.At(flight.when, nullptr, [this, link, side] { Land(link, side); });
}

void Network::Land(const std::shared_ptr<Link>& link, int side) {
  Pipe& pipe = link->pipes[side];
  // What the reader does may add to them.
  while (pipe.first_flight < pipe.flights.size() &&
         pipe.flights[pipe.first_flight].when <= world_.now()) {
    Flight& flight = pipe.flights[pipe.first_flight];
    const size_t count = std::min(flight.bytes, flight.step);
    flight.bytes -= count;
    flight.when += flight.gap;
    Flight::Tail tail = Flight::Tail::kNone;
    if (flight.bytes == 0) {
      tail = flight.tail;
      ++pipe.first_flight;
    }
    pipe.held += count;
    pipe.end_held = pipe.end_held || tail == Flight::Tail::kEnd;
    if (tail == Flight::Tail::kReset) ResetLands(link, side);
    // What was sent before it comes before it.
    if (!pipe.retrying) Deliver(link, side);
  }
  if (pipe.first_flight < pipe.flights.size()) {
    const MonotonicTime when = pipe.flights[pipe.first_flight].when;
    world_.At(when, nullptr, [this, link, side] { Land(link, side); });
  } else {
    pipe.flights.clear();
    pipe.first_flight = 0;
    pipe.landing = false;
  }
}

void Network::Deliver(const std::shared_ptr<Link>& link, int side) {
  Pipe& pipe = link->pipes[side];
  if (pipe.held == 0 && !pipe.end_held) return;
  const bool powerless =
      pipe.reader == nullptr && pipe.silent != nullptr && !pipe.silent->powered();
  if (Lost(*link, side) || powerless) {
    SendAgain(link, side);
    return;
  }
  if (pipe.reader == nullptr || pipe.cut || pipe.mute) {
    const bool data = pipe.held > 0;
    pipe.DropHeld(pipe.held);
    pipe.end_held = false;
    pipe.end_arrived = true;
    if (data && !pipe.mute) AnswerReset(link, side);
    return;
  }
  size_t count = pipe.held;
  if (pipe.spoiled) count = std::min<size_t>(count, pipe.fault_at - pipe.total);
  if (count > 0) {
    Note(TraceKind::kSegment, *link, side, count,
         std::string_view(pipe.bytes).substr(pipe.head + pipe.arrived, count));
    pipe.held -= count;
    pipe.arrived += count;
    pipe.total += count;
    pipe.reader->Arrived();
  }
  if (pipe.spoiled && pipe.total >= pipe.fault_at) {
    Strike(link, side);
    Deliver(link, side);
    return;
  }
  if (pipe.end_held && pipe.held == 0) {
    pipe.end_held = false;
    Note(TraceKind::kStreamEnd, *link, side, 0);
    pipe.reader->EndArrived();
  }
}

void Network::SendAgain(const std::shared_ptr<Link>& link, int side) {
  Pipe& pipe = link->pipes[side];
  if (!pipe.retrying) {
    pipe.retrying = true;
    pipe.retry_after = kRetransmitFirst;
    pipe.held_since = world_.now();
  }
  const MonotonicTime give_up = pipe.held_since + World::kGiveUp;
  if (world_.now() >= give_up) {
    Note(TraceKind::kReset, *link, side, ETIMEDOUT);
    pipe.cut = true;
    pipe.retrying = false;
    pipe.DropHeld(pipe.held);
    pipe.end_held = false;
    if (pipe.writer != nullptr) pipe.writer->ResetArrived(ETIMEDOUT);
    return;
  }
  MonotonicTime when = std::min(give_up, world_.now() + pipe.retry_after);
  // A stall is a queue somewhere on the way: it ends when it ends.
  if (pipe.stalled_until > world_.now()) when = std::min(when, pipe.stalled_until);
  pipe.retry_after = std::min(pipe.retry_after * 2, kRetransmitMax);
  world_.At(when, nullptr, [this, link, side] {
    Pipe& again = link->pipes[side];
    if (!again.retrying) return;
    if (Lost(*link, side)) {
      SendAgain(link, side);
      return;
    }
    const MonotonicTime since = again.held_since;
    const Nanoseconds after = again.retry_after;
    again.retrying = false;
    Deliver(link, side);
    // The machine is still without power: the count of tries goes on.
    if (again.retrying) {
      again.held_since = since;
      again.retry_after = std::min(after, kRetransmitMax);
    }
  });
}

void Network::AnswerReset(const std::shared_ptr<Link>& link, int side) {
  world_.At(world_.now() + Latency(*link, 1 - side), nullptr, [this, link, side] {
    io::Connection* writer = link->pipes[side].writer;
    if (writer == nullptr || Lost(*link, 1 - side)) return;
    Note(TraceKind::kReset, *link, 1 - side, ECONNRESET);
    writer->ResetArrived(ECONNRESET);
  });
}

void Network::ResetLands(const std::shared_ptr<Link>& link, int side) {
  io::Connection* reader = link->pipes[side].reader;
  // It is not sent again where it is lost: the other end hears of it when it sends.
  if (reader == nullptr || Lost(*link, side)) return;
  Note(TraceKind::kReset, *link, side, ECONNRESET);
  reader->ResetArrived(ECONNRESET);
}

// --- Faults

PathOptions& Network::PathToSet(Node& from, const Node& to) {
  has_paths_ = true;
  if (from.paths_.size() <= to.index()) {
    from.paths_.resize(to.index() + 1);
    from.path_changes_.resize(to.index() + 1);
  }
  return from.paths_[to.index()];
}

const PathOptions& Network::Path(const Node& from, const Node& to) const {
  static constexpr PathOptions kUsual;
  return from.paths_.size() <= to.index() ? kUsual : from.paths_[to.index()];
}

void Network::SetPort(Node& node, uint16_t port, PortState state) {
  std::erase_if(port_rules_, [&](const PortRule& r) { return r.node == &node && r.port == port; });
  if (state != PortState::kOpen) port_rules_.push_back({&node, port, state});
}

PortState Network::StateOf(const Node& node, uint16_t port) const {
  for (const PortRule& rule : port_rules_) {
    if (rule.node == &node && rule.port == port) return rule.state;
  }
  return PortState::kOpen;
}

std::vector<ConnectionInfo> Network::Connections(const Node* connector, const Node* acceptor,
                                                 const Node* either) {
  std::vector<ConnectionInfo> found;
  for (io::Connection& connection : connections_) {
    if (connection.node() == nullptr || connection.orphan()) continue;
    const Link& link = connection.link();
    if (!Matches(connector, link.nodes[0]) || !Matches(acceptor, link.nodes[1])) continue;
    if (either != nullptr && either != link.nodes[0] && either != link.nodes[1]) continue;
    found.push_back({.id = link.id,
                     .connector = link.nodes[0],
                     .acceptor = link.nodes[1],
                     .port = link.port,
                     .octets = {link.pipes[0].total, link.pipes[1].total}});
  }
  const auto by_id = [](const ConnectionInfo& a, const ConnectionInfo& b) { return a.id < b.id; };
  std::sort(found.begin(), found.end(), by_id);
  const auto same = [](const ConnectionInfo& a, const ConnectionInfo& b) { return a.id == b.id; };
  found.erase(std::unique(found.begin(), found.end(), same), found.end());
  return found;
}

bool Network::Spoil(uint64_t id, const ConnectionFault& fault) {
  for (io::Connection& connection : connections_) {
    if (connection.node() == nullptr || connection.link().id != id) continue;
    const auto link = connection.shared_link();
    Apply(link, fault);
    const int side = fault.from_connector ? 0 : 1;
    if (link->pipes[side].total >= link->pipes[side].fault_at) Strike(link, side);
    return true;
  }
  return false;
}

void Network::SpoilLater(const Node* connector, const Node* acceptor, uint64_t nth,
                         const ConnectionFault& fault) {
  plans_.push_back({connector, acceptor, nth, fault});
}

void Network::Apply(const std::shared_ptr<Link>& link, const ConnectionFault& fault) {
  Pipe& pipe = link->pipes[fault.from_connector ? 0 : 1];
  pipe.spoiled = true;
  pipe.fault = fault;
  pipe.fault_at = pipe.total + fault.after_octets;
}

void Network::Strike(const std::shared_ptr<Link>& link, int side) {
  Pipe& pipe = link->pipes[side];
  pipe.spoiled = false;
  Note(TraceKind::kFault, *link, side, static_cast<uint64_t>(pipe.fault.kind));
  switch (pipe.fault.kind) {
    case ConnectionFault::Kind::kReset:
      for (Pipe& each : link->pipes) {
        each.cut = true;
        if (each.reader != nullptr) each.reader->ResetArrived(ECONNRESET);
      }
      break;
    case ConnectionFault::Kind::kEnd:
      pipe.mute = true;
      if (pipe.reader != nullptr) pipe.reader->EndArrived();
      break;
    case ConnectionFault::Kind::kStall:
      pipe.stalled_until = world_.now() + pipe.fault.time;
      break;
    case ConnectionFault::Kind::kVanish:
      for (Pipe& each : link->pipes) each.stalled_until = kNever;
      break;
  }
}

// --- The end

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
