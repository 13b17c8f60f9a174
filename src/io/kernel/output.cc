#include "io/kernel/output.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace ringmail::io {

BlockPool::~BlockPool() {
  CHECK_EQ(used_, 0u);
  while (free_ != nullptr) std::free(std::exchange(free_, free_->next));
}

void* BlockPool::Allocate() {
  ++used_;
  if (free_ != nullptr) {
    --kept_;
    return std::exchange(free_, free_->next);
  }
  void* block = std::malloc(kOutputBlockBytes);
  CHECK(block != nullptr);
  return block;
}

void BlockPool::Free(void* block) {
  CHECK_GT(used_, 0u);
  --used_;
  if (kept_ >= kept_max_) {
    std::free(block);
    return;
  }
  ++kept_;
  free_ = new (block) FreeBlock{free_};
}

OutputBlock& Output::Tail(BlockPool& pool, bool needs_bytes) {
  if (tail_ != nullptr && tail_->count < OutputBlock::kPieces &&
      (!needs_bytes || tail_->used < sizeof(tail_->bytes))) {
    return *tail_;
  }
  // Not value-initialized: four KiB of zeros for each reply would be most of its cost.
  auto* block = static_cast<OutputBlock*>(pool.Allocate());
  block->next = nullptr;
  block->first = block->count = block->used = 0;
  (tail_ == nullptr ? head_ : tail_->next) = block;
  tail_ = block;
  return *block;
}

void Output::Write(BlockPool& pool, std::string_view bytes) {
  while (!bytes.empty()) {
    // The last piece grows where it is copied bytes that end where the free room begins.
    OutputBlock* block = tail_;
    const bool grows = block != nullptr && block->count > block->first &&
                       block->used < sizeof(block->bytes) &&
                       static_cast<char*>(block->pieces[block->count - 1].iov_base) +
                               block->pieces[block->count - 1].iov_len ==
                           block->bytes + block->used;
    if (!grows) {
      block = &Tail(pool, true);
      block->pieces[block->count++] = {block->bytes + block->used, 0};
    }
    const size_t count = std::min(bytes.size(), sizeof(block->bytes) - block->used);
    std::memcpy(block->bytes + block->used, bytes.data(), count);
    block->used = static_cast<uint16_t>(block->used + count);
    block->pieces[block->count - 1].iov_len += count;
    size_ += count;
    bytes.remove_prefix(count);
  }
}

void Output::WriteReference(BlockPool& pool, std::string_view bytes) {
  if (bytes.empty()) return;
  OutputBlock& block = Tail(pool, false);
  block.pieces[block.count++] = {const_cast<char*>(bytes.data()), bytes.size()};
  size_ += bytes.size();
}

void Output::TakeAll(Output& other) {
  CHECK(head_ == nullptr);
  head_ = std::exchange(other.head_, nullptr);
  tail_ = std::exchange(other.tail_, nullptr);
  size_ = std::exchange(other.size_, 0);
}

size_t Output::Collect(Gather& gather) const {
  size_t pieces = 0;
  size_t bytes = 0;
  for (const OutputBlock* block = head_; block != nullptr && pieces < kGatherMax;
       block = block->next) {
    for (size_t i = block->first; i < block->count && pieces < kGatherMax; ++i) {
      gather.pieces[pieces++] = block->pieces[i];
      bytes += block->pieces[i].iov_len;
    }
  }
  gather.header = {};
  gather.header.msg_iov = gather.pieces;
  gather.header.msg_iovlen = pieces;
  return bytes;
}

void Output::Drop(BlockPool& pool, size_t count) {
  CHECK_LE(count, size_);
  size_ -= count;
  while (count > 0 || (head_ != nullptr && head_->first == head_->count)) {
    if (head_->first == head_->count) {
      pool.Free(std::exchange(head_, head_->next));
      if (head_ == nullptr) tail_ = nullptr;
      continue;
    }
    iovec& piece = head_->pieces[head_->first];
    const size_t taken = std::min(count, piece.iov_len);
    piece.iov_base = static_cast<char*>(piece.iov_base) + taken;
    piece.iov_len -= taken;
    count -= taken;
    if (piece.iov_len == 0) ++head_->first;
  }
}

void Output::Clear(BlockPool& pool) {
  while (head_ != nullptr) pool.Free(std::exchange(head_, head_->next));
  tail_ = nullptr;
  size_ = 0;
}

}  // namespace ringmail::io
