// A share of each loop turn for work that is heavy: so many a turn, the others wait in order.
//
// What a thousand clients ask for at once must not make everybody else's turn long: handshakes of
// TLS cost a hundred microseconds each.
// Made by: the scheduler, which begins a turn with those who wait.
// Shard: one.
#pragma once

#include <coroutine>
#include <cstdint>

#include "ringmail/base/intrusive_list.h"

namespace ringmail::io {

class HandleQueue;

class TurnShare {
 public:
  explicit TurnShare(uint32_t per_turn_max) : per_turn_max_(per_turn_max) {}

  // co_await share.Take(): resumes with the right to one piece of work in this turn.
  class [[nodiscard]] TakeOp : public ListHook<struct TurnShareTag> {
   public:
    explicit TakeOp(TurnShare& share) : share_(share) {}
    bool await_ready() { return share_.TryTake(); }
    void await_suspend(std::coroutine_handle<> waiter) {
      waiter_ = waiter;
      share_.waiting_.PushBack(*this);
    }
    void await_resume() const {}

   private:
    friend class TurnShare;
    TurnShare& share_;
    std::coroutine_handle<> waiter_;
  };
  TakeOp Take() { return TakeOp(*this); }
  bool waiting() { return !waiting_.empty(); }

  // A new turn: the first of those who wait become ready.
  void BeginTurn(HandleQueue& ready);

 private:
  // Who comes later does not pass those who wait.
  bool TryTake() {
    if (taken_ >= per_turn_max_ || !waiting_.empty()) return false;
    ++taken_;
    return true;
  }

  const uint32_t per_turn_max_;
  uint32_t taken_ = 0;
  IntrusiveList<TakeOp, TurnShareTag> waiting_;
};

}  // namespace ringmail::io
