// A limit that no configuration changes, as `ringmail limits` prints it. Each room has a table of
// its own.
#pragma once

#include <cstdint>
#include <string_view>

namespace ringmail {

struct FixedLimit {
  std::string_view name;
  uint64_t value = 0;
  std::string_view unit;
  std::string_view rfc;      // the section that asks for it, or ""
  std::string_view reached;  // what happens then
};

}  // namespace ringmail
