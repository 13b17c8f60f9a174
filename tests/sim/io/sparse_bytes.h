// The bytes of a simulated file: blocks shared until one of their owners writes, so that what is
// durable, what a change wrote and what a snapshot keeps cost no copies.
//
// A block is absent (never written: takes no space), of zeros (takes space, no memory), or has its
// bytes. Shard: any, but one thread: the counts of references are plain.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "ringmail/io/file.h"

namespace ringmail::sim {

// One reference to kBlockBytes octets, or to none.
class BlockRef {
 public:
  struct Block {
    uint32_t references = 1;
    char bytes[io::kBlockBytes];
  };

  BlockRef() = default;
  BlockRef(const BlockRef& other) : block_(other.block_) {
    if (block_ != nullptr && block_ != &zeros_) ++block_->references;
  }
  BlockRef(BlockRef&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  BlockRef& operator=(BlockRef other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~BlockRef() {
    if (block_ != nullptr && block_ != &zeros_ && --block_->references == 0) Free(block_);
  }
  static BlockRef Zeros() { return BlockRef(&zeros_); }
  // Of octets not yet set.
  static BlockRef Make() { return BlockRef(Allocate()); }

  bool absent() const { return block_ == nullptr; }
  bool zeros() const { return block_ == &zeros_; }
  // Whether writing into it is seen by nobody else.
  bool ours() const { return block_ != nullptr && !zeros() && block_->references == 1; }
  // REQUIRES: not absent; to write: ours.
  const char* bytes() const { return block_->bytes; }
  char* bytes() { return block_->bytes; }

 private:
  explicit BlockRef(Block* block) : block_(block) {}
  static Block* Allocate();
  static void Free(Block* block);
  static Block zeros_;
  Block* block_ = nullptr;
};

class SparseBytes {
 public:
  SparseBytes() = default;
  // Shares all blocks.
  SparseBytes(const SparseBytes& other);
  SparseBytes& operator=(SparseBytes other) noexcept;
  ~SparseBytes();

  void Write(uint64_t offset, std::string_view bytes);
  void WriteZeros(uint64_t offset, uint64_t bytes);
  size_t Read(uint64_t offset, std::span<char> out) const;
  void Truncate(uint64_t bytes);
  uint64_t size() const { return size_; }
  // Those not absent.
  uint64_t blocks() const { return present_; }
  // Blocks that a write would add.
  uint64_t NewBlocks(uint64_t offset, size_t bytes) const;

  // A block as a whole. Set does not change the size.
  BlockRef Get(uint64_t index) const;
  void Set(uint64_t index, BlockRef block);
  void Grow(uint64_t bytes) { size_ = bytes > size_ ? bytes : size_; }

 private:
  // What copies of a file share until one of them changes a block of it.
  struct Chunk {
    uint32_t references = 1;
    std::array<BlockRef, 64> blocks;
  };
  static void Drop(Chunk* chunk);
  // The place of a block to change, in a chunk that is ours.
  BlockRef& Mutable(uint64_t index);
  const BlockRef* Find(uint64_t index) const;
  // Sets a place's block and counts it.
  void Put(BlockRef& place, BlockRef block);

  std::vector<Chunk*> chunks_;
  uint64_t present_ = 0;
  uint64_t size_ = 0;
};

bool AllZero(std::string_view bytes);

}  // namespace ringmail::sim
