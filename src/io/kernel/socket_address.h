// Between Endpoint and the kernel's sockaddr.
#pragma once

#include <sys/socket.h>

#include "ringmail/io/endpoint.h"

namespace ringmail::io {

// REQUIRES: a family, or a Unix path that fits. Returns the length.
socklen_t ToSockaddr(const Endpoint& endpoint, sockaddr_storage& out);
// An unnamed Unix socket becomes "unix:" with an empty path, which no Parse makes; others than TCP
// and Unix an empty Endpoint.
Endpoint FromSockaddr(const sockaddr_storage& address, socklen_t length);
// The address that a descriptor is bound to, or connected to.
Endpoint LocalEndpoint(int fd);
Endpoint PeerEndpoint(int fd);

}  // namespace ringmail::io
