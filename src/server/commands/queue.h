// `ringmail queue`: lists and steers the queue of a running server, over its control socket.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ringmail::server {

// Exit codes: as --help documents them.
int QueueCommand(std::span<const std::string_view> arguments, std::string& out,
                 std::string& errors);

}  // namespace ringmail::server
