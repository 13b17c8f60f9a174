// ringmail mime: reads, checks, takes apart and writes messages with the library of `message`.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ringmail::server {

int MimeCommand(std::span<const std::string_view> arguments, std::string& out, std::string& errors);

}  // namespace ringmail::server
