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

#include "ringmail/base/intrusive_list.h"
#include "ringmail/base/ip_address.h"
#include "ringmail/io/endpoint.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/timer.h"
#include "tests/sim/io/world.h"

namespace ringmail::sim {

// One direction of a connection.
struct Pipe {
  std::string arrived;         // at the reader, not yet received
  size_t in_flight = 0;        // octets on the way
  MonotonicTime last_arrival;  // order is kept whatever the jitter
  bool end_arrived = false;    // the writer's side is done
  bool reset_arrived = false;
  io::Connection* reader = nullptr;  // null once that end has closed
  io::Connection* writer = nullptr;
  Node* silent = nullptr;  // the reader's machine lost its power: nobody answers while it is down
};

struct Link {
  Pipe pipes[2];  // [0] from the end that connected
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

  // Which shard it belongs to from now on; null while it waits to be accepted.
  void Attach(sim::Shard* shard);
  sim::Node* node() const { return node_; }

  std::string_view input() const { return std::string_view(input_).substr(input_at_); }
  void Consume(size_t count);
  void Write(std::string_view bytes);
  void WriteReference(std::string_view bytes);
  size_t output_bytes() const { return output_bytes_; }
  const Endpoint& local() const { return local_; }
  const Endpoint& peer() const { return peer_; }
  int error() const { return error_; }
  void Cancel();
  void Uncancel();  // by Close
  // The Stream is gone: closes at once; deletes itself, or, where a task waits, once that has
  // resumed.
  void Release();
  // Our side is done, in order behind what was sent.
  void SendEnd();

  // A wait that is over already, and how; then the wait itself.
  bool TryReceive(MonotonicTime deadline);
  bool TryFlush(MonotonicTime deadline);
  void Wait(std::coroutine_handle<> waiter, MonotonicTime deadline, bool flush);
  StreamStatus TakeResult();

  // From the network.
  void Arrived(std::string_view bytes);
  void EndArrived();
  void ResetArrived();
  void WindowOpened();

  // The run that owned it has ended. `silent`: without power.
  void EndOfRun(bool silent);
  bool orphan() const { return orphan_; }

 private:
  enum class Waiting : uint8_t { kNothing, kReceive, kFlush };
  // What is written: owned bytes, or a reference with its checksum.
  struct Piece {
    std::string owned;
    std::string_view reference;
    size_t checksum = 0;
    std::string_view bytes() const { return reference.data() != nullptr ? reference : owned; }
  };
  static void TimedOut(void* self);
  sim::Pipe& in() { return link_->pipes[1 - side_]; }
  sim::Pipe& out() { return link_->pipes[side_]; }
  MonotonicTime ArrivalTime();
  void SendSome();
  std::string TakeOutput(size_t bytes_max);
  bool LoadInput();
  bool ReceiveResult();
  void Wake(StreamStatus status);
  // Both directions end for this side.
  void Detach(bool silent);

  sim::Node* node_;  // null once the run it belonged to has ended
  std::shared_ptr<sim::Link> link_;
  const int side_;
  const Endpoint local_, peer_;
  sim::Shard* shard_ = nullptr;
  std::string input_;
  size_t input_at_ = 0;
  std::deque<Piece> output_;
  size_t output_at_ = 0, output_bytes_ = 0;
  Timer timer_;
  std::coroutine_handle<> waiter_;
  Waiting waiting_ = Waiting::kNothing;
  StreamStatus result_ = StreamStatus::kOk;
  int error_ = 0;
  bool resuming_ = false;
  bool cancelled_ = false;
  bool end_sent_ = false;
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

  // Resumes when something may be taken, or nothing ever will.
  struct WaitOp {
    ListenSocket& socket;
    bool await_ready() const { return socket.cancelled_ || !socket.backlog_.empty(); }
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

class Network {
 public:
  explicit Network(World& world) : world_(world) {}

  World& world() { return world_; }
  void SetUnreachable(const IpAddress& ip, bool unreachable);
  bool Unreachable(const IpAddress& ip) const;
  // The machine that has this address, seen from `from`; null: none.
  Node* FindNode(Node& from, const IpAddress& ip);
  // A listener at `to` with the port's connections in turn; null: refused. `full`: all of them are.
  io::ListenSocket* FindListener(Node& node, const io::Endpoint& to, bool& full);
  bool Listening(Node& node, const io::Endpoint& endpoint);
  uint16_t ChoosePort(Node& node);
  void Register(io::ListenSocket& socket) { listeners_.PushBack(socket); }
  void Register(io::Connection& connection) { connections_.PushBack(connection); }

  io::Connection& FindConnection(const io::Stream& stream);

  // Around the end of a node's run: how its connections close, and what is left of them.
  void BeginEnd(Node& node, bool silent) { silent_ = silent; }
  void FinishEnd(Node& node);
  bool silent() const { return silent_; }
  // The world ends; what tests still hold lives on without it.
  void Orphan();

 private:
  World& world_;
  std::vector<IpAddress> unreachable_;
  IntrusiveList<io::ListenSocket, io::ListenSocketTag> listeners_;
  IntrusiveList<io::Connection, io::ConnectionTag> connections_;
  uint16_t next_port_ = 32768;
  bool silent_ = false;
};

}  // namespace ringmail::sim
