// What happens at a time of the virtual clock: calls in the order of their times, and of their
// making where those are equal. No allocation in steady state. Private to tests/sim/io.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "ringmail/base/time.h"

namespace ringmail::sim {

class EventQueue {
 public:
  EventQueue() = default;
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;
  ~EventQueue() { Clear(); }

  template <typename F>
  void Add(MonotonicTime when, F run) {
    static_assert(sizeof(F) <= kInlineBytes, "make what the call holds smaller");
    static_assert(alignof(F) <= alignof(std::max_align_t));
    Event* event = Take();
    new (event->storage) F(std::move(run));
    event->finish = [](Event& self, bool execute) {
      F* held = std::launder(reinterpret_cast<F*>(self.storage));
      F call(std::move(*held));
      held->~F();
      if (execute) call();
    };
    heap_.push_back({when, sequence_++, event});
    std::push_heap(heap_.begin(), heap_.end(), Later());
  }

  bool empty() const { return heap_.empty(); }
  size_t size() const { return heap_.size(); }
  // The next one's time; kNever where there is none.
  MonotonicTime next() const { return heap_.empty() ? kNever : heap_.front().when; }
  // What Add gives next. An event added earlier has a smaller one.
  uint64_t sequence() const { return sequence_; }
  // Runs the first event if it is due and older than `sequence_end`. False: it is not.
  bool RunOne(MonotonicTime now, uint64_t sequence_end) {
    if (heap_.empty() || heap_.front().when > now || heap_.front().sequence >= sequence_end) {
      return false;
    }
    End(true);
    return true;
  }
  // Forgets all, unrun.
  void Clear() {
    while (!heap_.empty()) End(false);
  }

 private:
  static constexpr size_t kInlineBytes = 80;
  static constexpr size_t kSlabEvents = 256;
  struct Event {
    void (*finish)(Event& self, bool execute) = nullptr;
    Event* next_free = nullptr;
    alignas(std::max_align_t) std::byte storage[kInlineBytes];
  };
  struct Entry {
    MonotonicTime when;
    uint64_t sequence;
    Event* event;
  };
  struct Later {
    bool operator()(const Entry& a, const Entry& b) const {
      return a.when != b.when ? a.when > b.when : a.sequence > b.sequence;
    }
  };

  Event* Take() {
    if (free_ == nullptr) {
      slabs_.push_back(std::make_unique<Event[]>(kSlabEvents));
      for (size_t i = 0; i < kSlabEvents; ++i) {
        slabs_.back()[i].next_free = std::exchange(free_, &slabs_.back()[i]);
      }
    }
    return std::exchange(free_, free_->next_free);
  }
  void End(bool execute) {
    std::pop_heap(heap_.begin(), heap_.end(), Later());
    Event* event = heap_.back().event;
    heap_.pop_back();
    event->finish(*event, execute);
    event->next_free = std::exchange(free_, event);
  }

  std::vector<Entry> heap_;
  std::vector<std::unique_ptr<Event[]>> slabs_;
  Event* free_ = nullptr;
  uint64_t sequence_ = 0;
};

}  // namespace ringmail::sim
