// `ringmail fsck`: reads a store that nobody serves, verifies every checksum and reference, and
// changes nothing.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ringmail::server {

// Exit codes: as --help documents them.
int FsckCommand(std::span<const std::string_view> arguments, std::string& out, std::string& errors);

}  // namespace ringmail::server
