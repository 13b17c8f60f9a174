#include "tests/sim/io/sparse_bytes.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "ringmail/base/check.h"

namespace ringmail::sim {
namespace {

constexpr uint64_t kBlock = io::kBlockBytes;
constexpr uint64_t kChunkBlocks = 64;

#ifndef RINGMAIL_SANITIZED
// Free blocks of this thread: a log writes and gives back a block many times in each simulated
// second.
struct FreeBlocks {
  std::vector<void*> blocks;
  ~FreeBlocks() {
    for (void* block : blocks) std::free(block);
  }
};
FreeBlocks& Free() {
  static thread_local FreeBlocks free;
  return free;
}
constexpr size_t kFreeBlocksMax = 16384;
#endif

}  // namespace

bool AllZero(std::string_view bytes) {
  // A stride at a time, without a branch within, so that the compiler takes many octets at once.
  constexpr size_t kWords = 32;
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= kWords * sizeof(uint64_t); left -= kWords * sizeof(uint64_t)) {
    uint64_t words[kWords], any = 0;
    std::memcpy(words, at, sizeof(words));
    for (const uint64_t word : words) any |= word;
    if (any != 0) return false;
    at += sizeof(words);
  }
  return std::all_of(at, at + left, [](char c) { return c == 0; });
}

// --- BlockRef

// Never written: all references to it are told apart by its address, and not counted.
BlockRef::Block BlockRef::zeros_{.references = 1, .bytes = {}};

BlockRef::Block* BlockRef::Allocate() {
  void* memory = nullptr;
#ifndef RINGMAIL_SANITIZED
  auto& free = sim::Free().blocks;
  if (!free.empty()) {
    memory = free.back();
    free.pop_back();
  }
#endif
  if (memory == nullptr) memory = std::malloc(sizeof(Block));
  if (memory == nullptr) CheckFailed("memory for a block", __FILE__, __LINE__);
  auto* block = static_cast<Block*>(memory);
  block->references = 1;
  return block;
}

void BlockRef::Free(Block* block) {
#ifndef RINGMAIL_SANITIZED
  auto& free = sim::Free().blocks;
  if (free.size() < kFreeBlocksMax) {
    free.push_back(block);
    return;
  }
#endif
  std::free(block);
}

// --- SparseBytes

SparseBytes::SparseBytes(const SparseBytes& other)
    : chunks_(other.chunks_), present_(other.present_), size_(other.size_) {
  for (Chunk* chunk : chunks_) {
    if (chunk != nullptr) ++chunk->references;
  }
}

SparseBytes& SparseBytes::operator=(SparseBytes other) noexcept {
  std::swap(chunks_, other.chunks_);
  std::swap(present_, other.present_);
  std::swap(size_, other.size_);
  return *this;
}

SparseBytes::~SparseBytes() {
  for (Chunk* chunk : chunks_) Drop(chunk);
}

void SparseBytes::Drop(Chunk* chunk) {
  if (chunk != nullptr && --chunk->references == 0) delete chunk;
}

BlockRef& SparseBytes::Mutable(uint64_t index) {
  const uint64_t at = index / kChunkBlocks;
  if (at >= chunks_.size()) chunks_.resize(at + 1);
  Chunk*& chunk = chunks_[at];
  if (chunk == nullptr) {
    chunk = new Chunk;
  } else if (chunk->references > 1) {
    auto* copy = new Chunk(*chunk);
    copy->references = 1;
    --chunk->references;
    chunk = copy;
  }
  return chunk->blocks[index % kChunkBlocks];
}

const BlockRef* SparseBytes::Find(uint64_t index) const {
  const uint64_t at = index / kChunkBlocks;
  if (at >= chunks_.size() || chunks_[at] == nullptr) return nullptr;
  const BlockRef& block = chunks_[at]->blocks[index % kChunkBlocks];
  return block.absent() ? nullptr : &block;
}

void SparseBytes::Put(BlockRef& place, BlockRef block) {
  if (place.absent() && !block.absent()) ++present_;
  if (!place.absent() && block.absent()) --present_;
  place = std::move(block);
}

BlockRef SparseBytes::Get(uint64_t index) const {
  const BlockRef* block = Find(index);
  return block == nullptr ? BlockRef() : *block;
}

void SparseBytes::Set(uint64_t index, BlockRef block) { Put(Mutable(index), std::move(block)); }

void SparseBytes::Write(uint64_t offset, std::string_view bytes) {
  Grow(offset + bytes.size());
  while (!bytes.empty()) {
    const uint64_t within = offset % kBlock;
    const size_t count = std::min<size_t>(bytes.size(), kBlock - within);
    const std::string_view piece = bytes.substr(0, count);
    BlockRef& place = Mutable(offset / kBlock);
    if ((count == kBlock || place.absent() || place.zeros()) && AllZero(piece)) {
      Put(place, BlockRef::Zeros());
    } else {
      if (!place.ours()) {
        BlockRef fresh = BlockRef::Make();
        if (count < kBlock) {
          if (place.absent()) {
            std::memset(fresh.bytes(), 0, kBlock);
          } else {
            std::memcpy(fresh.bytes(), std::as_const(place).bytes(), kBlock);
          }
        }
        Put(place, std::move(fresh));
      }
      std::memcpy(place.bytes() + within, piece.data(), count);
    }
    offset += count;
    bytes.remove_prefix(count);
  }
}

void SparseBytes::WriteZeros(uint64_t offset, uint64_t bytes) {
  static constexpr char kZeros[kBlock] = {};
  Grow(offset + bytes);
  while (bytes > 0) {
    const uint64_t within = offset % kBlock;
    const uint64_t count = std::min(bytes, kBlock - within);
    if (count == kBlock) {
      Put(Mutable(offset / kBlock), BlockRef::Zeros());
    } else {
      Write(offset, {kZeros, static_cast<size_t>(count)});
    }
    offset += count;
    bytes -= count;
  }
}

size_t SparseBytes::Read(uint64_t offset, std::span<char> out) const {
  if (offset >= size_) return 0;
  const size_t total = static_cast<size_t>(std::min<uint64_t>(out.size(), size_ - offset));
  size_t done = 0;
  while (done < total) {
    const uint64_t within = (offset + done) % kBlock;
    const size_t count = std::min<size_t>(total - done, kBlock - within);
    const BlockRef* block = Find((offset + done) / kBlock);
    if (block == nullptr || block->zeros()) {
      // Memory that is zeros already is not written: it may be a page that nobody has touched.
      if (!AllZero({out.data() + done, count})) std::memset(out.data() + done, 0, count);
    } else {
      std::memcpy(out.data() + done, block->bytes() + within, count);
    }
    done += count;
  }
  return total;
}

void SparseBytes::Truncate(uint64_t bytes) {
  if (bytes < size_) {
    const uint64_t first = (bytes + kBlock - 1) / kBlock;
    const uint64_t end = chunks_.size() * kChunkBlocks;
    for (uint64_t index = first; index < end;) {
      if (chunks_[index / kChunkBlocks] == nullptr) {
        index = (index / kChunkBlocks + 1) * kChunkBlocks;
        continue;
      }
      if (Find(index) != nullptr) Put(Mutable(index), BlockRef());
      ++index;
    }
    while (chunks_.size() * kChunkBlocks >= first + kChunkBlocks) {
      Drop(chunks_.back());
      chunks_.pop_back();
    }
    const BlockRef* last = bytes % kBlock == 0 ? nullptr : Find(bytes / kBlock);
    if (last != nullptr && !last->zeros()) {
      BlockRef cut = BlockRef::Make();
      std::memcpy(cut.bytes(), last->bytes(), bytes % kBlock);
      std::memset(cut.bytes() + bytes % kBlock, 0, kBlock - bytes % kBlock);
      Set(bytes / kBlock, std::move(cut));
    }
  }
  size_ = bytes;
}

uint64_t SparseBytes::NewBlocks(uint64_t offset, size_t bytes) const {
  if (bytes == 0) return 0;
  uint64_t added = 0;
  for (uint64_t i = offset / kBlock; i <= (offset + bytes - 1) / kBlock; ++i) {
    if (Find(i) == nullptr) ++added;
  }
  return added;
}

}  // namespace ringmail::sim
