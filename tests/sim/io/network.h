// The simulated network: listeners, connections and the bytes between them. Private to
// tests/sim/io.
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/core/raw_connection.h"
#include "ringmail/base/intrusive_list.h"
#include "ringmail/base/ip_address.h"
#include "ringmail/io/endpoint.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/timer.h"
#include "tests/sim/io/world.h"

namespace ringmail::sim {

// What is on the way together: octets, and the end or a reset behind them.
struct Flight {
  enum class Tail : uint8_t { kNone, kEnd, kReset };
  MonotonicTime when;  // of its first octets
  size_t bytes = 0;
  size_t step = 0;     // so many arrive each time,
  Nanoseconds gap{0};  // and the next so much later; 0: all at once
  Tail tail = Tail::kNone;
};

// One direction of a connection. Its octets stay in one place from the writer's flush to the
// reader's receive: first those that have arrived, then those on the way.
struct Pipe {
  std::string bytes;
  size_t head = 0;     // the first not yet received
  size_t arrived = 0;  // from there, and may be received
  size_t held = 0;     // behind those: at the reader's door, and kept back by a fault
  bool end_held = false;
  // One event stands for all of them, at the time of the first: small segments on a slow path are
  // too many for one each.
  std::vector<Flight> flights;
  size_t first_flight = 0;
  bool landing = false;
  uint64_t total = 0;          // ever arrived
  MonotonicTime last_arrival;  // order is kept whatever the jitter
  bool end_arrived = false;    // the writer's side is done
  bool reset_arrived = false;
  io::Connection* reader = nullptr;  // null once that end has closed
  io::Connection* writer = nullptr;
  Node* silent = nullptr;  // the reader's machine lost its power: nobody answers while it is down

  // What is sent again, because it did not arrive.
  bool retrying = false;
  Nanoseconds retry_after{0};
  MonotonicTime held_since;
  MonotonicTime stalled_until;
  bool cut = false;   // nothing that comes is taken, and a reset answers it
  bool mute = false;  // nor is it here, and nothing answers

  bool spoiled = false;
  ConnectionFault fault;
  uint64_t fault_at = 0;  // of `total`

  size_t waiting() const { return bytes.size() - head; }
  std::string_view readable() const { return std::string_view(bytes).substr(head, arrived); }
  // REQUIRES: count <= arrived.
  void Take(size_t count);
  // What has not arrived yet is gone.
  void DropHeld(size_t count);
};

struct Link {
  uint64_t id = 0;
  Node* nodes[2] = {};  // the one that connected, the one that accepted
  Pipe pipes[2];        // [0] from the end that connected
  uint16_t port = 0;
  bool unix_socket = false;
};

}  // namespace ringmail::sim

namespace ringmail::io {

// One end of a simulated connection.
class Connection : public ListHook<struct ConnectionTag> {
 public:
  Connection(sim::Node& node, std::shared_ptr<sim::Link> link, int side, Endpoint local,
             Endpoint peer);
  ~Connection();

  // Which shard it belongs to from now on; none while it waits to be accepted.
  void Attach(sim::Shard* shard);
  // None again, while it moves. REQUIRES: a wait of TryQuiet has just ended well.
  void LeaveShard();
  sim::Node* node() const { return node_; }
  sim::Link& link() { return *link_; }
  const std::shared_ptr<sim::Link>& shared_link() const { return link_; }
  // Whether a Stream still has it.
  bool live() const { return shard_ != nullptr && !orphan_ && !detached_; }

  std::string_view input() const { return std::string_view(input_).substr(input_at_); }
  void Consume(size_t count);
  void Write(std::string_view bytes);
  void WriteReference(std::string_view bytes);
  size_t output_bytes() const { return output_bytes_; }
  const Endpoint& local() const { return local_; }
  const Endpoint& peer() const { return peer_; }
  void SpeakFor(Endpoint peer, Endpoint local);
  int error() const { return error_; }
  void Cancel();
  bool cancelled() const { return cancelled_; }
  void Uncancel();  // by Close
  StreamLayer* layer() const { return layer_.get(); }
  void SetLayer(std::unique_ptr<StreamLayer> layer);
  void SendSome();
  // The Stream is gone: closes at once; deletes itself, or, where a task waits, once that has
  // resumed.
  void Release();
  // Our side is done, in order behind what was sent.
  void SendEnd();
  // Behind what was written.
  void EndOutput();
  void WatchOutput(Event* drained) { drained_ = drained; }

  // A wait that is over already, and how; then the wait itself.
  bool TryReceive(MonotonicTime deadline);
  bool TryFlush(MonotonicTime deadline);
  void Wait(std::coroutine_handle<> waiter, MonotonicTime deadline, bool flush);
  StreamStatus TakeResult();
  bool TryQuiet();
  void WaitQuiet(std::coroutine_handle<> waiter);
  StreamStatus TakeQuiet();

  // From the network.
  void Arrived();
  void EndArrived();
  void ResetArrived(int error);
  void WindowOpened();

  // The run that owned it has ended. `silent`: without power.
  void EndOfRun(bool silent);
  bool orphan() const { return orphan_; }

 private:
  enum class Waiting : uint8_t { kNothing, kReceive, kFlush };
  // What is written: so many octets of `own_`, or a reference with its checksum.
  struct Piece {
    const char* reference;
    size_t bytes;
    uint64_t checksum;
  };
  static void TimedOut(void* self);
  sim::Pipe& in() { return link_->pipes[1 - side_]; }
  sim::Pipe& out() { return link_->pipes[side_]; }
  MonotonicTime ArrivalTime();
  void TakeOutput(size_t bytes, std::string& to);
  void DropOutput();
  bool checks() const;
  bool LoadInput();
  bool ReceiveResult();
  void NotifyDrained();
  void Wake(StreamStatus status);
  // Both directions end for this side.
  void Detach(bool silent);

  sim::Node* node_;  // null once the run it belonged to has ended
  std::shared_ptr<sim::Link> link_;
  const int side_;
  Endpoint local_, peer_;
  sim::Shard* shard_ = nullptr;
  std::string input_;
  size_t input_at_ = 0;
  std::vector<Piece> output_;
  size_t output_first_ = 0, output_at_ = 0;  // the piece to send next, and where in it
  std::string own_;
  size_t own_at_ = 0;
  size_t output_bytes_ = 0;
  std::unique_ptr<StreamLayer> layer_;
  Timer timer_;
  std::coroutine_handle<> waiter_;
  Waiting waiting_ = Waiting::kNothing;
  StreamStatus result_ = StreamStatus::kOk;
  int error_ = 0;
  bool resuming_ = false;
  bool cancelled_ = false;
  bool end_sent_ = false;
  bool output_ended_ = false;
  Event* drained_ = nullptr;
  bool detached_ = false;
  bool orphan_ = false;
};

class ListenSocket : public ListHook<struct ListenSocketTag> {
 public:
  ListenSocket(sim::Node& node, Endpoint local, uint32_t backlog)
      : node_(&node), local_(std::move(local)), backlog_max_(backlog) {}
  ~ListenSocket();

  sim::Node* node() const { return node_; }
  const Endpoint& local() const { return local_; }
  bool cancelled() const { return cancelled_; }
  bool full() const { return backlog_.size() >= backlog_max_; }
  void Add(Connection* connection);
  Connection* Take();
  void Cancel();
  void EndOfRun();
  // A connection of this shard has closed: there may be room for one more.
  void RoomAt(const sim::Shard& shard) {
    if (waiting_shard_ == &shard && !backlog_.empty()) Wake();
  }

  // Resumes when something may be taken, or nothing ever will.
  struct WaitOp {
    ListenSocket& socket;
    bool await_ready() const { return socket.cancelled_; }
    void await_suspend(std::coroutine_handle<> waiter);
    void await_resume() const {}
  };
  WaitOp Wait() { return {*this}; }

 private:
  void Wake();

  sim::Node* node_;
  const Endpoint local_;
  const uint32_t backlog_max_;
  std::deque<Connection*> backlog_;
  std::coroutine_handle<> waiter_;
  sim::Shard* waiting_shard_ = nullptr;
  bool cancelled_ = false;
};

}  // namespace ringmail::io

namespace ringmail::sim {

// What a segment that asks for a connection meets.
enum class Welcome : uint8_t { kAccepted, kRefused, kSilence, kNoHost };

class Network {
 public:
  explicit Network(World& world) : world_(world) {}

  World& world() { return world_; }
  void SetUnreachable(const IpAddress& ip, bool unreachable);
  bool Unreachable(const IpAddress& ip) const;
  // The machine that has this address, seen from `from`; null: none.
  Node* FindNode(Node& from, const IpAddress& ip);
  // `socket` is set where it is accepted.
  Welcome Ask(Node& from, const io::Endpoint& to, io::ListenSocket*& socket);
  static bool Ours(const Node& node, const IpAddress& ip);
  bool Listening(Node& node, const io::Endpoint& endpoint);
  uint16_t ChoosePort(Node& node);
  void Register(io::ListenSocket& socket) { listeners_.PushBack(socket); }
  void Register(io::Connection& connection) { connections_.PushBack(connection); }
  void RoomAt(const Shard& shard);

  io::Connection& FindConnection(const io::Stream& stream);

  // A new connection; faults planned for it come into force.
  std::shared_ptr<Link> MakeLink(Node& from, Node& to, const io::Endpoint& at);
  // `count` octets, behind what was sent before, are sent now by the writer of `side`; or its end
  // or reset, behind them.
  void Send(const std::shared_ptr<Link>& link, int side, size_t count);
  void SendTail(const std::shared_ptr<Link>& link, int side, Flight::Tail tail);

  // Faults.
  PathOptions& PathToSet(Node& from, const Node& to);
  const PathOptions& Path(const Node& from, const Node& to) const;
  void SetPort(Node& node, uint16_t port, PortState state);
  std::vector<ConnectionInfo> Connections(const Node* connector, const Node* acceptor,
                                          const Node* either);
  bool Spoil(uint64_t connection, const ConnectionFault& fault);
  void SpoilLater(const Node* connector, const Node* acceptor, uint64_t nth,
                  const ConnectionFault& fault);
  void CancelSpoiling() { plans_.clear(); }

  size_t CountConnections(const Node& node);
  size_t CountListeners(const Node& node);

  // Around the end of a node's run: how its connections close, and what is left of them.
  void BeginEnd(Node& node, bool silent) { silent_ = silent; }
  void FinishEnd(Node& node);
  bool silent() const { return silent_; }
  // The world ends; what tests still hold lives on without it.
  void Orphan();

 private:
  struct PortRule {
    const Node* node;
    uint16_t port;
    PortState state;
  };
  struct Plan {
    const Node* connector;
    const Node* acceptor;
    uint64_t left;
    ConnectionFault fault;
  };
  // The time that a segment sent now needs, without what waits before it.
  Nanoseconds Latency(const Link& link, int side);
  MonotonicTime ArrivalTime(Link& link, int side);
  void Depart(const std::shared_ptr<Link>& link, int side, const Flight& flight);
  void Land(const std::shared_ptr<Link>& link, int side);
  void ResetLands(const std::shared_ptr<Link>& link, int side);
  bool Lost(const Link& link, int side) const;
  void Deliver(const std::shared_ptr<Link>& link, int side);
  void SendAgain(const std::shared_ptr<Link>& link, int side);
  // The reader's machine answers what it does not know with a reset.
  void AnswerReset(const std::shared_ptr<Link>& link, int side);
  void Apply(const std::shared_ptr<Link>& link, const ConnectionFault& fault);
  void Strike(const std::shared_ptr<Link>& link, int side);
  void Note(TraceKind kind, const Link& link, int side, uint64_t b, std::string_view bytes = {},
            std::string_view text = {});
  PortState StateOf(const Node& node, uint16_t port) const;
  io::ListenSocket* FindListener(Node& node, const io::Endpoint& to, bool& full);

  World& world_;
  std::vector<IpAddress> unreachable_;
  std::vector<PortRule> port_rules_;
  std::vector<Plan> plans_;
  bool has_paths_ = false;
  uint64_t next_link_ = 1;
  IntrusiveList<io::ListenSocket, io::ListenSocketTag> listeners_;
  IntrusiveList<io::Connection, io::ConnectionTag> connections_;
  uint16_t next_port_ = 32768;
  bool silent_ = false;
};

}  // namespace ringmail::sim
