// The buffers that the kernel fills when something arrives: one pool for all connections of a
// shard.
//
// A connection holds buffers only between arrival and Consume. The kernel takes them from a ring
// that both sides see.
// Limits: `count` buffers of `bytes`. Where they run out receives fail with ENOBUFS and wait for
//   Return (P1).
#pragma once

#include <cstdint>
#include <memory>

#include "io/kernel/ring.h"
#include "ringmail/base/status.h"

namespace ringmail::io {

// Input of one connection, in the order of its arrival: a receive buffer, or a copy in memory of
// its own.
struct InputNode {
  static constexpr int32_t kBlock = -1;  // in a block of the shard's pool
  static constexpr int32_t kMoved = -2;  // in an allocation of its own: came from another shard

  InputNode* next = nullptr;
  char* data = nullptr;
  uint32_t size = 0;
  int32_t buffer = kBlock;
};

class ReceiveBuffers {
 public:
  static constexpr uint16_t kGroup = 1;

  ReceiveBuffers() = default;
  ReceiveBuffers(const ReceiveBuffers&) = delete;
  ReceiveBuffers& operator=(const ReceiveBuffers&) = delete;
  ~ReceiveBuffers();

  // REQUIRES: count is a power of two, at most 32768; the ring outlives the last receive, this
  // outlives the ring.
  Status Init(Ring& ring, uint32_t count, uint32_t bytes);
  // The kernel has filled `buffer` with `size` bytes: it is ours until Return.
  InputNode* Take(uint16_t buffer, uint32_t size);
  void Return(InputNode* node);
  // Gives back a buffer that was never looked at.
  void Return(uint16_t buffer) { Return(Take(buffer, 0)); }
  uint32_t count() const { return count_; }
  uint32_t bytes() const { return bytes_; }
  uint32_t held() const { return held_; }
  uint32_t available() const { return count_ - held_; }

 private:
  void Offer(uint16_t buffer);
  io_uring_buf_ring* ring_ = nullptr;
  size_t ring_bytes_ = 0;
  char* memory_ = nullptr;
  std::unique_ptr<InputNode[]> nodes_;
  uint32_t count_ = 0;
  uint32_t bytes_ = 0;
  uint32_t held_ = 0;
};

}  // namespace ringmail::io
