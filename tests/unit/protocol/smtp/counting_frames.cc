#include "tests/unit/protocol/smtp/counting_frames.h"

#include <cstdlib>
#include <utility>

#include "ringmail/base/check.h"
#include "ringmail/io/task.h"

namespace ringmail::io {
namespace {

constexpr size_t kClassBytes = 64;
size_t live_bytes = 0;

#ifndef RINGMAIL_SANITIZED
constexpr size_t kClasses = 64;
struct Free {
  Free* next;
};
Free* free_frames[kClasses] = {};
#endif

size_t Rounded(size_t bytes) { return (bytes + kClassBytes - 1) / kClassBytes * kClassBytes; }

}  // namespace

size_t LiveFrameBytes() { return live_bytes; }

void* FrameAllocate(size_t bytes) {
  live_bytes += Rounded(bytes);
#ifndef RINGMAIL_SANITIZED
  const size_t size_class = Rounded(bytes) / kClassBytes;
  if (size_class < kClasses && free_frames[size_class] != nullptr) {
    return std::exchange(free_frames[size_class], free_frames[size_class]->next);
  }
#endif
  void* memory = std::malloc(Rounded(bytes));
  CHECK(memory != nullptr);
  return memory;
}

void FrameFree(void* frame, size_t bytes) {
  live_bytes -= Rounded(bytes);
#ifndef RINGMAIL_SANITIZED
  const size_t size_class = Rounded(bytes) / kClassBytes;
  if (size_class < kClasses) {
    auto* freed = static_cast<Free*>(frame);
    freed->next = std::exchange(free_frames[size_class], freed);
    return;
  }
#endif
  std::free(frame);
}

}  // namespace ringmail::io
