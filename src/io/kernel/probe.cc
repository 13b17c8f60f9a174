#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string>

#include "io/kernel/kernel_features.h"
#include "io/kernel/uring_abi.h"
#include "ringmail/base/check.h"
#include "ringmail/io/process.h"
#include "ringmail/io/runtime.h"

namespace ringmail::io {
namespace {

// -1 where the kernel has no such setting (before 6.6).
int UringDisabled() {
  const auto text = ReadWholeFile("/proc/sys/kernel/io_uring_disabled", 64);
  if (!text.ok() || text->empty()) return -1;
  int value = -1;
  const auto result = std::from_chars(text->data(), text->data() + text->size(), value);
  return result.ec == std::errc() ? value : -1;
}

bool UnderSeccompFilter() {
  const auto text = ReadWholeFile("/proc/self/status", 64u << 10);
  return text.ok() && text->find("\nSeccomp:\t2") != std::string::npos;
}

bool CanRegisterBuffers(io_uring& ring) { return io_uring_register_buffers_sparse(&ring, 8) == 0; }
bool CanRegisterFiles(io_uring& ring) { return io_uring_register_files_sparse(&ring, 8) == 0; }

}  // namespace

Status TurnOff(std::string_view off, Features& features) {
  while (!off.empty()) {
    const size_t comma = off.find(',');
    const std::string_view name = off.substr(0, comma);
    off = comma == std::string_view::npos ? std::string_view() : off.substr(comma + 1);
    if (name.empty()) continue;
    bool known = false;
    for (const FeatureName& feature : kFeatureNames) {
      if (feature.name != name) continue;
      features.*feature.member = false;
      known = true;
    }
    if (!known) {
      return absl::InvalidArgumentError(Absl("no kernel feature is named " + std::string(name)));
    }
  }
  return absl::OkStatus();
}

Status ExplainSetupFailure(int error, int disabled, bool seccomp) {
  CHECK_GT(error, 0);
  switch (error) {
    case ENOSYS:
      return absl::UnimplementedError(
          seccomp ? "io_uring: a seccomp filter hides the system call (ENOSYS): allow "
                    "io_uring_setup, io_uring_enter "
                    "and io_uring_register in the container's seccomp profile"
                  : "io_uring: this kernel has no io_uring (ENOSYS): ringmail needs Linux 6.1 or "
                    "later, built with "
                    "CONFIG_IO_URING");
    case EPERM:
    case EACCES:
      if (disabled == 2) {
        return absl::PermissionDeniedError(
            "io_uring: kernel.io_uring_disabled is 2, which forbids it to everybody: set it to 0 "
            "with `sysctl -w "
            "kernel.io_uring_disabled=0`, or to 1 with our group in kernel.io_uring_group");
      }
      if (disabled == 1) {
        return absl::PermissionDeniedError(
            "io_uring: kernel.io_uring_disabled is 1, which forbids it to processes without "
            "CAP_SYS_ADMIN outside "
            "kernel.io_uring_group: put our group there, or set it to 0");
      }
      return absl::PermissionDeniedError(
          seccomp
              ? "io_uring: a seccomp filter forbids it (EPERM); the default profiles of Docker and "
                "containerd do: "
                "run the container with a profile that allows io_uring_setup, io_uring_enter and "
                "io_uring_register"
              : "io_uring: not permitted (EPERM): a security module or the container forbids it");
    case ENOMEM:
      return absl::ResourceExhaustedError(
          "io_uring: not enough lockable memory (ENOMEM): raise the limit with `ulimit -l "
          "unlimited`, or with "
          "LimitMEMLOCK=infinity in the systemd unit");
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(
          "io_uring: out of file descriptors: raise the limit with `ulimit -n`, or with "
          "LimitNOFILE= in the systemd "
          "unit");
    case EINVAL:
      return absl::UnimplementedError(
          "io_uring: this kernel is too old: ringmail needs Linux 6.1 or later "
          "(IORING_SETUP_DEFER_TASKRUN)");
    default:
      return ErrnoStatus(error, "io_uring_setup");
  }
}

StatusOr<Features> ProbeFeatures() {
  io_uring ring;
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE;
  params.cq_entries = 32;
  const int result = io_uring_queue_init_params(8, &ring, &params);
  if (result < 0) return ExplainSetupFailure(-result, UringDisabled(), UnderSeccompFilter());
  Features features;
  if (io_uring_probe* probe = io_uring_get_probe_ring(&ring); probe != nullptr) {
    features.message_ring = io_uring_opcode_supported(probe, IORING_OP_MSG_RING) != 0;
    features.multishot_receive = io_uring_opcode_supported(probe, IORING_OP_SEND_ZC) != 0;
    // Not by its own number, but by that of its correction's contemporary.
    features.multishot_accept = io_uring_opcode_supported(probe, abi::kOpFixedFdInstall) != 0;
    io_uring_free_probe(probe);
  }
  features.registered_ring = io_uring_register_ring_fd(&ring) == 1;
  features.registered_buffers = CanRegisterBuffers(ring);
  features.registered_files = CanRegisterFiles(ring);
  io_uring_queue_exit(&ring);
  return features;
}

KernelReport ProbeKernel() {
  KernelReport report;
  utsname name{};
  if (uname(&name) == 0) report.release = name.release;
  const StatusOr<Features> features = ProbeFeatures();
  report.usable = features.status();
  for (const FeatureName& feature : kFeatureNames) {
    report.features.push_back({std::string(feature.name),
                               features.ok() && (*features).*feature.member,
                               std::string(feature.without)});
  }
  return report;
}

}  // namespace ringmail::io
