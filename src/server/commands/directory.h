// `ringmail domain`, `account`, `alias` and `directory`: the directory of the running server, over
// its control socket.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ringmail::server {

int DomainCommand(std::span<const std::string_view> arguments, std::string& out,
                  std::string& errors);
int AccountCommand(std::span<const std::string_view> arguments, std::string& out,
                   std::string& errors);
int AliasCommand(std::span<const std::string_view> arguments, std::string& out,
                 std::string& errors);
int DirectoryCommand(std::span<const std::string_view> arguments, std::string& out,
                     std::string& errors);

}  // namespace ringmail::server
