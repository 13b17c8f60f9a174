#include <cstdlib>
#include <cstring>

#include "io/kernel/shard.h"
#include "ringmail/base/check.h"
#include "ringmail/io/file.h"

namespace ringmail::io {

DmaBuffer::DmaBuffer(size_t bytes) : size_(bytes) {
  CHECK(bytes > 0 && bytes % kBlockBytes == 0);
  data_ = static_cast<char*>(std::aligned_alloc(kBlockBytes, bytes));
  CHECK(data_ != nullptr);
  std::memset(data_, 0, bytes);
  if (Shard* shard = Shard::Current(); shard != nullptr)
    registered_index_ = shard->RegisterBuffer(data_, bytes);
}

DmaBuffer::~DmaBuffer() {
  // A ring that is gone has let go of its buffers by itself.
  if (Shard* shard = Shard::Current(); shard != nullptr && registered_index_ >= 0) {
    shard->UnregisterBuffer(registered_index_);
  }
  std::free(data_);
}

}  // namespace ringmail::io
