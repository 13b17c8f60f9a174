// A connected socket of one shard: its one receive request, its one send, and the one task that
// waits for either.
//
// Made by: ConnectionPool::Make.
// Ends in: Release, after which it frees itself with its last completion; or Park, with none
//   outstanding, which takes what it owns to another shard. At any time at most one
//   receive request (a poll or a receive) and one send are with the kernel. The object, its output
//   blocks and its references live until both have completed: `outstanding_` counts them, and
//   Release never frees earlier (P4). States of receiving: nothing armed → polling (idle) →
//   receiving (active). Going back is by cancelling; what comes after the request's own last
//   completion decides what is armed next, never the cancel's.
// Limits: kConnectionBytesMax for the object. Input ahead of the reader: kInputBytesAheadMax in
//   receive buffers, less when the shard runs short of them; then nothing is armed and TCP closes
//   the window (P2).
#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "io/core/raw_connection.h"
#include "io/kernel/output.h"
#include "io/kernel/receive_buffers.h"
#include "ringmail/base/intrusive_list.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/timer.h"

namespace ringmail::io {

class Shard;

// A connection that no shard drives: no request of it is with any kernel's ring.
class ParkedConnection {
 public:
  ParkedConnection(int fd, const Endpoint& peer, const Endpoint& local)
      : fd_(fd), peer_(peer), local_(local) {}
  ParkedConnection(const ParkedConnection&) = delete;
  ParkedConnection& operator=(const ParkedConnection&) = delete;
  ~ParkedConnection();

  const Endpoint& peer() const { return peer_; }
  const Endpoint& local() const { return local_; }
  bool layered() const { return layer_ != nullptr; }
  int descriptor() const { return fd_; }

 private:
  friend class Connection;
  // Behind what is here already.
  void Keep(std::string_view input);

  int fd_;              // -1: taken
  bool shown_ = false;  // the first of the input was input()
  bool ended_ = false;
  Endpoint peer_;
  Endpoint local_;
  InputNode* input_head_ = nullptr;
  InputNode* input_tail_ = nullptr;
  std::unique_ptr<StreamLayer> layer_;
};

// A receive that has waited this long without an answer gives its request's memory back and polls
// instead.
inline constexpr Nanoseconds kIdleAfter = std::chrono::seconds(5);

class Connection : public ListHook<struct StarvedTag>, public ListHook<struct UnsentTag> {
 public:
  Connection(Shard& shard, int fd, uint16_t generation, const Endpoint& peer,
             const Endpoint& local);
  ~Connection();

  // The stream's side. What each means is in stream.h.
  std::string_view input() const { return {input_data_, input_size_}; }
  void Consume(size_t count);
  void Write(std::string_view bytes);
  void WriteReference(std::string_view bytes);
  size_t output_bytes() const { return pending_.size() + sending_.size(); }
  const Endpoint& peer() const { return peer_; }
  const Endpoint& local() const { return local_; }
  void SpeakFor(Endpoint peer, Endpoint local);
  int error() const { return error_; }
  void Cancel();
  bool cancelled() const { return cancelled_; }
  void Release();
  void SendSoon();
  void WatchOutput(Event* drained) { drained_ = drained; }
  void EndOutput();
  StreamLayer* layer() const { return layer_.get(); }
  void SetLayer(std::unique_ptr<StreamLayer> layer);

  // kQuiet: until nothing of it is with the kernel. It then stays so, unless the result is an
  // error.
  enum class Wait : uint8_t { kNone, kReceive, kFlush, kSendDone, kQuiet };
  // Starts what `wait` needs; whether its result is known at once.
  bool Begin(Wait wait);
  void Suspend(Wait wait, std::coroutine_handle<> waiter, MonotonicTime deadline);
  StreamStatus Result(Wait wait);

  // REQUIRES: a wait for kQuiet has ended well; nothing is written. Frees this.
  std::unique_ptr<ParkedConnection> Park();
  // Takes over what was parked. REQUIRES: just made, of its descriptor; not started.
  void Unpark(ParkedConnection& parked);

  // For Close.
  void Uncancel() { cancelled_ = false; }
  bool ended() const { return ended_; }
  bool sending() const { return send_in_flight_; }
  void ShutdownWrite();
  void Kill();

  // The ring's side.
  void Start();
  void OnPoll(int32_t result);
  void OnReceive(int32_t result, uint32_t flags);
  void OnSend(int32_t result);
  void Rearm() { ArmReceive(); }
  void SendUnsent() { StartSend(); }
  bool starved() const { return ListHook<StarvedTag>::linked(); }
  bool unsent() const { return ListHook<UnsentTag>::linked(); }
  uint16_t generation() const { return generation_; }
  // Receive buffers, copies of input and output blocks that it holds.
  uint32_t held_blocks() const { return held_; }
  bool polling() const { return receive_ == Receive::kPolling; }

 private:
  enum class Receive : uint8_t { kNone, kPolling, kReceiving };

  static void TimerFired(void* self);
  void OnTimer();
  void ArmTimer();
  void ArmReceive();
  void CancelReceive();
  uint32_t HeldMax() const;
  void Append(InputNode* node);
  void ShowInput();
  void DropInput();
  void StartSend();
  void SubmitSend();
  void Fail(int error);
  void Wake();
  void OutputGone();
  void WakeIfQuiet() {
    if (wait_ == Wait::kQuiet && outstanding_ == 0) Wake();
  }
  void MaybeFree();

  Shard& shard_;
  int fd_;  // -1: parked
  const uint16_t generation_;
  uint8_t outstanding_ = 0;
  Receive receive_ = Receive::kNone;
  Wait wait_ = Wait::kNone;
  bool cancelling_ = false;  // the receive request
  bool quiet_ = false;       // nothing is armed: about to be parked
  bool idle_ = false;
  bool fresh_ = true;  // nothing can have arrived yet: wait before the first try
  bool ended_ = false;
  bool failed_ = false;
  bool cancelled_ = false;
  bool timed_out_ = false;
  bool resuming_ = false;  // woken, and its Result not yet taken
  bool released_ = false;
  bool send_in_flight_ = false;
  bool send_wanted_ = false;
  bool output_ended_ = false;
  int error_ = 0;

  char* input_data_ = nullptr;
  size_t input_size_ = 0;
  InputNode* input_head_ = nullptr;
  InputNode* input_tail_ = nullptr;
  uint32_t held_ = 0;

  Output pending_;
  Output sending_;
  Gather* gather_ = nullptr;
  Event* drained_ = nullptr;
  std::unique_ptr<StreamLayer> layer_;

  std::coroutine_handle<> waiter_;
  MonotonicTime wait_deadline_ = kNever;
  MonotonicTime wait_since_{};
  Timer timer_;
  Endpoint peer_;
  Endpoint local_;
};
static_assert(sizeof(Connection) <= kConnectionBytesMax);

// The connections of one shard, in slabs that are never given back.
class ConnectionPool {
 public:
  explicit ConnectionPool(uint32_t connections_max) : connections_max_(connections_max) {}
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;
  ~ConnectionPool();

  bool full() const { return used_ >= connections_max_; }
  uint32_t used() const { return used_; }
  // Room for one that is on its way to another shard, until it has landed.
  void HoldPlace() { ++used_; }
  void GivePlace() {
    CHECK_GT(used_, 0u);
    --used_;
  }
  // REQUIRES: not full. Owns `fd` from now on.
  Connection* Make(Shard& shard, int fd, const Endpoint& peer, const Endpoint& local);
  void Free(Connection* connection);

 private:
  struct alignas(64) Slot {
    char bytes[kConnectionBytesMax];
  };
  static constexpr size_t kSlabSlots = 64;
  const uint32_t connections_max_;
  uint32_t used_ = 0;
  uint16_t generation_ = 0;
  std::vector<std::unique_ptr<Slot[]>> slabs_;
  std::vector<Slot*> free_;
};

}  // namespace ringmail::io
