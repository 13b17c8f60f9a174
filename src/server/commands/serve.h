// `ringmail serve`: runs the server until a signal ends it.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ringmail::server {

// Exit codes: as --help documents them.
int ServeCommand(std::span<const std::string_view> arguments, std::string& out,
                 std::string& errors);

}  // namespace ringmail::server
