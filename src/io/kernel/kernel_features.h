// What this process uses of the kernel: what a probe found, less what RuntimeOptions::features_off
// takes away.
#pragma once

#include <string_view>

#include "ringmail/base/status.h"
#include "ringmail/io/runtime.h"

namespace ringmail::io {

struct Features {
  bool deferred_task_work =
      true;  // 6.1: completions are made when we ask for them, not by interrupting us
  bool registered_ring = true;     // 5.18: the ring's own descriptor needs no lookup
  bool multishot_receive = true;   // 6.0: one request, many receives
  bool multishot_accept = true;    // 5.19, but a wrong descriptor before 6.8 (liburing #1062)
  bool message_ring = true;        // 5.18: one ring wakes another
  bool registered_buffers = true;  // the log's memory is pinned once, not for each write
  bool registered_files = true;    // the log's files need no lookup
  bool direct_files = true;        // O_DIRECT
  bool poll_when_idle = true;      // idle connections are polled, not received
};

struct FeatureName {
  std::string_view name;
  bool Features::*member;
  std::string_view without;
};
inline constexpr FeatureName kFeatureNames[] = {
    {"deferred-task-work", &Features::deferred_task_work, "cooperative task work"},
    {"registered-ring", &Features::registered_ring, "the ring's plain descriptor"},
    {"multishot-receive", &Features::multishot_receive, "one request for each receive"},
    {"multishot-accept", &Features::multishot_accept, "one request for each connection"},
    {"message-ring", &Features::message_ring, "eventfd between shards"},
    {"registered-buffers", &Features::registered_buffers,
     "the log's memory is pinned for each write"},
    {"registered-files", &Features::registered_files, "a lookup of the file for each access"},
    {"direct-files", &Features::direct_files, "buffered file access"},
    {"poll-when-idle", &Features::poll_when_idle,
     "816 more bytes of kernel memory for each idle connection"},
};

// Takes the features named in `off` (comma-separated) away.
// Errors: kInvalidArgument names an unknown one.
Status TurnOff(std::string_view off, Features& features);

// Why io_uring_setup failed with `error`, and what to do. `disabled` is kernel.io_uring_disabled
// (-1: not known), `seccomp` whether a filter is on this process. Pure.
Status ExplainSetupFailure(int error, int disabled, bool seccomp);

// Probes with a ring of its own. Errors: as ExplainSetupFailure.
StatusOr<Features> ProbeFeatures();

}  // namespace ringmail::io
