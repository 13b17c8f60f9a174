// The sink: an SMTP server of one shard that accepts every message and discards it, or keeps each
// as a file, and counts.
//
// It stands for a destination in benchmarks, tests and demonstrations: nothing it says 250 to is
// durable.
// Made by: Sink::Make. Ends in: Stop, then destruction.
// Order: Listen any number of times; Stop once. Kept messages: DIR/N.eml holds the content as it
//   was sent, unstuffed; DIR/N.envelope what HELO, MAIL and RCPT said, a line each. N counts up
//   from first_number by number_step, so that shards that share a directory do not meet.
// Shard: one.
// Limits: SinkOptions.
// Errors: a file that cannot be written is 451, counted in failures.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ringmail/base/time.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/task.h"

namespace ringmail::smtp {

struct SinkOptions {
  std::string hostname = "sink.invalid";
  std::string directory;  // empty: messages are discarded. It exists.
  uint64_t first_number = 1;
  uint64_t number_step = 1;  // the number of shards
  uint64_t message_bytes_max =
      50u << 20;  // of a message that is kept, since it is held whole until its end; beyond: 552
  uint32_t recipients_max = 100'000;  // of a message; beyond: 452
  std::chrono::seconds timeout{300};
};

struct SinkCounts {
  uint64_t connections = 0;   // accepted so far
  uint64_t transactions = 0;  // MAIL
  uint64_t recipients = 0;    // RCPT
  uint64_t messages = 0;      // whose end came and was answered 250
  uint64_t bytes = 0;         // content of those messages
  uint64_t failures = 0;      // answered 4yz or 5yz at their end
  uint64_t open = 0;          // connections now
};

class Sink {
 public:
  static std::unique_ptr<Sink> Make(SinkOptions options);
  virtual ~Sink() = default;
  virtual void Listen(io::Listener listener) = 0;
  virtual const SinkCounts& counts() const = 0;
  // As SmtpService::Stop.
  virtual io::Task<void> Stop(MonotonicTime deadline) = 0;
};

}  // namespace ringmail::smtp
