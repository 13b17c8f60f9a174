// `ringmail limits`: prints every limit: its value, unit, RFC section, and what happens when it is
// reached.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ringmail::server {

// Exit codes: as --help documents them.
int LimitsCommand(std::span<const std::string_view> arguments, std::string& out,
                  std::string& errors);

}  // namespace ringmail::server
