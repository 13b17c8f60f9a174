// One io_uring: requests out, completions in, one system call for each turn of the loop.
//
// Made by: Init, on the thread that will use it (single issuer).
// Ends in: destruction, when in_flight() is 0. Order, each turn: Next until it says false; Sqe any
//   number of times; Enter once.
// Promise: Sqe never fails: where the submission queue is full it submits what is there, and keeps
//   completions that then arrive for Next. What a request refers to must live until its last
//   completion (a completion without F_MORE).
// Limits: `entries` requests for each Enter; four times that completions; beyond, the kernel keeps
//   them for us (NODROP).
#pragma once

#include <cstdint>
#include <vector>

#include "io/kernel/kernel_features.h"
#include "io/kernel/uring_abi.h"
#include "ringmail/base/status.h"
#include "ringmail/base/time.h"

namespace ringmail::io {

// The low bits of user_data: whom a completion is for. The rest is a pointer, and above bit 48 its
// generation.
enum class Kind : uint8_t {
  kIgnored,    // counted, nobody waits
  kUncounted,  // asked for no completion on success: only a failure comes, and nobody waits
  kCompletion,
  kPoll,
  kReceive,
  kSend,
  kDoorbell,  // from another ring, never asked for here: not counted
  kBell,      // our ringing another ring; as kUncounted, but a failure must be mended
};
inline constexpr uint64_t kKindMask = 0xF;
inline constexpr uint64_t kPointerMask = 0x0000'FFFF'FFFF'FFF0;

inline uint64_t UserData(Kind kind, const void* pointer = nullptr, uint16_t generation = 0) {
  return reinterpret_cast<uintptr_t>(pointer) | static_cast<uint64_t>(kind) |
         (uint64_t{generation} << 48);
}
inline Kind KindOf(uint64_t user_data) { return static_cast<Kind>(user_data & kKindMask); }
template <typename T>
T* PointerOf(uint64_t user_data) {
  return reinterpret_cast<T*>(user_data & kPointerMask);
}

// A request whose completion somebody waits for; lives in the waiter until then.
struct alignas(16) Completion {
  void (*done)(Completion& completion, int32_t result, uint32_t flags) = nullptr;
};

struct CompletionEntry {
  uint64_t user_data;
  int32_t result;
  uint32_t flags;
};

class Ring {
 public:
  Ring() = default;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring();

  Status Init(uint32_t entries, Features& features);
  int fd() const { return ring_.ring_fd; }
  io_uring* raw() { return &ring_; }

  // An empty request. The caller fills it and sets its user_data with Mark at once.
  io_uring_sqe* Sqe();
  void Mark(io_uring_sqe* sqe, Kind kind, const void* pointer = nullptr, uint16_t generation = 0) {
    sqe->user_data = UserData(kind, pointer, generation);
    if (kind == Kind::kUncounted || kind == Kind::kBell) {
      sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    } else {
      ++in_flight_;
    }
  }
  void Cancel(uint64_t user_data);
  void CancelAll();
  // Submits, collects, and where `wait`, waits for a completion until `timeout` (negative: without
  // end).
  void Enter(bool wait, Nanoseconds timeout);
  // The next completion, false where there is none.
  bool Next(CompletionEntry& entry);

  // Completions that Sqe had to keep: Next has them at once.
  bool has_kept() const { return kept_head_ < kept_.size(); }
  // Requests whose last completion has not been seen.
  uint64_t in_flight() const { return in_flight_; }
  uint64_t enters() const { return enters_; }
  uint64_t early_submits() const { return early_submits_; }

 private:
  uint32_t Flush();
  bool NextFromRing(CompletionEntry& entry);
  void Count(const CompletionEntry& entry);

  io_uring ring_{};
  bool open_ = false;
  uint32_t enter_flags_ = 0;
  uint64_t in_flight_ = 0;
  uint64_t enters_ = 0;
  uint64_t early_submits_ = 0;
  std::vector<CompletionEntry> kept_;
  size_t kept_head_ = 0;
};

}  // namespace ringmail::io
