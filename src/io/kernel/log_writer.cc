#include "io/kernel/log_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "io/kernel/captured_signals.h"
#include "ringmail/base/check.h"

namespace ringmail::io {
namespace {

constexpr size_t kScratchBytes = 1u << 20;
constexpr int kLogPauseBusyMs = 10;
constexpr int kLogPauseIdleMs = 100;

WallTime ReadWall() {
  timespec t{};
  CHECK_EQ(clock_gettime(CLOCK_REALTIME, &t), 0);
  return WallTime(std::chrono::seconds(t.tv_sec) + Nanoseconds(t.tv_nsec));
}

int OpenLog(const std::string& path) {
  return open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

}  // namespace

LogWriter::LogWriter(std::string path, std::vector<LogBuffer*> buffers, Heard heard, void* context)
    : path_(std::move(path)),
      buffers_(std::move(buffers)),
      heard_(heard),
      context_(context),
      scratch_(new char[kScratchBytes]) {}

Status LogWriter::Open() {
  fd_ = path_.empty() ? STDERR_FILENO : OpenLog(path_);
  if (fd_ < 0) return ErrnoStatus(errno, path_);
  stop_fd_ = eventfd(0, EFD_CLOEXEC);
  if (stop_fd_ < 0) return ErrnoStatus(errno, "eventfd");
  reopened_ = LogReopenings();
  thread_ = std::thread(&LogWriter::Work, this);
  return absl::OkStatus();
}

void LogWriter::Stop() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    CHECK_EQ(write(stop_fd_, &one, sizeof(one)), static_cast<ssize_t>(sizeof(one)));
    thread_.join();
  }
  if (!path_.empty() && fd_ >= 0) close(fd_);
  if (stop_fd_ >= 0) close(stop_fd_);
  fd_ = stop_fd_ = -1;
}

void LogWriter::WriteAll(const char* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t written = write(fd_, data, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // nobody is left to tell
    data += written;
    bytes -= static_cast<size_t>(written);
  }
}

bool LogWriter::DrainAll() {
  bool any = false;
  for (LogBuffer* buffer : buffers_) {
    // One Pop takes whole lines only if it can take all that is there: a shard's buffer is no
    // larger than the scratch.
    for (size_t count = buffer->Pop({scratch_.get(), kScratchBytes}); count > 0;
         count = buffer->Pop({scratch_.get(), kScratchBytes})) {
      any = true;
      WriteAll(scratch_.get(), count);
    }
  }
  return any;
}

void LogWriter::ReportDropped() {
  uint64_t dropped = 0;
  for (const LogBuffer* buffer : buffers_) dropped += buffer->dropped();
  if (dropped == dropped_reported_) return;
  LogBuffer own(2 * kLogLineBytesMax);
  own.set_now(ReadWall());
  LogLine(own, LogLevel::kWarning, "log_lines_dropped").Field("lines", dropped - dropped_reported_);
  dropped_reported_ = dropped;
  const size_t count = own.Pop({scratch_.get(), kScratchBytes});
  WriteAll(scratch_.get(), count);
}

void LogWriter::ReopenIfAsked() {
  const uint64_t asked = LogReopenings();
  if (asked == reopened_ || path_.empty()) return;
  reopened_ = asked;
  const int fd = OpenLog(path_);
  // The old file is better than none.
  if (fd < 0) return;
  close(std::exchange(fd_, fd));
}

void LogWriter::Work() {
  bool busy = false;
  while (true) {
    pollfd polled[2] = {{stop_fd_, POLLIN, 0}, {SignalDescriptor(), POLLIN, 0}};
    const int ready = poll(polled, 2, busy ? kLogPauseBusyMs : kLogPauseIdleMs);
    if (ready > 0 && (polled[1].revents & POLLIN) != 0 && ReadSignals()) heard_(context_);
    ReopenIfAsked();
    busy = DrainAll();
    ReportDropped();
    if (ready > 0 && (polled[0].revents & POLLIN) != 0) return;
  }
}

}  // namespace ringmail::io
