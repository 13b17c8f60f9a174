// A connected byte stream (TCP or Unix): what a conversation reads from and writes to.
//
// Made by: Listener::Accept, Connect. Ends in: Close, or destruction, which is Abort.
// Order: any number of Receive, Write, Flush; one task uses a stream at a time (Cancel and Abort
//   may come from another). Who relays uses it with two: while one waits in Receive the other may
//   Write, SendSoon and EndOutput, and waits for the event of WatchOutput in the place of Flush.
// Promise: bytes arrive in order, once; what was written goes out in order. Nothing is promised of
//   what the peer has read.
// Shard: the one that accepted or connected it, until it moves (move.h).
// Limits: input waiting in the kernel is not read ahead beyond kInputBytesAheadMax (then TCP closes
//   the window). A stream that waits with no input holds no buffer: kConnectionBytesMax bytes in
//   all. Output: the caller flushes once output_bytes() passes what it is willing to hold; Write
//   itself never refuses.
// TLS: a stream begins in the clear. After StartTls (tls.h) all of this means what is inside.
// Errors: StreamStatus. After anything but kOk and kTimedOut the stream is only good for Close; but
//   kEnd ends only what the peer says: what is written still goes out.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringmail/base/time.h"
#include "ringmail/io/endpoint.h"
#include "ringmail/io/task.h"

namespace ringmail::io {

inline constexpr size_t kInputBytesAheadMax = 256u << 10;
inline constexpr size_t kConnectionBytesMax = 512;

enum class StreamStatus : uint8_t {
  kOk,
  kEnd,        // the peer closed its side, everything it sent was read
  kTimedOut,   // the deadline passed; the stream is still usable
  kCancelled,  // Cancel or Abort was called
  kFailed,     // reset or another network error: error() says which
};
std::string_view ToString(StreamStatus status);

// The implementation's half: a kernel socket, or a simulated one.
class Connection;

// What move.h defines.
struct DetachResult;

// What timer.h defines.
class Event;

// What tls.h defines.
class TlsContext;
class TlsLayer;
struct TlsClientRequest;
struct TlsResult;
enum class TlsBinding : uint8_t;

class [[nodiscard]] ReceiveOp {
 public:
  ReceiveOp(Connection& connection, MonotonicTime deadline)
      : connection_(connection), deadline_(deadline) {}
  ReceiveOp(const ReceiveOp&) = delete;
  ReceiveOp& operator=(const ReceiveOp&) = delete;
  bool await_ready();
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter);
  StreamStatus await_resume();

 private:
  Connection& connection_;
  const MonotonicTime deadline_;
  std::optional<Task<void>> layer_;  // waits in our place where the stream has TLS
  StreamStatus status_ = StreamStatus::kOk;
  bool layered_ = false;
};

class [[nodiscard]] FlushOp {
 public:
  FlushOp(Connection& connection, MonotonicTime deadline)
      : connection_(connection), deadline_(deadline) {}
  FlushOp(const FlushOp&) = delete;
  FlushOp& operator=(const FlushOp&) = delete;
  bool await_ready();
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter);
  StreamStatus await_resume();

 private:
  Connection& connection_;
  const MonotonicTime deadline_;
  std::optional<Task<void>> layer_;  // waits in our place where the stream has TLS
  StreamStatus status_ = StreamStatus::kOk;
  bool layered_ = false;
};

class Stream {
 public:
  Stream() = default;
  explicit Stream(Connection* connection) : connection_(connection) {}  // by the implementation
  Stream(Stream&& other) noexcept : connection_(std::exchange(other.connection_, nullptr)) {}
  Stream& operator=(Stream&& other) noexcept {
    if (this != &other) {
      Abort();
      connection_ = std::exchange(other.connection_, nullptr);
    }
    return *this;
  }
  ~Stream() { Abort(); }

  bool open() const { return connection_ != nullptr; }

  // Unread input, a view into a receive buffer: valid until Consume of it or the next Receive.
  std::string_view input() const;
  // REQUIRES: count <= input().size(). Consuming all of it gives the buffer back.
  void Consume(size_t count);
  // Waits until input() is not empty. Before waiting it starts sending what was written, without
  // waiting for that to finish, so a conversation that answers and then reads costs one send and
  // one wait. A peer that does not take our output while we wait ends in kTimedOut like any other.
  // REQUIRES: input() is empty.
  ReceiveOp Receive(MonotonicTime deadline) { return {*connection_, deadline}; }

  // Copies `bytes` to the output.
  void Write(std::string_view bytes);
  // Adds `bytes` to the output without copying. The caller keeps them unchanged until Flush or
  // Close has returned.
  void WriteReference(std::string_view bytes);
  // Written and not yet taken by the kernel.
  size_t output_bytes() const;
  // Sends what was written, in one gathered send, and waits until the kernel has taken all of it.
  FlushOp Flush(MonotonicTime deadline) { return {*connection_, deadline}; }

  // Starts sending what was written, without waiting for anything.
  void SendSoon();
  // `drained` is notified whenever the kernel has taken all that was written, and when it never
  // will: after an error, Cancel or Abort. Null: nobody is told any more. REQUIRES: it lives until
  // then.
  void WatchOutput(Event* drained);
  // Says that our side is done, behind what was written; with TLS, close_notify comes first (RFC
  // 8446 §6.1: the other direction goes on). Idempotent. What is written after it goes nowhere.
  void EndOutput();

  const Endpoint& peer() const;
  const Endpoint& local() const;
  // A proxy has said between which two it stands: peer() and local() say so from now on, on other
  // shards too.
  void SpeakFor(Endpoint peer, Endpoint local);
  // The errno of kFailed, otherwise 0. With TLS also kTlsBroken and kTlsTruncated (tls.h).
  int error() const;

  // The handshake, as tls.h describes it; `context` was made for that side.
  // REQUIRES: no TLS yet; no references from WriteReference are outstanding.
  Task<TlsResult> StartTlsServer(std::shared_ptr<const TlsContext> context, MonotonicTime deadline);
  // Where TLS is from the first octet on: as StartTlsServer, but unread input is its beginning.
  // REQUIRES: nothing was read but what a proxy put in front of it (session/proxy_entrance.h).
  Task<TlsResult> StartImplicitTls(std::shared_ptr<const TlsContext> context,
                                   MonotonicTime deadline);
  Task<TlsResult> StartTlsClient(std::shared_ptr<const TlsContext> context,
                                 TlsClientRequest request, MonotonicTime deadline);
  bool tls() const;
  // Channel binding for SASL (RFC 5056), as octets; empty where this connection has none.
  // REQUIRES: tls().
  std::string TlsChannelBinding(TlsBinding binding) const;
  // What the peer proved itself with, leaf first, in DER; empty: it did not. REQUIRES: tls().
  std::vector<std::string> TlsPeerChain() const;
  // Of a client: the latest session that the server gave, for TlsClientRequest::session; empty:
  // none came. In TLS 1.3 it comes with the first input. REQUIRES: tls().
  std::string TakeTlsSession();

  // Takes the connection off this shard, as move.h describes it: sends what was written, until
  // `deadline`, and leaves nothing of it with the shard's ring, buffers or timers. After kOk the
  // stream is not open and views of its input are void. REQUIRES: open; no handshake under way.
  Task<DetachResult> Detach(MonotonicTime deadline);

  // Ends the current wait and every later one but Close's with kCancelled. Idempotent; safe from
  // another task of the shard. What is written after it is still sent by Close.
  void Cancel();
  // Sends what was written, says our side is done (with TLS, close_notify comes first), waits for
  // the peer's end, then closes; at `deadline` it aborts instead.
  Task<void> Close(MonotonicTime deadline);
  // Closes at once, in the background; what was not sent is lost. References from WriteReference:
  // see their owner's rule: a stream with references outstanding must be closed with Close, which
  // returns only when the kernel is done with them.
  void Abort();

 private:
  // The implementation's part of Close: everything below TLS.
  Task<void> CloseConnection(MonotonicTime deadline);
  Task<TlsResult> RunTlsHandshake(std::unique_ptr<TlsLayer> layer, MonotonicTime deadline);

  Connection* connection_ = nullptr;
};

struct ConnectResult {
  StreamStatus status = StreamStatus::kFailed;
  int error = 0;  // errno when kFailed
  Stream stream;
};
// `from` with kNone lets the kernel choose the source address; its port is ignored.
Task<ConnectResult> Connect(Endpoint to, IpAddress from, MonotonicTime deadline);

}  // namespace ringmail::io
