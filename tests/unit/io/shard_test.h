// Runs a test's body as the main task of real shards.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "io/kernel/shard.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/runtime.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/task.h"

// In a coroutine, where ASSERT_ cannot return.
#define CO_ASSERT_TRUE(condition)                 \
  if (const bool holds_ = (condition); !holds_) { \
    ADD_FAILURE() << "not true: " << #condition;  \
    co_return;                                    \
  } else                                          \
    static_cast<void>(0)

namespace ringmail::io {

// A deadline that only a hanging test reaches.
inline MonotonicTime Soon() { return Now() + std::chrono::seconds(20); }

// Options that a test machine with little memory can meet.
inline RuntimeOptions TestOptions(const std::string& features_off = "") {
  RuntimeOptions options;
  options.pin_threads = false;
  options.ring_entries = 256;
  options.features_off = features_off;
  options.log_path = "/dev/null";
  return options;
}

inline void RunOnShards(const RuntimeOptions& options, Task<void> (*shard_main)(void*),
                        void* context = nullptr) {
  const Status status = RunShards(options, shard_main, context);
  ASSERT_TRUE(status.ok()) << status;
}

// A listener on a port of its own on loopback.
inline Listener ListenOnLoopback() {
  ListenOptions options;
  options.endpoint = *Endpoint::Parse("127.0.0.1:0");
  auto listeners = OpenListeners(options, 1);
  CHECK(listeners.ok());
  return std::move(listeners->front());
}

// Two ends of one connection.
struct Pair {
  Stream client;
  Stream server;
};
inline Task<Pair> MakePair(Listener& listener) {
  ConnectResult connected = co_await Connect(listener.local(), {}, Soon());
  CHECK(connected.status == StreamStatus::kOk);
  AcceptResult accepted = co_await listener.Accept();
  CHECK(accepted.status == StreamStatus::kOk);
  co_return Pair{std::move(connected.stream), std::move(accepted.stream)};
}

// Reads until `bytes` have come or the stream ends.
inline Task<std::string> ReadBytes(Stream& stream, size_t bytes) {
  std::string out;
  while (out.size() < bytes) {
    if (stream.input().empty() && co_await stream.Receive(Soon()) != StreamStatus::kOk) break;
    const size_t count = std::min(bytes - out.size(), stream.input().size());
    out.append(stream.input().substr(0, count));
    stream.Consume(count);
  }
  co_return out;
}

// Every way of doing without something; the empty one does without nothing.
inline const char* const kFeaturesOff[] = {
    "",
    "multishot-receive",
    "multishot-accept",
    "message-ring,registered-ring",
    "deferred-task-work",
    "poll-when-idle",
    "registered-files",
    "registered-buffers,registered-files,direct-files",
    "multishot-receive,multishot-accept,message-ring,registered-ring,deferred-task-work,poll-when-"
    "idle,"
    "registered-buffers,registered-files,direct-files",
};
class Fallbacks : public testing::TestWithParam<const char*> {
 protected:
  RuntimeOptions Options() const { return TestOptions(GetParam()); }
};

}  // namespace ringmail::io
