#include "io/kernel/receive_buffers.h"

#include <sys/mman.h>

#include <cerrno>

#include "ringmail/base/check.h"

namespace ringmail::io {
namespace {

void* Map(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace

ReceiveBuffers::~ReceiveBuffers() {
  if (memory_ != nullptr) munmap(memory_, size_t{count_} * bytes_);
  if (ring_ != nullptr) munmap(ring_, ring_bytes_);
}

Status ReceiveBuffers::Init(Ring& ring, uint32_t count, uint32_t bytes) {
  CHECK(count > 0 && count <= 32768 && (count & (count - 1)) == 0);
  CHECK_GT(bytes, 0u);
  count_ = count;
  bytes_ = bytes;
  ring_bytes_ = count * sizeof(io_uring_buf);
  ring_ = static_cast<io_uring_buf_ring*>(Map(ring_bytes_));
  memory_ = static_cast<char*>(Map(size_t{count} * bytes));
  if (ring_ == nullptr || memory_ == nullptr) return ErrnoStatus(ENOMEM, "receive buffers");
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uintptr_t>(ring_);
  registration.ring_entries = count;
  registration.bgid = kGroup;
  const int result = io_uring_register_buf_ring(ring.raw(), &registration, 0);
  if (result < 0) return ErrnoStatus(-result, "io_uring: receive buffers");
  io_uring_buf_ring_init(ring_);
  nodes_ = std::make_unique<InputNode[]>(count);
  for (uint32_t i = 0; i < count; ++i) {
    nodes_[i].data = memory_ + size_t{i} * bytes;
    nodes_[i].buffer = static_cast<int32_t>(i);
    Offer(static_cast<uint16_t>(i));
  }
  return absl::OkStatus();
}

void ReceiveBuffers::Offer(uint16_t buffer) {
  io_uring_buf_ring_add(ring_, nodes_[buffer].data, bytes_, buffer, io_uring_buf_ring_mask(count_),
                        0);
  io_uring_buf_ring_advance(ring_, 1);
}

InputNode* ReceiveBuffers::Take(uint16_t buffer, uint32_t size) {
  CHECK_LT(buffer, count_);
  CHECK_LE(size, bytes_);
  CHECK_LT(held_, count_);
  ++held_;
  InputNode* node = &nodes_[buffer];
  node->next = nullptr;
  node->size = size;
  return node;
}

void ReceiveBuffers::Return(InputNode* node) {
  CHECK(node->buffer >= 0 && static_cast<uint32_t>(node->buffer) < count_);
  CHECK_GT(held_, 0u);
  --held_;
  Offer(static_cast<uint16_t>(node->buffer));
}

}  // namespace ringmail::io
