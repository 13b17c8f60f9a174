#include "io/kernel/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "ringmail/base/check.h"

namespace ringmail::io {

socklen_t ToSockaddr(const Endpoint& endpoint, sockaddr_storage& out) {
  out = {};
  if (!endpoint.unix_path.empty()) {
    auto& address = reinterpret_cast<sockaddr_un&>(out);
    CHECK_LT(endpoint.unix_path.size(), sizeof(address.sun_path));
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, endpoint.unix_path.data(), endpoint.unix_path.size());
    return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + endpoint.unix_path.size() + 1);
  }
  if (endpoint.ip.family == IpAddress::Family::kV4) {
    auto& address = reinterpret_cast<sockaddr_in&>(out);
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    std::memcpy(&address.sin_addr, endpoint.ip.bytes.data(), 4);
    return sizeof(sockaddr_in);
  }
  CHECK(endpoint.ip.family == IpAddress::Family::kV6);
  auto& address = reinterpret_cast<sockaddr_in6&>(out);
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(endpoint.port);
  std::memcpy(&address.sin6_addr, endpoint.ip.bytes.data(), 16);
  return sizeof(sockaddr_in6);
}

Endpoint FromSockaddr(const sockaddr_storage& storage, socklen_t length) {
  Endpoint endpoint;
  switch (storage.ss_family) {
    case AF_INET: {
      const auto& address = reinterpret_cast<const sockaddr_in&>(storage);
      endpoint.ip.family = IpAddress::Family::kV4;
      endpoint.port = ntohs(address.sin_port);
      std::memcpy(endpoint.ip.bytes.data(), &address.sin_addr, 4);
      break;
    }
    case AF_INET6: {
      const auto& address = reinterpret_cast<const sockaddr_in6&>(storage);
      endpoint.port = ntohs(address.sin6_port);
      if (IN6_IS_ADDR_V4MAPPED(&address.sin6_addr)) {
        // A dual-stack listener shows IPv4 peers like this; policy must see them as what they are.
        endpoint.ip.family = IpAddress::Family::kV4;
        std::memcpy(endpoint.ip.bytes.data(), address.sin6_addr.s6_addr + 12, 4);
      } else {
        endpoint.ip.family = IpAddress::Family::kV6;
        std::memcpy(endpoint.ip.bytes.data(), &address.sin6_addr, 16);
      }
      break;
    }
    case AF_UNIX: {
      const auto& address = reinterpret_cast<const sockaddr_un&>(storage);
      const size_t bytes =
          length > offsetof(sockaddr_un, sun_path) ? length - offsetof(sockaddr_un, sun_path) : 0;
      endpoint.unix_path.assign(
          address.sun_path, strnlen(address.sun_path, std::min(bytes, sizeof(address.sun_path))));
      break;
    }
    default:
      break;
  }
  return endpoint;
}

Endpoint LocalEndpoint(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return {};
  return FromSockaddr(address, length);
}

Endpoint PeerEndpoint(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return {};
  return FromSockaddr(address, length);
}

}  // namespace ringmail::io
