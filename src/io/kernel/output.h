// What a connection has written and the kernel has not taken: copied bytes and references, in
// order, gathered for one send.
//
// Limits: blocks of kOutputBlockBytes from a pool of the shard; an empty output holds none. One
//   send gathers at most kGatherMax pieces; what is left follows in the next.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ringmail/base/check.h"

namespace ringmail::io {

inline constexpr size_t kOutputBlockBytes = 4096;
inline constexpr size_t kGatherMax = 240;

// Blocks of kOutputBlockBytes for one shard. Keeps up to `kept_max` free ones.
class BlockPool {
 public:
  explicit BlockPool(size_t kept_max) : kept_max_(kept_max) {}
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;
  ~BlockPool();
  void* Allocate();
  void Free(void* block);
  // Blocks in use: what the shard's connections hold.
  size_t used() const { return used_; }

 private:
  struct FreeBlock {
    FreeBlock* next;
  };
  FreeBlock* free_ = nullptr;
  size_t kept_ = 0;
  size_t used_ = 0;
  const size_t kept_max_;
};

struct OutputBlock {
  static constexpr size_t kPieces = 14;
  OutputBlock* next = nullptr;
  uint16_t first = 0;  // the first piece not yet taken
  uint16_t count = 0;
  uint16_t used = 0;  // of bytes
  iovec pieces[kPieces];
  char bytes[kOutputBlockBytes - 16 - sizeof(iovec) * kPieces];
};
static_assert(sizeof(OutputBlock) == kOutputBlockBytes);

// The pieces of one send, for as long as the kernel may look at them.
struct Gather {
  msghdr header;
  iovec pieces[kGatherMax];
};
static_assert(sizeof(Gather) <= kOutputBlockBytes);

class Output {
 public:
  Output() = default;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() { CHECK(head_ == nullptr); }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  void Write(BlockPool& pool, std::string_view bytes);
  void WriteReference(BlockPool& pool, std::string_view bytes);
  // REQUIRES: this is empty.
  void TakeAll(Output& other);
  // Where everything is one piece.
  bool single() const {
    return head_ != nullptr && head_->next == nullptr && head_->count - head_->first == 1;
  }
  iovec front() const { return head_->pieces[head_->first]; }
  // Fills `gather` with the first pieces; returns how many bytes they are.
  size_t Collect(Gather& gather) const;
  // The kernel took the first `count` bytes.
  void Drop(BlockPool& pool, size_t count);
  void Clear(BlockPool& pool);

 private:
  OutputBlock& Tail(BlockPool& pool, bool needs_bytes);
  OutputBlock* head_ = nullptr;
  OutputBlock* tail_ = nullptr;
  size_t size_ = 0;
};

}  // namespace ringmail::io
