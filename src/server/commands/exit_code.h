// How every command of ringmail ends. --help prints those that a command can end with.
#pragma once

#include <string_view>

namespace ringmail::server {

enum class ExitCode : int {
  kOk = 0,
  kFailed = 1,         // what was asked for could not be done, or a check failed
  kUsage = 2,          // wrong arguments
  kConfiguration = 3,  // the configuration cannot be read or is wrong
  kStore = 4,    // the store is held by another process, cannot be opened, or is damaged beyond use
  kAddress = 5,  // an address to listen at is in use, is not ours, or needs a right we lack
  kSystem =
      6,  // the kernel or a container forbids what we need, or a limit of the system is too low
  kUnreachable = 7,  // no server answers
  kRefused = 8,      // a server answered, and refused for good
};

constexpr int Number(ExitCode code) { return static_cast<int>(code); }
std::string_view Meaning(ExitCode code);

}  // namespace ringmail::server
