// A listening socket of one shard. Each shard listens for itself (SO_REUSEPORT) and keeps what it
// accepts.
//
// Made by: OpenListeners, on the main thread before the shards run (so that low ports are bound
//   before root is given up), or on a shard at reload.
// Ends in: destruction. The file of a Unix socket goes with it, unless another took its place.
// Order: on one shard: Accept repeatedly; Cancel once.
// Errors: a port in use, an address not ours, a missing right: one Status that names the address.
#pragma once

#include <coroutine>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ringmail/base/status.h"
#include "ringmail/io/endpoint.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/task.h"

namespace ringmail::io {

class ListenSocket;  // the implementation's half

struct AcceptResult {
  StreamStatus status =
      StreamStatus::kFailed;  // kOk, kCancelled, or kFailed (out of descriptors: retry later)
  int error = 0;
  Stream stream;
};

class Listener {
 public:
  Listener() = default;
  explicit Listener(ListenSocket* socket) : socket_(socket) {}
  Listener(Listener&& other) noexcept : socket_(std::exchange(other.socket_, nullptr)) {}
  Listener& operator=(Listener&& other) noexcept {
    std::swap(socket_, other.socket_);
    return *this;
  }
  ~Listener();

  bool open() const { return socket_ != nullptr; }
  // The address really bound: its port is known even when 0 was asked for.
  const Endpoint& local() const;
  // Waits for the next connection. On kFailed the caller pauses before the next try.
  Task<AcceptResult> Accept();
  // Stops accepting: the current and later Accepts end in kCancelled. Connections not yet accepted
  // are reset.
  void Cancel();

 private:
  ListenSocket* socket_ = nullptr;
};

struct ListenOptions {
  Endpoint endpoint;
  uint32_t backlog = 4096;
  // Of a Unix socket's file; a stale file is replaced, a live one is an error. The group "" is the
  // process's.
  uint32_t unix_mode = 0600;
  std::string unix_group = {};
};
// One listener for each of `shard_count` shards, all on one endpoint (port 0: all on the same
// chosen port). A Unix socket is shard 0's alone: the others' are not open(). A port on which
// anybody listens already is an error, also where SO_REUSEPORT would allow it.
StatusOr<std::vector<Listener>> OpenListeners(const ListenOptions& options, uint16_t shard_count);

}  // namespace ringmail::io
