// The thread that writes what all shards log, and that hears the signals.
//
// Made by: Open, before the shards run. Ends in: Stop, which writes what is left.
// Limits: looks every kLogPauseBusy while lines come, every kLogPauseIdle while none do. A line
//   that found its buffer full is counted there, and one line says how many are missing. A log that
//   cannot be written never stops the server.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ringmail/base/log.h"
#include "ringmail/base/status.h"

namespace ringmail::io {

class LogWriter {
 public:
  using Heard = void (*)(void* context);
  // `heard` is called on the writer's thread when a signal has come (see captured_signals.h).
  LogWriter(std::string path, std::vector<LogBuffer*> buffers, Heard heard, void* context);
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;
  ~LogWriter() { Stop(); }

  Status Open();
  void Stop();

 private:
  void Work();
  bool DrainAll();
  void WriteAll(const char* data, size_t bytes);
  void ReportDropped();
  void ReopenIfAsked();

  const std::string path_;
  const std::vector<LogBuffer*> buffers_;
  const Heard heard_;
  void* const context_;
  int fd_ = -1;
  int stop_fd_ = -1;
  uint64_t dropped_reported_ = 0;
  uint64_t reopened_ = 0;
  std::unique_ptr<char[]> scratch_;
  std::thread thread_;
};

}  // namespace ringmail::io
