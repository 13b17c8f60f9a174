// `ringmail tunnel`: says what it does, in one sentence.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ringmail::server {

// Exit codes: as --help documents them.
int TunnelCommand(std::span<const std::string_view> arguments, std::string& out,
                  std::string& errors);

}  // namespace ringmail::server
