// `ringmail version`: prints the version, and what this program was built with.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ringmail::server {

// Exit codes: as --help documents them.
int VersionCommand(std::span<const std::string_view> arguments, std::string& out,
                   std::string& errors);

}  // namespace ringmail::server
