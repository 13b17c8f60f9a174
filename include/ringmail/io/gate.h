// A gate counts the tasks inside it and opens outward once: how shutdown ends every task in order.
//
// Made by: whoever spawns.
// Order: Spawn any number; Close once; after Close has returned nothing runs inside any more. Close
//   does not cancel: its owner first cancels what the tasks wait for (Stream::Cancel,
//   Listener::Cancel, Event::Notify).
// Shard: one. REQUIRES: empty when destroyed.
#pragma once

#include <cstdint>

#include "ringmail/io/task.h"
#include "ringmail/io/timer.h"

namespace ringmail::io {

class Gate {
 public:
  Gate() = default;
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() { CHECK_EQ(inside_, 0u); }

  // Starts `task` now, up to its first wait, and owns it to its end. REQUIRES: not closed; the task
  // holds values only.
  void Spawn(Task<void> task);
  bool closing() const { return closing_; }
  uint32_t inside() const { return inside_; }
  // Spawn is over; returns when the last task has ended.
  Task<void> Close();
  // As Close, but gives up at `deadline`: false where tasks remain (and may still be waited for
  // again).
  Task<bool> CloseUntil(MonotonicTime deadline);

 private:
  struct Detached;
  static Detached Run(Task<void> task, Gate* gate);
  uint32_t inside_ = 0;
  bool closing_ = false;
  Event empty_;
};

}  // namespace ringmail::io
