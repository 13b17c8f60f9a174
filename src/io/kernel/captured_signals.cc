#include "io/kernel/captured_signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <atomic>

#include "io/kernel/shard.h"
#include "ringmail/base/check.h"

namespace ringmail::io {
namespace {

// Signals are the process's, not a shard's: the one state here that is global.
constinit std::atomic<int> signal_fd{-1};
constinit std::atomic<uint32_t> reloads_pending{0};
constinit std::atomic<uint32_t> terminates{0};
constinit std::atomic<bool> terminate_pending{false};
constinit std::atomic<uint64_t> log_reopenings{0};
// What a shell says of a process that a second SIGINT ended.
constexpr int kExitInterrupted = 130;

}  // namespace

void CaptureSignals() {
  CHECK_EQ(signal_fd.load(), -1);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  // Inherited by the threads that are made later: a signal is only ever read.
  CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, nullptr), 0);
  CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
  const int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  CHECK_GE(fd, 0);
  signal_fd.store(fd);
}

int SignalDescriptor() { return signal_fd.load(std::memory_order_relaxed); }

bool ReadSignals() {
  signalfd_siginfo info;
  bool any = false;
  while (read(SignalDescriptor(), &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info))) {
    any = true;
    if (info.ssi_signo == SIGHUP) {
      reloads_pending.fetch_add(1);
      continue;
    }
    if (terminates.fetch_add(1) > 0) _exit(kExitInterrupted);
    terminate_pending.store(true);
  }
  return any;
}

Signal TakeSignal() {
  if (terminate_pending.exchange(false)) return Signal::kTerminate;
  // Several hang-ups before the first is handled are one: the file is read after all of them.
  if (reloads_pending.exchange(0) > 0) return Signal::kReload;
  return Signal::kNone;
}

uint64_t LogReopenings() { return log_reopenings.load(std::memory_order_relaxed); }
void ReopenLog() { log_reopenings.fetch_add(1, std::memory_order_relaxed); }

Task<Signal> NextSignal(MonotonicTime deadline) {
  CHECK_EQ(ThisShard().value, 0);
  while (true) {
    if (const Signal signal = TakeSignal(); signal != Signal::kNone) co_return signal;
    if (co_await Shard::Here().signals().Wait(deadline) == Wake::kTimedOut) co_return TakeSignal();
  }
}

}  // namespace ringmail::io
