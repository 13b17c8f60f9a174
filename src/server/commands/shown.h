// Text that others wrote, for a terminal. Pure.
#pragma once

#include <string>
#include <string_view>

namespace ringmail::server {

// `text` with a blank for each octet that could steer a terminal: C0 and DEL, and C1 (ECMA-48),
// which UTF-8 writes as C2 80 to C2 9F.
std::string Shown(std::string_view text);

}  // namespace ringmail::server
