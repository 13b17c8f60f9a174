// `ringmail import` and `ringmail export`: mailboxes in files, into and out of a running server.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ringmail::server {

int ImportCommand(std::span<const std::string_view> arguments, std::string& out,
                  std::string& errors);
int ExportCommand(std::span<const std::string_view> arguments, std::string& out,
                  std::string& errors);

}  // namespace ringmail::server
