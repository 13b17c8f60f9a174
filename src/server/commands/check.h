// `ringmail check`: judges the configuration, the data directory, the addresses and the kernel, and
// changes nothing.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ringmail::server {

// Exit codes: as --help documents them.
int CheckCommand(std::span<const std::string_view> arguments, std::string& out,
                 std::string& errors);

}  // namespace ringmail::server
