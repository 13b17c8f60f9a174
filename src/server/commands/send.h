// `ringmail send`: submits the message on standard input by SMTP, in one transaction for all
// recipients.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ringmail::server {

// Exit codes: as --help documents them.
int SendCommand(std::span<const std::string_view> arguments, std::string& out, std::string& errors);

}  // namespace ringmail::server
