// Coroutine frames: one list of free frames for each size class and thread, so that a steady
// conversation, which makes the same frames again and again, never reaches the allocator and finds
// its frame still in the cache.
#include <array>
#include <cstdlib>

#include "ringmail/base/check.h"
#include "ringmail/io/task.h"

namespace ringmail::io {
namespace {

void* AllocateOrDie(size_t bytes) {
  void* memory = std::malloc(bytes);
  if (memory == nullptr) CheckFailed("memory for a coroutine frame", __FILE__, __LINE__);
  return memory;
}

#ifndef RINGMAIL_SANITIZED

constexpr size_t kClassBytes = 64;
constexpr size_t kPooledBytesMax = 4096;

// Constant-initialized and without a destructor, so that reaching it costs nothing; Drain is what
// frees it.
struct Lists {
  struct Free {
    Free* next;
  };
  std::array<Free*, kPooledBytesMax / kClassBytes> heads{};
  bool drained = false;
};
thread_local constinit Lists lists;

// Gives a thread's free frames back when it ends. A frame freed after that goes straight to the
// allocator.
struct Drain {
  ~Drain() {
    for (Lists::Free*& head : lists.heads) {
      while (head != nullptr) std::free(std::exchange(head, head->next));
    }
    lists.drained = true;
  }
};

size_t ClassOf(size_t bytes) { return (bytes - 1) / kClassBytes; }

#endif

}  // namespace

#ifdef RINGMAIL_SANITIZED

// Address sanitizer finds the use of a frame after its end only where the frame really ends.
void* FrameAllocate(size_t bytes) { return AllocateOrDie(bytes); }
void FrameFree(void* frame, size_t) { std::free(frame); }

#else

void* FrameAllocate(size_t bytes) {
  CHECK_GT(bytes, 0u);
  if (bytes > kPooledBytesMax) return AllocateOrDie(bytes);
  const size_t size_class = ClassOf(bytes);
  if (Lists::Free* frame = lists.heads[size_class]; frame != nullptr) {
    lists.heads[size_class] = frame->next;
    return frame;
  }
  static thread_local Drain drain;
  (void)&drain;
  return AllocateOrDie((size_class + 1) * kClassBytes);
}

void FrameFree(void* frame, size_t bytes) {
  if (bytes > kPooledBytesMax || lists.drained) {
    std::free(frame);
    return;
  }
  auto* free_frame = static_cast<Lists::Free*>(frame);
  free_frame->next = std::exchange(lists.heads[ClassOf(bytes)], free_frame);
}

#endif

}  // namespace ringmail::io
