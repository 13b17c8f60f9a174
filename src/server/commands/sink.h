// `ringmail sink`: takes in all mail, keeps or discards it, and counts.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ringmail::server {

// Exit codes: as --help documents them.
int SinkCommand(std::span<const std::string_view> arguments, std::string& out, std::string& errors);

}  // namespace ringmail::server
