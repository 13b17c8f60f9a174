// Where to listen or connect: an IP address and port, or a Unix socket path. A value; parsing and
// writing are pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ringmail/base/ip_address.h"

namespace ringmail::io {

struct Endpoint {
  IpAddress ip;
  uint16_t port = 0;
  std::string unix_path;  // non-empty: a Unix socket, and ip and port mean nothing

  // "192.0.2.1:25", "[2001:db8::1]:25", "unix:/run/x.sock". No names: those go through the
  // resolver.
  static std::optional<Endpoint> Parse(std::string_view text);
  std::string ToString() const;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Endpoint& e) {
    return H::combine(std::move(h), e.ip, e.port, e.unix_path);
  }
};

}  // namespace ringmail::io
